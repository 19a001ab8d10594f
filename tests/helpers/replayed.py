"""Saved responses, specs that replay them, and a watcher that counts, for several tests."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import BENCHMARKS
from benchmarks.source import load_problems
from harness.evaluation.live_grading import Silent
from harness.grading import Verdict
from harness.runs.sample import Sample, SampleKey
from harness.runs.spec import EngineSpec, EvalSpec, Sampling


class Quiet(Silent):
    """A watcher that only counts."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.drawn = 0
        self.verdicts = 0

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def stored(self, sample: Sample) -> None:
        self.drawn += 1

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        self.verdicts += 1


def demo_response(number: int, answer: str) -> str:
    """A third right, a third wrong, a third without any answer."""
    return (f"So \\boxed{{{answer}}}.", "So \\boxed{-77777}.", "I cannot say.")[number % 3]


def write_responses(path: Path, *, limit: int, n: int = 1) -> Path:
    """Write saved responses to the first demo problems."""
    problems = load_problems(BENCHMARKS["demo"], limit=limit)
    with path.open("w", encoding="utf-8") as file:
        for number, problem in enumerate(problems):
            for index in range(n):
                row = {
                    "problem_id": problem.id,
                    "index": index,
                    "response": demo_response(number + index, problem.answer),
                    "completion_tokens": 5 + number,
                }
                file.write(json.dumps(row) + "\n")
    return path


def replay_spec(responses: Path, *, limit: int, n: int = 1, **fields: object) -> EvalSpec:
    """The spec of a run over the first demo problems that replays ``responses``."""
    return EvalSpec(
        model="replayed",
        benchmarks=("demo",),
        limit=limit,
        sampling=Sampling(n=n, temperature=0.0 if n == 1 else 1.0),
        engine=EngineSpec(name="replay", responses=str(responses)),
        **fields,  # type: ignore[arg-type]
    )
