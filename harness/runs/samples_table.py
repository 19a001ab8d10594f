"""A run's table of samples and verdicts (`samples.parquet`), written and read in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from benchmarks import UserError
from benchmarks.hints import hint, setting, word
from harness.grading.verdict import Outcome
from harness.runs.file_names import JOURNAL, PARQUET, RECORD
from harness.runs.graded import Graded
from harness.runs.journal import read_journal
from harness.runs.sample import MOST_SAMPLES, FinishReason, Sample, SampleKey
from harness.runs.sample_rows import sample_in

COLUMNS = {
    "benchmark": "string", "problem_id": "string", "index": "int64", "gold": "string",
    "outcome": "string", "extracted": "string", "extraction": "string", "rule": "string",
    "finish_reason": "string", "prompt_tokens": "int64", "completion_tokens": "int64",
    "seed": "int64", "response": "large_string", "error": "string",
}  # fmt: skip
"""The columns of a run's table of samples: names and Arrow types."""
ALWAYS = (
    "benchmark", "problem_id", "index", "gold", "outcome", "finish_reason", "seed", "response",
)  # fmt: skip
"""The columns that have a value in every row."""
_OUTCOMES = frozenset(map(str, Outcome))
REASONING = {"reasoning": "large_string", "reasoning_tokens": "int64"}
"""Further columns, which the table has only if a sample has reasoning apart from its response."""


def drawn_again(path: Path, *, reuse: str | None = None) -> str:
    """Return the command that draws the samples of a run's folder again.

    It takes over those samples of the run ``reuse`` that need not be drawn.
    """
    taken_over = "" if reuse is None else f" --reuse {reuse}"
    return hint(f"eval --spec {word(str(path / RECORD))} --again{taken_over}")


def finished_samples(path: Path) -> dict[SampleKey, Sample]:
    """Return every sample of a complete run, those on which the engine failed included.

    They are in the journal, or, where a run was handed on without it, in the table.

    Raises:
        UserError: neither file is there.
    """
    if not (path / JOURNAL).is_file() and not (path / PARQUET).is_file():
        raise UserError(
            f"{path} has no samples any more (neither {JOURNAL} nor {PARQUET}), "
            f"so there is nothing to grade; draw them again: {drawn_again(path)}, with "
            f"{setting('model')} if the model is elsewhere now"
        )
    tabled = {row.key: row for row in map(sample_in, read_parquet(path))}
    journaled = {sample.key: sample for sample in read_journal(path / JOURNAL, failed=True)}
    return {**tabled, **journaled}


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run's table of samples and verdicts; none if it is not there.

    Raises:
        UserError: it cannot be read, or is no such table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (path / PARQUET).is_file():
        try:
            with (path / PARQUET).open("rb") as opened, pq.ParquetFile(opened) as file:
                schema = _schema_of(file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=512, columns=schema.names):
                    table = pa.Table.from_batches([batch])
                    yield from _checked(table.select(schema.names).cast(schema).to_pylist())
        except (OSError, ValueError, pa.ArrowException) as error:  # any of them for a torn file
            raise UserError(
                f"{path / PARQUET} cannot be read ({error}); take it from where it was copied, or "
                f"draw the samples again: {drawn_again(path)}"
            ) from error


def _schema_of(names: Sequence[str]) -> Any:
    """Return the schema to read a table in.

    Raises:
        ValueError: it lacks a column.
    """
    lacking = [name for name in COLUMNS if name not in names]
    if lacking:
        raise ValueError(f"it has no column {', '.join(lacking)}")
    return parquet_schema(reasoning=REASONING.keys() <= set(names))


def _checked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows; raise ValueError if one of them is no sample with its verdict."""
    for row in rows:
        lacking = [name for name in ALWAYS if row[name] is None]
        if lacking:
            raise ValueError(f"a row has no {lacking[0]}")
        if row["outcome"] not in _OUTCOMES:
            raise ValueError(f"{row['outcome'][:100]!r} is no outcome")
        if row["finish_reason"] not in get_args(FinishReason):
            raise ValueError(f"{row['finish_reason'][:100]!r} ends no response")
        if not 0 <= row["index"] < MOST_SAMPLES:
            raise ValueError(f"{row['index']} is the number of no sample")
    return rows


def parquet_schema(*, reasoning: bool) -> Any:
    """Return the table's Arrow schema, with or without the columns of the reasoning."""
    import pyarrow as pa

    columns = COLUMNS | REASONING if reasoning else COLUMNS
    return pa.schema([(name, getattr(pa, kind)()) for name, kind in columns.items()])


def load_writer() -> None:
    """Import what a table is written with, so that the end of a run need not wait for it.

    That takes half a second: pyarrow imports pandas, where it is installed, with its first array.
    """
    import pyarrow as pa
    import pyarrow.parquet

    pa.array([""])


BATCH = 4096
"""Rows of a run's table that are in memory at once."""


def table_batches(rows: Iterable[tuple[str, Graded]]) -> Iterator[dict[str, list[object]]]:
    """Yield the columns of `samples.parquet`, some rows at a time; each row has its benchmark.

    Those of the reasoning are among them, for a table that has them.
    """
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        yield _columns(batch)


def _columns(rows: list[tuple[str, Graded]]) -> dict[str, list[object]]:
    problems = [graded.problem for _, graded in rows]
    samples = [graded.sample for _, graded in rows]
    verdicts = [graded.verdict for _, graded in rows]
    return {
        "benchmark": [benchmark for benchmark, _ in rows],
        "problem_id": [problem.id for problem in problems],
        "index": [sample.index for sample in samples],
        "gold": [problem.answer for problem in problems],
        "outcome": [verdict.outcome.value for verdict in verdicts],
        "extracted": [verdict.extracted for verdict in verdicts],
        "extraction": [verdict.extraction for verdict in verdicts],
        "rule": [verdict.rule for verdict in verdicts],
        "finish_reason": [sample.finish_reason for sample in samples],
        "prompt_tokens": [sample.prompt_tokens for sample in samples],
        "completion_tokens": [sample.completion_tokens for sample in samples],
        "seed": [sample.seed for sample in samples],
        "response": [sample.response for sample in samples],
        "error": [sample.error for sample in samples],
        "reasoning": [sample.reasoning or None for sample in samples],
        "reasoning_tokens": [sample.reasoning_tokens or None for sample in samples],
    }
