"""How numbers are written: percentages, points, intervals, p-values."""

from __future__ import annotations

from harness.stats.intervals import Interval


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal.

    >>> percent(0.125)
    '12.5'
    """
    return f"{100 * share:.1f}"


def interval(value: Interval) -> str:
    """Return an interval in per cent, as ``[low, high]``."""
    return f"[{percent(value.low)}, {percent(value.high)}]"


def points(share: float) -> str:
    """Return a difference in percentage points, with its sign.

    >>> points(0.0123), points(-0.0004)
    ('+1.2', '0.0')
    """
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def p_value(p: float) -> str:
    """Return a p-value with as many digits as it deserves.

    >>> p_value(0.00003), p_value(0.0123), p_value(0.5)
    ('<0.0001', '0.0123', '0.50')
    """
    if p < 0.0001:
        return "<0.0001"
    return f"{p:.4f}" if p < 0.1 else f"{p:.2f}"
