"""The arguments of a public function, checked against what its signature says."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter, signature
from os import PathLike
from typing import Any, ParamSpec, TypeVar

from benchmarks.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")

WORDS = {
    "str": "a text",
    "Path": "a path",
    "bool": "True or False",
    "Result": "a result",
    "Run": "a run's record",
    "EvalSpec": "an EvalSpec",
    "Engine": "an open engine",
    "Mapping": "a mapping",
    "Progress": "an object with the methods stage, advance and say",
}
"""What is said of a kind of value; a kind that is not here is not checked."""
_SEQUENCE = "Sequence["
_OR = re.compile(r" \| (?![^\[]*\])")
"""What stands between the kinds of an annotation, outside of brackets."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with its arguments checked; one item alone stands for a sequence of it.

    Annotations are read as they are written, and a class is known by its name, so that nothing is
    imported in order to check: what is given brings its class along.

    Raises:
        UserError: on a call, an argument is of no kind that its annotation names.
    """
    asked = signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = asked.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # Python's own message names the function
        for name, value in given.arguments.items():
            parameter = asked.parameters[name]
            if parameter.kind is not Parameter.VAR_KEYWORD:
                given.arguments[name] = fitted(name, value, parameter.annotation)
        return function(*given.args, **given.kwargs)

    return call


def fitted(name: str, value: Any, annotation: str) -> Any:
    """Return a value as its annotation has it.

    >>> fitted("tags", "paper", "Sequence[str]"), fitted("name", None, "str | None")
    (['paper'], None)

    Raises:
        UserError: it is of no kind that the annotation names.
    """
    kinds = _OR.split(annotation)
    if any(_is(value, kind) for kind in kinds):
        return value
    items = [kind.removeprefix(_SEQUENCE)[:-1] for kind in kinds if kind.startswith(_SEQUENCE)]
    for item in items:
        if any(_is(value, kind) for kind in _OR.split(item)):
            return [value]
        if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
            return [fitted(f"{name}[{place}]", one, item) for place, one in enumerate(value)]
    named = [kind.partition("[")[0] for kind in _OR.split(" | ".join([*kinds, *items]))]
    expected = " or ".join(dict.fromkeys(WORDS[kind] for kind in named if kind in WORDS))
    several = ", or several" if items else ""
    raise UserError(
        f"{name}: expected {expected}{several}, and found {reprlib.repr(value)} "
        f"({type(value).__name__})"
    )


def _is(value: Any, kind: str) -> bool:
    kind = kind.partition("[")[0]
    if kind == "None":
        return value is None
    if kind == "Path":
        return isinstance(value, PathLike)
    if kind == "Mapping":
        return isinstance(value, Mapping)
    if kind == "Progress":
        return all(hasattr(value, method) for method in ("stage", "advance", "say"))
    if kind in WORDS:
        return any(one.__name__ == kind for one in type(value).__mro__)
    return kind != "Sequence"
