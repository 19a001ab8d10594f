"""One run's verdicts, counted in every way that a person asks. Pure: rows in, values out.

Everything is read from the verdicts, so it holds for a run that came without its
responses, and nothing is drawn again: a shorter limit or fewer samples are read off
the samples that there are.
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
from harness.stats.intervals import Interval, standard_error
from harness.stats.metrics import Marked, majority_at_k, pass_at_k, truncation_bounds, within_budget

if TYPE_CHECKING:
    from harness.runs.results import Result

SMALLEST_BUDGET = 128
"""Where the budgets begin, unless no response is much longer than that."""
WORTHWHILE = 0.1
"""The part by which unlimited samples must lower a standard error to be advised."""
UNGROUPED = "(none)"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetAccuracy:
    """The accuracy that a token budget is sure to leave."""

    tokens: int
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyAtK:
    """What k samples a problem would reach; means over problems, and their standard errors."""

    k: int
    passed: float
    """At least one of k is correct."""
    passed_error: float
    majority: float
    """Most of those of k that state an answer state the correct one."""
    majority_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAccuracy:
    """The accuracy over the problems of one subject, level, …"""

    value: str
    problems: int
    samples: int
    correct: int
    """Samples."""
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long responses are, in tokens."""

    samples: int
    """Those whose length is known."""
    p10: float
    median: float
    p90: float
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Where the standard error of an accuracy comes from.

    Its square is the sum of the two parts' squares, as fractions.
    """

    problems: float
    """What problems differ in: it falls with more problems alone."""
    sampling: float
    """Chance: it falls with more samples a problem too."""

    @property
    def standard_error(self) -> float:
        """The whole."""
        return sqrt(self.problems**2 + self.sampling**2)

    @property
    def advice(self) -> str:
        """Whether more samples a problem would help, in a line."""
        whole, floor = f"{100 * self.standard_error:.1f}", f"{100 * self.problems:.1f}"
        if self.problems <= (1 - WORTHWHILE) * self.standard_error:
            return (
                f"more samples a problem would lower the standard error from {whole} "
                f"to {floor} points at best"
            )
        return (
            f"only more problems would lower the standard error of {whole} points; "
            f"more samples leave {floor}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSummary:
    """What one run says of itself on one benchmark. Accuracies are fractions."""

    benchmark: str
    problems: int
    samples: int
    correct: int
    """Samples."""
    fewest: int
    """Samples of the problem that has the fewest: k goes so far."""
    accuracy: float
    """Mean over problems of the share of their samples that are correct: avg@n."""
    standard_error: float
    """Clustered by problem."""
    interval: Interval
    outcomes: Mapping[str, int]
    """Those that occur, in the outcomes' order; they sum to the samples."""
    lowest: float
    """The accuracy if every truncated sample is wrong, as it was scored."""
    highest: float
    """The accuracy if every truncated sample were right."""
    budgets: tuple[BudgetAccuracy, ...]
    """See `budget_curve`; empty where the engine counts no tokens."""
    at_k: tuple[AccuracyAtK, ...]
    groups: Mapping[str, tuple[GroupAccuracy, ...]]
    """By group key."""
    lengths: Lengths | None
    lengths_correct: Lengths | None
    lengths_wrong: Lengths | None
    """Of the samples that are not correct, for whatever reason."""
    spread: Spread | None
    """None with one sample a problem, or where all problems come out alike."""


def summarise(
    rows: Iterable[ProblemVerdicts], *, max_tokens: int | None = None
) -> tuple[BenchmarkSummary, ...]:
    """Return one summary a benchmark, in the order in which they come first.

    ``max_tokens`` is the run's token limit, if it is known; the budgets end there.
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
    """Return what a complete run's verdicts say; None where they are not known."""
    if result.run is None or result.run.status != "complete" or result.verdicts is None:
        return None
    rows = (row for problems in result.verdicts.values() for row in problems)
    # Saved generations do not say what their limit was.
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
        raise UserError(f"{result.name} has no verdicts, so nothing to group")
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
        outcomes=score.outcomes or {},
        lowest=bounds.low,
        highest=bounds.high,
        budgets=budget_curve(problems, budgets),
        at_k=accuracies_at_k(problems),
        groups={key: by_group(problems, key) for key in group_keys(problems)},
        lengths=response_lengths(problems),
        lengths_correct=response_lengths(problems, correct=True),
        lengths_wrong=response_lengths(problems, correct=False),
        spread=spread_of(problems),
    )


def marked(problem: ProblemVerdicts) -> list[Marked]:
    """Return what `harness.stats.metrics` asks of each sample of a problem."""
    return [
        Marked(
            correct=outcome == Outcome.CORRECT,
            truncated=outcome == Outcome.TRUNCATED,
            tokens=tokens,
        )
        for outcome, tokens in zip(problem.outcomes, problem.tokens, strict=True)
    ]


def token_budgets(longest: int | None, max_tokens: int | None = None) -> tuple[int, ...]:
    """Return powers of two from 128 to one that holds the longest response.

    The last is the token limit instead, if that comes before. Where all responses are
    short the budgets begin lower, so that there are four.

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
    """Return the accuracy over token budgets, from the samples of this one run.

    A sample is correct within a budget if it is correct and its whole response is no
    longer. That is a lower bound of what a run with this token limit scores: with the same
    seed a limit only cuts, so a response that ends before it is the same one; and of a
    longer response the part before the limit may already hold the answer, which would
    count. The last budget holds every response, and its accuracy is the run's.
    """
    responses = [marked(problem) for problem in problems]
    curve = [(budget, within_budget(responses, budget)) for budget in budgets]
    return tuple(
        BudgetAccuracy(tokens=budget, accuracy=accuracy)
        for budget, accuracy in curve
        if accuracy is not None
    )


def accuracies_at_k(problems: Sequence[ProblemVerdicts]) -> tuple[AccuracyAtK, ...]:
    """Return pass@k and maj@k for k = 1, 2, 4, … and n; n is what every problem has."""
    fewest = min(problem.samples for problem in problems)
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
                majority=fmean(majority),
                majority_error=standard_error(majority),
            )
        )
    return tuple(found)


def group_keys(problems: Iterable[ProblemVerdicts]) -> list[str]:
    """Return what accuracy can be counted by, in the benchmark's order."""
    return list(dict.fromkeys(key for problem in problems for key in problem.groups))


def by_group(problems: Iterable[ProblemVerdicts], key: str) -> tuple[GroupAccuracy, ...]:
    """Return the accuracy of each group, in natural order; each problem is in one of them."""
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
    """Return a key that has level 2 before level 10: texts and numbers in turn."""
    parts = re.split(r"([0-9]{1,9})", text)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def response_lengths(
    problems: Iterable[ProblemVerdicts], *, correct: bool | None = None
) -> Lengths | None:
    """Return quantiles of the responses' lengths, of all or of the correct or other ones.

    Quantiles are interpolated between samples (Hyndman and Fan's type 7). None if no
    length is known.
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
    """Split the standard error of the accuracy into problems and sampling.

    A problem's mean of n samples varies by chance with p(1 − p)/n, estimated without bias
    by p̂(1 − p̂)/(n − 1); what its average leaves of the means' variance is what problems
    differ in (Miller, "Adding Error Bars to Evals", arXiv 2411.00640, §3.1). None if a
    problem has one sample, or if all problems come out alike.
    """
    if min(problem.samples for problem in problems) < 2:
        return None
    means = [problem.accuracy for problem in problems]
    whole = standard_error(means) ** 2
    if whole == 0:
        return None
    chances = [p.accuracy * (1 - p.accuracy) / (p.samples - 1) for p in problems]
    sampling = min(whole, fmean(chances) / len(problems))
    return Spread(problems=sqrt(whole - sampling), sampling=sqrt(sampling))


def _longest(problems: Iterable[ProblemVerdicts]) -> int | None:
    known = [tokens for problem in problems for tokens in problem.tokens if tokens is not None]
    return max(known, default=None)
