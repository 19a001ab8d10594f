"""Compare several draws of the same requests, to see whether batching changes the responses.

The functions are pure: they take draws and return counts. Every other draw is compared with the
first one. Each sample has the same seed in every draw, so a difference comes from the engine's
arithmetic and not from the sampling. A sum of floating-point numbers depends on the order of its
terms, and that order depends on the other requests in the batch. If two tokens are almost equally
likely, this is enough to choose the other one, and the rest of the response differs.
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
"""95 % of a normal distribution lie within this many standard errors of its mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The response to one request in one draw, with its verdict's outcome."""

    response: str
    finish_reason: str
    outcome: Outcome

    @property
    def correct(self) -> bool:
        """Whether the response is correct."""
        return self.outcome == Outcome.CORRECT

    def says(self, response: str, finish_reason: str) -> bool:
        """Return whether this has the same response and finish reason."""
        return (self.response, self.finish_reason) == (response, finish_reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawAgreement:
    """How far one draw agrees with the first, on one benchmark or on all."""

    samples: int
    """The number of samples in each draw."""
    responses: int
    """The number of responses that differ in their text or their finish reason."""
    first: float | None
    """The median position, in tokens from 0, of their first difference; None if none differs."""
    verdicts: int
    """The number of verdicts whose outcome differs, such as wrong instead of no answer."""
    flipped: int
    """The number of samples that are correct in only one draw; only they can change accuracy."""
    accuracy: float
    """This draw's mean over problems of the share of their samples that are correct."""
    before: float
    """The same for the first draw."""

    @property
    def noise(self) -> float:
        """How far the accuracies of two draws may differ, as a fraction; see `noise_of`."""
        return noise_of(self.flipped, self.samples)


def noise_of(flipped: int, samples: int) -> float:
    """Return the half-width of the interval that holds 95 % of two draws' differences in accuracy.

    The result is a fraction, 1.96 √f / N, for f flipped samples of N. Two draws of one checkpoint
    are exchangeable, so each of the f verdicts is equally likely to flip either way. The number of
    correct samples therefore differs by a sum of f random signs, whose variance is f (McNemar,
    Psychometrika 12 (1947) 153). The formula is an approximation if f is small. It holds if every
    problem has the same number of samples.

    >>> noise_of(0, 200), noise_of(1, 200)
    (0.0, 0.0098)
    >>> round(noise_of(16, 1000), 5)
    0.00784
    """
    return CONFIDENCE * sqrt(flipped) / samples if samples else 0.0


Split = Callable[[str], Sequence[Hashable]]
"""A function that splits a text into tokens."""


def agreement(
    first: Mapping[SampleKey, Drawn], other: Mapping[SampleKey, Drawn], *, split: Split = list
) -> DrawAgreement:
    """Compare two draws of the same requests; ``split`` turns a response into tokens.

    Raises:
        ValueError: the two draws have different requests, or no requests.
    """
    if first.keys() != other.keys() or not first:
        raise ValueError("two draws must have the same requests, and at least one")
    pairs = [(first[key], other[key]) for key in first]
    differing = [(a, b) for a, b in pairs if not a.says(b.response, b.finish_reason)]
    places = [first_difference(split(a.response), split(b.response)) for a, b in differing]
    return DrawAgreement(
        samples=len(pairs),
        responses=len(differing),
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


def first_difference(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the first position at which two sequences differ; their length if they do not.

    >>> first_difference("abc", "abd"), first_difference("ab", "abd"), first_difference("", "x")
    (2, 2, 0)
    >>> first_difference("ab", "ab")
    2
    """
    missing = object()
    pairs = zip_longest(a, b, fillvalue=missing)
    return next((place for place, (x, y) in enumerate(pairs) if x != y), len(a))


def groups_of(items: Iterable[T], size: int | None) -> Iterator[Iterator[T]]:
    """Yield the items in groups of ``size``, or in one group if ``size`` is None.

    Each group must be read to its end before the next one is requested.

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
    """One row of the report: the agreement of one draw with the first on one benchmark."""

    variant: str
    benchmark: str
    agreement: DrawAgreement


def conclusion(rows: Sequence[Row], *, repeat: str) -> str:
    """Return in one line what the rows mean; ``repeat`` names the draw that changed nothing.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("nothing was compared")
    samples = sum(row.agreement.samples for row in rows)
    differing = sum(row.agreement.responses for row in rows)
    if not differing:
        return (
            f"none of {samples} responses differs from the first draw: on this machine, with "
            "these versions and settings, neither the order nor the batch changed a response"
        )
    repeated = [row.agreement for row in rows if row.variant == repeat]
    unprovoked = sum(one.responses for one in repeated)
    lead = (
        f"{differing} of {samples} responses differ from the first draw; in the draw that "
        f"changed nothing, {unprovoked} of {sum(one.samples for one in repeated)} do"
    )
    worst = max(rows, key=lambda row: row.agreement.noise)
    flipped = worst.agreement.flipped
    if not flipped:
        return f"{lead}; every sample that is correct in one draw is correct in all"
    verb = "is" if flipped == 1 else "are"
    return (
        f"{lead}; {flipped} of {worst.agreement.samples} samples {verb} correct in only one of "
        f"two draws ({worst.benchmark}, {worst.variant}), so two runs of this same checkpoint may "
        f"differ there by {100 * worst.agreement.noise:.1f} points; a smaller difference between "
        "two checkpoints may be only noise"
    )
