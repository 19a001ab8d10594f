"""Is B better than A? Two results, benchmark by benchmark and on average.

Where both have verdicts they are paired, problem by problem; where one has only
counts they are not, and the comparison says so. What would make the difference
something else than the model's is refused unless asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, sqrt
from statistics import fmean
from typing import Literal, NamedTuple

from benchmarks import UserError
from benchmarks.hints import setting
from harness.analysis.comparability import (
    _names,
    _shared,
    about_checkpoints,
    mismatches,
    what_changed,
)
from harness.common.schema import Change
from harness.runs.results import Result
from harness.runs.scores import BenchmarkScore
from harness.runs.verdicts import ProblemVerdicts
from harness.stats import power
from harness.stats.paired import (
    Difference,
    average_paired,
    holm,
    paired_difference,
)
from harness.stats.permutation import PairedCounts
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
    """The p-value after Holm's correction over the benchmarks and their average."""
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
    adjusted_p: float
    """The p-value after Holm's correction over the benchmarks and their average."""
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
    average = _average_difference(pairs, paired=paired) if len(pairs) > 1 else None
    differences = [_difference(pair) for pair in pairs.values()]
    # One family: whatever is true, the chance of any false "better" or "worse" is 5 % at most.
    family = differences if average is None else [*differences, average]
    adjusted = holm([found.p_value for found in family])
    level = LEVEL / len(family)
    rows = tuple(
        _row(name, pair, difference, p, level=level)
        for (name, pair), difference, p in zip(pairs.items(), differences, adjusted, strict=False)
    )
    errors = [_planning_error(*both) for both in zip(pairs.values(), differences, strict=True)]
    return Comparison(
        a=a,
        b=b,
        paired=paired,
        rows=rows,
        average=None
        if average is None
        else _average(rows, average, adjusted[-1], errors, level=level),
        changes=tuple(what_changed(a, b)),
        mismatches=tuple(found),
        notes=(*notes, *about_checkpoints(a, b)),
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
        return counts, [_why_unpaired(a, b), *_not_whole(a, b, names)]
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
    return paired_difference(paired_counts(pair))


def paired_counts(pair: MatchedVerdicts) -> PairedCounts:
    """Return of each problem how many samples are correct, and of how many, on both sides."""
    return PairedCounts.of(
        (a.correct, a.samples, b.correct, b.samples)
        for a, b in zip(pair.rows_a, pair.rows_b, strict=True)
    )


def counts_of(score: BenchmarkScore) -> Counts:
    """Return what an unpaired test needs of a score."""
    return Counts(
        problems=score.problems,
        samples=score.samples,
        accuracy=score.accuracy,
        whole=score.whole,
    )


def _row(
    name: str, pair: MatchedVerdicts, difference: Difference, adjusted: float, *, level: float
) -> BenchmarkDifference:
    score_a, score_b = _score(pair.a, pair.rows_a), _score(pair.b, pair.rows_b)
    both = list(zip(pair.rows_a, pair.rows_b, strict=True))
    error = _planning_error(pair, difference)
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


def _planning_error(pair: MatchedVerdicts, difference: Difference) -> float:
    if not pair.rows_a:
        return difference.standard_error
    return power.planning_error(paired_counts(pair).differences.tolist())


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
        return average_paired({name: paired_counts(pair) for name, pair in pairs.items()})
    return average_unpaired(
        {name: (counts_of(pair.a), counts_of(pair.b)) for name, pair in pairs.items()}
    )


def _average(
    rows: Sequence[BenchmarkDifference],
    found: Difference,
    adjusted: float,
    errors: Sequence[float],
    *,
    level: float,
) -> AverageDifference:
    error = sqrt(fsum(error**2 for error in errors)) / len(errors)
    return AverageDifference(
        a=fmean(row.a.accuracy for row in rows),
        b=fmean(row.b.accuracy for row in rows),
        difference=found,
        adjusted_p=adjusted,
        verdict=verdict(found.difference, adjusted),
        detectable=power.minimum_detectable(error, level=level, power=POWER),
    )
