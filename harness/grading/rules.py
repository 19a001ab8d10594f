r"""The cheap rules, tried before any symbolic comparison.

Each is pure and decides only what it is sure of: `Comparison.EQUAL`,
`Comparison.DIFFERENT`, or None for "not mine to say", which hands the pair on.
Most pairs of a mathematics benchmark are two integers and end here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from benchmarks import Conventions

MATHEMATICS = Conventions()
"""Equality and nothing else: what counts where no benchmark is named."""


class Comparison(StrEnum):
    """What comparing a candidate with a gold gave."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPARSABLE = "unparsable"
    """The candidate cannot be read as mathematics, or is refused as too costly to read."""
    TIMEOUT = "timeout"
    ERROR = "error"


def identical(gold: str, answer: str, conventions: Conventions = MATHEMATICS) -> Comparison | None:
    r"""Call two answers equal when they differ in nothing but typesetting.

    >>> identical(r"\left( 1, \dfrac{1}{2} \right)", r"$(1,\frac{1}{2})$.")
    <Comparison.EQUAL: 'equal'>

    An empty normal form equals nothing: a rule that strips what it does not
    know would otherwise find all unknown things equal.
    """
    normal = typeset_alike(gold)
    return Comparison.EQUAL if normal and normal == typeset_alike(answer) else None


_SIZED = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_SPACE = re.compile(r"\\[,;:> ]|\\q?quad(?![A-Za-z])|~|\s")
# A blank matters only where it keeps two words or numbers apart.
_IDLE_BLANK = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def typeset_alike(answer: str) -> str:
    r"""Return the answer without what only a typesetter sees.

    >>> typeset_alike(r"$\dfrac{1}{ 2}\!$.")
    '\\frac{1}{2}'
    """
    text = strip_delimiters(answer)
    text = _SIZED.sub("", text.replace(r"\!", "").replace("{,}", ","))
    text = _FRACTION.sub(r"\\frac", text)
    text = _SPACE.sub(" ", text)
    return _IDLE_BLANK.sub("", re.sub(r" {2,}", " ", text).strip())


def strip_delimiters(answer: str) -> str:
    """Return the answer without blanks, a full stop and one pair of formula signs around it."""
    text = answer.strip().removeprefix("**").removesuffix("**").removesuffix(".").strip()
    for opening, closing in _DELIMITERS:
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and opening not in inner:
            return inner.strip().removesuffix(".").rstrip()
    return text


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number, and what its spelling says of it."""

    value: Fraction
    decimal: bool
    """Written with a decimal point, hence perhaps a rounding."""
    percent: bool


def number(gold: str, answer: str, conventions: Conventions = MATHEMATICS) -> Comparison | None:
    r"""Compare two numbers exactly; None unless both are plain numbers.

    A percent sign is read either way, since golds come with and without it:
    ``10\%`` equals both ``0.1`` and ``10``. A decimal close to the other value
    may be a rounding of it and is left to the symbolic rule, which knows how
    many digits are enough.

    >>> number(r"\frac{1}{2}", "0.50"), number("1,000", "1001"), number("1/3", "0.3333")
    (<Comparison.EQUAL: 'equal'>, <Comparison.DIFFERENT: 'different'>, None)
    """
    left, right = read_number(gold), read_number(answer)
    if left is None or right is None:
        return None
    if left.value == right.value or _equal_in_percent(left, right):
        return Comparison.EQUAL
    if (left.decimal or right.decimal) and _close(left.value, right.value):
        return None
    return Comparison.DIFFERENT


def _equal_in_percent(left: Number, right: Number) -> bool:
    if left.percent == right.percent:
        return False
    percent, plain = (left, right) if left.percent else (right, left)
    return percent.value == plain.value * 100


def _close(left: Fraction, right: Fraction) -> bool:
    return abs(left - right) * 100 <= max(abs(left), abs(right))


# Python reads no longer digit strings than this by itself, and int() takes
# quadratic time; no answer comes near.
_MAXIMUM_DIGITS = 1_000
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"
_DECIMAL = re.compile(rf"(?P<whole>{_DIGITS}|)(?:\.(?P<decimals>[0-9]*))?")
_SLASHED = re.compile(rf"(?P<whole>(?:[0-9]+(?= ))?) ?(?P<above>{_DIGITS})/(?P<below>{_DIGITS})")
_LATEX_FRACTION = re.compile(
    r"(?P<whole>[0-9]*)\\frac *\{?(?P<above>(?<=\{)-?[0-9]+|(?<!\{)[0-9])\}?"
    r"\{?(?P<below>(?<=\{)[0-9]+|(?<!\{)[0-9])\}?"
)
_PERCENT = re.compile(r" ?(?:\\?%|(?:\\text\{ ?)?(?:percent(?:age)?|pct)\}?)$")


def read_number(answer: str) -> Number | None:
    r"""Return the exact value of a plain number, or None for anything else.

    Integers, decimals, ``a/b`` and ``\frac{a}{b}``, with thousands separators,
    a currency sign before and a percent sign behind; ASCII digits only.

    >>> read_number(r"-\$1{,}250.50")
    Number(value=Fraction(-2501, 2), decimal=True, percent=False)
    """
    if len(answer) > 2 * _MAXIMUM_DIGITS:
        return None
    text = re.sub(r"(?<=[0-9])\\[,!](?=[0-9]{3})", ",", answer.replace(r",\!", ","))
    text = typeset_alike(text).replace("\u2212", "-").replace(r"\$", "")
    bare = _PERCENT.sub("", text.replace("$", ""))
    sign, magnitude = (-1, bare[1:]) if bare.startswith("-") else (1, bare.removeprefix("+"))
    value = _read_decimal(magnitude)
    if value is None:
        value = _read_fraction(magnitude)
    if value is None:
        return None
    return Number(sign * value, decimal="." in bare, percent=bool(_PERCENT.search(text)))


def _read_decimal(text: str) -> Fraction | None:
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match["whole"] or match["decimals"]):
        return None
    digits, decimals = match["whole"].replace(",", ""), match["decimals"] or ""
    if len(digits + decimals) > _MAXIMUM_DIGITS:
        return None
    return Fraction(int(digits + decimals), 10 ** len(decimals))


def _read_fraction(text: str) -> Fraction | None:
    """Read ``a/b`` and its LaTeX, both perhaps as a mixed number: ``1 1/2`` is three halves."""
    match = _SLASHED.fullmatch(text) or _LATEX_FRACTION.fullmatch(text)
    if match is None:
        return None
    whole, above, below = (part.replace(",", "") for part in match.group("whole", "above", "below"))
    if len(whole + above + below) > _MAXIMUM_DIGITS or int(below) == 0:
        return None
    if above.startswith("-"):  # a negative numerator makes no mixed number
        return None if whole else Fraction(int(above), int(below))
    return int(whole or "0") + Fraction(int(above), int(below))


_BASED = re.compile(r"(?P<digits>[0-9A-Fa-f]+)_\{?(?P<base>[0-9]{1,2})\}?")


def base(gold: str, answer: str, conventions: Conventions = MATHEMATICS) -> Comparison | None:
    r"""Compare two numbers that both name their base; parsers drop the subscript.

    >>> base("52_8", "52_{9}"), base("52_8", "52")
    (<Comparison.DIFFERENT: 'different'>, None)
    """
    left = _BASED.fullmatch(typeset_alike(gold))
    right = _BASED.fullmatch(typeset_alike(answer))
    if left is None or right is None:
        return None
    same = left["base"] == right["base"] and left["digits"].lower() == right["digits"].lower()
    return Comparison.EQUAL if same else Comparison.DIFFERENT


_LIST = re.compile(r"[^,(){}\[\]]+(?:,[^,(){}\[\]]+)+")
_THOUSANDS = re.compile(r"[0-9],[0-9]{3}(?![0-9])")


def repeated(gold: str, answer: str, conventions: Conventions = MATHEMATICS) -> Comparison | None:
    """Tell lists apart by their length when the gold repeats an element on purpose.

    Symbolic comparison makes sets of them, and then ``3,1,1`` equals ``3,1``.

    >>> repeated("3,1,1", "3,1"), repeated("3,1", "3,1,1")
    (<Comparison.DIFFERENT: 'different'>, None)
    """
    lists = [typeset_alike(side) for side in (gold, answer)]
    if not all(_LIST.fullmatch(side) for side in lists) or _THOUSANDS.search("\n".join(lists)):
        return None
    wanted, given = (side.split(",") for side in lists)
    repeats = len(set(wanted)) < len(wanted)
    return Comparison.DIFFERENT if repeats and len(wanted) != len(given) else None


RULES: tuple[Callable[[str, str, Conventions], Comparison | None], ...] = (
    identical,
    number,
    base,
    repeated,
)
"""In the order they are asked; the first that decides names the verdict's rule."""
