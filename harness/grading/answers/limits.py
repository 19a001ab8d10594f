r"""Refuse text that no parser should see, because no answer looks like it.

The workers' time limit alone would be enough, but a text that reaches it costs
all of that time and a new worker. These checks cost microseconds and stop the
texts that models produce under training. They need not be complete: what they
miss is stopped by the worker's time limit and, in the rules, by the count of
their steps (see `effort`).
"""

from __future__ import annotations

import re

MAXIMUM_LENGTH = 2_000
"""The most characters of a text that is read."""
MAXIMUM_DIGIT_RUN = 400
"""The most digits in a row."""
MAXIMUM_DEPTH = 40
"""The deepest nesting of brackets."""
MAXIMUM_COMMANDS = 250
"""The most backslashes."""
MAXIMUM_POWER_DIGITS = 20_000
"""The most digits of a power of integers; a larger power is not computed."""
MAXIMUM_FACTORIAL = 5_000
"""The largest integer whose factorial is computed."""

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
    """Return an upper bound for the number of digits of ``a^(b^(c^…))``, without computing it."""
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
