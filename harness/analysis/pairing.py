"""The data of two results on their shared benchmarks: verdicts of the same problems, or counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmarks import UserError
from harness.analysis.comparability import (
    benchmark_names,
    other_problems,
    shared_benchmarks,
)
from harness.runs.results import Result
from harness.runs.scores import BenchmarkScore
from harness.runs.verdicts import ProblemVerdicts
from harness.stats.permutation import PairedCounts
from harness.stats.unpaired import Counts


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One benchmark's data in two results.

    Where both have verdicts, ``rows_a`` and ``rows_b`` are those of the same problems, in the same
    order. Where one has only counts, both are empty.
    """

    a: BenchmarkScore
    b: BenchmarkScore
    rows_a: Sequence[ProblemVerdicts] = ()
    rows_b: Sequence[ProblemVerdicts] = ()
    same_problems: bool = True
    """False for counts of both sides that are known to be over different problems."""

    @property
    def by_problem(self) -> bool:
        """Whether problems can be compared one by one."""
        return bool(self.rows_a)

    @cached_property
    def counts(self) -> PairedCounts:
        """How many samples of each problem are correct, and of how many, on both sides."""
        return PairedCounts.of(
            (a.correct, a.samples, b.correct, b.samples)
            for a, b in zip(self.rows_a, self.rows_b, strict=True)
        )

    @cached_property
    def differences(self) -> list[float]:
        """Each problem's accuracy in B minus that in A."""
        found: list[float] = self.counts.differences.tolist()
        return found

    @property
    def single(self) -> bool:
        """Whether every problem has one sample on either side."""
        return self.counts.single

    @property
    def changed(self) -> tuple[int, int]:
        """How many problems are fixed, and how many broken, where each has one sample."""
        return self.differences.count(1.0), self.differences.count(-1.0)

    @property
    def tallies(self) -> tuple[Counts, Counts]:
        """What an unpaired test needs of both sides."""
        return counts_of(self.a), counts_of(self.b)

    @cached_property
    def scores(self) -> tuple[BenchmarkScore, BenchmarkScore]:
        """Both scores over the problems that are compared."""
        if not self.by_problem:
            return self.a, self.b
        name = self.a.benchmark
        return BenchmarkScore.of(name, self.rows_a), BenchmarkScore.of(name, self.rows_b)


def counts_of(score: BenchmarkScore) -> Counts:
    """Return what an unpaired test needs of a score."""
    return Counts(
        problems=score.problems,
        samples=score.samples,
        accuracy=score.accuracy,
        whole=score.whole,
    )


def pair_up(a: Result, b: Result) -> tuple[dict[str, Pair], list[str]]:
    """Return each shared benchmark's data, and what has to be said of it."""
    names = shared_benchmarks(a, b)
    if not names:
        raise UserError(
            f"{a.name} and {b.name} share no benchmark: {benchmark_names(a)} against "
            f"{benchmark_names(b)}"
        )
    verdicts_a, verdicts_b = a.verdicts, b.verdicts
    if verdicts_a is None or verdicts_b is None:
        unlike = other_problems(a, b)
        counts = {
            name: Pair(a=a.scores[name], b=b.scores[name], same_problems=name not in unlike)
            for name in names
        }
        return counts, [_why_unpaired(a, b), *_not_same(a, b, unlike), *_not_whole(a, b, names)]
    pairs, notes = {}, []
    for name in names:
        pair, left_out = _matched(a, b, verdicts_a[name], verdicts_b[name], name)
        if not pair.by_problem:
            notes.append(f"{name}: no problem is in both, so it is left out")
            continue
        pairs[name] = pair
        if left_out:
            notes.append(f"{name}: the {len(pair.rows_a)} problems in both; {left_out} left out")
    if not pairs:
        raise UserError(f"{a.name} and {b.name} share no problem of {', '.join(names)}")
    return pairs, notes


def _why_unpaired(a: Result, b: Result) -> str:
    without = [result.name for result in (a, b) if result.verdicts is None]
    return (
        f"of {' and '.join(without)} only counts are known, so problems cannot be paired: the "
        "tests are unpaired, and see less"
    )


def _not_same(a: Result, b: Result, unlike: Sequence[str]) -> list[str]:
    """Say that counts over different problems are compared, and what does not follow."""
    if not unlike:
        return []
    sizes = (
        f"{name} {a.scores[name].problems:,} against {b.scores[name].problems:,}" for name in unlike
    )
    return [
        f"NOT THE SAME PROBLEMS: {a.name} and {b.name} did not have the same ones, and from "
        f"counts those that both had cannot be picked out: {', '.join(sizes)}. So a "
        "difference may be the problems', and it is not concluded from these counts that the two "
        "are the same, or B not worse, within a margin"
    ]


def _not_whole(a: Result, b: Result, names: Sequence[str]) -> list[str]:
    """Say which published percentages are no count, so that a test of counts would be invented."""
    return [
        f"{result.name}: {name}: no number of {score.samples} correct samples is "
        f"{_printed(result, name)} %, so it may be a mean of several samples a problem, and nobody "
        "says of how many; the test is one of accuracies, with every problem counted once"
        for result in (a, b)
        for name in names
        for score in [result.scores[name]]
        if not score.whole
    ]


def _printed(result: Result, benchmark: str) -> str:
    """Return the percentage as its source printed it."""
    printed = None if result.row is None else result.row.scores[benchmark].accuracy
    return printed or f"{100 * result.scores[benchmark].accuracy:.4g}"


def _matched(
    a: Result,
    b: Result,
    rows_a: Sequence[ProblemVerdicts],
    rows_b: Sequence[ProblemVerdicts],
    name: str,
) -> tuple[Pair, int]:
    """Return the problems that both answered, and how many are left out."""
    theirs = {(row.problem_id, row.sum): row for row in rows_b}
    both = [(row, theirs[key]) for row in rows_a if (key := (row.problem_id, row.sum)) in theirs]
    pair = Pair(
        a=a.scores[name],
        b=b.scores[name],
        rows_a=tuple(row for row, _ in both),
        rows_b=tuple(row for _, row in both),
    )
    return pair, len(rows_a) + len(rows_b) - 2 * len(both)
