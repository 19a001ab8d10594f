"""Tails and quantiles of the normal distribution and of Student's t.

Student's come from `scipy.special`, imported only where it is used: that takes a tenth of a second.
"""

from __future__ import annotations

from functools import lru_cache
from math import erfc, sqrt


def two_sided(difference: float, error: float) -> float:
    """Return the two-sided normal p-value 2 (1 − Φ(|difference| / error)).

    No difference is no evidence, however small its error.

    >>> round(two_sided(0.0196, 0.01), 3), two_sided(0.0, 0.0)
    (0.05, 1.0)
    """
    return 2 * normal_tail(abs(difference) / error) if difference and error else 1.0


def normal_tail(z: float) -> float:
    """Return P(Z > z) of a standard normal Z; it keeps its digits where the tail is small.

    >>> round(normal_tail(1.96), 4), f"{normal_tail(10.0):.2e}"
    (0.025, '7.62e-24')
    """
    return erfc(z / sqrt(2)) / 2


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t; the degrees of freedom need not be a whole number.

    >>> round(t_quantile(0.975, 1), 4), round(t_quantile(0.975, 20.96), 4)
    (12.7062, 2.0799)
    """
    from scipy.special import stdtrit

    if not 0 < probability < 1 or not freedom > 0:
        raise ValueError(f"no quantile {probability} of Student's t with {freedom} degrees")
    return float(stdtrit(freedom, probability))


def t_tail(t: float, freedom: float) -> float:
    """Return P(T > t) of Student's t; the degrees of freedom need not be a whole number.

    >>> round(t_tail(12.7062, 1), 4), round(t_tail(-2.0, 30.5), 4)
    (0.025, 0.9728)
    """
    from scipy.special import stdtr

    if not freedom > 0:
        raise ValueError(f"Student's t with {freedom} degrees of freedom does not exist")
    return float(stdtr(freedom, -t))
