"""`grade`: verdicts for a file of (gold, response) pairs, whoever produced them.

Rows stream through a bounded window, so that a file larger than memory is
graded, and a row that is not a pair becomes a row that says so. Nothing that is
kept grows with the file: not its longest line, not the disputes of an audit.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from benchmarks import BENCHMARKS, Conventions
from benchmarks.errors import UserError
from harness.cli.options import json_option
from harness.grading import Grader, Verdict
from harness.grading.audit import OPINIONS, Audited, Auditor, Tally
from harness.grading.rules import MATHEMATICS, Comparison
from harness.text import one_line

if TYPE_CHECKING:
    from concurrent.futures import Future

WINDOW = 512
"""How many rows may be under way before the oldest is waited for."""
WINDOW_BYTES = 32 << 20
"""How many bytes of rows may be."""
MAXIMUM_LINE = 8 << 20
"""A longer line is no pair of a response and its gold."""
STDOUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row to grade."""

    id: str | int | None
    gold: str
    response: str
    truncated: bool = False
    benchmark: str | None = None
    conventions: Conventions = MATHEMATICS


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
@click.option(
    "--audit",
    "opinions",
    type=click.Choice(OPINIONS),
    multiple=True,
    help="Ask this grader too and list where it differs; may be repeated.",
)
@json_option
def grade(
    pairs: Path, output: Path, workers: int | None, opinions: tuple[str, ...], as_json: bool
) -> None:
    """Grade PAIRS, a JSONL file of {"id", "gold", "response"} rows.

    Writes {"id", "correct", "outcome", "extracted", "extraction", "rule"} rows
    in the same order. A row may say "truncated": true if the token limit cut it
    off, and name the "benchmark" whose conventions count. A row that cannot be
    graded becomes {"line", "error"}; the rest is graded nevertheless, and the
    exit code is 1.

    With --audit each row also has the other graders' "opinions" and "disputed".
    """
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        lines = stack.enter_context(pairs.open("rb"))
        write = stack.enter_context(_writer(output))
        advance = stack.enter_context(_progress(pairs.stat().st_size))
        grader = stack.enter_context(Grader(workers=workers))
        auditor = stack.enter_context(Auditor(opinions, workers=workers))
        judges = _Judges(grader, auditor)
        for row in verdict_rows(lines, judges, advance):
            counts["error" if "error" in row else row["outcome"]] += 1
            write(row)
    # Standard output may be carrying the rows.
    click.echo(_summary(counts, judges.tallies, as_json=as_json), err=output == STDOUT)
    if counts["error"]:
        raise click.ClickException(
            f"{counts['error']} of {counts.total()} rows cannot be graded; "
            'each is a {"line", "error"} row of the output'
        )


command = grade


class _Judges:
    """The grader and those who are asked beside it, with what they said so far."""

    def __init__(self, grader: Grader, auditor: Auditor) -> None:
        self._grader = grader
        self._auditor = auditor
        self.tallies = {name: Tally() for name in auditor.names}

    def begin(self, pair: Pair) -> Callable[[], dict[str, Any]]:
        """Hand the pair to everybody; return what waits for them and makes the row."""
        verdict = self._grader.submit(
            pair.response, pair.gold, truncated=pair.truncated, conventions=pair.conventions
        )
        asked = self._auditor.submit(pair.response, pair.gold, benchmark=pair.benchmark)
        return partial(self._end, pair.id, pair.gold, verdict, asked)

    def _end(
        self,
        identity: str | int | None,
        gold: str,
        verdict: Future[Verdict],
        asked: Mapping[str, Future[Comparison]],
    ) -> dict[str, Any]:
        row = {"id": identity, **_verdict_fields(verdict.result())}
        if not asked:
            return row
        opinions = {name: opinion.result() for name, opinion in asked.items()}
        disputed = False
        for name, opinion in opinions.items():
            audited = Audited(id=identity, gold=gold, verdict=verdict.result(), opinion=opinion)
            disputed |= self.tallies[name].add(audited)
        return {**row, "opinions": opinions, "disputed": disputed}


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
    return {
        "correct": verdict.correct,
        "outcome": verdict.outcome.value,
        "extracted": verdict.extracted,
        "extraction": verdict.extraction,
        "rule": verdict.rule,
    }


def verdict_rows(
    lines: IO[bytes], judges: _Judges, advance: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    """Yield one output row for each non-empty line, in order, with few rows under way."""
    waiting: deque[tuple[int, Callable[[], dict[str, Any]]]] = deque()
    under_way = 0
    for number, line, size in numbered_lines(lines):
        if line is None or line.strip():
            waiting.append((size, _begin(number, line, judges)))
            under_way += size
        while len(waiting) >= WINDOW or under_way > WINDOW_BYTES:
            size_of_oldest, finish = waiting.popleft()
            under_way -= size_of_oldest
            yield finish()
        advance(size)
    for _, finish in waiting:
        yield finish()


def numbered_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None, int]]:
    """Yield each line's number, bytes and length; None for a line over `MAXIMUM_LINE`."""
    for number in count(1):
        line = file.readline(MAXIMUM_LINE)
        if not line:
            return
        if len(line) < MAXIMUM_LINE or line.endswith(b"\n"):
            yield number, line, len(line)
        else:
            yield number, None, len(line) + _skip_line(file)


def _skip_line(file: IO[bytes]) -> int:
    """Read on to the end of a line; return how many bytes that was."""
    skipped = 0
    while part := file.readline(MAXIMUM_LINE):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _begin(number: int, line: bytes | None, judges: _Judges) -> Callable[[], dict[str, Any]]:
    try:
        if line is None:
            raise ValueError(f"longer than {MAXIMUM_LINE >> 20} MiB")
        return judges.begin(read_pair(line))
    except ValueError as error:
        row = {"line": number, "error": str(error)}
        return lambda: row


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
    benchmark = row.get("benchmark")
    if not isinstance(identity, str | int | None):
        raise ValueError('"id" is neither a string nor an integer')
    if not isinstance(truncated, bool):
        raise ValueError('"truncated" is neither true nor false')
    return Pair(
        id=identity,
        gold=row["gold"],
        response=row["response"],
        truncated=truncated,
        benchmark=benchmark,
        conventions=_conventions(benchmark),
    )


def _conventions(benchmark: object) -> Conventions:
    """Return what counts in the benchmark of that name; raises ValueError if there is none."""
    if benchmark is None:
        return MATHEMATICS
    if not isinstance(benchmark, str):
        raise ValueError('"benchmark" is not a string')
    try:
        return BENCHMARKS[benchmark].conventions
    except UserError as error:
        raise ValueError(one_line(str(error), limit=300)) from error


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


def _summary(counts: Counter[str], tallies: Mapping[str, Tally], *, as_json: bool) -> str:
    """Return the count of every outcome, most frequent first, and what others dispute."""
    if as_json:
        summary: dict[str, Any] = {
            "rows": counts.total(),
            "outcomes": dict(counts.most_common()),
        }
        if tallies:
            summary["audit"] = {
                name: {"opinions": dict(tally.opinions), "disputed": tally.disputed}
                for name, tally in tallies.items()
            }
        return json.dumps(summary)
    total = max(1, counts.total())
    lines = [f"{'outcome':<16}{'rows':>8}{'share':>9}"]
    for outcome, rows in counts.most_common():
        lines.append(f"{outcome:<16}{rows:>8}{100 * rows / total:>7.1f} %")
    lines.append(f"{'total':<16}{counts.total():>8}")
    return "\n".join([*lines, *(_audit_table(*item) for item in tallies.items())])


def _audit_table(name: str, tally: Tally) -> str:
    """Return what one other grader disputes: the counts, and the first rows."""
    from tabulate import tabulate

    said = ", ".join(f"{rows} {opinion}" for opinion, rows in tally.opinions.most_common())
    heading = (
        f"\n{name}: {tally.disputed} of {tally.opinions.total()} disputed ({said or 'no rows'})"
    )
    if not tally.first:
        return heading
    table = [
        [
            one_line(str(dispute.id), limit=24),
            one_line(dispute.gold, limit=24),
            one_line(dispute.verdict.extracted, limit=32),
            dispute.verdict.outcome.value,
            dispute.opinion.value,
        ]
        for dispute in tally.first
    ]
    headers = ["id", "gold", "answer", "ours", "theirs"]
    text = tabulate(table, headers, tablefmt="simple", disable_numparse=True)
    rest = tally.disputed - len(tally.first)
    more = f'\n… and {rest} more: rows with "disputed": true' if rest else ""
    return f"{heading}\n{text}{more}"
