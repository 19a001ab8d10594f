"""Many runs at once: each against a base, or all against each other with intervals of ranks.

What `compare` says of two runs benchmark by benchmark, this says of many by their average (or by
the one benchmark that they share). One family of tests is corrected: the comparisons with the base,
or all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import NamedTuple, NoReturn

import numpy as np

from benchmarks import UserError, WrongValueError
from benchmarks.hints import hint, setting, word
from harness.analysis.aligned import Aligned, align
from harness.analysis.comparability import mismatches
from harness.analysis.compare import Conclusion, verdict
from harness.analysis.ranking import average_test, matched, pair_tests, rests_on_failures
from harness.common.schema import Change
from harness.runs.results import Result
from harness.runs.scores import BenchmarkScore
from harness.stats.intervals import Interval, mean_interval
from harness.stats.many import (
    AdjustedTests,
    Best,
    best_of,
    difference_interval,
    ordered,
    rank_intervals,
    step_down,
)
from harness.stats.paired import holm
from harness.stats.power import LEVEL

TOGETHER = "sign flips, one sign a problem for all runs; step-down max-T (Westfall and Young)"
BY_PAIRS = "sign flips, one sign a problem for all runs; step-down min-p over all pairs"
ALONE = "each pair tested alone; Holm"
MOST_PAIRS = 3
"""The most pairs that were not measured alike whose settings a refusal lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstBase:
    """How far a run is above the base."""

    difference: float
    low: float
    """The interval's lower limit; all the intervals hold together with 95 %."""
    high: float
    p_value: float
    adjusted_p: float
    """The p-value corrected for the number of runs."""
    verdict: Conclusion
    """What is concluded about the run against the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One of the runs."""

    result: Result
    average: float
    """Its average over the problems that are compared (or the accuracy of the one benchmark)."""
    interval: Interval
    """The 95 % interval of that average, for this run alone."""
    against_base: AgainstBase | None = None
    """None if there is no base."""
    ranks: tuple[int, int] | None = None
    """The best and the worst rank that it may have; all these intervals hold together with 95 %.
    None if there is a base."""
    better_than: tuple[str, ...] = ()
    """The ids of the runs that it is better than, if there is no base."""


class PairTest(NamedTuple):
    """Two of the runs, if there is no base."""

    a: str
    """The id of the one with the lower average."""
    b: str
    """The id of the other one."""
    difference: float
    """B - A."""
    p_value: float
    adjusted_p: float
    """The p-value corrected for the number of pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """The run with the highest average, and what that is worth.

    Of a single run and a base it says nothing: nothing was chosen.
    """

    results: tuple[Result, ...]
    """The run; several if their averages are equal."""
    naive: float
    """Its average, or with a base its difference to that; too high, since it was chosen by it."""
    corrected: float | None
    """The same, corrected for having been chosen; None if a benchmark has a single problem."""
    chosen: float | None
    """The share of random halves of the problems on which it has the highest average."""
    possible: tuple[Result, ...]
    """The runs that may be the best, at 95 %. With a base these are not known, and it is empty."""

    @property
    def certain(self) -> bool:
        """Whether it can be said which run is the best."""
        return len(self.possible) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyComparison:
    """Everything that can be said of many runs at once; the highest average comes first."""

    base: Standing | None
    runs: tuple[Standing, ...]
    """All runs but the base."""
    pairs: tuple[PairTest, ...]
    """All pairs of runs, the smallest p-value first; empty if there is a base."""
    winner: Winner
    benchmarks: tuple[str, ...]
    problems: int
    test: str
    exact: bool
    """Whether every sign vector was counted; otherwise seeded ones were drawn."""
    mismatches: tuple[tuple[Result, Result, tuple[Change, ...]], ...]
    """The pairs that were not measured alike; compared only if that is wanted."""
    notes: tuple[str, ...]


def rank(
    results: Sequence[Result], base: Result | None = None, *, anyway: bool = False
) -> ManyComparison:
    """Compare many runs with a base, or rank them; with ``anyway`` also such as differ in more.

    The order in which they are named changes nothing.

    Raises:
        UserError: there are too few runs; one is named twice, also as the base, or has only
            counts; they share no problem; or, without ``anyway``, some were not measured alike.
    """
    runs = list(results)
    _require_distinct([*([] if base is None else [base]), *runs])
    if len(runs) < (1 if base else 2):
        need = "one run or more beside the base" if base else "two runs or more"
        raise WrongValueError(f"a ranking needs {need}; given: {_names(runs) or 'none'}")
    # In the order of their ids: so no rounding depends on the order in which they were named.
    runs.sort(key=lambda one: one.id)
    members = runs if base is None else [base, *runs]
    aligned = align(members)
    if aligned is None:
        _refuse_counts(members)
    found = _mismatched(members)
    if found and not anyway:
        _refuse(found)
    standings = _standings(aligned)
    notes = [*aligned.notes, *_unequal(aligned)]
    together = aligned.equal_samples
    if base is None:
        return _ranked(aligned, standings, found, notes)
    tested = _tested(aligned)
    against = list(_against_base(aligned, tested))
    for place, run in enumerate(runs):
        if rests_on_failures(base, run):
            against[place] = replace(against[place], verdict="withheld")
            notes.append(_withheld(base, run))
    others = [
        _with_base(standing, one) for standing, one in zip(standings[1:], against, strict=True)
    ]
    return ManyComparison(
        base=standings[0],
        runs=tuple(others[place] for place in ordered([one.average for one in others])),
        pairs=(),
        winner=_winner(aligned, (), [one.difference for one in against]),
        benchmarks=aligned.benchmarks,
        problems=aligned.problems,
        test=TOGETHER if together else ALONE,
        exact=tested.exact,
        mismatches=tuple(found),
        notes=tuple(notes),
    )


# --- what cannot be ranked ------------------------------------------------------------------


def _require_distinct(runs: Sequence[Result]) -> None:
    twice = [one.name for place, one in enumerate(runs) if one.id in {r.id for r in runs[:place]}]
    if twice:
        raise WrongValueError(
            f"{', '.join(twice)} was named more than once, perhaps also as the base: a run tells "
            "nothing of a difference to itself; name each run once"
        )


def _refuse_counts(members: Sequence[Result]) -> NoReturn:
    without = [one for one in members if one.verdicts is None]
    raise UserError(
        f"of {_names(without)} only counts are known, and many runs are compared problem by "
        f"problem; leave out what has only counts. {hint('table')} ranks published results among "
        "themselves, and `diff` compares two by their counts"
    )


def _names(results: Sequence[Result]) -> str:
    return ", ".join(one.name for one in results)


def _mismatched(
    members: Sequence[Result],
) -> list[tuple[Result, Result, tuple[Change, ...]]]:
    pairs = ((a, b, tuple(mismatches(a, b))) for a, b in combinations(members, 2))
    return [pair for pair in pairs if pair[2]]


def _refuse(found: Sequence[tuple[Result, Result, tuple[Change, ...]]]) -> None:
    shown = [
        f"{a.name} and {b.name}: {'; '.join(map(str, changes))}"
        for a, b, changes in found[:MOST_PAIRS]
    ]
    if len(found) > MOST_PAIRS:
        shown.append(f"and {len(found) - MOST_PAIRS} more pairs")
    raise UserError(
        "these runs were not all measured alike, so that a difference would not be the models': "
        f"{'. '.join(shown)}. Evaluate each as the others were, leave some out, or compare what "
        f"all share all the same: {setting('allow_mismatch')}"
    )


# --- each run alone -------------------------------------------------------------------------


def _standings(aligned: Aligned) -> list[Standing]:
    found = []
    for result, rows in zip(aligned.results, aligned.rows, strict=True):
        scores = [BenchmarkScore.of(name, part) for name, part in rows.items()]
        values, intervals = [s.accuracy for s in scores], [s.interval for s in scores]
        found.append(
            Standing(
                result=result,
                average=fmean(values),
                interval=intervals[0] if len(scores) == 1 else mean_interval(values, intervals),
            )
        )
    return found


def _unequal(aligned: Aligned) -> Iterator[str]:
    if not aligned.equal_samples:
        yield (
            "the runs have unequal numbers of samples, so the test that looks at all runs at once "
            "does not hold for them: each pair is tested alone, with Holm's correction, which "
            "sees less; runs of equal numbers of samples are compared more sharply"
        )


def _withheld(a: Result, b: Result) -> str:
    return (
        f"VERDICT WITHHELD: {b.name} against {a.name}: it depends on samples on which the engine "
        f"or the grader failed; {hint(f'diff {word(a.name)} {word(b.name)}')} says how"
    )


# --- against the base -----------------------------------------------------------------------


def _tested(aligned: Aligned) -> AdjustedTests:
    """Test each run against the base, which is the first."""
    if aligned.equal_samples:
        accuracies = aligned.accuracies
        return step_down(accuracies[1:] - accuracies[0], aligned.weights)
    runs = range(1, len(aligned.results))
    p_values = [average_test(matched(aligned, 0, run))[1] for run in runs]
    return AdjustedTests(
        p_values=tuple(p_values),
        adjusted=tuple(holm(p_values)),
        level=LEVEL / len(runs),
        exact=False,
    )


def _against_base(aligned: Aligned, tested: AdjustedTests) -> Iterator[AgainstBase]:
    accuracies, strata = aligned.accuracies, aligned.strata
    weights = np.array(aligned.weights)
    for row, p_value, adjusted in zip(
        accuracies[1:], tested.p_values, tested.adjusted, strict=True
    ):
        differences = row - accuracies[0]
        middle = float(differences @ weights)
        interval = difference_interval(differences, strata, level=tested.level)
        yield AgainstBase(
            difference=middle,
            low=interval.low,
            high=interval.high,
            p_value=p_value,
            adjusted_p=adjusted,
            verdict=verdict(middle, adjusted),
        )


def _with_base(standing: Standing, against: AgainstBase) -> Standing:
    return Standing(
        result=standing.result,
        average=standing.average,
        interval=standing.interval,
        against_base=against,
    )


# --- all pairs ------------------------------------------------------------------------------


def _ranked(
    aligned: Aligned,
    standings: Sequence[Standing],
    found: Sequence[tuple[Result, Result, tuple[Change, ...]]],
    notes: Sequence[str],
) -> ManyComparison:
    tests = pair_tests(aligned.results, aligned)
    better, ids = tests.better, [one.result.id for one in standings]
    notes = list(notes)
    for i, j in np.argwhere(better):
        if rests_on_failures(aligned.results[i], aligned.results[j]):
            better[i, j] = False
            notes.append(_withheld(aligned.results[j], aligned.results[i]))
    intervals = rank_intervals(better)
    runs = [
        Standing(
            result=one.result,
            average=one.average,
            interval=one.interval,
            ranks=ranks,
            better_than=tuple(ids[other] for other in np.flatnonzero(row)),
        )
        for one, ranks, row in zip(standings, intervals, better, strict=True)
    ]
    pairs = []
    for i, j in combinations(range(len(ids)), 2):
        low, high = (i, j) if tests.differences[j, i] >= 0 else (j, i)
        pairs.append(
            PairTest(
                a=ids[low],
                b=ids[high],
                difference=float(tests.differences[high, low]),
                p_value=float(tests.p_values[i, j]),
                adjusted_p=float(tests.adjusted[i, j]),
            )
        )
    possible = tuple(one.result for one in runs if one.ranks and one.ranks[0] == 1)
    return ManyComparison(
        base=None,
        runs=tuple(runs[place] for place in ordered([one.average for one in runs])),
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.adjusted_p, -pair.difference))),
        winner=_winner(aligned, possible, [one.average for one in runs], base=False),
        benchmarks=aligned.benchmarks,
        problems=aligned.problems,
        test=BY_PAIRS if tests.together else ALONE,
        exact=tests.exact,
        mismatches=tuple(found),
        notes=tuple(notes),
    )


def _winner(
    aligned: Aligned,
    possible: tuple[Result, ...],
    shown: Sequence[float],
    *,
    base: bool = True,
) -> Winner:
    """Return the best run; ``shown`` are the averages or differences beside the runs."""
    values, results = aligned.accuracies, aligned.results
    if base:
        values, results = values[1:] - values[0], results[1:]
    found: Best = best_of(values, aligned.strata)
    return Winner(
        results=tuple(results[row] for row in found.rows),
        naive=shown[found.rows[0]],  # the number of the table, to its last bit
        corrected=found.corrected,
        chosen=found.chosen,
        possible=possible,
    )
