"""The simulations of `make bench-statistics`, in short: every method in a few hard designs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent.parent / "performance"))

import simulations
from measuring import TARGETS
from simulations import METHODS, Design, Job, Share, simulate, simulated

HARD = [
    Design((30,), (1, 1), (0.05, 0.5)),
    Design((30,), (1, 16), (0.5, 12)),
    Design((100,), (16, 16), (0.5, 12)),
]


def test_every_method_has_its_target() -> None:
    for method in METHODS.values():
        assert TARGETS[method.figure].least == (method.kind == "coverage")


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("design", HARD, ids=str)
def test_intervals_cover_and_tests_keep_their_level(name: str, design: Design) -> None:
    method = METHODS[name]
    several = len(method.designs[0].sizes) > 1
    if several:
        design = design._replace(sizes=(design.sizes[0], 40))
    found = simulate(Job(name, design, 60 if several else 150, 0))
    bound = 0.94 if method.kind == "coverage" else 0.055
    doubt = 4 * Share(bound, found.runs).error
    if method.kind == "coverage":
        assert found.share >= bound - doubt
    else:
        assert found.share <= bound + doubt


def test_a_simulation_has_the_truth_that_it_says() -> None:
    design = Design((20_000,), (1, 16), (0.5, 12), changed=0.3)
    found = simulated(design, np.random.default_rng(0))
    (counts,) = found.benchmarks
    assert float(np.mean(counts.correct_a)) == pytest.approx(found.accuracy, abs=0.01)
    assert float(np.mean(counts.differences)) == pytest.approx(found.difference, abs=0.01)


def test_the_worst_design_is_told_from_fresh_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest of many noisy shares is too large."""
    name = "test of a difference"
    designs = simulations.designs(((30,),))
    method = METHODS[name]._replace(designs=designs)
    monkeypatch.setattr(simulations, "METHODS", {name: method})

    def shares(jobs: list[Job]) -> list[Share]:
        # By chance the last looks worst at first; of the suspects the one before it is.
        return [
            Share(
                (0.2 if job.stage == 0 else 0.01) + designs.index(job.design) % 29 / 1000, job.runs
            )
            for job in jobs
        ]

    (found,) = simulations.measure(10, 100, shares)  # type: ignore[arg-type]
    assert found.worst.runs == 100
    assert found.design == designs[28]
    assert found.worst.share == pytest.approx(0.038)
    assert name in simulations.table([found])
