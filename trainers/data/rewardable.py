"""How many rows each reward could reward at all: the reason why v4 replaced v1.

A row is put to the test by a perfect response in its style. What that does not
earn, no response earns.
"""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from harness.grading import Grader, Verdict
from harness.grading.compat.rewards import REWARDS
from trainers.data.card import Rewardable
from trainers.data.rows import Row
from trainers.data.styles import DataStyle

HARNESS = "harness"
"""The reward that is the harness's own grader."""
_SEED_REWARDS = ("gsm8k-strict", "hendrycks-boxed")
_PENDING = 1000
"""Verdicts awaited at a time, so that half a million rows are never held."""


class RewardCounter:
    """Counts rows by what could reward them; a context manager, for the grader's processes."""

    def __init__(self, style: DataStyle) -> None:
        self._style = style
        self._grader = Grader()
        self._rewards = {name: REWARDS[name] for name in _SEED_REWARDS}
        self._pending: deque[tuple[bool, Future[Verdict]]] = deque()
        self._seen: Counter[tuple[str, bool]] = Counter()

    def add(self, row: Row) -> None:
        """Put one row to the test of every reward."""
        response = self._style.response(row.reasoning, row.answer)
        for name, reward in self._rewards.items():
            self._seen[name, row.numeric] += reward(response, row.answer) > 0
        self._pending.append((row.numeric, self._grader.submit(response, row.answer)))
        if len(self._pending) >= _PENDING:
            self._settle(_PENDING // 2)

    def counts(self) -> dict[str, Rewardable]:
        """Wait for the grader and return the counts by reward."""
        self._settle(len(self._pending))
        return {
            name: Rewardable(numeric=self._seen[name, True], other=self._seen[name, False])
            for name in (*_SEED_REWARDS, HARNESS)
        }

    def _settle(self, count: int) -> None:
        for _ in range(count):
            numeric, verdict = self._pending.popleft()
            self._seen[HARNESS, numeric] += verdict.result().correct

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._grader.close(cancel=error is not None)
