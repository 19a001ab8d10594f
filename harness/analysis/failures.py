"""What a comparison would say of the samples on which the engine or the grader failed.

Such a sample counts as not correct, which says nothing of the model. So a comparison is made again
in three ways, and a verdict that is not the same in all of them is withheld: it would be one about
the failures. Pure: verdicts in, verdicts out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.runs.scores import FAILURES, BenchmarkScore
from harness.runs.verdicts import ProblemVerdicts

AFFECTED = tuple(kind.value for kinds in FAILURES.values() for kind in kinds)
"""The outcomes that say nothing of the model."""
Way = Literal["left out", "best for A", "best for B"]
"""Affected samples are left out; or one side's count as correct and the other's as not."""
WAYS: tuple[Way, ...] = ("left out", "best for A", "best for B")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCheck:
    """How many samples failed, and what the verdict would be if they counted otherwise."""

    a: int
    """How many of A's samples the engine or the grader failed on."""
    b: int
    """How many of B's."""
    as_counted: str
    """The verdict if they count as not correct, as in the scores."""
    left_out: str | None
    """The verdict without these samples; None if nothing is left to compare."""
    best_for_a: str | None
    """The verdict if A's count as correct, and B's as not."""
    best_for_b: str | None
    """The verdict if B's count as correct, and A's as not."""

    @property
    def decide(self) -> bool:
        """Whether the verdict depends on them, so that it is withheld."""
        return {self.left_out, self.best_for_a, self.best_for_b} != {self.as_counted}


def affected(score: BenchmarkScore) -> int:
    """Count the samples of a score on which the engine or the grader failed."""
    return sum((score.outcomes or {}).get(kind, 0) for kind in AFFECTED)


def recounted(
    rows_a: Sequence[ProblemVerdicts], rows_b: Sequence[ProblemVerdicts], way: Way
) -> tuple[Sequence[ProblemVerdicts], Sequence[ProblemVerdicts]]:
    """Return the verdicts on the same problems with the affected samples counted in another way.

    A problem of which one side has no sample left is left out on both.
    """
    if way == "best for A":
        return tuple(map(_as_correct, rows_a)), rows_b
    if way == "best for B":
        return rows_a, tuple(map(_as_correct, rows_b))
    kept = [(_without(a), _without(b)) for a, b in zip(rows_a, rows_b, strict=True)]
    both = [(a, b) for a, b in kept if a is not None and b is not None]
    return tuple(a for a, _ in both), tuple(b for _, b in both)


def _as_correct(row: ProblemVerdicts) -> ProblemVerdicts:
    if not _is_affected(row):
        return row
    outcomes = tuple("correct" if one in AFFECTED else one for one in row.outcomes)
    # Made anew: a copy would keep the number of correct samples, which the row remembers.
    return ProblemVerdicts.model_validate({**row.model_dump(), "outcomes": outcomes})


def _without(row: ProblemVerdicts) -> ProblemVerdicts | None:
    if not _is_affected(row):
        return row
    kept = [place for place, one in enumerate(row.outcomes) if one not in AFFECTED]
    if not kept:
        return None
    columns = ("indices", "outcomes", "answers", "classes", "tokens", "at_limit")
    lists = {name: tuple(getattr(row, name)[place] for place in kept) for name in columns}
    return ProblemVerdicts.model_validate({**row.model_dump(), **lists})


def _is_affected(row: ProblemVerdicts) -> bool:
    return any(one in AFFECTED for one in row.outcomes)


def recounted_score(score: BenchmarkScore, *, right: bool | None) -> BenchmarkScore | None:
    """Return counts with the affected samples right, not right, or (None) left out.

    Where only counts are compared, every sample weighs the same. None if no sample is left.
    """
    failed = affected(score)
    if not failed or right is False:
        return score
    if right:
        return replace(score, accuracy=min(1.0, score.accuracy + failed / score.samples))
    kept = score.samples - failed
    if not kept:
        return None
    single = score.samples == score.problems
    return replace(
        score,
        samples=kept,
        problems=kept if single else min(score.problems, kept),
        accuracy=min(1.0, score.accuracy * score.samples / kept),
    )
