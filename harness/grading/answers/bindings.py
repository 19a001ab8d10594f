"""Compare answers that give values to several names, and equations that define a function.

``x=2, y=3`` equals ``y=3, x=2`` but not ``x=3, y=2``. It is a record: each of its names has one
value. ``x=2, x=3`` is none, but a list of two solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks import Conventions
from harness.grading.answers.relations import assigned, every, is_name
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Number,
    Relation,
    Sequence,
    Symbol,
)
from harness.grading.answers.values import CONSTANTS

Equal = Callable[[Answer, Answer, Conventions], bool | None]
Record = Mapping[Answer, Answer]
"""The values by their names, in the order in which they are written."""


def read_record(answer: Answer) -> Record | None:
    """Return the names and values of ``x=2, y=3`` or ``(x,y)=(2,3)``; None of anything else."""
    if isinstance(answer, Relation):
        return _record_of_tuple(answer)
    if not isinstance(answer, Sequence) or answer.opening not in ("", "{") or len(answer.items) < 2:
        return None
    record: dict[Answer, Answer] = {}
    for item in answer.items:
        if not isinstance(item, Relation) or (value := assigned(item)) is None:
            return None
        record[name_of(item)] = value
    return record if len(record) == len(answer.items) else None


def _record_of_tuple(relation: Relation) -> Record | None:
    names, *values = relation.sides
    if relation.signs != ("=",) or not isinstance(names, Sequence) or not is_name(names):
        return None
    value = values[0]
    if not isinstance(value, Sequence) or len(value.items) != len(names.items):
        return None
    record = dict(zip(names.items, value.items, strict=True))
    return record if len(record) == len(names.items) else None


def read_chain(answer: Answer) -> Record | None:
    """Return the record of ``x = y = 2``, which gives one value to several names."""
    if not isinstance(answer, Relation) or set(answer.signs) != {"="}:
        return None
    *names, value = answer.sides
    return dict.fromkeys(names, value) if len(names) > 1 and all(map(is_name, names)) else None


def name_of(relation: Relation) -> Answer:
    """Return the name to which an assignment gives its value."""
    return next((side for side in relation.sides if is_name(side)), relation.sides[0])


def equal_records(
    gold: Record, answer: Record, conventions: Conventions, compare: Equal
) -> bool | None:
    """Compare two records name by name; None if their names differ."""
    for spelling in (_as_written, _without_index):
        sides = [{spelling(name): side[name] for name in side} for side in (gold, answer)]
        if sides[0].keys() == sides[1].keys() and len(sides[0]) == len(gold):
            return every(compare(value, sides[1][name], conventions) for name, value in sides[0].items())
    return None


def _as_written(name: Answer) -> Answer:
    return name


def _without_index(name: Answer) -> Answer:
    """Return a name in lower case and without its index, since writers differ in both."""
    return Symbol(name.name.split("_")[0].casefold()) if isinstance(name, Symbol) else name


def as_tuple(record: Record) -> Sequence:
    """Return the values of a record in the order of its names.

    Neighbours in the alphabet, such as x and y, have that order, however they are written.
    """
    names = list(record)
    letters = sorted(name.name for name in names if isinstance(name, Symbol))
    if letters and "".join(letters) in _ALPHABET and len(letters) == len(names):
        names = [Symbol(letter) for letter in letters]
    return Sequence("(", ")", tuple(record[name] for name in names))


_ALPHABET = "abcdefghijklmnopqrstuvwxyz|ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def equal_definitions(
    gold: Relation, answer: Relation, conventions: Conventions, compare: Equal
) -> bool | None:
    """Compare two equations that define one function; the name of its variable does not matter.

    ``f(t) = 2t`` equals ``f(x) = 2x``, but ``f(y) = 2x`` and ``f(2) = 2x`` do not.
    """
    variables = [_variables(side) for side in (gold, answer)]
    values = [assigned(side) for side in (gold, answer)]
    if values[0] is None or values[1] is None:
        return None
    if variables[0] is None or variables[1] is None:
        arguments = [_call(side) for side in (gold, answer)]
        if arguments[0] == arguments[1]:
            return compare(values[0], values[1], conventions)
        return False if (variables[0] is None) != (variables[1] is None) else None
    if len(variables[0]) != len(variables[1]):
        return False
    bound = [_renamed(value, names) for value, names in zip(values, variables, strict=True)]
    return compare(bound[0], bound[1], conventions)


def define_one_function(gold: Answer, answer: Answer) -> bool:
    """Say whether both are equations that begin with the same function, such as ``f(x) =``."""
    calls = [_call(side) for side in (gold, answer)]
    return calls[0] is not None and calls[1] is not None and calls[0].function == calls[1].function


def _call(answer: Answer) -> Apply | None:
    if not isinstance(answer, Relation) or answer.signs != ("=",):
        return None
    name = answer.sides[0]
    return name if isinstance(name, Apply) and name.function.startswith("call:") else None


def _variables(relation: Relation) -> tuple[str, ...] | None:
    """Return the variables in the brackets of ``f(x, y) =``; None if a value is among them."""
    call = _call(relation)
    names = [
        argument.name
        for argument in (call.arguments if call else ())
        if isinstance(argument, Symbol) and argument.name not in CONSTANTS
    ]
    whole = call is not None and len(set(names)) == len(call.arguments)
    return tuple(names) if whole else None


def _renamed(value: Answer, variables: tuple[str, ...]) -> Answer:
    """Return a value with a function's variables named by their places."""
    if isinstance(value, Symbol) and value.name in variables:
        return Symbol(f"{variables.index(value.name)}. variable")
    if isinstance(value, Apply):
        return Apply(value.function, tuple(_renamed(part, variables) for part in value.arguments))  # type: ignore[misc]
    return value
