"""Rows from local files, one at a time: jsonl, json, csv, tsv and parquet.

A line that cannot be read becomes a row with a fault, so that the other lines are still
looked at; a file that cannot be read is an error. No file is read whole: a row and what is read
ahead of it are all that is in memory.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import UserError
from benchmarks.bounded_json import bounded_lines, parse_json
from trainers.data.columns import TURNS, flat_names
from trainers.data.json_array import array_values
from trainers.data.turns import are_numbered_turns, is_turns, turns_gathered

COLUMNS = ("prompt", "reasoning", "answer")
"""The columns of a row that is kept."""
BATCH = 1000
PEEKED = 100
"""How many rows tell which columns a file without a schema has."""
LONGEST_LINE = 64 << 20
"""Bytes of a row; a longer line is not read but reported."""
_BOM = b"\xef\xbb\xbf"
_ESCAPED = re.compile("[\udc80-\udcff]")
"""What a byte that is not UTF-8 is decoded to."""


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


def read_file(
    path: Path, file: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[SourceRow]:
    """Yield the rows of one file in order.

    Args:
        path: the file.
        file: its name for messages.
        columns: the columns that are needed, if not all are; some files have to be read whole
            nevertheless.

    Raises:
        UserError: the file cannot be read at all, or not from some row on.
    """
    import pyarrow

    row = 0
    try:
        for found in READERS[path.suffix](path, columns):
            row = found.row
            yield SourceRow(row=row, values=found.values, file=file, fault=found.fault)
    except (OSError, ValueError, csv.Error, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read{_after(row)}: {error}") from error


def _after(row: int) -> str:
    return f" (after row {row:,})" if row else ""


def file_columns(path: Path) -> list[str]:
    """Return the columns of a file, and the fields of those that hold objects.

    Raises:
        UserError: the file cannot be read.
    """
    if path.suffix == ".parquet":
        return _parquet_columns(path)
    rows = islice(read_file(path), PEEKED)
    return list(dict.fromkeys(name for row in rows for name in flat_names(row.values)))


# --- rows of JSON ---------------------------------------------------------------------------


def _read_lines(path: Path, columns: Sequence[str] | None) -> Iterator[SourceRow]:
    # Read as bytes: lines end only at "\n", and a line that is not UTF-8 spoils no other.
    with path.open("rb") as lines:
        for row, (line, _) in enumerate(bounded_lines(lines, LONGEST_LINE), 1):
            if line is None:
                fault = f"longer than {LONGEST_LINE >> 20} MiB"
                yield SourceRow(row=row, values={}, fault=fault)
            elif line.strip():
                yield _parsed(line.removeprefix(_BOM), row)


def _parsed(line: bytes, row: int) -> SourceRow:
    try:
        value = parse_json(line.decode("utf-8"))
    except UnicodeDecodeError:
        return SourceRow(row=row, values={}, fault="not UTF-8")
    except ValueError:
        return SourceRow(row=row, values={}, fault="incomplete or not JSON")
    return _found(value, row)


def _found(value: Any, row: int) -> SourceRow:
    if is_turns(value):
        return SourceRow(row=row, values={TURNS: value})
    if not isinstance(value, dict):
        return SourceRow(row=row, values={}, fault="not a JSON object")
    return SourceRow(row=row, values=turns_gathered(value))


def _read_json(path: Path, columns: Sequence[str] | None) -> Iterator[SourceRow]:
    """Read an array of objects, or one object a line, which .json files often have too."""
    with path.open("rb") as opened:
        begins_an_array = opened.read(1000).removeprefix(_BOM).lstrip()[:1] == b"["
    if not begins_an_array:
        yield from _read_lines(path, columns)
        return
    row = 0
    try:
        for row, value in enumerate(array_values(path, LONGEST_LINE), 1):
            yield _found(value, row)
    except ValueError as error:
        raise UserError(
            f"{path} begins like a JSON array but is not one: {error}{_after(row)}; mend it, or "
            "write each row on a line of its own (.jsonl), so that the other rows can be read"
        ) from error


# --- tables ---------------------------------------------------------------------------------


def _read_table(
    path: Path, columns: Sequence[str] | None, *, delimiter: str
) -> Iterator[SourceRow]:
    """Read a table with a line of names, in UTF-8."""
    csv.field_size_limit(LONGEST_LINE)
    with path.open("rb") as lines:
        rows = csv.reader(_decoded(lines), delimiter=delimiter, strict=True)
        heads = next(rows, [])
        if len(set(heads)) < len(heads):
            raise ValueError(f"two columns have the same name (of {', '.join(heads[:40])})")
        for row, cells in enumerate(rows, 1):
            if cells:
                yield _cells(heads, cells, row)


def _decoded(file: Any) -> Iterator[str]:
    """Yield the lines of a table; a byte that is not UTF-8 becomes half a surrogate pair."""
    for number, (line, _) in enumerate(bounded_lines(file, LONGEST_LINE), 1):
        if line is None:
            raise ValueError(f"line {number:,} is longer than {LONGEST_LINE >> 20} MiB")
        if b"\0" in line:
            raise ValueError(f"line {number:,} has a zero byte, so this is no table in UTF-8")
        yield line.removeprefix(_BOM if number == 1 else b"").decode("utf-8", "surrogateescape")


def _cells(heads: Sequence[str], cells: Sequence[str], row: int) -> SourceRow:
    if len(cells) != len(heads):
        fault = f"has {len(cells)} cells where the first line names {len(heads)} columns"
        return SourceRow(row=row, values={}, fault=fault)
    values = dict(zip(heads, cells, strict=True))
    for name, cell in values.items():
        if not cell.isascii() and _ESCAPED.search(cell):
            return SourceRow(row=row, values={}, fault=f"{name} is not UTF-8")
    return SourceRow(row=row, values=values)


# --- parquet --------------------------------------------------------------------------------


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Iterator[SourceRow]:
    import pyarrow.parquet

    with path.open("rb") as source, pyarrow.parquet.ParquetFile(source) as opened:
        names = opened.schema_arrow.names
        # A column that this file of a folder does not have is a missing value of its rows.
        read = None if columns is None else needed(names, columns)
        batches = opened.iter_batches(batch_size=BATCH, columns=read)
        yield from numbered(value for batch in batches for value in batch.to_pylist())


def needed(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return which of the columns ``names`` hold the columns, or fields, that are read.

    >>> needed(["prompt", "reward_model", "level"], ["prompt", "reward_model.ground_truth"])
    ['prompt', 'reward_model']
    """
    if TURNS in columns and TURNS not in names:  # the turns are columns of their own
        return list(names)
    fields = {column.partition(".")[0] for column in columns}
    return [name for name in names if name in columns or name in fields]


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    names: list[str] = []
    try:
        for field in pyarrow.parquet.read_schema(path):
            names.append(field.name)
            if pyarrow.types.is_struct(field.type):
                names.extend(f"{field.name}.{inner.name}" for inner in field.type.fields)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    return [TURNS] if are_numbered_turns(names) else names


def numbered(rows: Iterable[Mapping[str, Any]]) -> Iterator[SourceRow]:
    """Yield rows from mappings, with their numbers."""
    for row, values in enumerate(rows, 1):
        yield SourceRow(row=row, values=turns_gathered(values))


READERS: Mapping[str, Callable[[Path, Sequence[str] | None], Iterator[SourceRow]]] = {
    ".jsonl": _read_lines,
    ".json": _read_json,
    ".parquet": _read_parquet,
    ".csv": partial(_read_table, delimiter=","),
    ".tsv": partial(_read_table, delimiter="\t"),
}
"""The reader for each suffix of a file."""
