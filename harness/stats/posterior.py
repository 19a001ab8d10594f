"""How probable is it that B is better than A? Posterior probabilities, for a sentence in words.

They stand beside an interval and a test and never in their place: a probability of 90 % is no
evidence yet. The prior is the same everywhere, and weak: what is known before the data is worth two
imagined problems, of which B fixes one and breaks one (for counts without pairs: on each side one
right and one wrong). Pure functions; swapping the runs gives one minus the probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt

from harness.stats.distributions import normal_tail, t_tail
from harness.stats.unpaired import Counts

Posterior = tuple[float, float]
"""The mean and the standard deviation of the true difference B − A."""


def better_single(fixed: int, broken: int) -> float:
    """Return the probability that B is better, of one sample a problem.

    Of the problems that changed, let θ be the share that B fixes. B is better if θ > 1/2. With a
    uniform prior θ is Beta(fixed + 1, broken + 1) after the data (Bayes' own; Gelman et al.,
    Bayesian Data Analysis, 3rd ed., §2.1).

    >>> round(better_single(7, 1), 4), better_single(0, 0)
    (0.9805, 0.5)
    """
    from scipy.special import betainc

    return float(betainc(broken + 1, fixed + 1, 0.5))


def better_clustered(differences: Sequence[float]) -> float:
    """Return the probability that B is better, by each problem's difference in accuracy.

    Student's t of the mean's `posterior`: so the mean of normal values is distributed after the
    data if nothing is known of their spread before (Gelman et al., §3.2).

    >>> round(better_clustered([0.5, 0.25, 0.0, 0.25, 0.5, -0.25]), 3)
    0.759
    """
    mean, deviation = posterior(differences)
    return t_tail(0.0 - mean / deviation, len(differences) + 1)


def better(posteriors: Sequence[Posterior]) -> float:
    """Return the probability that B is better on the plain mean over benchmarks; it is normal.

    >>> round(better([(0.02, 0.01), (0.0, 0.01)]), 4)
    0.9214
    """
    mean = fsum(mean for mean, _ in posteriors)
    return 1 - normal_tail(mean / sqrt(fsum(deviation**2 for _, deviation in posteriors)))


def posterior(differences: Sequence[float]) -> Posterior:
    """Return the posterior of a mean difference: that of the data with the two imagined problems.

    >>> mean, deviation = posterior([0.0] * 98)
    >>> mean, round(deviation, 4)
    (0.0, 0.0142)
    """
    count = len(differences) + 2
    mean = fsum(differences) / count
    squares = fsum(d * d for d in differences) + 2 - count * mean**2
    return mean, sqrt(squares / (count - 1) / count)


def posterior_of_counts(a: Counts, b: Counts) -> Posterior:
    """Return the posterior of a difference of two proportions, each Beta(right + 1, wrong + 1).

    Of several samples a problem counts once.

    >>> half = Counts(problems=98, samples=98, accuracy=0.5)
    >>> mean, deviation = posterior_of_counts(half, half)
    >>> mean, round(deviation, 4)
    (0.0, 0.0704)
    """
    (mean_a, variance_a), (mean_b, variance_b) = _beta(a), _beta(b)
    return mean_b - mean_a, sqrt(variance_a + variance_b)


def _beta(counts: Counts) -> tuple[float, float]:
    total = counts.problems + 2
    mean = (counts.accuracy * counts.problems + 1) / total
    return mean, mean * (1 - mean) / (total + 1)
