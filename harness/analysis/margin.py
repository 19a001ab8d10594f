"""Is B as good as A? What is said of a difference within a margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.stats.equivalence import Equivalence
from harness.stats.paired import holm
from harness.stats.power import LEVEL

Claim = Literal["better", "worse", "same", "not worse", "undecided", "withheld"]
"""What is concluded about B against A within a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginVerdict:
    """What a benchmark or the average shows of a margin."""

    test: Equivalence
    adjusted_p_same: float
    """The p-value of "they differ by the margin or more", after Holm's correction over all."""
    adjusted_p_not_worse: float
    """The p-value of "B is worse by the margin or more", after Holm's correction over all."""
    same: bool | None
    """Whether the difference is shown to be within the margin; None if failures decide it."""
    not_worse: bool | None
    """Whether B is shown not to be worse by the margin; None if failures decide it."""
    verdict: Claim
    """The one word: the strongest claim that holds."""
    same_problems: bool = True
    """Whether both sides may have the same problems; of counts over others nothing is shown."""


def margin_verdicts(
    tests: Sequence[Equivalence], verdicts: Sequence[str], *, same_problems: Sequence[bool]
) -> list[MarginVerdict]:
    """Return what is shown of a margin by each test, given the verdicts of the comparison.

    Every kind of claim is corrected over the tests by Holm's method. Counts over different problems
    show nothing within a margin: an easier set of problems could hide any difference.
    That B is better does not show that it is not worse by the margin: with few problems and many
    samples the test of a difference sees these problems alone, and a margin is about all of them.
    """
    same = holm([test.p_same for test in tests])
    not_worse = holm([test.p_not_worse for test in tests])
    return [
        _decided(
            MarginVerdict(
                test=test,
                adjusted_p_same=p_same,
                adjusted_p_not_worse=p_not_worse,
                same=alike and p_same < LEVEL,
                not_worse=alike and p_not_worse < LEVEL,
                verdict="undecided",
                same_problems=alike,
            ),
            verdict,
        )
        for test, p_same, p_not_worse, verdict, alike in zip(
            tests, same, not_worse, verdicts, same_problems, strict=True
        )
    ]


def settled(
    found: MarginVerdict, others: Sequence[MarginVerdict | None], verdict: str
) -> MarginVerdict:
    """Withhold each claim that is another one where failures count in another way."""
    kept = replace(
        found,
        same=found.same if all(o and o.same == found.same for o in others) else None,
        not_worse=(
            found.not_worse if all(o and o.not_worse == found.not_worse for o in others) else None
        ),
    )
    return _decided(kept, verdict)


def _decided(found: MarginVerdict, verdict: str) -> MarginVerdict:
    word: Claim
    if verdict == "better":
        word = "better"
    elif verdict == "worse":
        word = "worse"
    elif found.same:
        word = "same"
    elif found.not_worse:
        word = "not worse"
    elif None in (found.same, found.not_worse) or verdict == "withheld":
        word = "withheld"
    else:
        word = "undecided"
    return replace(found, verdict=word)
