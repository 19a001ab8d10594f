"""A run's verdicts, one row a problem: what is compared, and small enough for git.

    {"schema_version": 1}
    {"benchmark": "gsm8k", "problem_id": "gsm8k/7", "sum": "1f0c…", "outcomes": ["correct"], …}

The responses stay in the run's table of samples; everything that `diff`, `table`
and `show` count stands here, so a run can be handed on, and compared, without them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Sized
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError, model_validator

from benchmarks import UserError
from benchmarks.bounded_json import LONGEST_LINE, bounded_lines, parse_json
from harness.common.schema import Frozen, Tokens, first_problem
from harness.grading.verdict import Outcome

if TYPE_CHECKING:
    from harness.runs.graded import Graded
    from harness.runs.sample import Sample

VERDICTS = "verdicts.jsonl"
SCHEMA_VERSION = 1
LONGEST_ANSWER = 200
"""Characters of an answer that are kept: a model may box a whole essay."""


def _is_none(value: object) -> bool:
    return value is None


class ProblemVerdicts(Frozen):
    """One problem and what became of each of its samples; the lists run in parallel."""

    benchmark: str
    """The benchmark's name."""
    problem_id: str
    """The problem's id, the benchmark's name first."""
    sum: str
    """Twelve digits of a sha256 over question and gold: whether two runs asked the same."""
    groups: dict[str, str] = Field(default_factory=dict)
    """What the benchmark counts accuracy by: subject, level, …"""
    indices: tuple[int, ...]
    """The number of each sample among the problem's."""
    outcomes: tuple[str, ...]
    """What became of each sample."""
    answers: tuple[str | None, ...]
    """The answer of each sample as extracted, cut to 200 characters."""
    classes: tuple[int | None, ...]
    """Equal numbers for equal answers, 0 for the correct one; None where there is no answer."""
    tokens: tuple[Tokens | None, ...]
    """Length of each response in tokens; None where the engine counts none."""
    at_limit: tuple[bool | None, ...]
    """Whether the token limit ended the response, whatever became of it; None if nobody knows."""
    looping: tuple[bool, ...] | None = Field(default=None, exclude_if=_is_none)
    """Whether each response is truncated and was repeating itself when it was cut off. The row has
    this only where one is truncated, and not at all if it is older than the question."""

    @model_validator(mode="after")
    def _lists_run_in_parallel(self) -> ProblemVerdicts:
        lists: list[Sized] = [
            self.outcomes, self.answers, self.classes, self.tokens, self.at_limit,
        ]  # fmt: skip
        if self.looping is not None:
            lists.append(self.looping)
        if not self.indices or {len(self.indices)} != set(map(len, lists)):
            raise ValueError(f"{self.problem_id}: its lists are empty or of different lengths")
        return self

    @property
    def samples(self) -> int:
        """How many samples the problem has."""
        return len(self.outcomes)

    @cached_property
    def correct(self) -> int:
        """How many of them are correct."""
        return self.outcomes.count("correct")

    @property
    def accuracy(self) -> float:
        """The share of the samples that are correct."""
        return self.correct / self.samples

    @property
    def looped(self) -> int | None:
        """How many truncated samples were repeating themselves; None if nobody looked."""
        if Outcome.TRUNCATED not in self.outcomes:
            return 0
        return None if self.looping is None else sum(self.looping)


def problem_verdicts(benchmark: str, graded: Sequence[Graded]) -> ProblemVerdicts:
    """Return the row of one problem, whose graded samples these are, at least one."""
    from benchmarks import BENCHMARKS
    from harness.grading.answer_classes import answer_classes

    # Saved generations are also scored by their files' own golds, of no benchmark known here.
    known = BENCHMARKS.get(benchmark)
    keys = known.groups if known else ()
    problem, samples = graded[0].problem, [row.sample for row in graded]
    answers = [row.verdict.extracted for row in graded]
    outcomes = [row.verdict.outcome.value for row in graded]
    return ProblemVerdicts(
        benchmark=benchmark,
        problem_id=problem.id,
        sum=problem_sum(problem.question, problem.answer),
        groups={key: str(problem.meta[key]) for key in keys if key in problem.meta},
        indices=tuple(sample.index for sample in samples),
        outcomes=tuple(outcomes),
        answers=tuple(answer and answer[:LONGEST_ANSWER] for answer in answers),
        classes=answer_classes(answers, outcomes),
        tokens=tuple(sample.completion_tokens for sample in samples),
        at_limit=tuple(map(_at_limit, samples)),
        looping=_looping(graded) if Outcome.TRUNCATED in outcomes else None,
    )


def _looping(graded: Iterable[Graded]) -> tuple[bool, ...]:
    from harness.grading.looping import is_looping

    return tuple(
        row.verdict.outcome is Outcome.TRUNCATED and is_looping(row.sample.last_said)
        for row in graded
    )


def _at_limit(sample: Sample) -> bool | None:
    return None if sample.finish_reason == "unknown" else sample.finish_reason == "length"


def problem_sum(question: str, answer: str) -> str:
    """Return twelve digits of a sha256 over what a problem asks and expects."""
    text = json.dumps([question, answer])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def to_lines(rows: Iterable[ProblemVerdicts]) -> bytes:
    """Return the file of a run's verdicts."""
    header = json.dumps({"schema_version": SCHEMA_VERSION})
    lines = [header, *(row.model_dump_json() for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def read_verdicts(folder: Path) -> list[ProblemVerdicts] | None:
    """Return the verdicts in a run's folder; None if it was stored without them.

    Raises:
        UserError: the file is not one that this version understands.
    """
    path = folder / VERDICTS
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return _read(path, bounded_lines(file, LONGEST_LINE))
    except ValidationError as error:
        raise UserError(
            f"{path} holds a row that is no problem's: {first_problem(error)}"
        ) from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON lines: {error}") from error


def _read(path: Path, lines: Iterator[tuple[bytes | None, int]]) -> list[ProblemVerdicts]:
    """Return the verdicts in a file's lines; the first line is its header."""
    rows = (_not_too_long(line) for line, _ in lines)
    first = next(rows, None)
    header = {} if first is None else parse_json(first)
    version = header.get("schema_version") if isinstance(header, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {version}; this harness reads {SCHEMA_VERSION}: "
            "use the harness that wrote it, or a newer one"
        )
    found = [ProblemVerdicts.model_validate_json(line) for line in rows]
    times = Counter((row.benchmark, row.problem_id, row.sum) for row in found)
    if repeated := [key for key, count in times.items() if count > 1]:
        raise ValueError(f"{repeated[0][1]} of {repeated[0][0]} is in it more than once")
    return found


def _not_too_long(line: bytes | None) -> bytes:
    if line is None:
        raise ValueError(f"a line is longer than {LONGEST_LINE >> 20} MiB")
    return line
