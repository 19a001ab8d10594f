"""Saved responses, specs that replay them, and a recorder of progress, for several tests."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import BENCHMARKS
from benchmarks.source import load_problems
from harness.runs.spec import EngineSpec, EvalSpec, Sampling


class Recorded:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.lines: list[str] = []
        self.counts: dict[str, tuple[int, int | None, str]] = {}
        """The newest count of each part; the stage's own under the empty name."""

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def advance(self, done: int, total: int | None, *, part: str = "", note: str = "") -> None:
        self.counts[part] = (done, total, note)

    def say(self, line: str) -> None:
        self.lines.append(line)


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
