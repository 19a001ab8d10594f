"""A run's verdicts, one row a problem: what is compared, and small enough for git.

    {"schema_version": 1}
    {"benchmark": "gsm8k", "problem_id": "gsm8k/7", "sum": "1f0c…", "outcomes": ["correct"], …}

The responses stay in the run's table of samples; everything that `diff`, `table`
and `show` count stands here, so a run can be handed on, and compared, without them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError, model_validator

from benchmarks import UserError
from harness.spec import Frozen, first_problem

if TYPE_CHECKING:
    from harness.graded import Graded

VERDICTS = "verdicts.jsonl"
SCHEMA_VERSION = 1
LONGEST_ANSWER = 200
"""Characters of an answer that are kept: a model may box a whole essay."""
CORRECT_CLASS = 0
MOST_COMPARED = 100
"""Different wrong answers to one problem with which another is compared."""


class ProblemVerdicts(Frozen):
    """One problem and what became of each of its samples; the lists run in parallel."""

    benchmark: str
    problem_id: str
    sum: str
    """Twelve digits of a sha256 over question and gold: whether two runs asked the same."""
    groups: dict[str, str] = Field(default_factory=dict)
    """What the benchmark counts accuracy by: subject, level, …"""
    indices: tuple[int, ...]
    """Which sample of the problem each is."""
    outcomes: tuple[str, ...]
    answers: tuple[str | None, ...]
    """As extracted, cut to `LONGEST_ANSWER` characters."""
    classes: tuple[int | None, ...]
    """Equal numbers for equal answers, 0 for the correct one; None where there is no answer."""
    tokens: tuple[int | None, ...]
    """Of each response; None where the engine counts none."""
    at_limit: tuple[bool, ...]
    """Whether the token limit ended the response, whatever became of it."""

    @model_validator(mode="after")
    def _lists_run_in_parallel(self) -> ProblemVerdicts:
        lists = (self.outcomes, self.answers, self.classes, self.tokens, self.at_limit)
        if not self.indices or any(len(values) != len(self.indices) for values in lists):
            raise ValueError(f"{self.problem_id}: its lists are empty or of different lengths")
        return self

    @property
    def samples(self) -> int:
        """How many samples the problem has."""
        return len(self.outcomes)

    @property
    def correct(self) -> int:
        """How many of them are correct."""
        return self.outcomes.count("correct")

    @property
    def accuracy(self) -> float:
        """The share of the samples that are correct."""
        return self.correct / self.samples


def problem_verdicts(benchmark: str, rows: Sequence[Graded]) -> Iterator[ProblemVerdicts]:
    """Yield one row a problem; ``rows`` hold each problem's samples side by side."""
    from benchmarks import BENCHMARKS

    # Saved generations are also scored by their files' own golds, of no benchmark known here.
    keys = BENCHMARKS[benchmark].groups if benchmark in BENCHMARKS else ()
    for _, group in groupby(rows, key=lambda row: row.problem.id):
        graded = list(group)
        problem, samples = graded[0].problem, [row.sample for row in graded]
        answers = [row.verdict.extracted for row in graded]
        outcomes = [row.verdict.outcome.value for row in graded]
        yield ProblemVerdicts(
            benchmark=benchmark,
            problem_id=problem.id,
            sum=problem_sum(problem.question, problem.answer),
            groups={key: str(problem.meta[key]) for key in keys if key in problem.meta},
            indices=tuple(sample.index for sample in samples),
            outcomes=tuple(outcomes),
            answers=tuple(answer and answer[:LONGEST_ANSWER] for answer in answers),
            classes=answer_classes(answers, outcomes),
            tokens=tuple(sample.completion_tokens for sample in samples),
            at_limit=tuple(sample.finish_reason == "length" for sample in samples),
        )


def problem_sum(question: str, answer: str) -> str:
    """Return twelve digits of a sha256 over what a problem asks and expects."""
    text = json.dumps([question, answer])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def answer_classes(
    answers: Sequence[str | None], outcomes: Sequence[str]
) -> tuple[int | None, ...]:
    """Number the answers so that equal ones share a number: 0 for what is correct.

    So a majority is one of answers and not of spellings. An answer joins the first class
    whose first member it equals by the grader's rules. Workers are not asked: what only a
    symbolic comparison could tell equal stays apart, and hostile answers cost no time.

    >>> answer_classes(["1/2", "3", None, "0.5", "3.0"],
    ...                ["correct", "wrong", "no answer", "correct", "wrong"])
    (0, 1, None, 0, 1)
    """
    numbering = _Numbering()
    classes: list[int | None] = []
    for answer, outcome in zip(answers, outcomes, strict=True):
        if answer is None:
            classes.append(None)
        else:
            classes.append(CORRECT_CLASS if outcome == "correct" else numbering.of(answer))
    return tuple(classes)


class _Numbering:
    """Gives each answer the number of the first one that it equals.

    Numbers are told apart by their value at once. Where a problem has very many other answers,
    those that come late are compared with some of the earlier ones only, or the time would grow
    with the square of the samples.
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._values: dict[Fraction | int, int] = {}
        self._numbers: list[str] = []
        self._others: list[str] = []
        self._count = CORRECT_CLASS

    def of(self, answer: str) -> int:
        if answer not in self._known:
            self._known[answer] = self._number(answer)
        return self._known[answer]

    def _number(self, answer: str) -> int:
        value = _value(answer)
        if value in self._values:
            return self._values[value]
        found = self._equal(answer, self._others if value is not None else self._all())
        if found is None:
            self._count += 1
            found = self._count
            (self._others if value is None else self._numbers).append(answer)
        if value is not None:
            self._values[value] = found
        return found

    def _all(self) -> list[str]:
        return self._others[: MOST_COMPARED // 2] + self._numbers[: MOST_COMPARED // 2]

    def _equal(self, answer: str, members: list[str]) -> int | None:
        from harness.grading.rules import Comparison, decide

        equal = []
        for member in members[:MOST_COMPARED]:
            decision = decide(member, answer)
            if decision is not None and decision.comparison is Comparison.EQUAL:
                equal.append(self._known[member])
        return min(equal, default=None)


def _value(answer: str) -> Fraction | int | None:
    """Return the value of an answer that is a number by arithmetic alone; None of any other."""
    from harness.grading.rules import INTEGER, is_plain_number, read
    from harness.grading.values import exact

    if INTEGER.fullmatch(answer):  # as most are, and nothing but its own value
        return int(answer)
    structure = read(answer)
    return exact(structure) if structure is not None and is_plain_number(structure) else None


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
    lines = path.read_bytes().splitlines()
    try:
        header = json.loads(lines[0]) if lines else {}
        version = header.get("schema_version") if isinstance(header, dict) else None
        if version != SCHEMA_VERSION:
            raise UserError(
                f"{path} has schema version {version}; this harness reads {SCHEMA_VERSION}: "
                "use the harness that wrote it, or a newer one"
            )
        return [ProblemVerdicts.model_validate_json(line) for line in lines[1:]]
    except ValidationError as error:
        raise UserError(
            f"{path} holds a row that is no problem's: {first_problem(error)}"
        ) from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON lines: {error}") from error
