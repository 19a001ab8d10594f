"""`grade`: verdicts for a file of (gold, response) pairs, whoever produced them.

Rows stream through a bounded window, so that a file larger than memory is
graded, and a row that is not a pair becomes a row that says so. Nothing that is
kept grows with the file: not its longest line, not the disputes of an audit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks.errors import UserError
from harness.cli.options import json_option
from harness.cli.output import echo
from harness.common.files import own_descriptor, reader_left, refuse_overwriting, replacing
from harness.common.text import one_line
from harness.evaluation.grade_pairs import PairGrader
from harness.grading.compat.audit import OPINIONS, OpinionCounts

STDOUT = Path("-")


@click.command()
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, readable=False, allow_dash=True, path_type=Path),
    required=True,
    help="File to write the verdicts to, one JSON line a row; - is standard output.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes for symbolic comparison.  [default: half of the CPUs, at most 8]",
)
@click.option(
    "--audit",
    "opinions",
    type=click.Choice(OPINIONS),
    multiple=True,
    help="Ask this grader too, and list where it differs from ours; repeatable.",
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
    from harness.reporting.progress import PATIENCE, open_progress

    refuse_overwriting(Path("/dev/stdout") if output == STDOUT else output, [pairs])
    with (
        pairs.open("rb") as lines,
        _writer(output) as write,
        open_progress(patience=PATIENCE) as progress,
        PairGrader(opinions=opinions, workers=workers) as grader,
    ):
        for row in grader.rows(lines, size=pairs.stat().st_size, progress=progress):
            write(row)
    counts = grader.counts
    carries_rows = output == STDOUT or own_descriptor(output) == 1
    echo(_summary(counts, grader.tallies, as_json=as_json), err=carries_rows)
    if counts["error"]:
        raise click.ClickException(
            f"{counts['error']} of {counts.total()} rows cannot be graded; "
            'each is a {"line", "error"} row of the output'
        )


command = grade


@contextmanager
def _writer(output: Path) -> Iterator[Callable[[dict[str, Any]], object]]:
    """Yield what writes a row; a file appears whole at the end, or not at all."""
    if output == STDOUT:
        yield lambda row: echo(json.dumps(row))
        return
    if not output.parent.is_dir():
        raise UserError(f"cannot write {output}: there is no folder {output.parent}")
    try:
        with replacing(output) as file:
            yield lambda row: file.write(f"{json.dumps(row)}\n".encode("ascii"))
    except OSError as error:
        if reader_left(error, output):
            raise
        raise UserError(f"cannot write {output}: {error.strerror or error}") from error


def _summary(counts: Counter[str], tallies: Mapping[str, OpinionCounts], *, as_json: bool) -> str:
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


def _audit_table(name: str, tally: OpinionCounts) -> str:
    """Return what one other grader disputes: the counts, and the first rows."""
    from harness.reporting.text.layout import text_table

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
    text = text_table(table, headers)
    rest = tally.disputed - len(tally.first)
    more = f'\n… and {rest} more: rows with "disputed": true' if rest else ""
    return f"{heading}\n{text}{more}"
