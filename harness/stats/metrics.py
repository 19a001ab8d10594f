"""Accuracy and its doubt. Pure functions; every formula with its source and an example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import comb
from statistics import fmean
from typing import NamedTuple


class Marked(NamedTuple):
    """What became of one response."""

    correct: bool
    truncated: bool = False
    """Cut off before it stated an answer, and therefore scored as not correct."""
    tokens: int | None = None
    """Its length; None where the engine counts none."""


class Bounds(NamedTuple):
    """What an accuracy is at least and at most; not a confidence interval."""

    low: float
    high: float


def pass_at_k(correct: int, samples: int, k: int) -> float:
    """Return the chance that at least one of k of a problem's samples is correct.

    1 − C(n − c, k) / C(n, k), over all choices of k of the n samples, c of them correct:
    unbiased (Chen et al., arXiv 2107.03374, eq. 1), in whole numbers.

    >>> pass_at_k(1, 4, 2), pass_at_k(3, 4, 2)
    (0.5, 1.0)
    """
    _check_k(k, samples)
    every = comb(samples, k)
    return (every - comb(samples - correct, k)) / every


def _check_k(k: int, samples: int) -> None:
    if not 1 <= k <= samples:
        raise ValueError(f"k is {k}; of {samples} samples it can be 1 to {samples}")


def majority_at_k(classes: Sequence[int | None], k: int) -> float:
    """Return the chance that most of k of a problem's samples give the correct answer.

    ``classes`` names each sample's answer: 0 is correct, any other number one wrong
    answer, None no answer, which casts no vote. A draw between t answers, the correct one
    among them, counts 1/t; if nobody votes, the answer is wrong. Exact, over all choices
    of k of the n samples (majority voting: Wang et al., arXiv 2203.11171).

    Two of three of correct, correct, wrong: one pair is won, two are drawn.

    >>> round(majority_at_k([0, 0, 1], 2), 4)
    0.6667
    >>> majority_at_k([0, None, 2, 2], 3)
    0.25
    """
    _check_k(k, len(classes))
    counts = Counter(classes)
    correct, silent = counts.pop(0, 0), counts.pop(None, 0)
    return _majority(correct, tuple(sorted(counts.values())), silent, k)


@lru_cache(maxsize=2**16)
def _majority(correct: int, others: tuple[int, ...], silent: int, k: int) -> float:
    """Sum over the votes that the correct answer may get.

    Only answers with as many samples can rival it; all others are free to be drawn.
    """
    won = 0.0
    for votes in range(1, min(correct, k) + 1):
        rivals = [count for count in others if count >= votes]
        free = silent + sum(others) - sum(rivals)
        won += comb(correct, votes) * sum(
            number * comb(free, k - votes - drawn) / (1 + draws)
            for (draws, drawn), number in _rivalries(rivals, votes, k - votes).items()
        )
    return won / comb(correct + sum(others) + silent, k)


def _rivalries(rivals: Sequence[int], votes: int, size: int) -> Counter[tuple[int, int]]:
    """Count the choices of at most ``size`` samples in which no rival has more votes.

    The keys are how many rivals have as many votes, and how many samples are drawn.
    """
    ways = Counter({(0, 0): 1})
    for rival in rivals:
        longer: Counter[tuple[int, int]] = Counter()
        for (draws, drawn), number in ways.items():
            for taken in range(min(votes, size - drawn) + 1):
                longer[draws + (taken == votes), drawn + taken] += number * comb(rival, taken)
        ways = longer
    return ways


def within_budget(problems: Iterable[Sequence[Marked]], budget: int) -> float | None:
    """Return the accuracy if a response of more tokens than the budget is not correct.

    A mean over problems of the means of their responses. None if it is not known how
    long a correct response is.

    >>> short, long = Marked(correct=True, tokens=90), Marked(correct=True, tokens=300)
    >>> within_budget([[short, long], [short, short]], 100)
    0.75
    """
    marked = [list(responses) for responses in problems]
    if any(one.correct and one.tokens is None for responses in marked for one in responses):
        return None
    return _accuracy([[m.correct and (m.tokens or 0) <= budget for m in row] for row in marked])


def truncation_bounds(problems: Iterable[Sequence[Marked]]) -> Bounds:
    """Return what the accuracy might be had no response been cut off.

    At the low end every truncated response stays wrong, as it was scored; at the high
    end each would have become correct. A mean over problems of their responses' means.

    >>> cut, right = Marked(correct=False, truncated=True), Marked(correct=True)
    >>> truncation_bounds([[cut, right], [cut, Marked(correct=False)]])
    Bounds(low=0.25, high=0.75)
    """
    marked = [list(responses) for responses in problems]
    return Bounds(
        low=_accuracy([[one.correct for one in row] for row in marked]),
        high=_accuracy([[one.correct or one.truncated for one in row] for row in marked]),
    )


def _accuracy(problems: Sequence[Sequence[bool]]) -> float:
    return fmean(fmean(flags) for flags in problems) if problems else 0.0
