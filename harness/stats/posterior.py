"""How probable is it that B is better than A? Posterior probabilities, for a sentence in words.

They stand beside an interval and a test and never in their place: a probability of 90 % is no
evidence yet. The prior is the same everywhere, and weak: what is known before the data is worth two
imagined problems, of which B fixes one and breaks one (for counts without pairs: on each side two,
solved at the accuracy of both sides together). So the prior never says which run is better: the
probability is above one half only if B's accuracy is higher. Pure functions; swapping the runs
gives one minus the probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from statistics import fmean
from typing import NamedTuple

from harness.stats.distributions import normal_tail, t_tail
from harness.stats.unpaired import Counts


class Posterior(NamedTuple):
    """What is known of the true difference B − A after the data."""

    difference: float
    """The observed difference."""
    weight: float
    """What the prior leaves of it: the posterior mean is weight × difference."""
    deviation: float
    """The posterior standard deviation."""


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
    found = posterior(differences)
    mean = found.weight * found.difference
    return t_tail(0.0 - mean / found.deviation, len(differences) + 1)


def better(posteriors: Sequence[Posterior]) -> float:
    """Return the probability that B is better on the plain mean over benchmarks; it is normal.

    The benchmarks' differences are all moved towards 0 by the same weight, the mean of theirs:
    a small benchmark that is moved more than a large one would let the prior decide which run is
    better. The variances add up.

    >>> round(better([Posterior(0.02, 1.0, 0.01), Posterior(0.0, 1.0, 0.01)]), 4)
    0.9214
    """
    weight = fmean(found.weight for found in posteriors)
    mean = weight * fsum(found.difference for found in posteriors)
    return 1 - normal_tail(mean / sqrt(fsum(found.deviation**2 for found in posteriors)))


def posterior(differences: Sequence[float]) -> Posterior:
    """Return the posterior of a mean difference: that of the data with the two imagined problems.

    >>> found = posterior([0.0] * 98)
    >>> found.difference, found.weight, round(found.deviation, 4)
    (0.0, 0.98, 0.0142)
    """
    count = len(differences) + 2
    mean = fsum(differences) / count
    squares = fsum(d * d for d in differences) + 2 - count * mean**2
    weight = len(differences) / count
    return Posterior(fmean(differences), weight, sqrt(squares / (count - 1) / count))


def posterior_of_counts(a: Counts, b: Counts) -> Posterior:
    """Return the posterior of a difference of two accuracies, of which only counts are known.

    With one right and one wrong on each side, as under a uniform prior, the side with fewer
    problems would be moved farther towards one half: 0 of 20 against 3 of 100 would look better.
    So the prior of both is Beta(2p, 2(1 − p)), worth two problems, where p is the accuracy of both
    together: a prior whose middle is taken from the data (Gelman et al., §5.1). The posterior means
    are (n r + 2p)/(n + 2), where r of all n problems are right, and their difference is
    (r_B − r_A) × n_A n_B (1/(n_A + 2) + 1/(n_B + 2)) / (n_A + n_B): it keeps its sign. For equal
    numbers it is that of the uniform prior. The variance of each side is that of Beta(right + 1,
    wrong + 1), the uniform prior's, so that none right is not certain. Of several samples a
    problem counts once.

    >>> none = Counts(problems=20, samples=20, accuracy=0.0)
    >>> three = Counts(problems=100, samples=100, accuracy=0.03)
    >>> round(better([posterior_of_counts(none, three)]), 2)
    0.72
    """
    n, m = a.problems, b.problems
    # The pooled accuracy is n/(n + m) of the way from B's to A's, and m/(n + m) from A's to B's.
    weight = n * m * (1 / (n + 2) + 1 / (m + 2)) / (n + m)
    deviation = sqrt(_beta_variance(a) + _beta_variance(b))
    return Posterior(b.accuracy - a.accuracy, weight, deviation)


def _beta_variance(counts: Counts) -> float:
    total = counts.problems + 2
    mean = (counts.accuracy * counts.problems + 1) / total
    return mean * (1 - mean) / (total + 1)
