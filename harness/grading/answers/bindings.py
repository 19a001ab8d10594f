"""Compare answers that give values to several names, and equations that define a function.

``x=2, y=3`` equals ``y=3, x=2`` but not ``x=3, y=2``. It is a record: each of its names has one
value. ``x=2, x=3`` is none, but a list of two solutions.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import Conventions
from harness.grading.answers.relations import Equal, assigned, every, is_name
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Matrix,
    Relation,
    Sequence,
    Symbol,
)
from harness.grading.answers.values import CONSTANTS

Record = Mapping[Answer, Answer]
"""The values by their names, in the order in which they are written."""


def read_record(answer: Answer, compare: Equal) -> Record | None:
    """Return the names and values of ``x=2, y=3`` or ``(x,y)=(2,3)``; None of anything else."""
    if isinstance(answer, Relation):
        sides = tuple(_as_column(side) for side in answer.sides)
        return _record_of_tuple(Relation(answer.signs, sides))
    if not isinstance(answer, Sequence) or answer.opening not in ("", "{") or len(answer.items) < 2:
        return None
    record: dict[Answer, Answer] = {}
    for item in answer.items:
        if not isinstance(item, Relation) or (value := assigned(item, compare)) is None:
            return None
        name, value = _bound(name_of(item), value)
        record[name] = value
    return record if len(record) == len(answer.items) else None


def _as_column(side: Answer) -> Answer:
    """Return a matrix of one column as a tuple; anything else as it is."""
    if isinstance(side, Matrix) and all(len(row) == 1 for row in side.rows):
        return Sequence("(", ")", tuple(row[0] for row in side.rows))
    return side


_TUPLES = (("(", ")"), ("[", "]"))


def _record_of_tuple(relation: Relation) -> Record | None:
    names, *values = relation.sides
    if relation.signs != ("=",) or not isinstance(names, Sequence) or not is_name(names):
        return None
    value = values[0]
    if not isinstance(value, Sequence) or (value.opening, value.closing) not in _TUPLES:
        return None
    if len(value.items) != len(names.items):
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
            return every(
                compare(value, sides[1][name], conventions) for name, value in sides[0].items()
            )
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
    """Compare two equations that begin with one function, ``f(x) =``; None if they cannot be.

    ``f(t) = 2t`` equals ``f(x) = 2x``, but ``f(y) = 2x`` and ``f(2) = 2x`` do not.
    """
    wanted, given = assigned(gold, compare), assigned(answer, compare)
    if wanted is None or given is None:
        return None
    names, bound = zip(_bound(gold.sides[0], wanted), _bound(answer.sides[0], given), strict=True)
    if names[0] != names[1]:
        # A value at a point is no definition; but f(2x) may be, in other variables.
        return False if any(_has_variables(name) for name in names) else None
    return compare(bound[0], bound[1], conventions)


def define_one_function(gold: Answer, answer: Answer) -> bool:
    """Say whether both are equations that begin with the same function, such as ``f(x) =``."""
    calls = [_call(side) for side in (gold, answer)]
    if calls[0] is None or calls[1] is None or calls[0].function == "call:P":
        return False  # what stands after P is an event, and no variable
    return calls[0].function == calls[1].function


def _call(answer: Answer) -> Apply | None:
    if not isinstance(answer, Relation) or set(answer.signs) != {"="}:
        return None
    name = answer.sides[0]
    return name if isinstance(name, Apply) and name.function.startswith("call:") else None


_PLACE = "variable "


def _has_variables(name: Answer) -> bool:
    return isinstance(name, Apply) and any(
        isinstance(argument, Symbol) and argument.name.startswith(_PLACE)
        for argument in name.arguments
    )


def _bound(name: Answer, value: Answer) -> tuple[Answer, Answer]:
    """Return a function's name and value with its variables named by their places."""
    if not isinstance(name, Apply) or not name.function.startswith("call:"):
        return name, value
    variables = [a.name for a in name.arguments if isinstance(a, Symbol)]
    free = not set(variables) & CONSTANTS and len(set(variables)) == len(name.arguments)
    return (_renamed(name, variables), _renamed(value, variables)) if free else (name, value)


def _renamed(value: Answer, variables: list[str]) -> Answer:
    if isinstance(value, Symbol) and value.name in variables:
        return Symbol(f"{_PLACE}{variables.index(value.name)}")
    if isinstance(value, Apply):
        return Apply(value.function, tuple(_renamed(part, variables) for part in value.arguments))  # type: ignore[misc]
    return value
