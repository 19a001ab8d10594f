"""Say whether an answer was read completely.

Two answers are called different only if every part of both was read, since what
was not read may make them equal. A pair that was not is left undecided, for a
symbolic comparison.
"""

from __future__ import annotations

from harness.grading.answers.formula import CALLED
from harness.grading.answers.nouns import is_noun
from harness.grading.answers.relations import is_name
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Based,
    Cases,
    Compound,
    Difference,
    Intersection,
    Matrix,
    Number,
    Opaque,
    Qualified,
    Quantity,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Union,
    Words,
)

_STATES_NO_VALUE = frozenset(
    "yes no true false none never always impossible undefined infinite even odd neither both "
    "increasing decreasing".split()
) | {"no solution"}
"""Words that are a whole answer, and equal no number, list or formula."""


def are_complete(gold: Answer, answer: Answer) -> bool:
    """Say whether two answers were read completely, so that they may be called different."""
    if isinstance(gold, Words) and isinstance(answer, Words):
        return True  # they are compared as words, and consist of nothing else
    return is_complete(gold) and is_complete(answer)


def is_complete(answer: Answer) -> bool:
    """Say whether every part of an answer was read."""
    if isinstance(answer, Number | Symbol | Based | Compound):
        return True
    if isinstance(answer, Words):
        return answer.text in _STATES_NO_VALUE
    if isinstance(answer, Opaque):
        return False
    if isinstance(answer, Qualified):  # a condition may say what its letters stand for
        return not answer.is_condition and is_complete(answer.value)
    if isinstance(answer, Quantity):
        return is_complete(answer.value) and is_noun(answer.unit)
    if isinstance(answer, Apply):
        return not _may_be_a_product(answer) and all(map(is_complete, answer.arguments))
    if isinstance(answer, Relation):
        return all(is_complete(side) or _is_read_name(side) for side in answer.sides)
    return all(map(is_complete, parts(answer)))


def parts(
    answer: Sequence | Union | Intersection | Difference | Matrix | Cases | Ratio,
) -> tuple[Answer, ...]:
    """Return the answers that an answer consists of."""
    if isinstance(answer, Sequence):
        return answer.items
    if isinstance(answer, Union | Intersection):
        return answer.parts
    if isinstance(answer, Difference):
        return answer.whole, answer.removed
    if isinstance(answer, Ratio):
        return answer.terms
    return tuple(entry for row in answer.rows for entry in row)


def _may_be_a_product(value: Apply) -> bool:
    """Say whether ``a(2)`` was read as a value of a function, although it may be a product."""
    name = value.function.removeprefix("call:")
    return name != value.function and name[:1] not in CALLED


def _is_read_name(side: Answer) -> bool:
    return isinstance(side, Words | Apply) and is_name(side)
