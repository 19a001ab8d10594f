"""How many rows each reward can reward: the reason why v4 replaced v1.

Each row is tested with a perfect response in its style. If that does not earn the reward, no
response does.
"""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from harness.grading import Grader, Verdict
from harness.grading.compat.rewards import REWARDS
from trainers.data.card import Rewardable
from trainers.data.rows import TrainingRow
from trainers.data.styles import DataStyle

HARNESS = "harness"
"""The name of the reward that is this project's own grader."""
_SEED_REWARDS = ("gsm8k-strict", "hendrycks-boxed")
_PENDING = 1000
"""How many verdicts may be outstanding, so that half a million rows are not kept in memory."""


class RewardCounter:
    """Counts the rows that each reward can reward; a context manager, which ends the grader."""

    def __init__(self, style: DataStyle) -> None:
        self._style = style
        self._grader = Grader()
        self._rewards = {name: REWARDS[name] for name in _SEED_REWARDS}
        self._pending: deque[tuple[bool, Future[Verdict]]] = deque()
        self._seen: Counter[tuple[str, bool]] = Counter()

    def add(self, row: TrainingRow) -> None:
        """Test one row with every reward."""
        response = self._style.response(row.reasoning, row.answer)
        for name, reward in self._rewards.items():
            self._seen[name, row.numeric] += reward(response, row.answer) > 0
        self._pending.append((row.numeric, self._grader.submit(response, row.answer)))
        if len(self._pending) >= _PENDING:
            self._collect(_PENDING // 2)

    def counts(self) -> dict[str, Rewardable]:
        """Wait for the grader and return the counts by reward."""
        self._collect(len(self._pending))
        return {
            name: Rewardable(numeric=self._seen[name, True], other=self._seen[name, False])
            for name in (*_SEED_REWARDS, HARNESS)
        }

    def _collect(self, count: int) -> None:
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
