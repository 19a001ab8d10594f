"""Tails and quantiles of the normal distribution and of Student's, by the standard library alone.

SciPy's import alone would be felt in every `diff`.
"""

from __future__ import annotations

from functools import lru_cache
from math import atan, cos, erfc, exp, lgamma, pi, sin, sqrt, tan
from statistics import NormalDist


def two_sided(difference: float, error: float) -> float:
    """Return the two-sided normal p-value 2 (1 − Φ(|difference| / error)).

    No difference is no evidence, however small its error.

    >>> round(two_sided(0.0196, 0.01), 3), two_sided(0.0, 0.0)
    (0.05, 1.0)
    """
    return erfc(abs(difference) / error / sqrt(2)) if difference and error else 1.0


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t with a whole number of degrees of freedom.

    Newton's method on Student's own finite series for P(|T| < t) in θ = atan(t / √ν)
    (Abramowitz and Stegun, 26.7.3 and 26.7.4). It is concave in θ, with the slope
    2 Γ((ν + 1)/2) / (√π Γ(ν/2)) cos^(ν − 1) θ, and a normal quantile is the smaller one, so
    that each step from there falls short of the root and none is beyond it.

    >>> round(t_quantile(0.975, 1), 4), round(t_quantile(0.975, 29), 4)
    (12.7062, 2.0452)
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError(f"no quantile {probability} of Student's t with {freedom} degrees")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    slope = 2 / sqrt(pi) * exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2))
    angle = atan(NormalDist().inv_cdf(probability) / sqrt(freedom))
    for _ in range(60):
        missing = 2 * probability - 1 - _t_within(angle, freedom)
        step = missing / (slope * cos(angle) ** (freedom - 1))
        angle += step
        if step < 1e-15:
            break
    return sqrt(freedom) * tan(angle)


def _t_within(angle: float, freedom: int) -> float:
    """Return P(|T| < √ν tan(angle))."""
    odd, cosine = freedom % 2, cos(angle)
    term, total, square = cosine if odd else 1.0, 0.0, cosine**2
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= (k - 1) / k * square
    total *= sin(angle)
    return 2 / pi * (angle + total) if odd else total
