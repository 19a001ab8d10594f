"""Is B better than A? Two results, benchmark by benchmark and on average.

Where both have verdicts they are paired, problem by problem; where one has only
counts they are not, and the comparison says so. What would make the difference
something else than the model's is refused unless asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, NamedTuple

from benchmarks import UserError
from benchmarks.hints import setting
from harness.analysis.comparability import _names, _shared, mismatches, what_changed
from harness.common.schema import Change
from harness.runs.results import Result
from harness.runs.scores import BenchmarkScore
from harness.runs.verdicts import ProblemVerdicts
from harness.stats import power
from harness.stats.paired import (
    Difference,
    average_paired,
    holm,
    paired_means,
    paired_single,
)
from harness.stats.power import LEVEL, POWER
from harness.stats.unpaired import Counts, average_unpaired, unpaired

Conclusion = Literal["better", "worse", "no evidence"]
"""What is concluded about B against A."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedProblem:
    """A problem that one of the two gets right (in half of its samples or more), the other not."""

    benchmark: str
    problem_id: str
    before: float
    """A's accuracy on it, from 0 to 1."""
    after: float
    answer_a: str | None
    """A's most frequent answer."""
    answer_b: str | None
    """B's most frequent answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkDifference:
    """Both sides of one benchmark, and what their difference is worth."""

    benchmark: str
    a: BenchmarkScore
    """A's score over the problems that are compared."""
    b: BenchmarkScore
    """B's score over them."""
    difference: Difference
    adjusted_p: float
    """The p-value after Holm's correction over the benchmarks of the comparison."""
    verdict: Conclusion
    detectable: float
    """The smallest true difference that these data show with a power of 80 %."""
    problems_needed: int | None
    """How many problems would show the observed difference; None if none was observed."""
    samples_needed: int | None
    """How many samples a problem would show it; None if no number would, or it is not known."""
    fixed: tuple[ChangedProblem, ...] = ()
    broken: tuple[ChangedProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageDifference:
    """The plain mean over the benchmarks, on both sides."""

    a: float
    b: float
    difference: Difference
    verdict: Conclusion
    detectable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that can be said of B against A."""

    a: Result
    b: Result
    paired: bool
    """Whether problems were compared one by one."""
    rows: tuple[BenchmarkDifference, ...]
    average: AverageDifference | None
    """None if only one benchmark is compared."""
    changes: tuple[Change, ...]
    """What differs in how the two were made and measured."""
    mismatches: tuple[Change, ...]
    """Those of the changes for which a comparison is refused, unless it is wanted anyway."""
    notes: tuple[str, ...]


class MatchedVerdicts(NamedTuple):
    """One benchmark's data; the verdicts, where both have them, of the same problems in order."""

    a: BenchmarkScore
    b: BenchmarkScore
    rows_a: Sequence[ProblemVerdicts] = ()
    rows_b: Sequence[ProblemVerdicts] = ()


def compare(a: Result, b: Result, *, anyway: bool = False) -> Comparison:
    """Compare two results; with ``anyway`` also such as were measured in another way.

    Raises:
        UserError: they share no benchmark or no problem; or, without ``anyway``, something
            but the model decides the difference.
    """
    found = mismatches(a, b)
    if found and not anyway:
        raise UserError(
            f"{a.name} and {b.name} were not measured alike, so that a difference would not be "
            f"the model's: {'; '.join(map(str, found))}. Evaluate one as the other was, or "
            f"compare what they share all the same: {setting('allow_mismatch')}"
        )
    pairs, notes = pair_up(a, b)
    paired = all(pair.rows_a for pair in pairs.values())
    several = len(pairs) > 1
    with ThreadPoolExecutor(1) as beside:  # numpy draws without the interpreter's lock
        average = beside.submit(_average_difference, pairs, paired=paired) if several else None
        differences = {name: _difference(pair) for name, pair in pairs.items()}
        adjusted = holm([found.p_value for found in differences.values()])
        rows = tuple(
            _row(name, pair, differences[name], p, level=LEVEL / len(pairs))
            for (name, pair), p in zip(pairs.items(), adjusted, strict=True)
        )
    return Comparison(
        a=a,
        b=b,
        paired=paired,
        rows=rows,
        average=None if average is None else _average(rows, average.result()),
        changes=tuple(what_changed(a, b)),
        mismatches=tuple(found),
        notes=tuple(notes),
    )


# --- the data of both sides -----------------------------------------------------------------


def pair_up(a: Result, b: Result) -> tuple[dict[str, MatchedVerdicts], list[str]]:
    """Return each shared benchmark's data, and what has to be said of it."""
    names = _shared(a, b)
    if not names:
        raise UserError(
            f"{a.name} and {b.name} share no benchmark: {_names(a)} against {_names(b)}"
        )
    verdicts_a, verdicts_b = a.verdicts, b.verdicts
    if verdicts_a is None or verdicts_b is None:
        counts = {name: MatchedVerdicts(a.scores[name], b.scores[name]) for name in names}
        return counts, [_why_unpaired(a, b)]
    pairs, notes = {}, []
    for name in names:
        pair, left_out = _matched(a, b, verdicts_a[name], verdicts_b[name], name)
        if not pair.rows_a:
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


def _matched(
    a: Result,
    b: Result,
    rows_a: Sequence[ProblemVerdicts],
    rows_b: Sequence[ProblemVerdicts],
    name: str,
) -> tuple[MatchedVerdicts, int]:
    """Return the problems that both answered, and how many are left out."""
    theirs = {(row.problem_id, row.sum): row for row in rows_b}
    both = [(row, theirs[key]) for row in rows_a if (key := (row.problem_id, row.sum)) in theirs]
    pair = MatchedVerdicts(
        a.scores[name], b.scores[name], *(zip(*both, strict=True) if both else ((), ()))
    )
    return pair, len(rows_a) + len(rows_b) - 2 * len(both)


# --- one benchmark --------------------------------------------------------------------------


def _difference(pair: MatchedVerdicts) -> Difference:
    if not pair.rows_a:
        return unpaired(counts_of(pair.a), counts_of(pair.b))
    if all(row.samples == 1 for row in (*pair.rows_a, *pair.rows_b)):
        means = mean_differences(pair)
        return paired_single(means.count(1.0), means.count(-1.0), len(means))
    return paired_means(mean_differences(pair))


def counts_of(score: BenchmarkScore) -> Counts:
    """Return what an unpaired test needs of a score."""
    return Counts(problems=score.problems, samples=score.samples, accuracy=score.accuracy)


def mean_differences(pair: MatchedVerdicts) -> list[float]:
    """Return each problem's accuracy in B minus that in A."""
    return [b.accuracy - a.accuracy for a, b in zip(pair.rows_a, pair.rows_b, strict=True)]


def _row(
    name: str, pair: MatchedVerdicts, difference: Difference, adjusted: float, *, level: float
) -> BenchmarkDifference:
    score_a, score_b = _score(pair.a, pair.rows_a), _score(pair.b, pair.rows_b)
    both = list(zip(pair.rows_a, pair.rows_b, strict=True))
    error = difference.standard_error
    return BenchmarkDifference(
        benchmark=name,
        a=score_a,
        b=score_b,
        difference=difference,
        adjusted_p=adjusted,
        verdict=verdict(difference.difference, adjusted),
        detectable=power.minimum_detectable(error, level=level, power=POWER),
        problems_needed=power.problems_needed(
            difference.difference, error, score_a.problems, level=level, power=POWER
        ),
        samples_needed=_samples_needed(pair, level),
        fixed=tuple(_changed_problem(a, b) for a, b in both if a.accuracy < 0.5 <= b.accuracy),
        broken=tuple(_changed_problem(a, b) for a, b in both if b.accuracy < 0.5 <= a.accuracy),
    )


def verdict(difference: float, p_value: float) -> Conclusion:
    """Return the one plain word, given a p-value that is corrected already."""
    if p_value >= LEVEL or not difference:
        return "no evidence"
    return "better" if difference > 0 else "worse"


def _samples_needed(pair: MatchedVerdicts, level: float) -> int | None:
    if not pair.rows_a:
        return None
    # Saved generations may have fewer samples of one problem than of another.
    counts = [min(row.samples for row in rows) for rows in (pair.rows_a, pair.rows_b)]
    return power.samples_needed(
        [row.accuracy for row in pair.rows_a],
        [row.accuracy for row in pair.rows_b],
        samples_a=counts[0],
        samples_b=counts[1],
        level=level,
        power=POWER,
    )


def _score(score: BenchmarkScore, rows: Sequence[ProblemVerdicts]) -> BenchmarkScore:
    """Return the score over the problems that are compared."""
    if rows:
        return BenchmarkScore.of(score.benchmark, rows)
    # Without verdicts on both sides only counts are compared.
    return replace(score, outcomes=None, hit_token_limit=None)


def _changed_problem(a: ProblemVerdicts, b: ProblemVerdicts) -> ChangedProblem:
    return ChangedProblem(
        benchmark=a.benchmark,
        problem_id=a.problem_id,
        before=a.accuracy,
        after=b.accuracy,
        answer_a=most_frequent_answer(a),
        answer_b=most_frequent_answer(b),
    )


def most_frequent_answer(row: ProblemVerdicts) -> str | None:
    """Return the answer that most samples give, in its first spelling; None if none gives one."""
    given = dict.fromkeys(number for number in row.classes if number is not None)
    if not given:
        return None
    winner = max(given, key=row.classes.count)  # of equals, the one that was given first
    return row.answers[row.classes.index(winner)]


# --- the average ----------------------------------------------------------------------------


def _average_difference(pairs: Mapping[str, MatchedVerdicts], *, paired: bool) -> Difference:
    if paired:
        return average_paired({name: mean_differences(pair) for name, pair in pairs.items()})
    return average_unpaired(
        {name: (counts_of(pair.a), counts_of(pair.b)) for name, pair in pairs.items()}
    )


def _average(rows: Sequence[BenchmarkDifference], found: Difference) -> AverageDifference:
    return AverageDifference(
        a=fmean(row.a.accuracy for row in rows),
        b=fmean(row.b.accuracy for row in rows),
        difference=found,
        verdict=verdict(found.difference, found.p_value),
        detectable=power.minimum_detectable(found.standard_error, level=LEVEL, power=POWER),
    )
