"""Stored runs with responses of our choosing, for tests of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import UNSET
from stored import store_run

from benchmarks import BENCHMARKS, Problem
from benchmarks.source import load_problems
from harness.grading import Outcome, Verdict
from harness.runs.folder import RunFolder
from harness.runs.graded import Graded, by_problem
from harness.runs.results import Result
from harness.runs.sample import Sample
from harness.runs.samples_table import table_batches
from harness.runs.verdicts import problem_verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One response and what became of it."""

    response: str
    outcome: Outcome = Outcome.WRONG
    answer: str | None = None
    cut: bool = False
    reasoning: str = ""


Responses = Mapping[str, Sequence[tuple[Problem, Sequence[Said]]]]
"""By benchmark: each problem with its samples."""


def demo_problems(count: int = 200) -> list[Problem]:
    return load_problems(BENCHMARKS["demo"], limit=count)


def right(problem: Problem) -> Said:
    text = (
        f"We are asked for $x$.\n\nThen \\[x = {problem.answer},\\] so \\boxed{{{problem.answer}}}."
    )
    return Said(response=text, outcome=Outcome.CORRECT, answer=problem.answer)


def wrong(answer: str = "-77777") -> Said:
    return Said(response=f"It is \\boxed{{{answer}}}.", answer=answer)


def silent() -> Said:
    return Said(response="I cannot say.", outcome=Outcome.NO_ANSWER)


def cut_off() -> Said:
    return Said(response="Let us see, " * 40, outcome=Outcome.TRUNCATED, cut=True)


def store_responses(results: Path, name: str, responses: Responses, **fields: Any) -> Result:
    """Store a complete run of these responses under ``results``."""
    graded = {
        benchmark: [row for problem, said in group for row in _graded(problem, said)]
        for benchmark, group in responses.items()
    }
    verdicts = [
        problem_verdicts(benchmark, problem)
        for benchmark, rows in graded.items()
        for problem in by_problem(rows)
    ]
    result = store_run(results, name, verdicts, **fields)
    assert result.path is not None
    with RunFolder(result.path) as folder:
        for row in (row for rows in graded.values() for row in rows if row.sample.reasoning):
            folder.append(row.sample)
        folder.write_parquet(
            table_batches((name, row) for name, rows in graded.items() for row in rows)
        )
    return result


def _graded(problem: Problem, said: Sequence[Said]) -> list[Graded]:
    return [
        Graded(
            problem=problem,
            sample=Sample(
                problem_id=problem.id,
                index=index,
                response=one.response,
                finish_reason="length" if one.cut else "stop",
                seed=index,
                prompt_sum="",
                prompt_tokens=20,
                completion_tokens=1 + len(one.response) // 4,
                reasoning=one.reasoning or UNSET,
            ),
            verdict=Verdict(
                outcome=one.outcome,
                extracted=one.answer,
                extraction=None if one.answer is None else "boxed",
                rule=None if one.answer is None else "identical",
            ),
        )
        for index, one in enumerate(said)
    ]
