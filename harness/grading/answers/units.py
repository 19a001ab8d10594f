"""Units: which ones are equal, and how many of one make another.

The table has only units in which answers are given. A noun that is not a unit
("apples", "ways") names what the question asked for, and does not affect the comparison.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a multiple of its dimension's base unit."""

    dimension: str
    """The dimension's name, with powers: ``length^2``."""
    factor: Fraction
    """How many base units make this unit."""


def _table() -> dict[str, Unit]:
    rows = {
        "length": "1 m meter meters metre metres|1/100 cm centimeter centimeters centimetre "
        "centimetres|1/1000 mm millimeter millimeters|1000 km kilometer kilometers kilometre "
        "kilometres|127/5000 in inch inches|381/1250 ft foot feet|1143/1250 yd yard yards"
        "|201168/125 mi mile miles",
        "mass": "1 g gram grams|1000 kg kilogram kilograms|1/1000 mg milligram milligrams"
        "|1000000 ton tons tonne tonnes|45359237/100000 lb lbs pound pounds",
        "time": "1 s sec secs second seconds|60 min mins minute minutes|3600 h hr hrs hour hours"
        "|86400 day days|604800 week weeks|31557600 year years",
        "volume": "1 l liter liters litre litres|1/1000 ml milliliter milliliters",
        "money": "1 dollar dollars usd|1/100 cent cents",
        "angle": "1 degree degrees deg",
        "percent": "1 % percent percentage pct",
        "energy": "1 j joule joules|1000 kj",
        "force": "1 n newton newtons",
        "power": "1 w watt watts|1000 kw",
    }
    table = {}
    for dimension, groups in rows.items():
        for group in groups.split("|"):
            factor, *names = group.split()
            table.update({name: Unit(dimension, Fraction(factor)) for name in names})
    return table


_UNITS = _table()
_PARTS = re.compile(r"([A-Za-z%]+)(?:\^\{?(-?\d)\}?)?")
_POWERS = {"square": 2, "squared": 2, "cubic": 3, "cubed": 3, "sq": 2}


def read_unit(text: str) -> Unit | None:
    """Return a unit, also a product or quotient of units; None for any other noun.

    >>> read_unit("cm^2")
    Unit(dimension='length^2', factor=Fraction(1, 10000))
    """
    powers: dict[str, int] = {}
    factor, sign, raised = Fraction(1), 1, 1
    for word in re.findall(r"[A-Za-z%]+(?:\^\{?-?\d\}?)?|/", text):
        lower = word.lower()
        if lower in ("/", "per"):
            sign = -1
        elif lower in _POWERS:
            raised = _POWERS[lower]
        else:
            match = _PARTS.fullmatch(word)
            unit = _UNITS.get(match[1].lower()) if match else None
            if match is None or unit is None:
                return None
            power = sign * int(match[2] or raised)
            powers[unit.dimension] = powers.get(unit.dimension, 0) + power
            factor *= unit.factor**power
            raised = 1
    if not powers:
        return None
    named = sorted((name, power) for name, power in powers.items() if power)
    dimension = " ".join(name if power == 1 else f"{name}^{power}" for name, power in named)
    return Unit(dimension, factor)


UNIT_LETTERS = frozenset("m s g N J W V A K L h".split())
"""Single letters that are read as a unit after a number, if the gold has no variable."""
