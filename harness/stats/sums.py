"""Tails of a sum of independent variables, each of a few whole values: exact, however small.

The tests of `harness.stats.permutation` need P(S > s) of sums of random signs, or of
hypergeometric counts. A normal distribution is wrong where few terms matter, and random draws
say nothing of what is rarer than they are many. Here the distribution is computed.

How: the variables are tilted, that is, each chance is multiplied by e^(θ value) and divided by
what makes the chances add up to one, with the θ at which the sum's mean is s (Esscher, Scand.
Actuar. J. 1932, 175). The tilted distribution is then the product of the variables' discrete
Fourier transforms, and s lies in its middle, where the transform's rounding does not matter. The
tail is the tilted one's, with each chance divided by e^(θ value) again. So a tail of 10^-200 keeps
its digits, too (Keich, J. Comput. Biol. 12 (2005) 416, computes p-values of sequences so).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, floor, fsum, gcd, lcm, log, prod, sqrt
from typing import NamedTuple

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

BEYOND = 30.0
"""Of a tilted sum, all but e^-30 = 1e-13 is computed."""
NOTHING = 1e-18
"""Tilted chances below this are the rounding of the Fourier transform."""
POINTS = 2**17
"""The most values that a distribution is computed at one by one."""
ENUMERATED = 2**15
"""Up to so many outcomes of each of two halves, all combinations of the halves are counted."""
GRID = 2**16
"""How many points the grid has that the values of larger distributions are rounded to."""
STEEPEST = 60.0
"""The largest exponent θ, in units of the smallest step: e^-60 is nothing beside 1."""


class Tail(NamedTuple):
    """Chances that a sum is larger than the observed one, and that it is equal to it."""

    beyond: float
    at: float

    @property
    def middle(self) -> float:
        """P(S > s) + P(S = s) / 2, the one-sided mid-p (Lancaster, J. Am. Stat. Assoc. 56
        (1961) 223)."""
        return self.beyond + self.at / 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LatticeSum:
    """``unit`` · (Σ of independent whole-number variables − ``observed``).

    Row i of ``values`` and ``chances`` is the distribution of one variable, of which there are
    ``copies[i]``. Its least value is 0; what it cannot be has value 0 and chance 0.
    """

    unit: Fraction
    values: NDArray[np.int64]
    chances: NDArray[np.float64]
    copies: NDArray[np.int64]
    observed: int

    @classmethod
    def of(
        cls,
        unit: Fraction,
        values: NDArray[np.int64],
        chances: NDArray[np.float64],
        copies: NDArray[np.int64],
        observed: int,
    ) -> LatticeSum:
        """Return the same sum in the largest unit, with 0 as the least value of each variable."""
        values = np.where(chances > 0, values, np.iinfo(np.int64).max)
        least = values.min(axis=1, keepdims=True, initial=np.iinfo(np.int64).max)
        values = np.where(chances > 0, values - least, 0)
        observed -= int(copies @ least[:, 0])
        factor = gcd(int(np.gcd.reduce(values, axis=None)), observed) or 1
        return cls(
            unit=unit * factor,
            values=values // factor,
            chances=chances,
            copies=copies,
            observed=observed // factor,
        )

    def cumulants(self, theta: float) -> tuple[float, float, float]:
        """Return log E e^(θ S), and mean and variance of S when it is tilted by θ."""
        tilted, logs = self.tilted(theta)
        means = (tilted * self.values).sum(axis=1)
        spreads = (tilted * (self.values - means[:, None]) ** 2).sum(axis=1)
        return (
            float(self.copies @ logs),
            float(self.copies @ means),
            float(self.copies @ spreads),
        )

    def tilted(self, theta: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows' chances times e^(θ value), and the logarithms of their sums, which
        the chances are divided by."""
        exponents = np.where(self.chances > 0, theta * self.values, -np.inf)
        largest = exponents.max(axis=1, keepdims=True)
        weights = self.chances * np.exp(exponents - largest)
        sums = weights.sum(axis=1, keepdims=True)
        return weights / sums, (largest + np.log(sums))[:, 0]

    @property
    def widest(self) -> int:
        """The largest value of one variable."""
        return int(self.values.max())

    @property
    def most(self) -> int:
        """The largest value of the sum."""
        return int(self.copies @ self.values.max(axis=1))

    def window(self, theta: float) -> tuple[int, int]:
        """Return between which values the tilted sum lies, but for e^-BEYOND."""
        _, mean, variance = self.cumulants(theta)
        half = _bernstein(variance, self.widest)
        return max(0, floor(mean - half)), min(self.most, ceil(mean + half))

    def distribution(self, theta: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the values of S − observed, and the chances of them when S is tilted by θ."""
        low, high = self.window(theta)
        size = 2 ** (high - low + 1).bit_length()
        tilted, _ = self.tilted(theta)
        spectrum = np.ones(size // 2 + 1, dtype=complex)
        # Some rows at a time, so that memory stays bounded however many distinct rows there are.
        for first in range(0, len(tilted), 32):
            rows = slice(first, first + 32)
            placed = np.zeros((len(tilted[rows]), size))
            numbers = np.arange(len(placed))[:, None]
            np.add.at(placed, (numbers, self.values[rows] % size), tilted[rows])
            spectrum *= _powers(rfft(placed, axis=1), self.copies[rows]).prod(axis=0)
        chances = irfft(spectrum, size)
        values = low + (np.arange(size) - low) % size
        kept = chances > NOTHING
        order = np.argsort(values[kept])
        return values[kept][order] - self.observed, chances[kept][order]

    def coarser(self, times: int) -> tuple[LatticeSum, float]:
        """Return the sum in units so many times as large, and by how much at most it is off."""
        scaled = np.rint(self.values / times).astype(np.int64)
        observed = round(self.observed / times)
        errors = np.where(self.chances > 0, np.abs(self.values / times - scaled), 0).max(axis=1)
        off = float(self.copies @ errors) + abs(self.observed / times - observed)
        unit = self.unit * times
        coarse = LatticeSum(
            unit=unit,
            values=scaled,
            chances=self.chances,
            copies=self.copies,
            observed=observed,
        )
        return coarse, off * float(unit)


def _bernstein(variance: float, widest: float) -> float:
    """Return how far from its mean a sum is with probability e^-BEYOND at most.

    P(|S − mean| > t) ≤ 2 exp(−t²/2 / (variance + widest t/3)), Bernstein's inequality.
    """
    exponent = BEYOND + log(2)
    linear = exponent * widest / 3
    return linear + sqrt(linear**2 + 2 * exponent * variance)


def _powers(bases: NDArray[np.complex128], exponents: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return each row of the bases to its own power, by squaring: faster than numpy does."""
    results, left = np.ones_like(bases), exponents.copy()
    while True:
        odd = (left & 1).astype(bool)
        results[odd] *= bases[odd]
        left >>= 1
        if not left.any():
            return results
        bases = bases * bases


def upper_tail(sums: Sequence[LatticeSum]) -> Tail:
    """Return the chances that the total of independent sums is above 0, and that it is 0.

    Exact but for rounding (a relative error of about 1e-10), if one sum is given, or if the
    values of several can be enumerated. Else the values are rounded to a grid of 65,536 points;
    how far a total can be off by that is known, and everything that near to 0 is counted as
    ``beyond``, so that the tail is never too small (of comparisons of full size it is too large by
    0.5 % of itself at 0.05, and by 2 % at 10^-6).

    >>> thirty = np.array([30])
    >>> signs = LatticeSum.of(Fraction(1), np.array([[-1, 1]]), np.array([[0.5, 0.5]]), thirty, 30)
    >>> round(upper_tail([signs]).at * 2**30, 9)
    1.0
    """
    used = [one for one in sums if len(one.copies)]
    if not used:
        return Tail(0.0, 1.0)
    theta = _tilt(used)
    used, off = _small_enough(used, theta)
    spread = [one.distribution(theta * float(one.unit)) for one in used]
    # E e^(θ total), by which the tilted chances are to be multiplied, may be as small as e^-700.
    exponents = [one.cumulants(theta * float(one.unit))[0] for one in used]
    shifts = [theta * float(one.unit) * one.observed for one in used]
    scale = exp(min(0.0, fsum(exponents) - fsum(shifts)))
    if not off:
        halves = _halves(used, spread)
        if halves is not None:
            left, right, unit = halves
            found = _enumerated(left, right, theta * float(unit))
            return Tail(scale * found.beyond, scale * found.at)
    return Tail(scale * _gridded(used, spread, theta, off), 0.0)


def _tilt(sums: Sequence[LatticeSum]) -> float:
    """Return the θ ≥ 0 at which the tilted total has mean 0, or nearly so."""
    units = [float(one.unit) for one in sums]
    steepest = STEEPEST / min(units)

    def mean(theta: float) -> tuple[float, float]:
        found = [one.cumulants(theta * unit) for one, unit in zip(sums, units, strict=True)]
        terms = [
            unit * (of[1] - one.observed) for one, unit, of in zip(sums, units, found, strict=True)
        ]
        return fsum(terms), fsum(unit**2 * of[2] for unit, of in zip(units, found, strict=True))

    low, high, theta = 0.0, steepest, 0.0
    for _ in range(200):
        value, variance = mean(theta)
        if abs(value) <= 0.01 * sqrt(variance) or high - low <= 1e-9 * steepest:
            break
        low, high = (theta, high) if value < 0 else (low, theta)
        if high <= 0:
            return 0.0
        # Newton's step, or half of what is left where that would leave the bracket.
        step = theta - value / variance if variance else high
        theta = step if low < step < high else (low + high) / 2
    return theta


def _small_enough(sums: Sequence[LatticeSum], theta: float) -> tuple[list[LatticeSum], float]:
    """Return sums of at most POINTS values each, and how far off their total is by that."""
    found, off = [], 0.0
    for one in sums:
        low, high = one.window(theta * float(one.unit))
        if high - low >= POINTS:
            one, wrong = one.coarser(ceil((high - low) / (POINTS // 2)))
            off += wrong
        found.append(one)
    return found, off


_Spread = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Values in whole numbers of a unit, rising, and the tilted chances of them."""


def _halves(
    sums: Sequence[LatticeSum], spread: Sequence[_Spread]
) -> tuple[_Spread, _Spread, Fraction] | None:
    """Return two independent parts of the total, and the unit of both; None if the values are
    too many or the numbers too large."""
    unit = Fraction(1, lcm(*(one.unit.denominator for one in sums)))
    factors = [int(one.unit / unit) for one in sums]
    largest = sum(
        factor * int(np.abs(values).max())
        for factor, (values, _) in zip(factors, spread, strict=True)
    )
    groups: tuple[list[int], list[int]] = ([], [])
    for index in sorted(range(len(sums)), key=lambda i: -len(spread[i][0])):
        min(groups, key=lambda group: prod(len(spread[i][0]) for i in group)).append(index)
    most = max(prod(len(spread[i][0]) for i in group) for group in groups)
    if most > ENUMERATED or largest >= 2**62:
        return None
    left, right = (
        _outer([(factors[i] * spread[i][0], spread[i][1]) for i in group]) for group in groups
    )
    return left, right, unit


def _outer(parts: Sequence[_Spread]) -> _Spread:
    """Return the distribution of a sum by going through all combinations."""
    values, chances = np.zeros(1, dtype=np.int64), np.ones(1)
    for more, theirs in parts:
        values = np.add.outer(values, more).ravel()
        chances = np.multiply.outer(chances, theirs).ravel()
    distinct, where = np.unique(values, return_inverse=True)
    totals: NDArray[np.float64] = np.bincount(where, weights=chances).astype(np.float64)
    return distinct, totals


def _enumerated(left: _Spread, right: _Spread, theta: float) -> Tail:
    """Return the tail of a sum of two parts, still to be multiplied by E e^(θ total)."""
    weights: NDArray[np.float64] = right[1] * _untilted(right[0], theta)
    above = np.append(np.cumsum(weights[::-1])[::-1], 0.0)
    beyond = above[np.searchsorted(right[0], -left[0], side="right")]
    place = np.searchsorted(right[0], -left[0])
    equal = np.append(right[0], 0)[place] == -left[0]
    at = np.where(equal & (place < len(right[0])), np.append(right[1], 0.0)[place], 0.0)
    return Tail(
        beyond=float((left[1] * _untilted(left[0], theta) * beyond).sum()),
        at=float((left[1] * at).sum()),
    )


def _untilted(values: NDArray[np.int64], theta: float) -> NDArray[np.float64]:
    # Steeper than e^600 only where the whole tail is below the smallest float.
    found: NDArray[np.float64] = np.exp(-np.maximum(theta * values, -600.0))
    return found


def _gridded(
    sums: Sequence[LatticeSum], spread: Sequence[_Spread], theta: float, off: float
) -> float:
    """Return a bound of the chance that the total is 0 or above, times 1 / E e^(θ total)."""
    units = [float(one.unit) for one in sums]
    found = [one.cumulants(theta * unit) for one, unit in zip(sums, units, strict=True)]
    mean = fsum(u * (of[1] - one.observed) for u, of, one in zip(units, found, sums, strict=True))
    variance = fsum(unit**2 * of[2] for unit, of in zip(units, found, strict=True))
    widest = max(unit * one.widest for unit, one in zip(units, sums, strict=True))
    spacing = 2 * (abs(mean) + _bernstein(variance, widest)) / (GRID - 2)
    spectrum = np.ones(GRID // 2 + 1, dtype=complex)
    for unit, (values, chances) in zip(units, spread, strict=True):
        places = np.rint(values * (unit / spacing)).astype(np.int64) % GRID
        spectrum *= rfft(np.bincount(places, weights=chances, minlength=GRID))
    chances = np.maximum(irfft(spectrum, GRID), 0.0)
    # Each rounding is half a spacing at most.
    off += len(sums) * spacing / 2
    values = np.concatenate([np.arange(GRID // 2), np.arange(-(GRID // 2), 0)]) * spacing
    near = values >= -off
    return float((chances[near] * np.exp(-theta * np.maximum(values[near] - off, 0.0))).sum())
