r"""What is refused before any parser sees it, because no answer looks like it.

A deadline alone would do, but each hit costs its whole time and a new worker;
these checks cost microseconds and stop the shapes that models do produce under
training. What they miss, the deadline catches: they need not be complete.
"""

from __future__ import annotations

import re

MAXIMUM_LENGTH = 2_000
MAXIMUM_DIGIT_RUN = 400
MAXIMUM_DEPTH = 40
MAXIMUM_COMMANDS = 250
MAXIMUM_POWER_DIGITS = 20_000
"""A power of two integers with more digits than this is not computed."""
MAXIMUM_FACTORIAL = 5_000

_DIGIT_RUN = re.compile(rf"\d{{{MAXIMUM_DIGIT_RUN + 1}}}")
_POWERS = re.compile(r"\d+(?:[)\]}\s]{0,4}(?:\^|\*\*)[\s{(]{0,4}[-+]?\d+)+")
_INTEGER = re.compile(r"\d+")
_FACTORIAL = re.compile(r"(\d+)[)}\s]{0,4}!")
_REPEATED_FACTORIAL = re.compile(r"![)}\]\s]{0,4}!")


def too_costly(text: str) -> str | None:
    r"""Return why the text is refused, or None if it may be parsed.

    >>> too_costly("9^{9^{9^{9}}}"), too_costly(r"2^{10}+\sqrt{3}")
    ('a huge power', None)
    """
    if len(text) > MAXIMUM_LENGTH:
        return "too long"
    if _DIGIT_RUN.search(text):
        return "too many digits"
    if _depth(text) > MAXIMUM_DEPTH or text.count("\\") > MAXIMUM_COMMANDS:
        return "too deeply nested"
    if _has_huge_power(text):
        return "a huge power"
    if _has_huge_factorial(text):
        return "a huge factorial"
    return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "})]":
            depth = max(0, depth - 1)
    return deepest


def _has_huge_power(text: str) -> bool:
    towers = (_INTEGER.findall(match[0]) for match in _POWERS.finditer(text))
    return any(_power_digits(tower) > MAXIMUM_POWER_DIGITS for tower in towers)


def _power_digits(tower: list[str]) -> int:
    """Return how many digits ``a^(b^(c^…))`` has, from above; it is not computed."""
    first, *rest = tower
    exponent = 1
    for base in reversed(rest):
        if len(base) * exponent > 9:
            return MAXIMUM_POWER_DIGITS + 1
        exponent = int(base) ** exponent
    return len(first) * exponent


def _has_huge_factorial(text: str) -> bool:
    if _REPEATED_FACTORIAL.search(text):
        return True
    found = _FACTORIAL.findall(text)
    return any(len(digits) > 4 or int(digits) > MAXIMUM_FACTORIAL for digits in found)
