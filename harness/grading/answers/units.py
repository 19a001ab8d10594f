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
        "radian": "1 radian radians rad",
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


def _symbols() -> dict[str, Unit]:
    """Return the symbols of units, in which capitals matter: ``mW`` and ``MW``.

    SI units and prefixes: BIPM, The International System of Units, 9th edition (2019).
    """
    bases = (
        "m length|g mass|s time|A current|K temperature|mol amount|Hz frequency|N force"
        "|Pa pressure|J energy|W power|C charge|V voltage|F capacitance|\u03a9 resistance"
        "|S conductance|Wb flux|T field|H inductance|eV electronvolt|pc parsec|L volume"
    )
    prefixes = {"": 0, "p": -12, "n": -9, "\u00b5": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12}
    found = {
        prefix + name: Unit(dimension, Fraction(10) ** power)
        for name, dimension in (base.split() for base in bases.split("|"))
        for prefix, power in prefixes.items()
    }
    found |= {f"c{name}": Unit(found[name].dimension, Fraction(1, 100)) for name in "mgL"}
    alone = "dB sr u ly AU \u0127 M_odot R_odot L_odot M_earth R_earth \u00b0C \u00b0F"
    found |= {name: Unit(name, Fraction(1)) for name in alone.split()}
    found["\u00c5"] = Unit("length", Fraction(1, 10**10))
    found["yr"] = Unit("time", Fraction(31557600))
    del found["pm"]  # the afternoon
    return found


_UNITS = _table()
_SYMBOLS = _symbols()
_SPELLINGS = (
    ("\\mu ", "\u00b5"), ("\\mu", "\u00b5"), ("\\Omega", "\u03a9"), ("\\hbar", "\u0127"),
    ("\\AA", "\u00c5"), ("\\odot", "odot"), ("_{odot}", "_odot"),
)  # fmt: skip
_PARTS = re.compile(
    r"([A-Za-z%\u00b0\u00b5\u03a9\u0127\u00c5]+(?:_(?:odot|earth))?)(?:\^\{?(-?\d)\}?)?"
)
_WORD = re.compile(f"{_PARTS.pattern}|/")
_POWERS = {"square": 2, "squared": 2, "cubic": 3, "cubed": 3, "sq": 2}


def read_unit(text: str) -> Unit | None:
    """Return a unit, also a product or quotient of units; None for any other noun.

    >>> read_unit("cm^2")
    Unit(dimension='length^2', factor=Fraction(1, 10000))
    """
    powers: dict[str, int] = {}
    factor, sign, raised = Fraction(1), 1, 1
    for spelling, letter in _SPELLINGS:
        text = text.replace(spelling, letter)
    for word in _WORD.finditer(text):
        lower = word[0].lower()
        if lower in ("/", "per"):
            sign = -1
        elif lower in _POWERS:
            raised = _POWERS[lower]
        else:
            unit = _SYMBOLS.get(word[1]) or _UNITS.get(word[1].lower())
            if unit is None:
                return None
            power = sign * int(word[2] or raised)
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
