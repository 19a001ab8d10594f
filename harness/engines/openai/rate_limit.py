"""How fast requests are sent to a server, and how long to wait after a failure.

A limit is kept by pacing: after each request, the next one waits as long as the
limit requires. A token bucket, which fills while nothing is sent, would allow
twice the limit within a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

FIRST_DELAY = 0.5
"""The longest delay before the first retry, in seconds; it doubles with each retry."""
LONGEST_DELAY = 60.0
"""The longest delay before any retry, in seconds, without what the server asks for."""
LONGEST_ASKED = 120.0
"""The most seconds that a server's Retry-After is obeyed for."""
CREDIT = 5.0
"""The most seconds of a limit that are credited where less was used than was expected."""


class Pace:
    """A limit per minute, spread evenly over time.

    >>> now = 0.0
    >>> pace = Pace(60, clock=lambda: now)
    >>> pace.wait(), pace.charge(2), pace.wait()
    (0.0, None, 2.0)
    """

    def __init__(self, per_minute: float, *, clock: Callable[[], float]) -> None:
        self._rate = per_minute / 60
        self._clock = clock
        self._free_at = clock()
        self._spare = 0.0

    def wait(self) -> float:
        """Return the seconds until the next request may be sent."""
        return max(0.0, self._free_at - self._clock())

    def charge(self, amount: float) -> None:
        """Count ``amount`` as used now. What was not used until now is lost."""
        seconds = amount / self._rate
        spent = min(self._spare, seconds)
        self._spare -= spent
        self._free_at = max(self._free_at, self._clock()) + seconds - spent

    def correct(self, amount: float) -> None:
        """Count ``amount`` more than was charged, or less if it is negative."""
        now = self._clock()
        free_at = max(self._free_at, now) + amount / self._rate
        self._spare = min(CREDIT, self._spare + max(0.0, now - free_at))
        self._free_at = max(free_at, now)


def backoff(attempt: int, draw: Random, *, asked: float = 0.0) -> float:
    """Return how many seconds to wait before retry number ``attempt``, counted from 1.

    The delay grows exponentially, with full jitter (Brooker, "Exponential Backoff And Jitter",
    2015): it is drawn uniformly between 0 and its maximum, so that requests that failed together
    do not return together. ``asked``, the seconds that the server asked for, are added to it.
    """
    whole = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt - 1, 32))
    return min(asked, LONGEST_ASKED) + draw.uniform(0, whole)


def asked_wait(header: str | None, *, now: Callable[[], datetime] | None = None) -> float:
    """Return the seconds of a Retry-After header, which has seconds or a date; 0 if unreadable.

    >>> asked_wait("3"), asked_wait("soon"), asked_wait("-1"), asked_wait("nan")
    (3.0, 0.0, 0.0, 0.0)
    """
    if header is None:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return 0.0
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - (now or _now)()).total_seconds()
    return min(seconds, LONGEST_ASKED) if seconds > 0 else 0.0  # nan > 0 is false


def _now() -> datetime:
    return datetime.now(UTC)
