"""Compare another harness's verdicts with ours: count both, and keep the rows that differ."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.importers.base import SavedResponse
from harness.runs.graded import Graded

MAX_ANSWER = 500
"""The most characters of an answer that are kept."""


@dataclass(slots=True, kw_only=True)
class VerdictCounts:
    """How often another harness's metric and our grader agree on a benchmark."""

    benchmark: str
    judge: str
    both_correct: int = 0
    neither: int = 0
    only_ours: int = 0
    only_theirs: int = 0
    unjudged: int = 0
    """The number of responses for which the file has no verdict of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferentVerdict:
    """A response that one harness calls correct and the other does not."""

    benchmark: str
    judge: str
    problem_id: str
    index: int
    gold: str
    their_gold: str | None
    theirs: bool
    their_answer: str | None
    ours: str
    """Our outcome."""
    our_answer: str | None
    rule: str | None


@dataclass(slots=True, kw_only=True)
class VerdictComparison:
    """The verdicts in the files, compared with ours."""

    agreements: dict[tuple[str, str], VerdictCounts] = field(default_factory=dict)
    differences: list[DifferentVerdict] = field(default_factory=list)

    def add(self, benchmark: str, row: Graded, response: SavedResponse) -> None:
        """Count one verdict of a file, and keep the row if its verdict differs from ours."""
        counts = self.agreements.setdefault(
            (benchmark, response.judge), VerdictCounts(benchmark=benchmark, judge=response.judge)
        )
        if response.theirs is None:
            counts.unjudged += 1
        elif response.theirs and row.verdict.correct:
            counts.both_correct += 1
        elif not response.theirs and not row.verdict.correct:
            counts.neither += 1
        else:
            counts.only_ours += row.verdict.correct
            counts.only_theirs += response.theirs
            self.differences.append(_difference(benchmark, row, response))

    @property
    def judged(self) -> list[VerdictCounts]:
        """The counts of the metrics that have at least one verdict in the files."""
        return [
            counts
            for counts in self.agreements.values()
            if counts.both_correct + counts.neither + counts.only_ours + counts.only_theirs
        ]


def _difference(benchmark: str, row: Graded, response: SavedResponse) -> DifferentVerdict:
    return DifferentVerdict(
        benchmark=benchmark,
        judge=response.judge,
        problem_id=row.problem.id,
        index=row.sample.index,
        gold=row.problem.answer,
        their_gold=_cut(response.gold),
        theirs=bool(response.theirs),
        their_answer=_cut(response.their_answer),
        ours=row.verdict.outcome.value,
        our_answer=_cut(row.verdict.extracted),
        rule=row.verdict.rule,
    )


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_ANSWER]
