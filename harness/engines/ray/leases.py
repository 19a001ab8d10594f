"""Keep account of which replica computes which request, where any replica may die.

This module only computes, and has no effects. A request is leased to one holder, a replica, at a
time. The requests of a holder that dies are leased again before any new one. When a holder dies,
all of its requests are lost together, so a request that was under way at several deaths is only
suspected to be their cause. It is tried once more, at the end and alone, and given up if its holder
dies again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from harness.engines.base import Request
from harness.runs.sample import SampleKey

Holder = TypeVar("Holder")
MOST_DEATHS = 3
"""A request is given up at this many deaths of its holders. At the last one it was alone."""


class Returned(NamedTuple):
    """The requests of a holder that died."""

    again: list[Request]
    """The requests that will be leased again."""
    given_up: list[Request]
    """The requests that will not."""


class Leases(Generic[Holder]):
    """Leases requests to holders. Each request ends exactly once: it is done or given up."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._new = iter(requests)
        self._drained = False
        self._again: deque[Request] = deque()
        self._suspects: deque[Request] = deque()
        self._held: dict[Holder, dict[SampleKey, Request]] = {}
        self._deaths: Counter[SampleKey] = Counter()

    @property
    def over(self) -> bool:
        """Whether every request has ended."""
        return self._drained and not (self._again or self._suspects or any(self._held.values()))

    def held(self, holder: Holder) -> int:
        """Return how many requests a holder has under way."""
        return len(self._held.get(holder, ()))

    def deal(self, limits: Mapping[Holder, int]) -> dict[Holder, list[Request]]:
        """Lease requests until each holder has as many as its limit; return the new ones by holder.

        The holder with the fewest gets the next request, so that a short queue ends everywhere at
        about the same time. No request is taken from the iterator before it is leased.
        """
        dealt: dict[Holder, list[Request]] = {holder: [] for holder in limits}
        while free := [holder for holder in limits if self._has_room(holder, limits[holder])]:
            least = min(free, key=self.held)
            request = self._next(alone=not self.held(least))
            if request is None:
                break
            self._held.setdefault(least, {})[request.key] = request
            dealt[least].append(request)
        return dealt

    def done(self, holder: Holder, key: SampleKey) -> bool:
        """End a request; return False if the holder did not have it under way."""
        if self._held.get(holder, {}).pop(key, None) is None:
            return False
        self._deaths.pop(key, None)
        return True

    def died(self, holder: Holder) -> Returned:
        """Take back the requests that a holder had under way when it died."""
        returned = Returned([], [])
        for key, request in self._held.pop(holder, {}).items():
            self._deaths[key] += 1
            if self._deaths[key] >= MOST_DEATHS:
                returned.given_up.append(request)
            else:
                returned.again.append(request)
                (self._suspects if self._is_suspect(key) else self._again).append(request)
        return returned

    def _has_room(self, holder: Holder, limit: int) -> bool:
        held = self._held.get(holder, {})
        if len(held) == 1 and self._is_suspect(*held):  # a suspected request is tried alone
            return False
        return len(held) < limit

    def _next(self, *, alone: bool) -> Request | None:
        if self._again:
            return self._again.popleft()
        request = next(self._new, None)
        if request is None:
            self._drained = True
            if alone and self._suspects:
                return self._suspects.popleft()
        return request

    def _is_suspect(self, key: SampleKey) -> bool:
        return self._deaths[key] == MOST_DEATHS - 1
