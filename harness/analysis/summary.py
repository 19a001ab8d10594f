"""Summarise one run's verdicts: accuracies, token budgets, pass@k, groups and lengths.

The functions are pure. They need only the verdicts, so they also work for a run without its
responses. They draw nothing: what a shorter token limit or fewer samples would give is computed
from the samples of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

from benchmarks import UserError, WrongValueError
from benchmarks.registry import suggest
from harness.grading.verdict import Outcome
from harness.runs.scores import BenchmarkScore
from harness.runs.verdicts import ProblemVerdicts
from harness.stats.intervals import Interval, accuracy_interval, standard_error
from harness.stats.metrics import Marked, majority_at_k, pass_at_k, truncation_bounds, within_budget

if TYPE_CHECKING:
    from harness.runs.results import Result

SMALLEST_BUDGET = 128
"""The first token budget, unless all responses are short."""
WORTHWHILE = 0.1
"""More samples are advised if they can lower a standard error by at least this fraction."""
UNGROUPED = "(none)"
"""The group of problems that state no value for a group key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetAccuracy:
    """A lower bound of the accuracy with a token budget; see `budget_curve`."""

    tokens: int
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyAtK:
    """The expected pass@k and maj@k with k samples for each problem, as fractions."""

    k: int
    passed: float
    """The mean over problems of the chance that at least one of k samples is correct."""
    passed_error: float
    """The standard error of ``passed``."""
    passed_interval: Interval
    """The 95 % confidence interval of ``passed``, made as that of an accuracy."""
    majority: float
    """The mean over problems of the chance that the most frequent of k answers is correct."""
    majority_error: float
    """The standard error of ``majority``."""
    majority_interval: Interval
    """The 95 % confidence interval of ``majority``, made as that of an accuracy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAccuracy:
    """The accuracy over the problems of one subject, level, …"""

    value: str
    problems: int
    samples: int
    correct: int
    """The number of correct samples."""
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long responses are, in tokens."""

    samples: int
    """The number of samples whose length is known."""
    p10: float
    median: float
    p90: float
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The two parts of an accuracy's standard error.

    Both are fractions. The square of the standard error is the sum of their squares.
    """

    problems: float
    """The part from differences between problems; only more problems lower it."""
    sampling: float
    """The part from chance in sampling; more samples for each problem lower it too."""

    @property
    def standard_error(self) -> float:
        """The standard error of the accuracy, as a fraction."""
        return sqrt(self.problems**2 + self.sampling**2)

    @property
    def advice(self) -> str:
        """One line that says whether more samples for each problem would help."""
        whole, floor = f"{100 * self.standard_error:.1f}", f"{100 * self.problems:.1f}"
        if self.problems <= (1 - WORTHWHILE) * self.standard_error:
            return (
                f"more samples for each problem would lower the standard error from {whole} "
                f"to {floor} points at best"
            )
        return (
            f"only more problems would lower the standard error of {whole} points much; "
            f"with any number of samples it stays at {floor} or more"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSummary:
    """The summary of one run on one benchmark. Accuracies are fractions."""

    benchmark: str
    problems: int
    samples: int
    correct: int
    """The number of correct samples."""
    fewest: int
    """The smallest number of samples that any problem has; it is the largest k."""
    accuracy: float
    """The mean over problems of the share of their samples that are correct: avg@n."""
    standard_error: float
    """The standard error of the accuracy, clustered by problem."""
    interval: Interval
    interval_method: str
    """How the interval was made, and those of the groups and at each k."""
    outcomes: Mapping[str, int]
    """Outcome to its number of samples, in the outcomes' order; outcomes with none are left out."""
    looping: int | None
    """How many truncated samples were repeating themselves; None where nobody looked."""
    lowest: float
    """The accuracy if every truncated sample counts as wrong, as in the score."""
    highest: float | None
    """The accuracy if every truncated sample counts as correct; None if ``ends_known`` is false."""
    ends_known: bool
    """Whether it is known of every sample how it ended; saved generations may not say so."""
    budgets: tuple[BudgetAccuracy, ...]
    """See `budget_curve`; empty if the engine counts no tokens."""
    at_k: tuple[AccuracyAtK, ...]
    groups: Mapping[str, tuple[GroupAccuracy, ...]]
    """Group key, such as level, to the accuracy of each of its values."""
    lengths: Lengths | None
    lengths_correct: Lengths | None
    lengths_wrong: Lengths | None
    """The lengths of the samples that are not correct, for any reason."""
    spread: Spread | None
    """None if a problem has only one sample, or if all problems have the same accuracy."""


def summarise(
    rows: Iterable[ProblemVerdicts], *, max_tokens: int | None = None
) -> tuple[BenchmarkSummary, ...]:
    """Return one summary for each benchmark, in the order in which the rows name them.

    ``max_tokens`` is the run's token limit, if it is known. No token budget is larger.
    """
    by_benchmark: dict[str, list[ProblemVerdicts]] = {}
    for row in rows:
        by_benchmark.setdefault(row.benchmark, []).append(row)
    every = [row for problems in by_benchmark.values() for row in problems]
    budgets = token_budgets(_longest(every), max_tokens)
    return tuple(
        _summary(name, problems, budgets=budgets) for name, problems in by_benchmark.items()
    )


def summary_of(result: Result) -> tuple[BenchmarkSummary, ...] | None:
    """Return a complete run's summaries; None for other results, whose verdicts are not known."""
    if result.run is None or result.run.status != "complete" or result.verdicts is None:
        return None
    rows = (row for problems in result.verdicts.values() for row in problems)
    # Saved generations do not state their token limit.
    limit = None if result.run.saved is not None else result.run.spec.sampling.max_tokens
    return summarise(rows, max_tokens=limit)


def groups_of(
    result: Result, key: str, *, benchmark: str | None = None
) -> dict[str, tuple[GroupAccuracy, ...]]:
    """Return a run's accuracies by subject, level, …, for each benchmark that has such groups.

    Raises:
        UserError: the run's verdicts are not known, or no benchmark is grouped by ``key``.
    """
    summaries = summary_of(result)
    if summaries is None:
        raise UserError(f"{result.name} has no verdicts that could be grouped")
    asked = [one for one in summaries if benchmark in (None, one.benchmark)]
    known = [name for one in asked for name in one.groups]
    if key not in known:
        raise WrongValueError(suggest("group in this run", key, known))
    return {one.benchmark: one.groups[key] for one in asked if key in one.groups}


def _summary(
    benchmark: str, problems: Sequence[ProblemVerdicts], *, budgets: Sequence[int]
) -> BenchmarkSummary:
    score = BenchmarkScore.of(benchmark, problems)
    bounds = truncation_bounds([marked(problem) for problem in problems])
    return BenchmarkSummary(
        benchmark=benchmark,
        problems=score.problems,
        samples=score.samples,
        correct=score.correct or 0,
        fewest=min(problem.samples for problem in problems),
        accuracy=score.accuracy,
        standard_error=standard_error([problem.accuracy for problem in problems]),
        interval=score.interval,
        interval_method=score.interval_method,
        outcomes=score.outcomes or {},
        looping=score.looping,
        lowest=bounds.low,
        highest=None if score.hit_token_limit is None else bounds.high,
        ends_known=score.hit_token_limit is not None,
        budgets=budget_curve(problems, budgets),
        at_k=accuracies_at_k(problems),
        groups={key: by_group(problems, key) for key in group_keys(problems)},
        lengths=response_lengths(problems),
        lengths_correct=response_lengths(problems, correct=True),
        lengths_wrong=response_lengths(problems, correct=False),
        spread=spread_of(problems),
    )


def marked(problem: ProblemVerdicts) -> list[Marked]:
    """Return a problem's samples in the form that `harness.stats.metrics` takes."""
    return [
        Marked(
            correct=outcome == Outcome.CORRECT,
            truncated=outcome == Outcome.TRUNCATED,
            tokens=tokens,
        )
        for outcome, tokens in zip(problem.outcomes, problem.tokens, strict=True)
    ]


def token_budgets(longest: int | None, max_tokens: int | None = None) -> tuple[int, ...]:
    """Return powers of two, from 128 up to the first that is no shorter than any response.

    The last one is replaced by the token limit if that is smaller. If all responses are short,
    the budgets begin below 128, so that there are four.

    >>> token_budgets(1500, 2048), token_budgets(2900, 3000)
    ((128, 256, 512, 1024, 2048), (128, 256, 512, 1024, 2048, 3000))
    >>> token_budgets(60)
    (8, 16, 32, 64)
    """
    if longest is None:
        return ()
    last = 1 << max(3, (longest - 1).bit_length())
    budgets, budget = [], min(SMALLEST_BUDGET, last // 8)
    while budget < last:
        budgets.append(budget)
        budget *= 2
    if max_tokens is not None and longest <= max_tokens < last:
        last = max_tokens
    return (*(budget for budget in budgets if budget < last), last)


def budget_curve(
    problems: Sequence[ProblemVerdicts], budgets: Iterable[int]
) -> tuple[BudgetAccuracy, ...]:
    """Return the accuracy for each token budget, computed from the samples of this one run.

    A sample counts as correct within a budget if it is correct and its whole response fits. This
    is a lower bound of the accuracy of a run with this token limit. With the same seed a response
    that fits would be the same. A longer response would be cut off, but the part before the limit
    might already state the answer, and would then count as correct. The last budget holds every
    response, so its accuracy is the run's.
    """
    responses = [marked(problem) for problem in problems]
    curve = [(budget, within_budget(responses, budget)) for budget in budgets]
    return tuple(
        BudgetAccuracy(tokens=budget, accuracy=accuracy)
        for budget, accuracy in curve
        if accuracy is not None
    )


def accuracies_at_k(problems: Sequence[ProblemVerdicts]) -> tuple[AccuracyAtK, ...]:
    """Return pass@k and maj@k for k = 1, 2, 4, … and the samples that every problem has."""
    fewest = min(problem.samples for problem in problems)
    samples = sum(problem.samples for problem in problems)
    ladder = [1 << power for power in range(fewest.bit_length())]
    found = []
    for k in dict.fromkeys([*ladder, fewest]):
        passed = [pass_at_k(problem.correct, problem.samples, k) for problem in problems]
        majority = [majority_at_k(problem.classes, k) for problem in problems]
        found.append(
            AccuracyAtK(
                k=k,
                passed=fmean(passed),
                passed_error=standard_error(passed),
                passed_interval=accuracy_interval(passed, samples=samples),
                majority=fmean(majority),
                majority_error=standard_error(majority),
                majority_interval=accuracy_interval(majority, samples=samples),
            )
        )
    return tuple(found)


def group_keys(problems: Iterable[ProblemVerdicts]) -> list[str]:
    """Return the keys by which problems can be grouped, such as level, in the benchmark's order."""
    return list(dict.fromkeys(key for problem in problems for key in problem.groups))


def by_group(problems: Iterable[ProblemVerdicts], key: str) -> tuple[GroupAccuracy, ...]:
    """Return the accuracy of each group, in natural order; each problem is in exactly one group."""
    groups: dict[str, list[ProblemVerdicts]] = {}
    for problem in problems:
        groups.setdefault(problem.groups.get(key, UNGROUPED), []).append(problem)
    return tuple(_group(value, groups[value]) for value in sorted(groups, key=_natural))


def _group(value: str, problems: Sequence[ProblemVerdicts]) -> GroupAccuracy:
    score = BenchmarkScore.of(problems[0].benchmark, problems)
    return GroupAccuracy(
        value=value,
        problems=score.problems,
        samples=score.samples,
        correct=score.correct or 0,
        accuracy=score.accuracy,
        interval=score.interval,
    )


def _natural(text: str) -> list[str | int]:
    """Return a sort key of alternating texts and numbers, which puts level 2 before level 10."""
    parts = re.split(r"([0-9]{1,9})", text)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def response_lengths(
    problems: Iterable[ProblemVerdicts], *, correct: bool | None = None
) -> Lengths | None:
    """Return quantiles of the responses' lengths in tokens; None if no length is known.

    ``correct`` selects the samples that are correct (True) or not (False); None selects all.
    Quantiles are interpolated between samples (type 7 of Hyndman and Fan, Am. Stat. 50 (1996)
    361).
    """
    known = [
        one.tokens
        for problem in problems
        for one in marked(problem)
        if one.tokens is not None and (correct is None or one.correct == correct)
    ]
    if not known:
        return None
    tenths = quantiles(known, n=10, method="inclusive") if len(known) > 1 else known * 9
    return Lengths(
        samples=len(known), p10=tenths[0], median=tenths[4], p90=tenths[8], longest=max(known)
    )


def spread_of(problems: Sequence[ProblemVerdicts]) -> Spread | None:
    """Split the standard error of the accuracy into a part from problems and one from sampling.

    The mean of a problem's n samples has the sampling variance p(1 − p)/n, of which
    p̂(1 − p̂)/(n − 1) is an unbiased estimate. The average of these estimates is subtracted from
    the variance of the problems' means. The rest is the variance between problems (Miller,
    "Adding Error Bars to Evals", arXiv 2411.00640, §3.1). The result is None if a problem has
    only one sample, or if all problems have the same accuracy.
    """
    if min(problem.samples for problem in problems) < 2:
        return None
    means = [problem.accuracy for problem in problems]
    whole = standard_error(means) ** 2
    if whole == 0:
        return None
    variances = [p.accuracy * (1 - p.accuracy) / (p.samples - 1) for p in problems]
    sampling = min(whole, fmean(variances) / len(problems))
    return Spread(problems=sqrt(whole - sampling), sampling=sqrt(sampling))


def _longest(problems: Iterable[ProblemVerdicts]) -> int | None:
    known = [tokens for problem in problems for tokens in problem.tokens if tokens is not None]
    return max(known, default=None)
