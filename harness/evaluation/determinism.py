"""Are the same requests answered the same, however they are batched? Pure: draws in, counts out.

One draw is the measure, and others of the very same requests are held against it. The
seed of each sample is the run's, so that whatever differs is the engine's arithmetic, and
no part of the sampling: a sum of floating-point numbers depends on its order, the order on
what else is in the batch, and one token in a near tie is enough to lead a response elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from math import sqrt
from statistics import fmean, median
from typing import TypeVar

from harness.grading.verdict import Outcome
from harness.runs.sample import SampleKey

T = TypeVar("T")
CONFIDENCE = 1.96
"""Standard errors on each side of 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What one request was answered in one draw."""

    response: str
    finish_reason: str
    outcome: Outcome

    @property
    def correct(self) -> bool:
        """Whether the verdict counts for the accuracy."""
        return self.outcome == Outcome.CORRECT

    def says(self, response: str, finish_reason: str) -> bool:
        """Say whether this response is that one, ended in the same way."""
        return (self.response, self.finish_reason) == (response, finish_reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawAgreement:
    """How far one draw agrees with the first, on one benchmark or on all."""

    samples: int
    responses: int
    """Responses that differ, or end otherwise."""
    first: float | None
    """Median over those of where they part, in tokens from 0; None if none differs."""
    verdicts: int
    """Verdicts whose outcome differs, such as wrong instead of no answer."""
    flipped: int
    """Of those, how many are correct in one of the two draws alone: what accuracy can feel."""
    accuracy: float
    """Of this draw: the mean over problems of the share of their samples that are correct."""
    before: float
    """The first draw's."""

    @property
    def noise(self) -> float:
        """How far apart two draws' accuracies come to lie, see `noise_of`."""
        return noise_of(self.flipped, self.samples)


def noise_of(flipped: int, samples: int) -> float:
    """Return the half width in which 95 % of differences of two draws lie, as a fraction.

    1.96 √f / N. Two draws of one checkpoint are exchangeable, so that each of the f verdicts
    that flip is as likely to flip either way: the number of correct samples differs by a sum of
    f signs, with variance f (McNemar, Psychometrika 12 (1947) 153). An approximation where f is
    small, and for one sample a problem or as many for each.

    >>> noise_of(0, 200), noise_of(1, 200)
    (0.0, 0.0098)
    >>> round(noise_of(16, 1000), 5)
    0.00784
    """
    return CONFIDENCE * sqrt(flipped) / samples if samples else 0.0


Split = Callable[[str], Sequence[Hashable]]
"""A text to its tokens."""


def agreement(
    first: Mapping[SampleKey, Drawn], other: Mapping[SampleKey, Drawn], *, split: Split = list
) -> DrawAgreement:
    """Compare two draws of the same requests; ``split`` turns a response into tokens.

    Raises:
        ValueError: the draws are not of the same requests, or of none.
    """
    if first.keys() != other.keys() or not first:
        raise ValueError("two draws are compared on the same requests, and on at least one")
    pairs = [(first[key], other[key]) for key in first]
    parted = [(a, b) for a, b in pairs if not a.says(b.response, b.finish_reason)]
    places = [parting(split(a.response), split(b.response)) for a, b in parted]
    return DrawAgreement(
        samples=len(pairs),
        responses=len(parted),
        first=median(places) if places else None,
        verdicts=sum(a.outcome != b.outcome for a, b in pairs),
        flipped=sum(a.correct != b.correct for a, b in pairs),
        accuracy=accuracy_of(other),
        before=accuracy_of(first),
    )


def accuracy_of(draw: Mapping[SampleKey, Drawn]) -> float:
    """Return the mean over problems of the share of their samples that are correct."""
    by_problem: dict[str, list[bool]] = {}
    for key, drawn in draw.items():
        by_problem.setdefault(key.problem_id, []).append(drawn.correct)
    return fmean(fmean(marks) for marks in by_problem.values())


def parting(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the first place at which two sequences differ; their length if they do not.

    >>> parting("abc", "abd"), parting("ab", "abd"), parting("", "x"), parting("ab", "ab")
    (2, 2, 0, 2)
    """
    unlike = object()
    pairs = zip_longest(a, b, fillvalue=unlike)
    return next((place for place, (x, y) in enumerate(pairs) if x != y), len(a))


def groups_of(items: Iterable[T], size: int | None) -> Iterator[Iterator[T]]:
    """Yield the items in groups of ``size``, each read before the next is begun; None: in one.

    >>> [list(group) for group in groups_of("abcde", 2)]
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    if size is None:
        yield iter(items)
        return
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield iter(group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of what is reported: a variant of the draw on one benchmark."""

    variant: str
    benchmark: str
    agreement: DrawAgreement


def conclusion(rows: Sequence[Row], *, repeat: str) -> str:
    """Say in one line what the rows mean; ``repeat`` is the variant that changed nothing.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("nothing was compared")
    samples = sum(row.agreement.samples for row in rows)
    differing = sum(row.agreement.responses for row in rows)
    if not differing:
        return (
            f"none of {samples} responses drawn again differs: on this machine, with these "
            "versions and settings, neither order nor batch was seen to change a response"
        )
    again = [row.agreement for row in rows if row.variant == repeat]
    itself = sum(one.responses for one in again)
    lead = (
        f"{differing} of {samples} responses drawn again differ, "
        f"{itself} of {sum(one.samples for one in again)} with nothing changed at all"
    )
    worst = max(rows, key=lambda row: row.agreement.noise)
    flipped = worst.agreement.flipped
    if not flipped:
        return f"{lead}; no accuracy moved by it"
    changed = "verdict is" if flipped == 1 else "verdicts are"
    return (
        f"{lead}; {flipped} of {worst.agreement.samples} {changed} correct in one of two draws "
        f"alone ({worst.benchmark}, {worst.variant}), so that two runs of this one checkpoint may "
        f"differ there by {100 * worst.agreement.noise:.1f} points: a smaller difference between "
        "two checkpoints need not be theirs"
    )
