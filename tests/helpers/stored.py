"""Make stored runs with given verdicts, which comparisons can read without an evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS
from harness.models.lineage import LINEAGE
from harness.runs.file_names import RECORD
from harness.runs.identity import BenchmarkIdentity, EngineIdentity, Identity
from harness.runs.record import Phases, Run, Score, new_run_id
from harness.runs.results import Result, of_run
from harness.runs.scores import average
from harness.runs.spec import EngineSpec, EvalSpec, PromptSpec, Sampling
from harness.runs.verdicts import VERDICTS, ProblemVerdicts, to_lines
from harness.stats.intervals import accuracy_interval, interval_method

Marks = Mapping[str, Sequence[Sequence[bool]]]
"""For each benchmark and each of its problems, whether each sample is correct."""

_minutes = count()


def verdict_rows(marks: Marks, *, shift: int = 0) -> list[ProblemVerdicts]:
    """Return rows of verdicts; problems are numbered from ``shift`` on."""
    return [
        _row(benchmark, number, samples)
        for benchmark, problems in marks.items()
        for number, samples in enumerate(problems, shift)
    ]


def _row(benchmark: str, number: int, samples: Sequence[bool]) -> ProblemVerdicts:
    answers = [str(number) if right else f"-{number + 1}" for right in samples]
    return ProblemVerdicts(
        benchmark=benchmark,
        problem_id=f"{benchmark}/{number}",
        sum=hashlib.sha256(f"{benchmark}/{number}".encode()).hexdigest()[:12],
        groups={key: f"{key} {number % 3}" for key in BENCHMARKS[benchmark].groups},
        indices=tuple(range(len(samples))),
        outcomes=tuple("correct" if right else "wrong" for right in samples),
        answers=tuple(answers),
        classes=tuple(0 if right else 1 for right in samples),
        tokens=tuple(100 + 7 * number % 400 + 40 * index for index in range(len(samples))),
        at_limit=tuple(False for _ in samples),
    )


def store_run(
    results: Path,
    name: str,
    rows: Sequence[ProblemVerdicts],
    *,
    prompt: PromptSpec | None = None,
    sampling: Sampling | None = None,
    grader: str = "2+00000000",
    lineage: bytes | None = None,
    **changes: Any,
) -> Result:
    """Store a complete run with these verdicts under ``results`` and return it."""
    by_benchmark: dict[str, list[ProblemVerdicts]] = {}
    for row in rows:
        by_benchmark.setdefault(row.benchmark, []).append(row)
    spec = EvalSpec(
        model=name,
        benchmarks=tuple(by_benchmark),
        prompt=prompt or PromptSpec(),
        sampling=sampling or Sampling(),
        engine=EngineSpec(name="replay"),
    )
    identity = _identity(spec, by_benchmark, grader)
    scores = tuple(_score(benchmark, found) for benchmark, found in by_benchmark.items())
    content = to_lines(rows)
    created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=next(_minutes))
    run = Run(
        id=new_run_id(identity.fingerprint, created),
        name=name,
        status="complete",
        fingerprint=identity.fingerprint,
        identity=identity,
        spec=spec,
        created=created,
        finished=created,
        harness_version="0",
        packages={},
        hardware={"processor": "a processor", "gpus": []},
        phases=Phases(generate=10.0),
        scores=scores,
        average=average(scores),
        verdicts_sum=hashlib.sha256(content).hexdigest(),
    ).model_copy(update=changes)
    folder = results / "runs" / name / run.id
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(run.to_json(), encoding="utf-8")
    (folder / VERDICTS).write_bytes(content)
    if lineage is not None:
        (folder / LINEAGE).write_bytes(lineage)
    return of_run(folder, run)


def _identity(
    spec: EvalSpec, by_benchmark: Mapping[str, Sequence[ProblemVerdicts]], grader: str
) -> Identity:
    return Identity(
        model={"model.safetensors": hashlib.sha256(spec.model.encode()).hexdigest()},
        benchmarks={
            benchmark: BenchmarkIdentity(
                problems=len(rows),
                sum=hashlib.sha256("".join(sorted(r.sum for r in rows)).encode()).hexdigest(),
                samples=max(row.samples for row in rows),
            )
            for benchmark, rows in by_benchmark.items()
        },
        prompt=spec.prompt,
        prompts_sum="",
        stop_token_ids=(),
        sampling=spec.sampling,
        engine=EngineIdentity(name="replay", versions={}, settings={}),
        grader=grader,
    )


def _score(benchmark: str, rows: Sequence[ProblemVerdicts]) -> Score:
    means = [row.accuracy for row in rows]
    samples = sum(row.samples for row in rows)
    outcomes: dict[str, int] = {}
    for row in rows:
        for outcome in row.outcomes:
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return Score(
        benchmark=benchmark,
        problems=len(rows),
        samples=samples,
        correct=sum(row.correct for row in rows),
        accuracy=sum(means) / len(means),
        interval=accuracy_interval(means, samples=samples),
        interval_method=interval_method(problems=len(rows), samples=samples),
        outcomes=outcomes,
        at_limit=0,
        mean_response_tokens=200.0,
    )
