"""The base class of stored values, and what differs between two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from benchmarks import UserError, WrongValueError
from benchmarks.bounded_json import read_json
from harness.common.text import printable

Count = Annotated[int, Field(ge=0, le=10**9)]
"""How many problems or samples: nobody has a milliard, and what computes with a number of hundreds
of digits ends in an overflow."""
Tokens = Annotated[int, Field(ge=0, lt=2**62)]
"""How many tokens; the number has to fit into a table's column."""


class Frozen(BaseModel):
    """A stored value: immutable, and an unknown key is an error."""

    # Built at first use: most commands read few of the models, and each takes its milliseconds.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        protected_namespaces=(),
        defer_build=True,
        allow_inf_nan=False,  # JSON has neither: what is stored could not be read again
    )


def first_problem(error: ValidationError) -> str:
    """Return the first thing that is wrong with a value, as ``field: what is wrong``."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def require_storable(value: BaseModel) -> None:
    """Refuse a value that a JSON file cannot hold, by the name of the field that is to blame.

    A text that no file holds is one with half of a surrogate pair, which Python makes of a byte in
    a path or an argument that is no UTF-8.

    Raises:
        UserError: the value cannot be written.
    """
    for name, part in _parts(value.model_dump()):
        try:
            to_json([name, part])
        except ValueError as error:
            raise WrongValueError(
                f"{printable(name)}: {part!a} cannot be stored ({error}); give another value"
            ) from error


def _parts(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of everything in nested mappings and lists."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _parts(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _parts(inner, f"{name}[{number}]")
    else:
        yield name, value


Value = TypeVar("Value", bound=BaseModel)


def read_value(path: Path, kind: type[Value], noun: str) -> Value:
    """Read a JSON file that holds a ``kind``; raise UserError if it is none."""
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        raise UserError(f"{path} is no {noun}: {first_problem(error)}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a {noun}: {error}") from error


UNSTATED = "(none)"
"""How a change names a value that one side does not have."""


class Change(NamedTuple):
    """A field that two records do not share, with both values as text."""

    field: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.field}: {self.a} -> {self.b}"


def differences(left: BaseModel, right: BaseModel) -> list[str]:
    """List the fields in which two identities differ, as ``field: left -> right``."""
    return list(map(str, changes(left.model_dump(mode="json"), right.model_dump(mode="json"))))


def changes(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Change]:
    """List the leaves in which two nested mappings differ, by name.

    Checksums are shortened to twelve digits.
    """
    ours, theirs = dict(_leaves(left)), dict(_leaves(right))
    return [
        Change(key, _short(ours.get(key)), _short(theirs.get(key)))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _short(value: Any) -> str:
    if value is None:
        return UNSTATED
    text = str(value)
    if re.fullmatch("[0-9a-f]{24,}", text):  # twelve digits of a checksum tell it from others
        return text[:12] + "…"
    return text if len(text) <= 100 else text[:99] + "…"
