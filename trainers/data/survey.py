"""One pass over a source: usable rows go to a file, and everything about them is counted.

Only counts and digests are kept in memory, so half a million rows with long reasoning take
hardly more of it than a few.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from benchmarks import UserError
from benchmarks.hints import hint
from trainers.data.card import Overlap, Rewardable, RowCounts
from trainers.data.columns import Columns
from trainers.data.contamination import Contamination, Match
from trainers.data.reading import BATCH, COLUMNS, SourceRow
from trainers.data.rewardable import RewardCounter
from trainers.data.rows import Repetitions, TrainingRow, checked, digest
from trainers.data.styles import DataStyle
from trainers.data.templates import TemplateMatch, Templates

if TYPE_CHECKING:
    import pyarrow

REPORT_EVERY = 50_000
"""Rows between two reports of progress."""


@dataclass(slots=True, kw_only=True)
class Survey:
    """What one pass over the source found; the fields are those of `RowCounts`."""

    read: int = 0
    bad: Counter[str]
    duplicate: int = 0
    conflicting: int = 0
    contaminated: int = 0
    templates: int = 0
    dropped: int = 0
    numeric: int = 0
    without_reasoning: int = 0
    end_marks_removed: int = 0
    instructions_removed: int = 0
    system_prompts_left_out: int = 0
    answers_from: Counter[str] = field(default_factory=Counter)
    questions: array[int]
    """A digest of each kept row's question, in order."""
    overlap: dict[str, Overlap]
    rewards: dict[str, Rewardable]

    def counts(self, *, train: int, test: int, test_also_in_train: int) -> RowCounts:
        """Return the card's counts, once it is known how many rows went to which split."""
        return RowCounts(
            read=self.read,
            bad=dict(self.bad.most_common()),
            duplicate=self.duplicate,
            conflicting=self.conflicting,
            contaminated=self.contaminated,
            templates=self.templates,
            dropped=self.dropped,
            train=train,
            test=test,
            numeric=self.numeric,
            without_reasoning=self.without_reasoning,
            end_marks_removed=self.end_marks_removed,
            instructions_removed=self.instructions_removed,
            system_prompts_left_out=self.system_prompts_left_out,
            answers_from=dict(self.answers_from.most_common()),
            test_also_in_train=test_also_in_train,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """The temporary files of a pass."""

    folder: Path

    @property
    def rows(self) -> Path:
        """The kept rows, as an Arrow stream."""
        return self.folder / "rows.arrow"

    @property
    def matches(self) -> Path:
        """The overlaps, with the position of each kept row."""
        return self.folder / "matches.jsonl"


class Surveyor:
    """Looks at one row after the other; a context manager, which closes its files."""

    def __init__(
        self,
        style: DataStyle,
        contamination: Contamination,
        templates: Templates,
        *,
        columns: Columns,
        scratch: Scratch,
        bad_rows: Path,
        drop_contaminated: bool,
    ) -> None:
        self._contamination = contamination
        self._templates = templates
        self._columns = columns
        self._drop = drop_contaminated
        self._repetitions = Repetitions()
        self._found = Survey(bad=Counter(), questions=array("Q"), overlap={}, rewards={})
        with ExitStack() as opening:
            self._rewards = opening.enter_context(RewardCounter(style))
            self._stage = opening.enter_context(_Stage(scratch.rows))
            self._bad = opening.enter_context(bad_rows.open("w", encoding="utf-8"))
            self._matches = opening.enter_context(scratch.matches.open("w", encoding="utf-8"))
            self._stack = opening.pop_all()

    def add(self, found: SourceRow) -> None:
        """Look at one row, and keep it if it can be trained on."""
        survey = self._found
        survey.read += 1
        row = checked(found, self._columns)
        if isinstance(row, str):
            survey.bad[row] += 1
            _write(self._bad, {**_place(found), "reason": row, "kept": False})
            return
        kept = self._uncontaminated(row, found)
        first = self._repetitions.add(row, survey.read)
        if first is not None:
            reason = f"the question of row {first} of the source with another answer"
            _write(self._bad, {**_place(found), "reason": reason, "kept": kept})
        if kept:
            self._keep(row)

    def _uncontaminated(self, row: TrainingRow, found: SourceRow) -> bool:
        """Write a row's overlaps to a file, and say whether the row is kept."""
        matches = self._contamination.check(row.prompt)
        same = {match.problem for match in matches if match.shared == match.of}
        templates = self._templates.check(row.prompt, same)
        if not matches and not templates:
            return True
        self._found.contaminated += bool(matches)
        self._found.templates += bool(templates)
        self._found.dropped += self._drop
        position = None if self._drop else len(self._found.questions)
        listed: list[Match | TemplateMatch] = [*matches, *templates]
        for match in listed:
            _write(self._matches, {**_place(found), "position": position, **asdict(match)})
        return not self._drop

    def _keep(self, row: TrainingRow) -> None:
        survey = self._found
        survey.questions.append(digest(row.prompt))
        survey.numeric += row.numeric
        survey.without_reasoning += not row.reasoning.strip()
        survey.end_marks_removed += row.had_end_mark
        survey.instructions_removed += row.had_instruction
        survey.system_prompts_left_out += row.had_system
        survey.answers_from[row.answer_from] += 1
        self._stage.add(row)
        self._rewards.add(row)

    def finished(self) -> Survey:
        """Return everything that was found."""
        self._found.duplicate = self._repetitions.duplicate
        self._found.conflicting = self._repetitions.conflicting
        self._found.overlap = self._overlap()
        self._found.rewards = self._rewards.counts()
        return self._found

    def _overlap(self) -> dict[str, Overlap]:
        met, rows = self._templates.met(), self._templates.rows
        return {
            name: overlap.model_copy(update={"templates": met[name], "template_rows": rows[name]})
            for name, overlap in self._contamination.summary().items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def survey(
    rows: Iterator[SourceRow], surveyor: Surveyor, limit: int | None, report: Callable[[str], None]
) -> Survey:
    """Survey every row, or the first ``limit`` rows."""
    first = None if limit is None else min(limit, sys.maxsize)
    for number, found in enumerate(islice(rows, first), 1):
        surveyor.add(found)
        if number % REPORT_EVERY == 0:
            report(f"{number:,} rows read")
    return surveyor.finished()


class _Stage:
    """Writes the kept rows to disk, a batch at a time."""

    def __init__(self, path: Path) -> None:
        import pyarrow

        self._schema = pyarrow.schema([(name, pyarrow.string()) for name in COLUMNS])
        self._rows: list[dict[str, str]] = []
        self._writer: pyarrow.RecordBatchStreamWriter = pyarrow.ipc.new_stream(
            str(path), self._schema
        )

    def add(self, row: TrainingRow) -> None:
        self._rows.append({"prompt": row.prompt, "reasoning": row.reasoning, "answer": row.answer})
        if len(self._rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        batch = pyarrow.RecordBatch.from_pylist(self._rows, schema=self._schema)
        self._writer.write_batch(batch)
        self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._flush()
        self._writer.close()


def _place(found: SourceRow) -> dict[str, str | int]:
    where: dict[str, str | int] = {"row": found.row}
    return where if found.file is None else {"file": found.file, **where}


def _write(file: IO[str], value: dict[str, object]) -> None:
    file.write(json.dumps(value, ensure_ascii=False) + "\n")


def _read(columns: Columns) -> str:
    return (
        f"; the columns that were read are {', '.join(columns.read())}, and "
        f"`{hint('data build')}` takes others with --question-column, --answer-column and "
        "--solution-column"
    )


def refuse_if_too_few(found: Survey, name: str, columns: Columns) -> None:
    """Raise UserError unless there are enough rows to train on one and hold out one."""
    kept = len(found.questions)
    if kept >= 2:
        return
    reasons = "; ".join(f"{count} x {reason}" for reason, count in found.bad.most_common(5))
    contaminated = f"; {found.dropped} left out as contaminated" if found.dropped else ""
    raise UserError(
        f"{name}: {kept} of {found.read} rows can be used ({reasons or 'none is bad'}"
        f"{contaminated}), and at least 2 are needed{_read(columns) if found.read else ''}"
    )
