"""Which results can be ranked against each other, and which of those can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from harness.analysis.comparability import mismatches
from harness.analysis.compare import counts_of, pair_up, paired_counts
from harness.common.schema import Change
from harness.runs.results import Result
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


def ranks(results: Sequence[Result]) -> list[int]:
    """Rank comparable results by their average; what cannot be told apart shares a rank.

    A result's rank is one more than the number of results that are better than it (Chiang
    et al., "Chatbot Arena", arXiv 2403.04132): each pair's averages are tested as `compare`
    tests them, at 5 % after Holm's correction over all pairs.
    """
    pairs = list(combinations(range(len(results)), 2))
    tested = [_average_test(results[i], results[j]) for i, j in pairs]
    adjusted = holm([p_value for _, p_value in tested])
    better = [0] * len(results)
    for (i, j), (difference, _), p_value in zip(pairs, tested, adjusted, strict=True):
        if p_value < LEVEL:
            better[i if difference > 0 else j] += 1
    return [count + 1 for count in better]


def _average_test(a: Result, b: Result) -> tuple[float, float]:
    """Return the difference of the averages, B − A, and its p-value, as a comparison has it."""
    pairs, _ = pair_up(a, b)
    if all(pair.rows_a for pair in pairs.values()):
        counts = [paired_counts(pair) for pair in pairs.values()]
        p_value, _ = permutation_test(counts)
        return fmean(fmean(problems.differences.tolist()) for problems in counts), p_value
    tallies = {name: (counts_of(pair.a), counts_of(pair.b)) for name, pair in pairs.items()}
    if len(tallies) == 1:
        found = unpaired(*next(iter(tallies.values())))
    else:
        found = average_unpaired(tallies)
    return found.difference, found.p_value
