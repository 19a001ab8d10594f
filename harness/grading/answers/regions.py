"""Sets of real numbers as intervals and points: what inequalities and unions describe.

A region is a list of pieces in ascending order. No two of them touch, so that equal sets have
equal pieces, however they are written. The ends are constants: a set whose ends depend on a
variable has no region here, as the order of its ends is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from benchmarks import Conventions
from harness.grading.answers.effort import spend
from harness.grading.answers.expressions import is_constant
from harness.grading.answers.pieces import (
    HIGHEST,
    LOWEST,
    End,
    Piece,
    Region,
    complement,
    intersected,
    joined,
)
from harness.grading.answers.relations import Equal, every, is_inequality, is_name
from harness.grading.answers.sets import (
    INFINITY,
    NEGATIVE_INFINITY,
    WHOLE,
    is_number_set,
    number_set,
)
from harness.grading.answers.syntax import (
    EXPRESSIONS,
    Answer,
    Apply,
    Difference,
    Intersection,
    Number,
    Relation,
    Sequence,
    Symbol,
    Union,
    Words,
)
from harness.grading.answers.values import CONSTANTS, UnknownValueError, numeric

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MAXIMUM_INTEGERS = 64


def describes_set(answer: Answer) -> bool:
    """Say whether an answer is written as a set of numbers, and not as a pair or a list."""
    if isinstance(answer, Union | Intersection | Difference) or is_inequality(answer):
        return True
    return (
        isinstance(answer, Sequence)
        and answer.opening == ""
        and any(is_inequality(item) for item in answer.items)
    )


def same(gold: Answer, answer: Answer, conventions: Conventions, compare: Equal) -> bool | None:
    """Compare two answers of which one describes a set of real numbers; None if undecided.

    ``compare`` compares the ends.
    """
    names = [frozenset(_names(side)) - CONSTANTS for side in (gold, answer)]
    if max(map(len, names)) > 1:
        return None
    if all(names) and names[0] != names[1]:
        return False
    left, right = region(gold), region(answer)
    if left is None or right is None:
        return None
    if len(left) != len(right):
        return False
    return every(
        (a.with_low, a.with_high) == (b.with_low, b.with_high)
        and every(
            compare(x.written, y.written, conventions)
            for x, y in ((a.low, b.low), (a.high, b.high))
        )
        for a, b in zip(left, right, strict=True)
    )


def _names(answer: Answer) -> Iterator[str]:
    """Yield the names of the variables that an answer bounds."""
    if isinstance(answer, Relation):
        named = (side for side in answer.sides if isinstance(side, Symbol))
        yield from (side.name for side in named if not is_number_set(side))
    elif isinstance(answer, Sequence) and answer.opening == "":
        for item in answer.items:
            yield from _names(item)
    elif isinstance(answer, Union | Intersection):
        for part in answer.parts:
            yield from _names(part)


def region(answer: Answer) -> Region | None:
    """Return the real numbers that an answer describes; None if it describes none for certain."""
    spend(1)
    found = _raw(answer)
    return None if found is None else joined(found)


def _raw(answer: Answer) -> Region | None:
    if isinstance(answer, Union):
        return _all(region(part) for part in answer.parts)
    if isinstance(answer, Intersection):
        return _common(answer.parts)
    if isinstance(answer, Difference):
        whole, removed = region(answer.whole), region(answer.removed)
        if whole is None or removed is None:
            return None
        return intersected(whole, complement(removed))
    if isinstance(answer, Relation):
        return _of_relation(answer)
    if isinstance(answer, Sequence):
        return _of_sequence(answer)
    if isinstance(answer, Words):
        return [] if answer.text == "no solution" else None
    return _point(answer)


def _of_sequence(answer: Sequence) -> Region | None:
    if answer.ordered:
        return _interval(answer) if len(answer.items) == 2 else None
    if answer.opening == "" and any(map(is_inequality, answer.items)):
        return _conditions(answer.items)
    return _all(region(item) for item in answer.items)


def _interval(answer: Sequence) -> Region | None:
    ends = [_end(item) for item in answer.items]
    if ends[0] is None or ends[1] is None or ends[0].place > ends[1].place:
        return None
    return [Piece(ends[0], ends[1], answer.opening == "[", answer.closing == "]")]


def _conditions(items: tuple[Answer, ...]) -> Region | None:
    r"""Return the numbers under all conditions. If there are none, the items are alternatives.

    A comma may join either: ``x > 2, x < 5`` and ``x < -1, x > 3``. In ``x \ne 2, 3`` the second
    number stands for a condition like the first.
    """
    full: list[Answer] = []
    for item in items:
        before = full[-1] if full else None
        if isinstance(before, Relation) and before.signs == ("!=",) and is_constant(item):
            full.append(Relation(before.signs, (before.sides[0], item)))
        else:
            full.append(item)
    common = _common(full)
    if common is None or common:
        return common
    return _all(region(item) for item in full)


def _common(parts: Iterable[Answer]) -> Region | None:
    common = region(WHOLE)
    whole_numbers = False
    for part in parts:
        if _in_integers(part):
            whole_numbers = True
            continue
        found = region(part)
        if found is None or common is None:
            return None
        common = joined(intersected(common, found))
    return _integers(common) if whole_numbers and common is not None else common


def _in_integers(part: Answer) -> bool:
    integers = number_set("Z")
    return part == integers or (
        isinstance(part, Relation) and part.signs == ("in",) and part.sides[1] == integers
    )


def _integers(found: Region) -> Region | None:
    """Return the integers in a bounded region, if they are few."""
    points: Region = []
    for piece in found:
        low, high = piece.low.place, piece.high.place
        if not -1e9 < low <= high < 1e9 or high - low > _MAXIMUM_INTEGERS:
            return None
        for value in range(int(low) - 1, int(high) + 2):
            end = _end(Number(Fraction(value)))
            inside = end is not None and _holds(piece, end)
            if inside and end is not None:
                points.append(Piece(end, end, True, True))
    return points if len(points) <= _MAXIMUM_INTEGERS else None


def _holds(piece: Piece, end: End) -> bool:
    point = Piece(end, end, True, True)
    return bool(intersected([piece], [point]))


def _of_relation(relation: Relation) -> Region | None:
    """Return an inequality's solution: ``-2 < x <= 7`` is ``(-2, 7]``."""
    signs, sides = relation.signs, relation.sides
    if signs == ("in",):
        return region(sides[1]) if is_name(sides[0]) else None
    if signs == ("notin",):
        removed = region(sides[1])
        return None if removed is None else complement(removed)
    if signs in (("=",), ("~",)):
        values = [side for side in sides if not is_name(side)]
        return _point(values[0]) if len(values) == 1 else None
    if signs == ("!=",):
        name, point = sides if is_constant(sides[1]) else sides[::-1]
        found = _point(point) if is_name(name) else None
        return None if found is None else complement(found)
    if len(signs) == 2:
        return _between(signs, sides)
    if len(signs) != 1 or signs[0] not in _FLIPPED:
        return None
    sign, (name, bound) = signs[0], sides
    if is_constant(name) and not is_constant(bound):
        sign, name, bound = _FLIPPED[sign], bound, name
    if _is_magnitude(name):
        return _around_zero(sign, bound)
    return _half_line(sign, bound) if is_name(name) else None


def _between(signs: tuple[str, ...], sides: tuple[Answer, ...]) -> Region | None:
    if signs[0] in (">", ">="):
        signs, sides = tuple(_FLIPPED.get(sign, sign) for sign in reversed(signs)), sides[::-1]
    if any(sign not in ("<", "<=") for sign in signs) or not is_name(sides[1]):
        return None
    if _is_magnitude(sides[1]):
        return None
    ends = _end(sides[0]), _end(sides[2])
    if ends[0] is None or ends[1] is None:
        return None
    return [Piece(ends[0], ends[1], signs[0] == "<=", signs[1] == "<=")]


def _half_line(sign: str, bound: Answer) -> Region | None:
    end = _end(bound)
    if end is None:
        return None
    if sign in ("<", "<="):
        return [Piece(LOWEST, end, False, sign == "<=")]
    return [Piece(end, HIGHEST, sign == ">=", False)]


def _is_magnitude(name: Answer) -> bool:
    """Say whether a side is the magnitude of a variable, |x|; |AB| is the name of a length."""
    if not isinstance(name, Apply) or name.function != "abs":
        return False
    inner = name.arguments[0]
    return isinstance(inner, Symbol) and inner.name[:1].islower()


def _around_zero(sign: str, bound: Answer) -> Region | None:
    if not isinstance(bound, EXPRESSIONS):
        return None
    high, low = _end(bound), _end(Apply("-", (bound,)))
    if high is None or low is None or high.place < 0:
        return None
    inside = [Piece(low, high, sign in ("<=", ">"), sign in ("<=", ">"))]
    return inside if sign in ("<", "<=") else complement(inside)


def _end(answer: Answer) -> End | None:
    """Return an end with its place on the real line; None if it is no real constant."""
    if not isinstance(answer, EXPRESSIONS) or not is_constant(answer):
        return None
    if answer == INFINITY or answer == Apply("+", (INFINITY,)):
        return HIGHEST
    if answer == NEGATIVE_INFINITY:
        return LOWEST
    spend(2)
    try:
        place = numeric(answer, {})
    except UnknownValueError:
        return None
    if getattr(place, "imag", 0):
        return None
    return End(answer, place.real)


def _point(answer: Answer) -> Region | None:
    end = _end(answer)
    if end is None or end.written in (INFINITY, NEGATIVE_INFINITY):
        return None
    return [Piece(end, end, True, True)]


def _all(found: Iterable[Region | None]) -> Region | None:
    pieces: Region = []
    for part in found:
        if part is None:
            return None
        pieces += part
    return pieces


# --- sets whose ends depend on a variable ------------------------------------------------------


def written(answer: Answer) -> list[Answer] | None:
    """Return the intervals and sets of which an answer is the union, as they are written."""
    if isinstance(answer, Union):
        parts: list[Answer] = []
        for part in answer.parts:
            found = written(part)
            if found is None:
                return None
            parts += found
        return parts
    if isinstance(answer, Sequence) and (answer.opening == "{" or len(answer.items) == 2):
        return [answer] if answer.opening else None
    if isinstance(answer, Relation):
        return _written_between(answer)
    return None


def _written_between(relation: Relation) -> list[Answer] | None:
    signs, sides = relation.signs, relation.sides
    if signs == ("in",):
        return written(sides[1]) if is_name(sides[0]) else None
    if len(signs) == 2 and all(sign in (">", ">=") for sign in signs):
        signs, sides = tuple(_FLIPPED[sign] for sign in reversed(signs)), sides[::-1]
    if len(signs) != 2 or any(sign not in ("<", "<=") for sign in signs) or not is_name(sides[1]):
        return None
    ends = "(" if signs[0] == "<" else "[", ")" if signs[1] == "<" else "]"
    return [Sequence(*ends, (sides[0], sides[2]))]
