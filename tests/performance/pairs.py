"""Two ways to the same thing, measured in turn: a busy moment of the machine then meets both.

The figure is the median of the pairs' ratios, so one disturbed pair of three decides nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from measuring import say


class Timed(NamedTuple):
    """One side of a pair."""

    seconds: float
    tokens: int | None = None
    """How many were drawn, so that both sides are seen to have done the same."""


def timed(work: Callable[[], int | None]) -> Timed:
    """Time something that returns how many tokens it drew."""
    began = time.perf_counter()
    tokens = work()
    return Timed(time.perf_counter() - began, tokens)


class Pairs:
    """Pairs of one side and another, by their names."""

    def __init__(self, one: str, other: str) -> None:
        self.names = (one, other)
        self._measured: list[tuple[Timed, Timed]] = []

    def take(self, one: Callable[[], int | None], other: Callable[[], int | None]) -> None:
        """Time both and keep the pair; every second time in the other order."""
        if len(self._measured) % 2:
            first = timed(one)
            self.add(first, timed(other))
        else:
            first = timed(other)
            self.add(timed(one), first)

    def add(self, one: Timed, other: Timed) -> None:
        """Keep a pair, and say what it was."""
        self._measured.append((one, other))
        sides = (f"{name} {side.seconds:.2f} s" for name, side in self._named(one, other))
        say(f"{', '.join(sides)}, ratio {one.seconds / other.seconds:.3f}")

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios, the one over the other."""
        return round(statistics.median(a.seconds / b.seconds for a, b in self._measured), 4)

    @property
    def details(self) -> list[dict[str, Any]]:
        """Seconds and tokens of every pair."""
        return [
            {
                name: {"seconds": round(side.seconds, 3), "tokens": side.tokens}
                for name, side in self._named(*pair)
            }
            for pair in self._measured
        ]

    def _named(self, one: Timed, other: Timed) -> list[tuple[str, Timed]]:
        return list(zip(self.names, (one, other), strict=True))
