"""Open files of saved generations: recognise the format, and read one row at a time.

The format is recognised by the fields of the first rows, never by the file's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO

from benchmarks import UserError, WrongValueError
from benchmarks.bounded_json import bounded_lines, parse_json
from benchmarks.hints import hint
from benchmarks.registry import suggest
from harness.common.files import file_sum
from harness.importers.base import Format, Row, SavedResponse
from harness.importers.formats import lighteval, lm_eval, own, qwen
from harness.prompts.styles import find_prompt_style
from harness.runs.file_names import JOURNAL, PARQUET, RECORD
from harness.runs.identity import UNKNOWN_STYLE
from harness.runs.record import read_run

FORMATS = {
    found.name: found for found in (own.FORMAT, qwen.FORMAT, lm_eval.FORMAT, lighteval.FORMAT)
}
MAX_LINE = 64 * 2**20
"""The most bytes of a line; a longer line is not read but reported."""
BATCH = 32
"""The number of rows of a Parquet file that are in memory at once."""
ROWS_TO_RECOGNISE = 20
"""One of this many rows at the beginning of a file must be of a known format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A row that cannot be read in its file's format."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRow:
    """The responses of one row, with the row's place in its file."""

    place: str
    number: int
    responses: tuple[SavedResponse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """One file of saved generations, with its format."""

    path: Path
    label: str
    """The file's name without its ending, with a number if another file is called the same."""
    format: Format
    sum: str
    style: str
    """The prompt style of the responses, if a run's record beside the file states it."""

    @property
    def read(self) -> Callable[[str], str]:
        """A function that returns the part of a response that is graded."""
        return str if self.style == UNKNOWN_STYLE else find_prompt_style(self.style).read

    def rows(self) -> Iterator[SavedRow | Unreadable]:
        """Read the file from its beginning, and yield one row at a time."""
        for number, row in _rows(self.path, self.format.columns):
            place = f"{self.path}, row {number}"
            if isinstance(row, str):
                yield Unreadable(place=place, reason=row)
                continue
            try:
                responses = tuple(self.format.read(row))
            except KeyError as error:
                yield Unreadable(place=place, reason=f"{error} is missing")
            except (LookupError, TypeError, ValueError) as error:
                yield Unreadable(place=place, reason=str(error))
            else:
                yield SavedRow(place=place, number=number, responses=responses)


def open_saved(path: Path, asked: str | None = None) -> SavedFile:
    """Open a file or a run's folder, and recognise its format unless ``asked`` names one.

    Raises:
        UserError: the file cannot be read, no format fits it, or there is no format ``asked``.
    """
    if asked is not None and asked not in FORMATS:
        raise WrongValueError(suggest("format of generations", asked, list(FORMATS)))
    file = _file_in(path) if path.is_dir() else path
    first = [row for _, row in islice(_rows(file, ()), ROWS_TO_RECOGNISE)]
    found = _format(path, first, FORMATS[asked] if asked else None)
    record = file.parent / RECORD
    ours = found is own.FORMAT and file.name in (JOURNAL, PARQUET) and record.is_file()
    style = read_run(record).spec.prompt.style if ours else UNKNOWN_STYLE
    return SavedFile(path=file, label=file.stem, format=found, sum=file_sum(file), style=style)


def _file_in(folder: Path) -> Path:
    for name in (JOURNAL, PARQUET):
        if (folder / name).is_file():
            return folder / name
    raise UserError(
        f"{folder} is not a run's folder (it has neither {JOURNAL} nor {PARQUET}); "
        "name the files in it"
    )


def _format(path: Path, rows: list[Row | str], asked: Format | None) -> Format:
    known = [asked] if asked else list(FORMATS.values())
    for row in rows:
        if isinstance(row, str):
            continue
        for candidate in known:
            if candidate.fits(row):
                return candidate
    expected = "this format" if asked else "one of these formats"
    formats = "; ".join(f"{found.name}: {found.about}" for found in known)
    pairs = bool(rows) and not isinstance(rows[0], str) and {"gold", "response"} <= set(rows[0])
    grades = f"; `{hint('grade')}` takes rows with a response and its gold" if pairs else ""
    raise UserError(f"{path} {_problem_with(rows)}; expected {expected}: {formats}{grades}")


def _problem_with(rows: list[Row | str]) -> str:
    if not rows:
        return "has no rows"
    if isinstance(rows[0], str):
        return f"cannot be read: its first row is {rows[0]}"
    return f"has rows of an unknown format (with {', '.join(map(repr, islice(rows[0], 12)))})"


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Row | str]]:
    """Yield each row with its number from 1; a string instead of a row says what is wrong."""
    try:
        with path.open("rb") as file:
            is_table = file.read(4) == b"PAR1"
            file.seek(0)
            rows = _table_rows(path, columns) if is_table else _lines(file)
            yield from enumerate(rows, start=1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def _lines(file: IO[bytes]) -> Iterator[Row | str]:
    for line, _ in bounded_lines(file, MAX_LINE):
        if line is None:
            yield f"longer than {MAX_LINE >> 20} MiB"
        elif line.strip():
            yield _parse(line)


def _parse(line: bytes) -> Row | str:
    try:
        row = parse_json(line)
    except ValueError as error:
        is_array = line.lstrip()[:1] == b"["
        advice = ' (an array can be turned into lines with jq -c ".[]")' if is_array else ""
        return f"not JSON: {error}{advice}"
    return row if isinstance(row, dict) else f"not a JSON object but a {type(row).__name__}"


def _table_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as opened, pq.ParquetFile(opened) as file:
            wanted = _columns_in(columns, [column.path for column in file.schema]) or None
            batches = file.iter_batches(batch_size=BATCH, columns=wanted)
            yield from chain.from_iterable(batch.to_pylist() for batch in batches)
    except (pa.ArrowException, ValueError) as error:  # such as a text that is not UTF-8
        raise UserError(f"{path} cannot be read as a Parquet file: {error}") from error


def _columns_in(columns: tuple[str, ...], leaves: list[str]) -> list[str]:
    """Return the wanted columns that the file has; a part is read instead of its whole column.

    ``leaves`` are the dotted paths of the file's leaf columns.

    >>> _columns_in(("reply.text", "reply", "gold"), ["reply.text.element", "reply.x", "gold"])
    ['reply.text', 'gold']
    >>> _columns_in(("reply.text", "reply"), ["reply"])
    ['reply']
    """
    there = [name for name in columns if any(_under(leaf, name) for leaf in leaves)]
    return [
        name for name in there if not any(other != name and _under(other, name) for other in there)
    ]


def _under(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")
