"""Units: which ones are equal, and how many of one make another.

A unit is a product of powers of base units, times a factor. A test compares the factors with
SymPy's. A noun that is not a unit ("apples", "ways") names what the question asked for, and does
not affect the comparison.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

MAXIMUM_LENGTH = 120
"""The most characters of a unit."""
_ANGLE = "angle"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a multiple of its dimension's base unit."""

    dimension: str
    """The dimension as powers of base units: ``length time^-2``."""
    factor: Fraction
    """How many base units make this unit, apart from `pi`."""
    pi: int = 0
    """The power of pi in the factor: a degree is pi/180 radians."""
    zero: Fraction = Fraction(0)
    """How far the scale's zero is above the absolute one: 273.15 for degrees Celsius."""


_PREFIXES = {
    "k": ("kilo", 3), "M": ("mega", 6), "G": ("giga", 9), "T": ("tera", 12), "d": ("deci", -1),
    "c": ("centi", -2), "m": ("milli", -3), "u": ("micro", -6), "n": ("nano", -9),
    "p": ("pico", -12), "f": ("femto", -15),
}  # fmt: skip
# Each row: a symbol, its factor, its dimension, and its names, which take prefixes as well.
_PREFIXED = (
    "m 1 length meter meters metre metres",
    "g 1/1000 mass gram grams",
    "s 1 time second seconds",
    "A 1 current ampere amperes amp amps",
    "K 1 temperature kelvin kelvins",
    "mol 1 amount mole moles",
    "L 1/1000 length^3 liter liters litre litres",
    "l 1/1000 length^3",
    "Hz 1 time^-1 hertz",
    "N 1 mass.length.time^-2 newton newtons",
    "J 1 mass.length^2.time^-2 joule joules",
    "W 1 mass.length^2.time^-3 watt watts",
    "Wh 3600 mass.length^2.time^-2",
    "Pa 1 mass.length^-1.time^-2 pascal pascals",
    "bar 1e5 mass.length^-1.time^-2",
    "eV 1.602176634e-19 mass.length^2.time^-2 electronvolt electronvolts",
    "cal 4.184 mass.length^2.time^-2 calorie calories",
    "C 1 current.time coulomb coulombs",
    "V 1 mass.length^2.time^-3.current^-1 volt volts",
    "F 1 mass^-1.length^-2.time^4.current^2 farad farads",
    "H 1 mass.length^2.time^-2.current^-2 henry henries henrys",
    "T 1 mass.time^-2.current^-1 tesla teslas",
    "Wb 1 mass.length^2.time^-2.current^-1 weber webers",
    "S 1 mass^-1.length^-2.time^3.current^2 siemens",
    "ohm 1 mass.length^2.time^-3.current^-2 ohm ohms",
    "rad 1 angle radian radians",
    "sr 1 solid-angle steradian steradians",
    "pc 1 parsec parsec parsecs",
    "B 8 bit byte bytes",
    "bit 1 bit bits",
    "Bq 1 time^-1 becquerel becquerels",
    "Gy 1 length^2.time^-2 gray grays",
    "lm 1 luminous-flux lumen lumens",
    "lx 1 luminous-flux.length^-2 lux",
    "cd 1 luminous-intensity candela candelas",
    "Da 1 dalton dalton daltons",
)
# Each row: names and symbols, the factor, and the dimension.
_OTHERS = (
    "in inch inches 0.0254 length",
    "ft foot feet 0.3048 length",
    "yd yard yards 0.9144 length",
    "mi mile miles 1609.344 length",
    "angstrom angstroms 1e-10 length",
    "micron microns 1e-6 length",
    "au AU 149597870700 length",
    "ly lyr lightyear lightyears 9460730472580800 length",
    "lb lbs pound pounds 0.45359237 mass",
    "oz ounce ounces 0.028349523125 mass",
    "t ton tons tonne tonnes 1000 mass",
    "u amu 1 dalton",
    "sec secs 1 time",
    "min mins minute minutes 60 time",
    "h hr hrs hour hours 3600 time",
    "day days d 86400 time",
    "wk week weeks 604800 time",
    "month months 2629800 time",
    "yr yrs year years 31557600 time",
    "kyr 31557600e3 time",
    "Myr 31557600e6 time",
    "Gyr 31557600e9 time",
    "cc 1e-6 length^3",
    "gal gallon gallons 0.003785411784 length^3",
    "ha hectare hectares 10000 length^2",
    "acre acres 4046.8564224 length^2",
    "mph 0.44704 length.time^-1",
    "mps 1 length.time^-1",
    "kph kmh kmph 5/18 length.time^-1",
    "dyn dyne dynes 1e-5 mass.length.time^-2",
    "erg ergs 1e-7 mass.length^2.time^-2",
    "atm atmosphere atmospheres 101325 mass.length^-1.time^-2",
    "torr 20265/152 mass.length^-1.time^-2",
    "gauss 1e-4 mass.time^-2.current^-1",
    "M 1000 amount.length^-3",
    "dollar dollars usd 1 money",
    "cent cents penny pennies 0.01 money",
    "pence 0.01 sterling",
    "euro euros 1 euro",
    "sterling gbp 1 sterling",
    "yen jpy 1 yen",
    "rupee rupees inr 1 rupee",
    "yuan cny rmb 1 yuan",
    "% percent percentage pct 1 percent",
    "dB decibel decibels 1 decibel",
    "hbar 1 hbar",
)
# Each row: names and symbols, and how many times pi radians they are.
_TURNS = (
    "degree degrees deg 1/180",
    "arcminute arcminutes arcmin 1/10800",
    "arcsecond arcseconds arcsec 1/648000",
    "rev revs revolution revolutions 2",
)


def _base(text: str) -> dict[str, int]:
    parts = (part.partition("^") for part in text.replace(".", " ").split())
    return {name: int(power or 1) for name, _, power in parts}


def _written(powers: dict[str, int]) -> str:
    named = sorted((name, power) for name, power in powers.items() if power)
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in named)


def _table() -> dict[str, Unit]:
    """Return the units by their symbols and names; a prefix makes a new symbol or name."""
    table: dict[str, Unit] = {}
    for row in _OTHERS:
        *words, factor, dimension = row.split()
        table |= dict.fromkeys(words, Unit(_written(_base(dimension)), Fraction(factor)))
    for row in _TURNS:
        *words, factor = row.split()
        table |= dict.fromkeys(words, Unit(_ANGLE, Fraction(factor), pi=1))
    table["rpm"] = Unit("angle time^-1", Fraction(1, 30), pi=1)
    table["am"], table["pm"] = Unit("am", Fraction(1)), Unit("pm", Fraction(1))
    table["celsius"] = Unit("temperature", Fraction(1), zero=Fraction("273.15"))
    table["fahrenheit"] = Unit("temperature", Fraction(5, 9), zero=Fraction("459.67"))
    for letter in "MLR":
        for body in ("odot", "oplus", "earth"):
            table[f"{letter}_{body}"] = Unit(f"{letter}{body}", Fraction(1))
    plain = {row.split()[0]: row.split() for row in _PREFIXED}
    for symbol, factor, dimension, *words in plain.values():
        unit = Unit(_written(_base(dimension)), Fraction(factor))
        table |= dict.fromkeys((symbol, *words), unit)
    for symbol, _, _, *words in plain.values():
        for short, (long, power) in _PREFIXES.items():
            unit = replace(table[symbol], factor=table[symbol].factor * Fraction(10) ** power)
            for word in (short + symbol, *(long + name for name in words)):
                table.setdefault(word, unit)  # a minute is no milli-inch
    return table


_UNITS = _table()
_AMBIGUOUS = {
    "C": ("C", "celsius"), "F": ("F", "fahrenheit"),
    **dict.fromkeys(("degree", "degrees", "deg"), ("degree", "celsius", "fahrenheit")),
    **dict.fromkeys(("pound", "pounds"), ("lb", "sterling")),
    "prime": ("arcmin", "ft"), "primes": ("arcsec", "in"),
}  # fmt: skip
"""Symbols that stand for several units; the degree sign or the scale is often left out."""
_POWERS = {"square": 2, "cubic": 3, "sq": 2, "cu": 3}
_POWERS_AFTER = {"squared": 2, "cubed": 3}
_PART = re.compile(r"[A-Za-z%]+(?:_[a-z]{1,6})?(?:\^\{?-?\d{1,2}\}?)?|[/()]")


def unit_of(name: str) -> Unit | None:
    """Return the unit of one symbol or name. The case matters only if both spellings are units.

    >>> unit_of("MW") == unit_of("mW"), unit_of("Hours") == unit_of("h")
    (False, True)
    """
    unit = _UNITS.get(name)
    return _UNITS.get(name.lower()) if unit is None and len(name) > 1 else unit


def read_unit(text: str) -> Unit | None:
    """Return a unit, also a product or quotient of units; None for any other noun.

    >>> read_unit("cm^2")
    Unit(dimension='length^2', factor=Fraction(1, 10000), pi=0, zero=Fraction(0, 1))
    """
    return _read(text) if len(text) <= MAXIMUM_LENGTH else None


def possible_units(text: str) -> tuple[Unit, ...]:
    """Return the units that a text may stand for: ``C`` is the coulomb, or degrees Celsius."""
    if text in _AMBIGUOUS:
        return tuple(_UNITS[name] for name in _AMBIGUOUS[text])
    unit = read_unit(text)
    return () if unit is None else (unit,)


@lru_cache(maxsize=2048)
def _read(text: str) -> Unit | None:
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    parts = _parts_of(text)
    if not parts:
        return None
    powers: dict[str, int] = {}
    factor, pi = Fraction(1), 0
    for unit, power in parts:
        for name, of in _base(unit.dimension).items():
            powers[name] = powers.get(name, 0) + of * power
        factor *= unit.factor**power
        pi += unit.pi * power
    alone = len(parts) == 1 and parts[0][1] == 1
    return Unit(_written(powers), factor, pi, parts[0][0].zero if alone else Fraction(0))


_SPELLINGS = (
    (re.compile(r"\\mu\s?|\u00b5"), "u"),
    (re.compile(r"\\Omega|\u03a9"), "ohm"),
    (re.compile(r"\\AA(?![a-z])"), "angstrom"),
    (re.compile(r"\\hbar"), "hbar"),
    (re.compile(r"_ ?(?:\{|\\)? ?(odot|oplus|earth)\b ?\}?"), r"_\1"),
    (re.compile(r"(?i)\bdeg(?:rees?)? (celsius|fahrenheit)\b"), r"\1"),
    (re.compile(r"(?i)\bper cent\b"), "percent"),
    (re.compile(r"(?i)\blight[ -]years?\b"), "ly"),
)


def _parts_of(text: str) -> list[tuple[Unit, int]] | None:
    """Return the units in a text with their powers; None if a word is no unit."""
    parts: list[tuple[Unit, int]] = []
    outer: list[int] = []
    group = sign = raised = 1  # the signs of the powers in this group and after its last bar
    for match in _PART.finditer(text):
        word, _, power = match[0].replace("{", "").replace("}", "").partition("^")
        lower = word.lower()
        if lower in ("/", "per"):
            sign = -group
        elif lower == "(":
            outer.append(group)
            group = sign
        elif lower == ")":
            sign = group = outer.pop() if outer else 1
        elif lower in _POWERS:
            raised = _POWERS[lower]
        elif lower in _POWERS_AFTER and parts:
            parts[-1] = (parts[-1][0], parts[-1][1] * _POWERS_AFTER[lower])
        else:
            unit = unit_of(word)
            if unit is None:
                return None
            parts.append((unit, sign * int(power or raised)))
            raised = 1
    return parts


def without_angle(dimension: str) -> str:
    """Return a dimension without the angle: a radian is a plain number, so rad/s is 1/s."""
    return " ".join(part for part in dimension.split() if part.partition("^")[0] != _ANGLE)


UNIT_LETTERS = frozenset("m s g N J W V A K L h".split())
"""Single letters that are a unit even right after a number (``10m``). Others need a blank."""
