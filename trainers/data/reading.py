"""Rows from local files, one at a time: jsonl, json and parquet.

A line that cannot be read becomes a row with a fault, so that the other lines are still
looked at; a file that cannot be read is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import UserError
from benchmarks.bounded_json import bounded_lines, parse_json, read_bounded

COLUMNS = ("prompt", "reasoning", "answer")
"""The columns of a row that are read."""
BATCH = 1000
LONGEST_LINE = 64 << 20
"""Bytes of a row; a longer line is not read but reported."""
LARGEST_ARRAY = 1 << 30
"""Bytes of an array, which is read whole; rows on lines of their own may be any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One row as the source has it."""

    row: int
    """The number of its line in the file, or its own number if there are no lines; from 1."""
    values: Mapping[str, Any]
    file: str | None = None
    """The name of its file inside the source, if the source is a folder."""
    fault: str | None = None
    """Why there are no values; None if there are."""


def read_file(path: Path, file: str | None = None) -> Iterator[SourceRow]:
    """Yield the rows of one file in order; ``file`` is the file's name for messages.

    Raises:
        UserError: the file cannot be read at all.
    """
    import pyarrow

    try:
        yield from READERS[path.suffix](path, file)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _read_lines(path: Path, file: str | None) -> Iterator[SourceRow]:
    # Read as bytes: lines end only at "\n", and a line that is not UTF-8 spoils no other.
    with path.open("rb") as lines:
        for row, (line, _) in enumerate(bounded_lines(lines, LONGEST_LINE), 1):
            if line is None:
                fault = f"longer than {LONGEST_LINE >> 20} MiB"
                yield SourceRow(row=row, values={}, file=file, fault=fault)
            elif line.strip():
                yield _parsed(line.removeprefix(b"\xef\xbb\xbf"), row, file)


def _parsed(line: bytes, row: int, file: str | None) -> SourceRow:
    try:
        value = parse_json(line.decode("utf-8"))
    except ValueError:
        return SourceRow(row=row, values={}, file=file, fault="incomplete or not JSON")
    return _found(value, row, file)


def _found(value: Any, row: int, file: str | None) -> SourceRow:
    if not isinstance(value, dict):
        return SourceRow(row=row, values={}, file=file, fault="not a JSON object")
    return SourceRow(row=row, values=value, file=file)


def _read_json(path: Path, file: str | None) -> Iterator[SourceRow]:
    """Read an array of objects, or one object a line, which .json files often have too."""
    with path.open("rb") as opened:
        begins_an_array = opened.read(1000).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
    if not begins_an_array:
        yield from _read_lines(path, file)
        return
    try:
        rows = parse_json(read_bounded(path, LARGEST_ARRAY).decode("utf-8-sig"))
    except ValueError as error:
        raise UserError(
            f"{path} begins like a JSON array but is not one: {error}; mend it, or write each "
            "row on a line of its own (.jsonl), so that the other rows can be read"
        ) from error
    for row, value in enumerate(rows, 1):
        yield _found(value, row, file)


def _read_parquet(path: Path, file: str | None) -> Iterator[SourceRow]:
    import pyarrow.parquet

    with path.open("rb") as source, pyarrow.parquet.ParquetFile(source) as opened:
        columns = known_columns(opened.schema_arrow.names, str(path))
        batches = opened.iter_batches(batch_size=BATCH, columns=columns)
        yield from numbered((value for batch in batches for value in batch.to_pylist()), file)


def known_columns(columns: Sequence[str], name: str) -> list[str]:
    """Return the columns to read; raise UserError if prompt or answer is missing."""
    missing = [column for column in ("prompt", "answer") if column not in columns]
    if missing:
        raise UserError(
            f"{name} has the columns {', '.join(columns)}, and no {' and no '.join(missing)}; "
            f"training data need the columns {', '.join(COLUMNS)}"
        )
    return [column for column in COLUMNS if column in columns]


def numbered(rows: Iterable[Mapping[str, Any]], file: str | None = None) -> Iterator[SourceRow]:
    """Yield rows from mappings, with their numbers."""
    for row, values in enumerate(rows, 1):
        yield SourceRow(row=row, values=values, file=file)


READERS: Mapping[str, Callable[[Path, str | None], Iterator[SourceRow]]] = {
    ".jsonl": _read_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
"""The reader for each suffix of a file."""
