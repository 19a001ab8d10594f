"""Compare values with units, and quantities in several units such as 2 hours 30 minutes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from benchmarks import Conventions
from harness.grading.answers.expressions import equal_expressions
from harness.grading.answers.nouns import are_opposite, changes_number
from harness.grading.answers.syntax import (
    EXPRESSIONS,
    Answer,
    Apply,
    Compound,
    Expression,
    Number,
    Quantity,
    Ratio,
    Symbol,
)
from harness.grading.answers.units import Unit, possible_units, unit_of, without_angle
from harness.grading.answers.values import exact

_PI = Symbol("\\pi")
_ANGLES = frozenset(("prime",))


def equal_quantities(gold: Answer, answer: Answer, conventions: Conventions) -> bool | None:
    """Compare two answers of which one or both have a unit, which the other may leave out."""
    left, right = (side.value if isinstance(side, Quantity) else side for side in (gold, answer))
    if not isinstance(left, EXPRESSIONS) or not isinstance(right, EXPRESSIONS):
        return None
    nouns = [side.unit for side in (gold, answer) if isinstance(side, Quantity)]
    if any(map(changes_number, nouns)):
        return None  # "2 thirds" is not 2
    wanted, given = _units(gold), _units(answer)
    if wanted and given:
        results = [
            _equal_in_units(left, one, right, other, conventions)
            for one in wanted
            for other in given
        ]
        return True if True in results else None if None in results else False
    if len(wanted) != len(given) and not _ANGLES.isdisjoint(nouns):
        return False  # minutes of arc are not left out
    if len(nouns) == 2 and are_opposite(*nouns):
        return False
    same = equal_expressions(left, right, conventions)
    if same or not (wanted or given):
        return same
    unit = (*wanted, *given)[0]
    return _converted(unit.dimension, bool(wanted), left, right, conventions) or same


def _units(side: Answer) -> tuple[Unit, ...]:
    return possible_units(side.unit) if isinstance(side, Quantity) else ()


def _equal_in_units(
    left: Expression, one: Unit, right: Expression, other: Unit, conventions: Conventions
) -> bool | None:
    """Compare two values with known units, the second converted to the first's unit."""
    if one == other:
        return equal_expressions(left, right, conventions)
    if without_angle(one.dimension) != without_angle(other.dimension):
        return False
    converted = right
    if other.zero:
        converted = Apply("+", (converted, Number(other.zero)))
    if other.factor != one.factor:
        converted = Apply("*", (converted, Number(other.factor / one.factor)))
    if other.pi != one.pi:
        power = Number(Fraction(abs(other.pi - one.pi)))
        turn = Apply("^", (_PI, power if other.pi > one.pi else Apply("-", (power,))))
        converted = Apply("*", (converted, turn))
    if one.zero:
        converted = Apply("+", (converted, Apply("-", (Number(one.zero),))))
    value = exact(converted)
    return equal_expressions(left, converted if value is None else Number(value), conventions)


_RADIANS_A_DEGREE = Apply("/", (_PI, Number(Fraction(180))))


def _converted(
    dimension: str, of_gold: bool, left: Expression, right: Expression, conventions: Conventions
) -> bool | None:
    r"""Compare ``50\%`` with ``0.5``, or ``180^\circ`` with pi, if only one side has a unit."""
    if dimension == "percent" and conventions.percent_as_fraction:
        factor: Expression = Number(Fraction(1, 100))
    elif dimension == "angle":
        factor = _RADIANS_A_DEGREE
    else:
        return None
    scaled: Expression = Apply("*", (left if of_gold else right, factor))
    value = exact(scaled)
    if value is not None:
        scaled = Number(value)
    if of_gold:
        return equal_expressions(scaled, right, conventions)
    return equal_expressions(left, scaled, conventions)


# --- quantities in several units -----------------------------------------------------------------


_OF_ARC = {"minute": "arcmin", "minutes": "arcmin", "second": "arcsec", "seconds": "arcsec"}


def _unit_in(part: Quantity, larger: list[Unit]) -> Unit | None:
    """Return a part's unit; the minutes after degrees are minutes of arc."""
    of_arc = bool(larger) and larger[0].dimension == "angle"
    return unit_of(_OF_ARC.get(part.unit.lower(), part.unit) if of_arc else part.unit)


def compound(parts: list[Answer]) -> Compound | None:
    """Return the quantity that consists of these, each in a smaller unit than the one before.

    It is none if a part is more than the next larger unit: 20 hours and 90 minutes are two times.
    """
    if len(parts) < 2:
        return None
    values: list[Fraction] = []
    units: list[Unit] = []
    for part in parts:
        unit = _unit_in(part, units) if isinstance(part, Quantity) else None
        value = exact(part.value) if isinstance(part, Quantity) else None
        if unit is None or value is None or value < 0:
            return None
        values.append(value)
        units.append(unit)
    for (large, small), (whole, part_) in zip(pairwise(units), pairwise(values), strict=True):
        if large.dimension != small.dimension or large.factor <= small.factor:
            return None
        if whole.denominator != 1 or part_ * small.factor >= large.factor:
            return None
    names = [part.unit for part in parts if isinstance(part, Quantity)]
    total = sum((v * u.factor for v, u in zip(values, units, strict=True)), Fraction(0))
    return Compound(
        tuple(
            Quantity(Number(total / unit.factor), _OF_ARC.get(name, name) if unit.pi else name)
            for unit, name in zip(units, names, strict=True)
        )
    )


# --- times of day ---------------------------------------------------------------------------------


def same_time(gold: Ratio, answer: Ratio) -> bool | None:
    """Compare two times of day, of which one or both may leave out am or pm, or count to 24."""
    wanted, given = _time(gold), _time(answer)
    if wanted is None or given is None:
        return None
    if wanted[2] != given[2]:
        return False
    halves = {half for half in (wanted[1], given[1]) if half is not None}
    if len(halves) > 1:
        return False
    if max(wanted[0], given[0]) > 12 and halves:
        return _of_day(wanted[0], *halves) == _of_day(given[0], *halves)
    return wanted[0] == given[0]


def _of_day(hour: Fraction, half: str) -> Fraction:
    return hour if hour > 12 else hour % 12 + (12 if half == "pm" else 0)


def _time(time: Ratio) -> tuple[Fraction, str | None, list[Fraction]] | None:
    """Return the hour, am or pm if it says so, and the rest."""
    *before, last = time.terms
    half = last.unit.lower() if isinstance(last, Quantity) else None
    values = [
        exact(t)
        for t in (*before, last.value if isinstance(last, Quantity) else last)
        if isinstance(t, EXPRESSIONS)
    ]
    if len(values) != len(time.terms) or None in values:
        return None
    hour, *rest = (value for value in values if value is not None)
    return hour, half, rest
