"""Which request is under way where, when whoever holds it may die. Pure.

A request is leased to one holder at a time. The requests of a holder that dies are leased
again before any new one. All that a holder has under way dies together, so what was under way at
several deaths is only suspected of them: it is tried once more, at the end and alone, and given
up if that is a death too.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from harness.engines.base import Request
from harness.runs.sample import SampleKey

Holder = TypeVar("Holder")
MOST_DEATHS = 3
"""A request that was under way at so many deaths, alone at the last, is not asked again."""


class Returned(NamedTuple):
    """What becomes of the requests of a holder that died."""

    again: list[Request]
    given_up: list[Request]


class Leases(Generic[Holder]):
    """Hands requests out, and takes them back; each ends once, by `done` or given up."""

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
        """Return how many requests are under way there."""
        return len(self._held.get(holder, ()))

    def deal(self, widths: Mapping[Holder, int]) -> dict[Holder, list[Request]]:
        """Fill up each holder to its width, one request at a time to who has the least.

        So a queue that is shorter than all widths together ends everywhere at once. Requests are
        pulled as they are handed out, and no more of them.
        """
        dealt: dict[Holder, list[Request]] = {holder: [] for holder in widths}
        while free := [holder for holder in widths if self._has_room(holder, widths[holder])]:
            least = min(free, key=self.held)
            request = self._next(alone=not self.held(least))
            if request is None:
                break
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
            if self._deaths[key] >= MOST_DEATHS:
                returned.given_up.append(request)
            else:
                returned.again.append(request)
                (self._suspects if self._is_suspect(key) else self._again).append(request)
        return returned

    def _has_room(self, holder: Holder, width: int) -> bool:
        held = self._held.get(holder, {})
        if len(held) == 1 and self._is_suspect(*held):  # a suspect is always alone
            return False
        return len(held) < width

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
