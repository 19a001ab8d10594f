"""`grade`: verdicts for a file of (gold, response) pairs, whoever produced them.

Rows stream through a bounded window, so that a file larger than memory is
graded, and a row that is not a pair becomes a row that says so.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from benchmarks.errors import UserError
from harness.cli.options import json_option

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.grading import Grader, Verdict

WINDOW = 512
"""How many rows may be under way before the oldest is waited for."""
STDOUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row to grade."""

    id: str | int | None
    gold: str
    response: str
    truncated: bool = False


@click.command()
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    required=True,
    help="File of verdicts, one JSON line a row; - is standard output.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes for symbolic comparison.")
@json_option
def grade(pairs: Path, output: Path, workers: int | None, as_json: bool) -> None:
    """Grade PAIRS, a JSONL file of {"id", "gold", "response"} rows.

    Writes {"id", "correct", "outcome", "extracted", "extraction", "rule"} rows
    in the same order. A row may say "truncated": true if the token limit cut it
    off. A row that cannot be graded becomes {"line", "error"}; the rest is
    graded nevertheless, and the exit code is 1.
    """
    from harness.grading import Grader

    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        lines = stack.enter_context(pairs.open("rb"))
        write = stack.enter_context(_writer(output))
        advance = stack.enter_context(_progress(pairs.stat().st_size))
        grader = stack.enter_context(Grader(workers=workers))
        for row in verdict_rows(lines, grader, advance):
            counts["error" if "error" in row else row["outcome"]] += 1
            write(row)
    # Standard output may be carrying the rows.
    click.echo(_summary(counts, as_json=as_json), err=output == STDOUT)
    if counts["error"]:
        raise click.ClickException(
            f"{counts['error']} of {counts.total()} rows are no pairs; "
            'each is a {"line", "error"} row of the output'
        )


command = grade


def verdict_rows(
    lines: IO[bytes], grader: Grader, advance: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    """Yield one output row for each non-empty line, in order, with few rows under way."""
    waiting: deque[tuple[Pair, Future[Verdict]] | dict[str, Any]] = deque()
    for number, line in enumerate(lines, 1):
        if line.strip():
            waiting.append(_begin(number, line, grader))
        if len(waiting) >= WINDOW:
            yield _end(waiting.popleft())
        advance(len(line))
    while waiting:
        yield _end(waiting.popleft())


def _begin(
    number: int, line: bytes, grader: Grader
) -> tuple[Pair, Future[Verdict]] | dict[str, Any]:
    try:
        pair = read_pair(line)
    except ValueError as error:
        return {"line": number, "error": str(error)}
    return pair, grader.submit(pair.response, pair.gold, truncated=pair.truncated)


def _end(entry: tuple[Pair, Future[Verdict]] | dict[str, Any]) -> dict[str, Any]:
    if isinstance(entry, dict):
        return entry
    pair, verdict = entry[0], entry[1].result()
    return {
        "id": pair.id,
        "correct": verdict.correct,
        "outcome": verdict.outcome.value,
        "extracted": verdict.extracted,
        "extraction": verdict.extraction,
        "rule": verdict.rule,
    }


def read_pair(line: bytes) -> Pair:
    """Read one row; raises ValueError with what is wrong with it.

    >>> read_pair(b'{"id": 1, "gold": "4"}')
    Traceback (most recent call last):
    ValueError: "response" is missing
    """
    try:
        row = json.loads(line)
    except RecursionError as error:
        raise ValueError("not JSON: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for name in ("gold", "response"):
        if name not in row:
            raise ValueError(f'"{name}" is missing')
        if not isinstance(row[name], str):
            raise ValueError(f'"{name}" is not a string')
    identity, truncated = row.get("id"), row.get("truncated", False)
    if not isinstance(identity, str | int | None):
        raise ValueError('"id" is neither a string nor an integer')
    if not isinstance(truncated, bool):
        raise ValueError('"truncated" is neither true nor false')
    return Pair(id=identity, gold=row["gold"], response=row["response"], truncated=truncated)


@contextmanager
def _writer(output: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield what writes a row; the file appears whole at the end, or not at all."""
    if output == STDOUT:
        yield lambda row: click.echo(json.dumps(row))
        return
    if not output.parent.is_dir():
        raise UserError(f"cannot write {output}: there is no folder {output.parent}")
    with tempfile.NamedTemporaryFile(
        "w", encoding="ascii", dir=output.parent, prefix=f".{output.name}.", delete=False
    ) as file:
        try:
            yield lambda row: print(json.dumps(row), file=file)
            file.flush()
            os.fsync(file.fileno())
            _give_usual_rights(Path(file.name))
            Path(file.name).replace(output)
        finally:
            with suppress(FileNotFoundError):  # it has its final name already
                Path(file.name).unlink()


def _give_usual_rights(path: Path) -> None:
    """Undo the owner-only rights of a temporary file."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """Yield what is told how many bytes were read: a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("grading", total=size)
        yield lambda count: bar.advance(task, count)


def _summary(counts: Counter[str], *, as_json: bool) -> str:
    """Return the count of every outcome, most frequent first."""
    if as_json:
        return json.dumps({"rows": counts.total(), "outcomes": dict(counts.most_common())})
    total = max(1, counts.total())
    lines = [f"{'outcome':<16}{'rows':>8}{'share':>9}"]
    for outcome, count in counts.most_common():
        lines.append(f"{outcome:<16}{count:>8}{100 * count / total:>7.1f} %")
    return "\n".join([*lines, f"{'total':<16}{counts.total():>8}"])
