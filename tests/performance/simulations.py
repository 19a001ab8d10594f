"""How often do 95 % intervals hold the truth, and how often do tests at 5 % see what is not there?

    python tests/performance/simulations.py [--runs N] [--confirm N] [-o FILE]

Evaluations of two models are simulated: the problems of a benchmark are drawn from all problems
of their kind, whose difficulty is Beta distributed, and each problem's samples are right with the
problem's chance. Each method is tried in all its designs: sizes of benchmarks, samples a problem
in A and in B, and difficulties. In a size's designs both models are equally good on every problem.
In a coverage's they are, too, and again with one problem in twenty changed altogether.

The largest of many noisy shares is too large. So the designs that look worst are simulated again
with fresh draws, and only these second shares are figures. Another method is another entry of
METHODS; a few minutes on two cores are enough for those that are there.
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

from harness.reporting.text.layout import text_table
from harness.stats.paired import average_estimate, holm, paired_difference, paired_estimate
from harness.stats.permutation import PairedCounts, permutation_test

SIZES = (30, 100, 272, 1319)
SAMPLES = ((1, 1), (4, 4), (16, 16), (1, 16), (4, 16))
DIFFICULTIES = ((0.3, 0.5), (0.5, 0.3), (0.5, 12), (12, 0.5), (0.05, 0.5), (0.5, 0.05))
"""Of Beta distributions: mixed, hard, and nearly all or nothing; and their mirrors."""
LEVEL = 0.05
CHANGED = 1 / 20
SUSPECTS = 4
"""How many of a method's designs are simulated again."""


class Design(NamedTuple):
    """What is simulated."""

    sizes: tuple[int, ...]
    """Problems of each benchmark; a method for one benchmark has one."""
    samples: tuple[int, int]
    """Samples of each problem in A and in B."""
    difficulty: tuple[float, float]
    """The Beta distribution of the problems' chances in A."""
    changed: float = 0.0
    """The share of problems whose chance in B is drawn from the mirrored distribution."""

    def __str__(self) -> str:
        sizes, samples = ("+".join(map(str, self.sizes)), "v".join(map(str, self.samples)))
        changed = f", {self.changed:.0%} changed" if self.changed else ""
        return f"{sizes} problems, {samples} samples, Beta{self.difficulty}{changed}"


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
    counts: Callable[[Simulated], bool]
    """Whether an interval holds the truth, or a test sees a difference."""
    designs: Sequence[Design]


def simulated(design: Design, generator: np.random.Generator) -> Simulated:
    """Draw problems and samples.

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
    mean = hard / (hard + easy)
    return Simulated(benchmarks, mean, design.changed * (1 - 2 * mean))


def difference_is_held(found: Simulated) -> bool:
    estimate = paired_estimate(found.benchmarks[0])
    return estimate.low <= found.difference <= estimate.high


def average_is_held(found: Simulated) -> bool:
    estimate = average_estimate({str(i): one for i, one in enumerate(found.benchmarks)})
    return estimate.low <= found.difference <= estimate.high


def difference_is_seen(found: Simulated) -> bool:
    return paired_difference(found.benchmarks[0]).p_value < LEVEL


def average_is_seen(found: Simulated) -> bool:
    return permutation_test(found.benchmarks)[0] < LEVEL


def anything_is_seen(found: Simulated) -> bool:
    p_values = [paired_difference(one).p_value for one in found.benchmarks]
    return min(holm([*p_values, permutation_test(found.benchmarks)[0]])) < LEVEL


def designs(sizes: Sequence[tuple[int, ...]], *, changed: Sequence[float] = (0.0,)) -> list[Design]:
    """Return all designs of benchmarks of these sizes."""
    return [Design(*parts) for parts in product(sizes, SAMPLES, DIFFICULTIES, changed)]


ONE = tuple((size,) for size in SIZES)
SEVERAL = ((30, 100, 272),)
BOTH = (0.0, CHANGED)

METHODS = {
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
    counts = METHODS[job.name].counts
    hits = sum(counts(simulated(job.design, generator)) for _ in range(job.runs))
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
        Job(name, design, runs, 0) for name, method in METHODS.items() for design in method.designs
    ]
    shares = dict(zip(first, map_jobs(first), strict=True))
    second = [
        job._replace(runs=confirm, stage=1)
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
@output_option
def main(runs: int, confirm: int, output: Path | None) -> None:
    """Print the worst coverage and size of every method."""
    # Processes, one thread each: numpy's own threads would take the cores from one another.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor() as processes:
        found = measure(runs, confirm, lambda jobs: processes.map(simulate, jobs, chunksize=4))
    say(table(found))
    figures = {METHODS[one.name].figure: round(one.worst.share, 4) for one in found}
    details = {
        "runs": runs,
        "confirming_runs": confirm,
        "worst": {METHODS[one.name].figure: str(one.design) for one in found},
        "mean": {METHODS[one.name].figure: round(one.mean, 4) for one in found},
    }
    publish("simulations", figures, details, output)


if __name__ == "__main__":
    main()
