"""How fast a server is asked, and how long one waits after it has failed.

A limit is kept by pacing: what is asked for is paid for by waiting before the next may
go. A bucket that fills while nothing is asked would allow twice the limit in a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
LONGEST_ASKED = 120.0
"""Seconds that a server may have us wait, whatever its Retry-After says."""
CREDIT = 5.0
"""Seconds' worth of a limit that may be made up for where less was used than was expected."""


class Pace:
    """A limit of so much a minute, spread evenly.

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
        """Return in how many seconds the next may go."""
        return max(0.0, self._free_at - self._clock())

    def charge(self, amount: float) -> None:
        """Count ``amount`` as used now. What was not asked for until now is lost."""
        seconds = amount / self._rate
        spent = min(self._spare, seconds)
        self._spare -= spent
        self._free_at = max(self._free_at, self._clock()) + seconds - spent

    def correct(self, amount: float) -> None:
        """Count ``amount`` more than was charged, or less where it is negative."""
        now = self._clock()
        free_at = max(self._free_at, now) + amount / self._rate
        self._spare = min(CREDIT, self._spare + max(0.0, now - free_at))
        self._free_at = max(free_at, now)


def backoff(attempt: int, draw: Random, *, asked: float = 0.0) -> float:
    """Return how many seconds to wait before attempt number ``attempt`` (the second is 1).

    Exponential, with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): drawn evenly
    from none to the whole, so that those that failed together do not return together.
    ``asked`` is what the server asked for, and is waited out.
    """
    whole = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt - 1, 32))
    return min(asked, LONGEST_ASKED) + draw.uniform(0, whole)


def asked_wait(header: str | None, *, now: Callable[[], datetime] | None = None) -> float:
    """Read a Retry-After header, seconds or a date; 0 if it says nothing that can be understood.

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
    return min(seconds, LONGEST_ASKED) if seconds > 0 else 0.0  # no comparison holds for nan


def _now() -> datetime:
    return datetime.now(UTC)
