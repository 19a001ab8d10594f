r"""Lists with dots: write out ``1, 2, \ldots, 10``."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from harness.grading.answers.syntax import Answer, Number, Symbol
from harness.grading.answers.tokens import DOTS

MAXIMUM_ITEMS = 64
_GOES_ON = Symbol(DOTS)


def expanded(items: list[Answer]) -> list[Answer]:
    r"""Return the items, with dots replaced by what they stand for if that is certain.

    It is certain between integers that follow one another, as in ``1, 2, \ldots, 10``, and after
    two integers or more in equal steps, the last of which the steps reach.
    """
    if items.count(_GOES_ON) != 1:
        return items
    place = items.index(_GOES_ON)
    before, after = [_integer(i) for i in items[:place]], [_integer(i) for i in items[place + 1 :]]
    if len(before) < 2 or not after or None in before or None in after:
        return items
    known = [value for value in before if value is not None]
    steps = {later - earlier for earlier, later in pairwise(known)}
    last = after[0]
    if len(steps) != 1 or last is None:
        return items
    step = steps.pop()
    if step == 0 or (last - known[-1]) % step or not 0 < (last - known[-1]) // step < MAXIMUM_ITEMS:
        return items
    between = range(known[-1] + step, last, step)
    return [*items[:place], *(Number(Fraction(value)) for value in between), *items[place + 1 :]]


def _integer(item: Answer) -> int | None:
    whole = isinstance(item, Number) and item.value.denominator == 1
    return int(item.value) if whole and isinstance(item, Number) else None
