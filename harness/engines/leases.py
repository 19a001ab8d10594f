"""Which request is under way where, when whoever holds it may die. Pure.

A request is leased to one holder at a time. The requests of a holder that dies are leased
again before any new one; a request that was under way at several deaths is taken for their
cause, and given up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from harness.engines.base import Request
from harness.sample import SampleKey

Holder = TypeVar("Holder")
MOST_DEATHS = 3
"""A request that was under way at so many deaths is not asked again."""


class Returned(NamedTuple):
    """What becomes of the requests of a holder that died."""

    again: list[Request]
    given_up: list[Request]


class Leases(Generic[Holder]):
    """Hands requests out, and takes them back; each ends once, by `done` or given up."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._new = iter(requests)
        self._again: deque[Request] = deque()
        self._held: dict[Holder, dict[SampleKey, Request]] = {}
        self._deaths: Counter[SampleKey] = Counter()

    def held(self, holder: Holder) -> int:
        """Return how many requests are under way there."""
        return len(self._held.get(holder, ()))

    def deal(self, widths: Mapping[Holder, int]) -> dict[Holder, list[Request]]:
        """Fill up each holder to its width, one request at a time to who has the least.

        So a queue that is shorter than all widths together ends everywhere at once. Requests are
        pulled as they are handed out, and no more of them.
        """
        dealt: dict[Holder, list[Request]] = {holder: [] for holder in widths}
        while free := [holder for holder in widths if self.held(holder) < widths[holder]]:
            request = self._again.popleft() if self._again else next(self._new, None)
            if request is None:
                break
            least = min(free, key=self.held)
            self._held.setdefault(least, {})[request.key] = request
            dealt[least].append(request)
        return dealt

    def done(self, holder: Holder, key: SampleKey) -> bool:
        """End a request; say whether it was under way there at all."""
        if self._held.get(holder, {}).pop(key, None) is None:
            return False
        self._deaths.pop(key, None)
        return True

    def died(self, holder: Holder) -> Returned:
        """Take back what a holder that died had under way."""
        returned = Returned([], [])
        for key, request in self._held.pop(holder, {}).items():
            self._deaths[key] += 1
            (returned.given_up if self._deaths[key] >= MOST_DEATHS else returned.again).append(
                request
            )
        self._again.extend(returned.again)
        return returned
