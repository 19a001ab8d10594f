"""How often do 95 % intervals hold the truth, and how often do tests at 5 % see what is not there?

    python tests/performance/simulations.py [--quick] [--runs N] [--confirm N] [-o FILE]

Evaluations are simulated: the problems of a benchmark are drawn from all problems of their kind,
whose difficulty is Beta distributed, and each problem's samples are right with the problem's
chance. Each method is tried in all its designs: sizes of benchmarks, samples of each problem, and
difficulties. Where a test is tried, both models are equally good on every problem, or differ by
exactly the margin that it tests. Where an interval is tried, they are equally good, too, and again
with one problem in twenty changed altogether.

The largest of many noisy shares is too large. So the designs that look worst are simulated again
with fresh draws, and only these second shares are figures. Another method is another entry of
METHODS. All of them take about ten minutes on two cores, and with --quick less than one.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from math import sqrt
from pathlib import Path
from typing import Literal, NamedTuple

import click
import numpy as np
from measuring import output_option, publish, say
from numpy.typing import NDArray

from harness.reporting.text.layout import text_table
from harness.stats import equivalence
from harness.stats.equivalence import Equivalence
from harness.stats.intervals import Interval, accuracy_interval, mean_interval
from harness.stats.many import Floats, all_pairs, difference_interval, rank_intervals, step_down
from harness.stats.paired import average_estimate, holm, paired_difference, paired_estimate
from harness.stats.permutation import PairedCounts, permutation_test
from harness.stats.recipes import GroupDifference, Trainings, compare_groups
from harness.stats.unpaired import Counts, average_unpaired, unpaired

SIZES = (30, 100, 272, 1319)
SAMPLES = ((1, 1), (4, 4), (16, 16), (1, 16), (4, 16))
DIFFICULTIES = ((0.3, 0.5), (0.5, 0.3), (0.5, 12), (12, 0.5), (0.05, 0.5), (0.5, 0.05))
"""Of Beta distributions: mixed, hard, and nearly all or nothing; and their mirrors."""
Whole = NDArray[np.int64]

LEVEL = 0.05
CHANGED = 1 / 20
QUICK = 25
"""By how much less --quick simulates."""
SUSPECTS = 4
"""How many of a method's designs are simulated again."""
MIXED = 0
"""In place of a number of samples: each problem has 1, 4 or 16, by chance."""
SIGNS = 999
"""Drawn sign vectors for many runs. The harness draws 20,000, which takes ten times as long; the
test has the same level."""
UNLIKE = 0.4
"""The standard deviation by which one recipe moves a problem's log-odds, and by which one training
does, each time to first order."""


class Design(NamedTuple):
    """What is simulated."""

    sizes: tuple[int, ...]
    """Problems of each benchmark; a method for one benchmark has one."""
    samples: tuple[int, ...]
    """Samples of each problem: in the one run, in A and in B, or in each of many runs."""
    difficulty: tuple[float, float]
    """The Beta distribution of the problems' chances in A."""
    changed: float = 0.0
    """The share of problems whose chance in B is drawn from the mirrored distribution; of many
    runs, in every second one."""
    trainings: tuple[int, int] = (1, 1)
    """Trainings of A's recipe and of B's."""
    spreads: tuple[float, float] = (0.0, 0.0)
    """The standard deviations by which a training of A's and of B's moves the log-odds of all
    problems, to first order."""

    @property
    def mean(self) -> float:
        """A's accuracy over all problems of the kind."""
        hard, easy = self.difficulty
        return hard / (hard + easy)

    @property
    def difference(self) -> float:
        """The accuracy of what is changed, less A's, over all problems of the kind."""
        return self.changed * (1 - 2 * self.mean)

    def __str__(self) -> str:
        sizes, samples = ("+".join(map(str, self.sizes)), "v".join(map(str, self.samples)))
        if len(self.samples) > 2:
            samples = f"{len(self.samples)} runs, {self.samples[0]}"
        if self.samples == (MIXED,):
            samples = "1, 4 or 16"
        changed = f", {self.changed:.0%} changed" if self.changed else ""
        trained = "{}v{} trainings, spread {:g} and {:g}, ".format(*self.trainings, *self.spreads)
        if self.trainings == (1, 1):
            trained = ""
        return f"{sizes} problems, {trained}{samples} samples, Beta{self.difficulty}{changed}"


class Simulated(NamedTuple):
    """One simulated evaluation of A and B, and the truth about them."""

    benchmarks: list[PairedCounts]
    accuracy: float
    """A's, over all problems of the kind."""
    difference: float
    """B's less A's, over all problems of the kind."""


class Method(NamedTuple):
    """An interval or a test, and the designs that it is tried in."""

    figure: str
    """The figure's name in latest.json."""
    kind: Literal["coverage", "size"]
    trial: Callable[[Design, np.random.Generator], bool]
    """Simulate once; whether an interval holds the truth, or a test sees what is not there."""
    designs: Sequence[Design]
    effort: float = 1.0
    """How many times as many simulations it gets: fewer of what is slow."""


def simulated(design: Design, generator: np.random.Generator) -> Simulated:
    """Draw problems and samples of two runs.

    >>> design = Design((3, 2), (1, 4), (0.3, 0.5))
    >>> list(map(len, simulated(design, np.random.default_rng(0)).benchmarks))
    [3, 2]
    """
    hard, easy = design.difficulty
    benchmarks = []
    for size in design.sizes:
        chances = generator.beta(hard, easy, size)
        others = generator.beta(easy, hard, size)
        after = np.where(generator.random(size) < design.changed, others, chances)
        of_a, of_b = (np.full(size, number) for number in design.samples)
        benchmarks.append(
            PairedCounts(
                correct_a=generator.binomial(of_a, chances),
                samples_a=of_a,
                correct_b=generator.binomial(of_b, after),
                samples_b=of_b,
            )
        )
    return Simulated(benchmarks, design.mean, design.difference)


# --- one run --------------------------------------------------------------------------------


class OneAccuracy(NamedTuple):
    """A benchmark's accuracy in one simulated run."""

    accuracy: float
    interval: Interval


def accuracies(design: Design, generator: np.random.Generator) -> list[OneAccuracy]:
    """Simulate one run, and return each benchmark's accuracy."""
    (number,) = design.samples
    found = []
    for size in design.sizes:
        samples = np.full(size, number) if number != MIXED else generator.choice((1, 4, 16), size)
        chances = generator.beta(*design.difficulty, size)
        means: list[float] = (generator.binomial(samples, chances) / samples).tolist()
        interval = accuracy_interval(means, samples=int(samples.sum()))
        found.append(OneAccuracy(float(np.mean(means)), interval))
    return found


def accuracy_is_held(design: Design, generator: np.random.Generator) -> bool:
    (found,) = accuracies(design, generator)
    return found.interval.low <= design.mean <= found.interval.high


def average_accuracy_is_held(design: Design, generator: np.random.Generator) -> bool:
    found = accuracies(design, generator)
    whole = mean_interval([one.accuracy for one in found], [one.interval for one in found])
    return whole.low <= design.mean <= whole.high


# --- two runs -------------------------------------------------------------------------------


def difference_is_held(design: Design, generator: np.random.Generator) -> bool:
    found = simulated(design, generator)
    estimate = paired_estimate(found.benchmarks[0])
    return estimate.low <= found.difference <= estimate.high


def average_is_held(design: Design, generator: np.random.Generator) -> bool:
    found = simulated(design, generator)
    estimate = average_estimate({str(i): one for i, one in enumerate(found.benchmarks)})
    return estimate.low <= found.difference <= estimate.high


def difference_is_seen(design: Design, generator: np.random.Generator) -> bool:
    return paired_difference(simulated(design, generator).benchmarks[0]).p_value < LEVEL


def average_is_seen(design: Design, generator: np.random.Generator) -> bool:
    return permutation_test(simulated(design, generator).benchmarks)[0] < LEVEL


def anything_is_seen(design: Design, generator: np.random.Generator) -> bool:
    found = simulated(design, generator)
    p_values = [paired_difference(one).p_value for one in found.benchmarks]
    return min(holm([*p_values, permutation_test(found.benchmarks)[0]])) < LEVEL


# --- a margin, which is exactly the true difference -------------------------------------------


def claims_less(found: Equivalence, difference: float) -> bool:
    """Whether it is claimed that the difference is nearer to 0 than it is."""
    return (found.p_not_better if difference > 0 else found.p_not_worse) < LEVEL


def margin_of_one_is_missed(design: Design, generator: np.random.Generator) -> bool:
    changes = [round(d) for d in simulated(design, generator).benchmarks[0].differences.tolist()]
    counts = changes.count(1), changes.count(-1), len(changes)
    return claims_less(equivalence.tango(*counts, margin=abs(design.difference)), design.difference)


def margin_of_several_is_missed(design: Design, generator: np.random.Generator) -> bool:
    differences = simulated(design, generator).benchmarks[0].differences.tolist()
    found = equivalence.clustered(differences, margin=abs(design.difference))
    return claims_less(found, design.difference)


def margin_of_average_is_missed(design: Design, generator: np.random.Generator) -> bool:
    rows = [one.differences.tolist() for one in simulated(design, generator).benchmarks]
    single = design.samples == (1, 1)
    found = equivalence.average(
        [float(np.mean(row)) for row in rows],
        [equivalence.paired_limits(row, single=single) for row in rows],
        margin=abs(design.difference),
    )
    return claims_less(found, design.difference)


# --- two runs of which only the counts are known ----------------------------------------------


def counted(design: Design, generator: np.random.Generator) -> dict[str, tuple[Counts, Counts]]:
    """Return counts of two runs that share no problem: on shared ones they would agree more."""
    of_a, of_b = simulated(design, generator), simulated(design, generator)
    sides = zip(of_a.benchmarks, of_b.benchmarks, strict=True)
    return {
        str(place): (_counts(a.correct_a, a.samples_a), _counts(b.correct_b, b.samples_b))
        for place, (a, b) in enumerate(sides)
    }


def _counts(correct: Whole, samples: Whole) -> Counts:
    accuracy = float(correct.sum() / samples.sum())  # as many samples of every problem
    return Counts(problems=len(samples), samples=int(samples.sum()), accuracy=accuracy)


def counts_are_held(design: Design, generator: np.random.Generator) -> bool:
    found = unpaired(*counted(design, generator)["0"])
    return found.low <= design.difference <= found.high


def counts_are_seen(design: Design, generator: np.random.Generator) -> bool:
    return unpaired(*counted(design, generator)["0"]).p_value < LEVEL


def average_counts_are_held(design: Design, generator: np.random.Generator) -> bool:
    found = average_unpaired(counted(design, generator))
    return found.low <= design.difference <= found.high


def average_counts_are_seen(design: Design, generator: np.random.Generator) -> bool:
    return average_unpaired(counted(design, generator)).p_value < LEVEL


# --- two recipes ------------------------------------------------------------------------------


def trained(design: Design, generator: np.random.Generator) -> GroupDifference:
    """Simulate the trainings of two recipes, and compare them.

    A problem's chance p becomes p + u p (1 − p): to first order its log-odds move by u, and its
    mean stays what it is. u is a sum of normal variables, of the training, of the recipe on this
    problem, and of the training on this problem, cut off at ± 1.
    """
    hard, easy = design.difficulty
    shifts = [
        generator.normal(0, spread, (trainings, 1))
        for trainings, spread in zip(design.trainings, design.spreads, strict=True)
    ]
    benchmarks = {}
    for place, size in enumerate(design.sizes):
        chances = generator.beta(hard, easy, size)
        others = generator.beta(easy, hard, size)
        after = np.where(generator.random(size) < design.changed, others, chances)
        recipes = []
        for side, number, shift in zip((chances, after), design.samples, shifts, strict=True):
            moved = shift + generator.normal(0, UNLIKE, size)
            moved = moved + generator.normal(0, UNLIKE, (len(shift), size))
            own = side + moved.clip(-1, 1) * side * (1 - side)
            right = generator.binomial(number, own) / number
            recipes.append(Trainings(right, np.full(right.shape, number)))
        benchmarks[str(place)] = (recipes[0], recipes[1])
    return compare_groups(benchmarks)


def recipe_is_held(design: Design, generator: np.random.Generator) -> bool:
    found = trained(design, generator).difference
    return found.low <= design.difference <= found.high


def recipe_is_seen(design: Design, generator: np.random.Generator) -> bool:
    return trained(design, generator).difference.p_value < LEVEL


# --- many runs --------------------------------------------------------------------------------


def many(design: Design, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Simulate runs on the same problems; return their accuracies, and each run's true gain."""
    hard, easy = design.difficulty
    (size,) = design.sizes
    runs = len(design.samples)
    every_second = np.arange(runs) % 2 == 1
    chances = np.tile(generator.beta(hard, easy, size), (runs, 1))
    others = generator.beta(easy, hard, (runs, size))
    moved = (generator.random((runs, size)) < design.changed) & every_second[:, None]
    number = design.samples[0]
    found = generator.binomial(number, np.where(moved, others, chances)) / number
    return found, design.difference * every_second


def false_claim_is_made(design: Design, generator: np.random.Generator) -> bool:
    """Whether a run that is as good as the base is said to be better or worse."""
    found, gains = many(design, generator)
    tested = step_down(
        found[1:] - found[0], _alike(design), seed=int(generator.integers(2**32)), draws=SIGNS
    )
    equal = zip(tested.adjusted, gains[1:], strict=True)
    return any(p_value < LEVEL for p_value, gain in equal if not gain)


def all_differences_are_held(design: Design, generator: np.random.Generator) -> bool:
    found, gains = many(design, generator)
    differences = found[1:] - found[0]
    seed = int(generator.integers(2**32))
    level = step_down(differences, _alike(design), seed=seed, draws=SIGNS).level
    numbers = np.zeros(design.sizes[0])
    intervals = [difference_interval(row, numbers, level=level) for row in differences]
    return all(one.low <= gain <= one.high for one, gain in zip(intervals, gains[1:], strict=True))


def all_ranks_are_held(design: Design, generator: np.random.Generator) -> bool:
    """Whether each interval holds every rank that the run may truly take up."""
    found, gains = many(design, generator)
    seed = int(generator.integers(2**32))
    tested = all_pairs(found, _alike(design), seed=seed, draws=SIGNS)
    means = found.mean(axis=1)
    better = (tested.adjusted < LEVEL) & np.greater.outer(means, means)
    return all(
        low <= 1 + (gains > gain).sum() and high >= len(gains) - (gains < gain).sum()
        for (low, high), gain in zip(rank_intervals(better), gains, strict=True)
    )


def _alike(design: Design) -> Floats:
    """Return the problems' weights in the mean."""
    return np.full(design.sizes[0], 1 / design.sizes[0])


# --- all of them ------------------------------------------------------------------------------


def designs(
    sizes: Sequence[tuple[int, ...]],
    *,
    samples: Sequence[tuple[int, ...]] = SAMPLES,
    changed: Sequence[float] = (0.0,),
    trainings: Sequence[tuple[int, int]] = ((1, 1),),
    spreads: Sequence[tuple[float, float]] = ((0.0, 0.0),),
) -> list[Design]:
    """Return all designs of benchmarks of these sizes."""
    parts = product(sizes, samples, DIFFICULTIES, changed, trainings, spreads)
    return [Design(*part) for part in parts]


ONE = tuple((size,) for size in SIZES)
SEVERAL = ((30, 100, 272),)
BOTH = (0.0, CHANGED)
MARGINS = (1 / 100, CHANGED, 1 / 4)
"""Shares of changed problems: true differences, and so margins, of 0.25 to 23 points."""
SINGLE = ((1, 1),)
REPEATED = tuple(samples for samples in SAMPLES if samples != (1, 1))
ALONE = ((4,), (16,), (MIXED,))
TRAININGS = ((2, 2), (2, 3), (3, 3), (5, 5))
MORE = ((272,), (1319,), *SEVERAL)


def recipes(sizes: Sequence[tuple[int, ...]], *, changed: float = 0.0) -> list[Design]:
    """Return designs of recipes whose trainings vary alike."""
    return designs(
        sizes,
        samples=((1, 1), (4, 4), (16, 16), (1, 16)),
        changed=(changed,),
        trainings=TRAININGS,
        spreads=((0.2, 0.2),),
    )


FIVE = [(number,) * 6 for number in (1, 4, 16)]
TWENTY = [(number,) * 21 for number in (1, 4, 16)]
FEW = ((30,), (272,))
MANY = [
    *designs(ONE, samples=FIVE, changed=BOTH),
    *designs(FEW, samples=TWENTY, changed=BOTH),
]
"""A base and five runs, or twenty. Where they are ranked, the base is one of them."""

METHODS = {
    "interval of one accuracy, one sample": Method(
        "coverage_of_single_samples",
        "coverage",
        accuracy_is_held,
        designs(ONE, samples=((1,),)),
        effort=10,
    ),
    "interval of one accuracy, several samples": Method(
        "coverage_of_several_samples", "coverage", accuracy_is_held, designs(ONE, samples=ALONE)
    ),
    "interval of an average": Method(
        "coverage_of_average_accuracies",
        "coverage",
        average_accuracy_is_held,
        designs(SEVERAL, samples=((1,), *ALONE)),
    ),
    "interval of a difference": Method(
        "coverage_of_differences", "coverage", difference_is_held, designs(ONE, changed=BOTH)
    ),
    "interval of an average's difference": Method(
        "coverage_of_averages", "coverage", average_is_held, designs(SEVERAL, changed=BOTH)
    ),
    "test of a difference": Method(
        "size_of_difference_tests", "size", difference_is_seen, designs(ONE)
    ),
    "test of an average's difference": Method(
        "size_of_average_tests", "size", average_is_seen, designs(SEVERAL)
    ),
    "all tests of a comparison, after Holm": Method(
        "size_of_families", "size", anything_is_seen, designs(SEVERAL)
    ),
    "test of a margin, one sample": Method(
        "size_of_margins_of_single_samples",
        "size",
        margin_of_one_is_missed,
        designs(ONE, samples=SINGLE, changed=MARGINS),
        effort=4,
    ),
    "test of a margin, several samples": Method(
        "size_of_margins_of_several_samples",
        "size",
        margin_of_several_is_missed,
        designs(ONE, samples=REPEATED, changed=MARGINS),
    ),
    "test of an average's margin": Method(
        "size_of_margins_of_averages",
        "size",
        margin_of_average_is_missed,
        designs(SEVERAL, changed=MARGINS),
        effort=0.5,
    ),
    "interval of counts": Method(
        "coverage_of_counts", "coverage", counts_are_held, designs(ONE, changed=BOTH)
    ),
    "test of counts": Method("size_of_tests_of_counts", "size", counts_are_seen, designs(ONE)),
    "interval of an average of counts": Method(
        "coverage_of_averages_of_counts",
        "coverage",
        average_counts_are_held,
        designs(SEVERAL, changed=BOTH),
    ),
    "test of an average of counts": Method(
        "size_of_average_tests_of_counts", "size", average_counts_are_seen, designs(SEVERAL)
    ),
    "interval of recipes, 30 problems": Method(
        "coverage_of_recipes_of_few_problems",
        "coverage",
        recipe_is_held,
        recipes(((30,),), changed=CHANGED),
        effort=0.5,
    ),
    "interval of recipes, 100 problems": Method(
        "coverage_of_recipes_of_100_problems",
        "coverage",
        recipe_is_held,
        recipes(((100,),), changed=CHANGED),
        effort=0.5,
    ),
    "interval of recipes, more problems": Method(
        "coverage_of_recipes",
        "coverage",
        recipe_is_held,
        recipes(MORE, changed=CHANGED),
        effort=0.5,
    ),
    "test of recipes": Method(
        "size_of_recipe_tests", "size", recipe_is_seen, recipes(((30,), *MORE)), effort=0.5
    ),
    "test of recipes, one varying four times as much": Method(
        "size_of_recipe_tests_with_unequal_spreads",
        "size",
        recipe_is_seen,
        designs(FEW, samples=((4, 4),), trainings=TRAININGS, spreads=((0.1, 0.4),)),
    ),
    "many runs and a base, after step-down": Method(
        "size_of_step_down", "size", false_claim_is_made, MANY, effort=0.5
    ),
    "joint intervals of many runs": Method(
        "coverage_of_joint_intervals", "coverage", all_differences_are_held, MANY, effort=0.25
    ),
    "intervals of ranks": Method(
        "coverage_of_ranks", "coverage", all_ranks_are_held, MANY, effort=0.15
    ),
}


class Share(NamedTuple):
    """How often something happened in so many simulations."""

    share: float
    runs: int

    @property
    def error(self) -> float:
        """The standard error of the share; never 0."""
        smoothed = (self.share * self.runs + 2) / (self.runs + 4)
        return sqrt(smoothed * (1 - smoothed) / self.runs)


class Job(NamedTuple):
    """A method in a design, and with which draws."""

    name: str
    design: Design
    runs: int
    stage: int


def simulate(job: Job) -> Share:
    """Count how often it happens; the draws depend on what is simulated, and on nothing else."""
    key = zlib.crc32(f"{job.name} {job.design}".encode())
    generator = np.random.default_rng([job.stage, key])
    trial = METHODS[job.name].trial
    hits = sum(trial(job.design, generator) for _ in range(job.runs))
    return Share(hits / job.runs, job.runs)


def worse(kind: Literal["coverage", "size"], share: float) -> float:
    """Return a share so that a larger one is worse."""
    return share if kind == "size" else -share


class Found(NamedTuple):
    """What became of one method."""

    name: str
    worst: Share
    design: Design
    mean: float
    """Over all its designs."""


def measure(
    runs: int, confirm: int, map_jobs: Callable[[Sequence[Job]], Iterator[Share]]
) -> list[Found]:
    """Try every method in all its designs, and again where it did worst."""
    first = [
        Job(name, design, _number(runs, method), 0)
        for name, method in METHODS.items()
        for design in method.designs
    ]
    shares = dict(zip(first, map_jobs(first), strict=True))
    second = [
        job._replace(runs=_number(confirm, method), stage=1)
        for name, method in METHODS.items()
        for job in sorted(
            (job for job in first if job.name == name),
            key=lambda job: -worse(method.kind, shares[job].share),
        )[:SUSPECTS]
    ]
    confirmed = dict(zip(second, map_jobs(second), strict=True))
    found = []
    for name, method in METHODS.items():
        suspects = [job for job in second if job.name == name]
        job = max(suspects, key=lambda job: worse(method.kind, confirmed[job].share))
        everywhere = [shares[other].share for other in first if other.name == name]
        mean = float(np.mean(everywhere))
        found.append(Found(name, confirmed[job], job.design, mean))
    return found


def _number(runs: int, method: Method) -> int:
    return max(1, round(runs * method.effort))


def table(found: Sequence[Found]) -> str:
    """Return what was found as a table, shares in per cent."""
    rows = [
        (
            one.name,
            METHODS[one.name].kind,
            f"{100 * one.worst.share:.1f} ± {100 * one.worst.error:.1f}",
            f"{100 * one.mean:.1f}",
            len(METHODS[one.name].designs),
            str(one.design),
        )
        for one in found
    ]
    headers = ("method", "share", "worst %", "mean %", "designs", "where it is worst")
    return text_table(rows, headers, "llrrrl")


@click.command()
@click.option("--runs", default=200, show_default=True, help="Simulations of each design.")
@click.option("--confirm", default=3000, show_default=True, help="Those of the worst designs.")
@click.option("--quick", is_flag=True, help=f"A rough look: 1/{QUICK} of the simulations.")
@output_option
def main(runs: int, confirm: int, quick: bool, output: Path | None) -> None:
    """Print the worst coverage and size of every method.

    Methods that are slow get fewer simulations, and quick ones more.
    """
    if quick:
        if output:
            raise click.UsageError("--quick is too rough for figures that are kept; leave out -o")
        runs, confirm = max(1, runs // QUICK), max(1, confirm // QUICK)
    # Processes, one thread each: numpy's own threads would take the cores from one another.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor() as processes:
        found = measure(runs, confirm, lambda jobs: processes.map(simulate, jobs, chunksize=4))
    say(table(found))
    figures = {METHODS[one.name].figure: round(one.worst.share, 4) for one in found}
    details = {
        "runs": {METHODS[one.name].figure: one.worst.runs for one in found},
        "error": {METHODS[one.name].figure: round(one.worst.error, 4) for one in found},
        "worst": {METHODS[one.name].figure: str(one.design) for one in found},
        "mean": {METHODS[one.name].figure: round(one.mean, 4) for one in found},
    }
    publish("simulations", figures, details, output)


if __name__ == "__main__":
    main()
