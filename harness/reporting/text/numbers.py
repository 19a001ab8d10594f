"""How numbers are written: counts, percentages, differences, intervals and p-values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Literal

from harness.grading.verdict import Outcome
from harness.stats.intervals import Interval
from harness.stats.paired import Difference


def count(value: float | None, *, unknown: str = "") -> str:
    """Return a count, or a mean of counts, as a whole number; ``unknown`` where there is none.

    >>> count(12_345.6), count(None, unknown="?")
    ('12,346', '?')
    """
    return unknown if value is None else f"{value:,.0f}"


def correct_of(correct: int | None, samples: int) -> str:
    """Return how many of the samples are correct; ``-`` where that is not known.

    >>> correct_of(3, 40), correct_of(None, 40)
    ('3/40', '-/40')
    """
    return f"{'-' if correct is None else correct}/{samples}"


def outcome_count(
    outcomes: Mapping[str, int], name: str, *, ends_known: bool, unknown: str = "-"
) -> str:
    """Return how many samples have an outcome.

    Where it is not known of every response how it ended, nobody counted those that were cut off:
    their number is ``unknown``, or at least the number of those that are known.

    >>> outcome_count({"truncated": 2}, "truncated", ends_known=True)
    '2'
    >>> outcome_count({"truncated": 2}, "truncated", ends_known=False)
    '≥2'
    >>> outcome_count({}, "truncated", ends_known=False)
    '-'
    """
    number = outcomes.get(name, 0)
    if ends_known or name != Outcome.TRUNCATED:
        return f"{number:,}"
    return f"≥{number:,}" if number else unknown


LOOPING = "of these looping"
"""The heading beside that of truncated responses."""


def looping_count(
    outcomes: Mapping[str, int], looping: int | None, *, ends_known: bool, unknown: str = "-"
) -> str:
    """Return how many truncated samples were repeating themselves.

    Runs from before anybody looked have no such number, and it is ``unknown`` of them.

    >>> looping_count({"truncated": 2}, 1, ends_known=True)
    '1'
    >>> looping_count({"truncated": 2}, None, ends_known=True)
    '-'
    >>> looping_count({"correct": 2}, None, ends_known=True)
    '0'
    """
    if looping is not None:
        return f"{looping:,}"
    return "0" if ends_known and not outcomes.get(Outcome.TRUNCATED) else unknown


def _decimal(share: float, decimals: int) -> str:
    """Return 100 times a share in decimal digits, halves rounded away from zero.

    Sums of shares carry errors in their last bits. What is a half but for such an error is one:
    so the same number is written alike wherever it is computed. Zero has no sign.
    """
    if not isfinite(share):
        return f"{share}"
    exact = Decimal(f"{100 * share:.9f}")
    written = exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return f"{written if written else abs(written)}"


def percent(share: float, *, decimals: int = 1) -> str:
    """Return a share as a percentage, without the sign.

    >>> percent(0.125), percent(0.125, decimals=2), percent(0.08125, decimals=2)
    ('12.5', '12.50', '8.13')
    """
    return _decimal(share, decimals)


def interval(value: Interval) -> str:
    """Return an interval in per cent, as ``[low, high]``."""
    return f"[{percent(value.low)}, {percent(value.high)}]"


def points(share: float) -> str:
    """Return a difference in percentage points, with its sign.

    >>> points(0.0123), points(-0.0004)
    ('+1.2', '0.0')
    """
    text = _decimal(share, 1)
    return text if text == "0.0" or text.startswith("-") else f"+{text}"


def distance(share: float) -> str:
    """Return how far apart two shares are, without a sign and with the unit.

    >>> distance(0.0123)
    '1.2 points'
    """
    return f"{_decimal(share, 1)} points"


def margin_points(share: float) -> str:
    """Return a margin in percentage points, with the unit.

    >>> margin_points(0.01), margin_points(0.005)
    ('1 point', '0.5 points')
    """
    number = f"{100 * share:g}"
    return f"{number} point{'' if number == '1' else 's'}"


def probability(value: float | None) -> str:
    """Return a probability in per cent; none is certain, and ``-`` is one that is not told.

    >>> probability(0.973), probability(0.99999), probability(0.0001), probability(None)
    ('97.3 %', '>99.9 %', '<0.1 %', '-')
    """
    if value is None:
        return "-"
    if value > 0.999:
        return ">99.9 %"
    return "<0.1 %" if value < 0.001 else f"{percent(value)} %"


def smallest_shown(detectable: float) -> str:
    """Return the smallest difference that can be shown; none can that is above 100 points.

    >>> smallest_shown(0.0123), smallest_shown(1.21)
    ('1.2 points', 'none: too few problems')
    """
    return distance(detectable) if detectable < 1 else "none: too few problems"


def difference_interval(found: Difference) -> str:
    """Return the interval of a difference in percentage points, as ``[low, high]``."""
    return f"[{points(found.low)}, {points(found.high)}]"


def difference_and_interval(found: Difference) -> tuple[str, str]:
    """Return a difference and its interval, each in percentage points."""
    return points(found.difference), difference_interval(found)


def contradiction(found: Difference, verdict: str) -> Literal["", "outside", "inside"]:
    """Return how a verdict seems to contradict the interval beside it.

    ``outside`` if there is no evidence, but 0 is outside the interval; ``inside`` if B is better
    or worse, but 0 is inside; otherwise nothing.

    >>> from harness.stats.paired import paired_single
    >>> few = paired_single(6, 0, 60)
    >>> contradiction(few, "better"), contradiction(few, "no evidence")
    ('', 'outside')
    """
    holds_zero = found.low <= 0 <= found.high
    if verdict in ("no evidence", "undecided"):
        return "" if holds_zero else "outside"
    return "inside" if holds_zero and verdict in ("better", "worse") else ""


def p_value(p: float) -> str:
    """Return a p-value with as many digits as it deserves.

    >>> p_value(0.00003), p_value(0.0123), p_value(0.5)
    ('<0.0001', '0.0123', '0.50')
    """
    if p < 0.0001:
        return "<0.0001"
    return f"{p:.4f}" if p < 0.1 else f"{p:.2f}"
