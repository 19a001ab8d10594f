"""Tests of two runs on the same problems: random signs, and labels dealt out anew.

Pure functions of `PairedCounts`. Nothing is drawn: all outcomes are counted, as
`harness.stats.sums` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm, ulp

import numpy as np
from numpy.typing import NDArray

from harness.stats.sums import LatticeSum, upper_tail

Whole = NDArray[np.int64]
FINEST = 256
"""Up to this denominator, problems of different numbers of samples get a common unit."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PairedCounts:
    """One benchmark's problems in two runs: of how many samples each, and how many are correct.

    Problem i has ``correct_a[i]`` correct of ``samples_a[i]`` in A, and likewise in B.
    """

    correct_a: Whole
    samples_a: Whole
    correct_b: Whole
    samples_b: Whole

    def __post_init__(self) -> None:
        shapes = {side.shape for side in self._sides}
        if len(shapes) != 1 or self.correct_a.ndim != 1:
            raise ValueError(f"counts of paired problems in arrays of the shapes {shapes}")
        for correct, samples in (self._sides[:2], self._sides[2:]):
            if ((samples < 1) | (correct < 0) | (correct > samples)).any():
                raise ValueError("a paired problem needs samples, and of them 0 to all correct")

    @property
    def _sides(self) -> tuple[Whole, Whole, Whole, Whole]:
        return self.correct_a, self.samples_a, self.correct_b, self.samples_b

    @classmethod
    def of(cls, problems: Iterable[tuple[int, int, int, int]]) -> PairedCounts:
        """Return the counts of problems: correct and samples in A, correct and samples in B.

        >>> PairedCounts.of([(0, 1, 3, 4), (1, 1, 4, 4)]).differences.tolist()
        [0.75, 0.0]
        """
        table = np.array(list(problems), dtype=np.int64).reshape(-1, 4)
        a, of_a, b, of_b = table.T
        return cls(correct_a=a, samples_a=of_a, correct_b=b, samples_b=of_b)

    def __len__(self) -> int:
        return len(self.correct_a)

    @property
    def differences(self) -> NDArray[np.float64]:
        """Each problem's accuracy in B minus that in A, as fractions."""
        denominators = self.denominators
        found: NDArray[np.float64] = self.numerators(denominators) / denominators
        return found

    @property
    def denominators(self) -> Whole:
        """Of each problem, the smallest number that its difference is a whole share of."""
        found: Whole = np.lcm(self.samples_a, self.samples_b)
        return found

    def numerators(self, denominators: Whole | int) -> Whole:
        """Return the differences times denominators, in whole numbers: equal ones are equal."""
        found: Whole = self.correct_b * (denominators // self.samples_b)
        return found - self.correct_a * (denominators // self.samples_a)

    @property
    def single(self) -> bool:
        """Whether every problem has one sample on either side."""
        return bool((self.samples_a == 1).all() and (self.samples_b == 1).all())

    @property
    def equal(self) -> bool:
        """Whether each problem has as many samples in A as in B."""
        return bool((self.samples_a == self.samples_b).all())

    def _only(self, chosen: NDArray[np.bool_]) -> PairedCounts:
        a, of_a, b, of_b = (side[chosen] for side in self._sides)
        return PairedCounts(correct_a=a, samples_a=of_a, correct_b=b, samples_b=of_b)

    def mirrored(self) -> PairedCounts:
        """Return the same problems with A as B."""
        return PairedCounts(
            correct_a=self.correct_b,
            samples_a=self.samples_b,
            correct_b=self.correct_a,
            samples_b=self.samples_a,
        )


SIGN_FLIPS = "sign flips, mid-p, clustered by problem"
BOTH = "sign flips and permuted labels, the larger mid-p, clustered by problem"


def permutation_test(benchmarks: Sequence[PairedCounts]) -> tuple[float, str]:
    """Return the two-sided p-value of a mean difference, and the name of the test.

    Of several benchmarks the mean of their means is tested. With as many samples of a problem in
    A as in B it is that of ``sign_flips``. With unequal numbers, sign flips alone assume a
    symmetry that is not there: of a hard problem, one sample is nearly always 0, and the mean
    of 16 nearly always a little above. Then p is the larger of ``sign_flips`` and
    ``permuted_labels``.

    >>> few_and_many = PairedCounts.of([(0, 1, 1, 16)] * 12)
    >>> permutation_test([few_and_many])[0] > 0.4 > 0.001 > sign_flips([few_and_many])
    True
    """
    flips = sign_flips(benchmarks)
    if all(counts.equal for counts in benchmarks):
        return flips, SIGN_FLIPS
    return max(flips, permuted_labels(benchmarks)), BOTH


def sign_flips(benchmarks: Sequence[PairedCounts]) -> float:
    """Return the two-sided mid-p-value of the mean difference under random signs.

    If A and B are equally good on every problem, and gave equally many samples, a problem's
    difference d is as likely as −d (Fisher, The Design of Experiments (1935), §21). p is the
    share of all sign flips that give a larger |mean|, plus half the share that give the same
    one. Of single samples it is McNemar's mid-p.

    >>> round(sign_flips([PairedCounts.of([(0, 1, 1, 1)] * 5)]), 9)  # 2 / 2^5, and half of it
    0.03125
    """
    parts = _by_unit(benchmarks)
    observed = _total(parts)
    if not observed:
        return 1.0
    tail = upper_tail([_signs(part, 1 if observed > 0 else -1) for part in parts])
    return _two_sided(tail.middle)


def _signs(part: _Part, sign: int) -> LatticeSum:
    numerators = part.numerators
    sizes, copies = np.unique(np.abs(numerators), return_counts=True)
    moved = sizes > 0
    return LatticeSum.of(
        part.unit,
        np.multiply.outer(sizes[moved], np.array([-1, 1])),
        np.full((int(moved.sum()), 2), 0.5),
        copies[moved],
        sign * int(numerators.sum()),
    )


def permuted_labels(benchmarks: Sequence[PairedCounts]) -> float:
    """Return the two-sided mid-p-value of the mean difference when labels are dealt out anew.

    If A and B are equally good on a problem, which of its n_A + n_B samples are A's is chance:
    how many of B's are correct is hypergeometric (Fisher, as in ``sign_flips``, §21; Pitman,
    Suppl. J. R. Stat. Soc. 4 (1937) 119). The distribution is not symmetric: p is twice
    the smaller tail.

    >>> round(permuted_labels([PairedCounts.of([(0, 1, 3, 3)])]), 9)  # one of four dealings
    0.25
    """
    parts = _by_unit(benchmarks)
    mirror = [replace(part, problems=part.problems.mirrored()) for part in parts]
    observed = _total(parts)
    if not observed:
        return min(map(_two_sided, (_dealt(parts), _dealt(mirror))))
    # Computed in one of the two directions, whichever was asked, so that a swap changes no digit.
    return _two_sided(_dealt(parts if observed > 0 else mirror))


def _dealt(parts: Sequence[_Part]) -> float:
    return upper_tail([_labels(part) for part in parts]).middle


def _labels(part: _Part) -> LatticeSum:
    problems = part.problems
    kinds = np.stack(
        [problems.samples_a, problems.samples_b, problems.correct_a + problems.correct_b]
    )
    distinct, copies = np.unique(kinds, axis=1, return_counts=True)
    of_a, of_b, correct = (row[:, None] for row in distinct)
    # From the least number of correct samples that B can have, as many as are possible.
    least = np.maximum(0, correct - of_a)
    numbers = least + np.arange(int(np.minimum(of_a, of_b).max()) + 1)
    return LatticeSum.of(
        part.unit,
        # With x of the correct ones in B, the difference is x/n_B − (correct − x)/n_A.
        numbers * (part.denominator // of_b) - (correct - numbers) * (part.denominator // of_a),
        _hypergeometric(numbers, correct, of_b, of_a),
        copies,
        int(part.numerators.sum()),
    )


def _hypergeometric(drawn: Whole, correct: Whole, of_b: Whole, of_a: Whole) -> NDArray[np.float64]:
    """Return P(``drawn`` of the correct samples are B's): C(n_B, x) C(n_A, c − x) / C(n, c)."""
    from scipy.special import gammaln

    def choices(of: Whole, which: Whole) -> NDArray[np.float64]:
        possible = (which >= 0) & (which <= of)
        inside = np.where(possible, which, 0)
        found = gammaln(of + 1) - gammaln(inside + 1) - gammaln(of - inside + 1)
        return np.where(possible, found, -np.inf)

    logs = choices(of_b, drawn) + choices(of_a, correct - drawn)
    chances = np.exp(logs - logs.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = chances / chances.sum(axis=1, keepdims=True)
    return found


def _two_sided(middle: float) -> float:
    """Return twice the smaller of two tails; the two mid-p-values add up to one."""
    return min(1.0, max(2 * min(middle, 1 - middle), ulp(0.0)))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Part:
    """Problems whose differences are whole multiples of one unit of the tested mean."""

    unit: Fraction
    """What a difference of 1 / denominator adds to the mean."""
    denominator: int
    problems: PairedCounts

    @property
    def numerators(self) -> Whole:
        return self.problems.numerators(self.denominator)


def _by_unit(benchmarks: Sequence[PairedCounts]) -> list[_Part]:
    """Return all problems by their unit. Benchmarks of equal size and samples share one."""
    found: dict[tuple[Fraction, int], list[PairedCounts]] = {}
    for counts in benchmarks:
        denominators = counts.denominators
        for common, members in _common(np.unique(denominators).tolist()):
            unit = Fraction(1, common * len(counts) * len(benchmarks))
            chosen = counts._only(np.isin(denominators, members))
            found.setdefault((unit, common), []).append(chosen)
    return [
        _Part(unit=unit, denominator=common, problems=_joined(parts))
        for (unit, common), parts in sorted(found.items())
    ]


def _common(denominators: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Return denominators in groups, each with its least common multiple, FINEST at most.

    >>> _common([15, 16, 240, 1000])
    [(240, [15, 16, 240]), (1000, [1000])]
    """
    groups: list[tuple[int, list[int]]] = []
    for one in denominators:
        common, members = groups.pop() if groups else (1, [])
        if members and lcm(common, one) > FINEST:
            groups.append((common, members))
            common, members = 1, []
        groups.append((lcm(common, one), [*members, one]))
    return groups


def _joined(parts: Sequence[PairedCounts]) -> PairedCounts:
    sides = zip(*(part._sides for part in parts), strict=True)
    a, of_a, b, of_b = (np.concatenate(side) for side in sides)
    return PairedCounts(correct_a=a, samples_a=of_a, correct_b=b, samples_b=of_b)


def _total(parts: Sequence[_Part]) -> Fraction:
    return sum((part.unit * int(part.numerators.sum()) for part in parts), Fraction(0))
