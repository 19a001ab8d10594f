"""Which results can be ranked against each other, and which of those can be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from harness.analysis.aligned import Aligned, align
from harness.analysis.comparability import mismatches
from harness.analysis.compare import compare
from harness.analysis.failures import affected
from harness.analysis.pairing import Pair, pair_up
from harness.common.schema import Change
from harness.runs.results import Result
from harness.stats.many import Floats, all_pairs
from harness.stats.paired import holm
from harness.stats.permutation import permutation_test
from harness.stats.power import LEVEL
from harness.stats.unpaired import average_unpaired, unpaired


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Results that were measured alike, by rank and then by average."""

    results: tuple[Result, ...]
    ranks: tuple[int | None, ...]
    """1 for those that nothing else is better than; equal for what cannot be told apart;
    None where there is nothing to be ranked against."""
    differs: tuple[Change, ...] = ()
    """In which settings the group differs from the first one."""


def grouped(results: Sequence[Result]) -> list[Group]:
    """Sort results into groups that can be compared, the largest first, then that of most
    benchmarks, then the newest.

    Published rows are a group a source: what they do not state may differ from ours.
    """
    found: list[list[Result]] = []
    for result in results:
        for members in found:
            if _alike(members[0], result):
                members.append(result)
                break
        else:
            found.append([result])
    newest = {id(members): number for number, members in enumerate(found)}
    found.sort(
        key=lambda members: (
            members[0].run is None,
            -len(members),
            -len(members[0].scores),
            -newest[id(members)],
        )
    )
    return [_group(members, found[0][0]) for members in found]


def _alike(one: Result, other: Result) -> bool:
    if one.run is None or other.run is None:
        return one.source is not None and one.source is other.source and not mismatches(one, other)
    return not mismatches(one, other)


def _group(members: Sequence[Result], first: Result) -> Group:
    differs = tuple(mismatches(first, members[0]))
    if len(members) == 1:
        return Group(results=tuple(members), ranks=(None,), differs=differs)
    order = sorted(
        zip(ranks(members), members, strict=True),
        key=lambda pair: (pair[0], -(pair[1].average or 0)),
    )
    return Group(
        results=tuple(result for _, result in order),
        ranks=tuple(rank for rank, _ in order),
        differs=differs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTests:
    """Every pair of results, tested; each table has a row and a column for each result."""

    differences: Floats
    """How far the row's average is above the column's."""
    p_values: Floats
    adjusted: Floats
    """The p-values corrected for the number of pairs."""
    exact: bool
    """Whether every sign vector was counted; otherwise they were drawn."""
    together: bool
    """Whether one sign vector was shared by all pairs; otherwise each pair was tested alone, and
    the correction is Holm's."""

    @property
    def better(self) -> NDArray[np.bool_]:
        """Where the row's result was found better than the column's."""
        return (self.adjusted < LEVEL) & (self.differences > 0)


def ranks(results: Sequence[Result]) -> list[int]:
    """Rank comparable results by their average; what cannot be told apart shares a rank.

    A result's rank is one more than the number of results that are better than it (Chiang
    et al., "Chatbot Arena", arXiv 2403.04132), at 5 % after the correction of `pair_tests`.
    """
    better = pair_tests(results, align(results)).better
    for i, j in np.argwhere(better):
        better[i, j] = not rests_on_failures(results[i], results[j])
    return [1 + int(number) for number in better.sum(axis=0)]


def rests_on_failures(a: Result, b: Result) -> bool:
    """Say whether samples on which the engine or the grader failed decide a comparison of two."""
    if not any(affected(score) for side in (a, b) for score in side.scores.values()):
        return False
    found = compare(a, b, anyway=True)
    return (found.average or found.rows[0]).verdict == "withheld"


def pair_tests(results: Sequence[Result], aligned: Aligned | None) -> PairTests:
    """Test the averages of every pair of results, and correct for the number of pairs.

    With the verdicts of all results (``aligned``), and equal numbers of samples, all pairs share
    their random signs, see `harness.stats.many.all_pairs`. Otherwise each pair is tested alone, as
    `compare` tests it, and the correction is Holm's: a shared sign vector needs a symmetry that
    unequal numbers of samples do not have.
    """
    if aligned is not None and aligned.equal_samples:
        # In the order of the ids, so that the order in which they are named changes nothing.
        order = sorted(range(len(results)), key=lambda place: (results[place].id, place))
        accuracies = aligned.accuracies[order]
        found = all_pairs(accuracies, aligned.weights)
        averages = accuracies @ np.array(aligned.weights)
        back = np.ix_(np.argsort(order), np.argsort(order))
        differences = np.subtract.outer(averages, averages)
        return PairTests(
            differences=differences[back],
            p_values=found.p_values[back],
            adjusted=found.adjusted[back],
            exact=found.exact,
            together=True,
        )
    return _tested_alone(results, aligned)


def _tested_alone(results: Sequence[Result], aligned: Aligned | None) -> PairTests:
    shape = (len(results), len(results))
    differences, p_values, adjusted = np.zeros(shape), np.ones(shape), np.ones(shape)
    pairs = list(combinations(range(len(results)), 2))
    tested = [
        average_test(pair_up(results[i], results[j])[0])
        if aligned is None
        else average_test(matched(aligned, i, j))
        for i, j in pairs
    ]
    corrected = holm([p_value for _, p_value in tested])
    for (i, j), (difference, p_value), p in zip(pairs, tested, corrected, strict=True):
        differences[j, i], differences[i, j] = difference, 0.0 - difference
        p_values[i, j] = p_values[j, i] = p_value
        adjusted[i, j] = adjusted[j, i] = p
    return PairTests(
        differences=differences, p_values=p_values, adjusted=adjusted, exact=False, together=False
    )


def matched(aligned: Aligned, a: int, b: int) -> dict[str, Pair]:
    """Return the data of two of the aligned results, as a comparison of the two has them."""
    results, rows = aligned.results, aligned.rows
    return {
        name: Pair(
            a=results[a].scores[name],
            b=results[b].scores[name],
            rows_a=rows[a][name],
            rows_b=rows[b][name],
        )
        for name in aligned.benchmarks
    }


def average_test(pairs: Mapping[str, Pair]) -> tuple[float, float]:
    """Return the difference of the averages, B − A, and its p-value, as a comparison has it."""
    if all(pair.by_problem for pair in pairs.values()):
        counts = [pair.counts for pair in pairs.values()]
        p_value, _ = permutation_test(counts)
        return fmean(fmean(problems.differences.tolist()) for problems in counts), p_value
    tallies = {name: pair.tallies for name, pair in pairs.items()}
    if len(tallies) == 1:
        found = unpaired(*next(iter(tallies.values())))
    else:
        found = average_unpaired(tallies)
    return found.difference, found.p_value
