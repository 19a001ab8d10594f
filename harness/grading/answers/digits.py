"""Read the digits of a number exactly."""

from __future__ import annotations

import re
from fractions import Fraction

from harness.grading.answers.syntax import Number
from harness.grading.answers.tokens import UnreadableError

MAXIMUM_DIGITS = 1_000
"""The most characters of a number in digits."""
MAXIMUM_EXPONENT = 400
"""The largest exponent of a number in scientific notation, in either direction."""

_SCIENTIFIC = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?(?:[eE]([-+]?[0-9]+))?")


def read_digits(text: str) -> Number:
    """Return the number that a text of digits, separators, a point and an exponent stands for.

    Raises:
        UnreadableError: the text is too long, or its exponent too large.
    """
    match = _SCIENTIFIC.fullmatch(text.replace(",", "").replace(" ", ""))
    if match is None or len(text) > MAXIMUM_DIGITS:
        raise UnreadableError("too many digits")
    whole, point, decimals, exponent = match.groups()
    shift = int(exponent or 0)
    if abs(shift) > MAXIMUM_EXPONENT or not (whole or decimals):
        raise UnreadableError("a huge exponent")
    digits = whole + (decimals or "")
    places = len(decimals or "") - shift
    value = Fraction(int(digits)) / Fraction(10) ** places
    written_as_decimal = (point and decimals) or exponent
    return Number(value, places if written_as_decimal else None, len(digits.lstrip("0")))
