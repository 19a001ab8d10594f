"""Rows out of local files, one at a time: jsonl, json and parquet.

A line that cannot be read is a finding, not an error, so that one torn line
does not hide the state of the others; a file that cannot be read is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import UserError

COLUMNS = ("prompt", "reasoning", "answer")
"""What is read of a row."""
BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One row as it was found."""

    row: int
    """Its line in the file, or its number where there are no lines; from 1."""
    values: Mapping[str, Any]
    file: str | None = None
    """Its name inside the source, if that is a folder."""
    fault: str | None = None
    """Why there are no values."""


def read_file(path: Path, file: str | None = None) -> Iterator[Found]:
    """Yield the rows of one file in order; ``file`` is what they say of where they are.

    Raises:
        UserError: the file cannot be read at all.
    """
    import pyarrow

    try:
        yield from READERS[path.suffix](path, file)
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _read_lines(path: Path, file: str | None) -> Iterator[Found]:
    # Read as bytes: lines end at "\n" alone, and one that is no UTF-8 costs only itself.
    with path.open("rb") as lines:
        for row, line in enumerate(lines, 1):
            if line.strip():
                yield _parsed(line.removeprefix(b"\xef\xbb\xbf"), row, file)


def _parsed(line: bytes, row: int, file: str | None) -> Found:
    try:
        value = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return Found(row=row, values={}, file=file, fault="torn, or no JSON")
    return _found(value, row, file)


def _found(value: Any, row: int, file: str | None) -> Found:
    if not isinstance(value, dict):
        return Found(row=row, values={}, file=file, fault="no JSON object")
    return Found(row=row, values=value, file=file)


def _read_json(path: Path, file: str | None) -> Iterator[Found]:
    """Read an array of objects; a .json file that holds lines is common too."""
    with path.open("rb") as opened:
        begins_an_array = opened.read(1000).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
    if not begins_an_array:
        yield from _read_lines(path, file)
        return
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} begins an array of JSON and is none: {error}; "
            "rows on lines of their own (.jsonl) can be read one by one"
        ) from error
    for row, value in enumerate(rows, 1):
        yield _found(value, row, file)


def _read_parquet(path: Path, file: str | None) -> Iterator[Found]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as opened:
        columns = known_columns(opened.schema_arrow.names, str(path))
        batches = opened.iter_batches(batch_size=BATCH, columns=columns)
        yield from numbered((value for batch in batches for value in batch.to_pylist()), file)


def known_columns(columns: Sequence[str], name: str) -> list[str]:
    """Return those columns that are read; raise UserError without question or answer."""
    missing = [column for column in ("prompt", "answer") if column not in columns]
    if missing:
        raise UserError(
            f"{name} has the columns {', '.join(columns)}, and no {' and no '.join(missing)}; "
            f"training data has {', '.join(COLUMNS)}"
        )
    return [column for column in COLUMNS if column in columns]


def numbered(rows: Iterable[Mapping[str, Any]], file: str | None = None) -> Iterator[Found]:
    """Yield rows that are mappings already, with their numbers."""
    for row, values in enumerate(rows, 1):
        yield Found(row=row, values=values, file=file)


READERS: Mapping[str, Callable[[Path, str | None], Iterator[Found]]] = {
    ".jsonl": _read_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
"""By a file's suffix, what reads it."""
