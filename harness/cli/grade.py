"""`grade`: verdicts for a file of (gold, response) pairs, whoever produced them.

Rows stream through a bounded window, so that a file larger than memory is
graded, and a row that is not a pair becomes a row that says so. Nothing that is
kept grows with the file: not its longest line, not the disputes of an audit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from benchmarks.errors import UserError
from harness.cli.audit_options import audit_options, open_judge, other_graders
from harness.cli.options import json_option
from harness.cli.output import echo
from harness.common.files import own_descriptor, reader_left, refuse_overwriting, replacing
from harness.evaluation.grade_pairs import PairGrader

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
@audit_options
@json_option
def grade(
    pairs: Path,
    output: Path,
    workers: int | None,
    auditors: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Grade PAIRS, a JSONL file of {"id", "gold", "response"} rows.

    Writes {"id", "correct", "outcome", "extracted", "extraction", "rule"} rows
    in the same order. A row may say "truncated": true if the token limit cut it
    off, and name the "benchmark" whose conventions count. A row that cannot be
    graded becomes {"line", "error"}; the rest is graded nevertheless, and the
    exit code is 1.

    With --audit each row also has the other graders' "opinions" and "disputed".
    The judge is a language model, which is asked when all rows are graded, about
    those alone that another grader disputes or that say nothing of the answer,
    such as unparsable. No opinion changes a verdict.
    """
    from harness.reporting.progress import PATIENCE, open_progress

    refuse_overwriting(Path("/dev/stdout") if output == STDOUT else output, [pairs])
    judge = open_judge(auditors, flags)
    with (
        pairs.open("rb") as lines,
        _writer(output) as write,
        open_progress(patience=PATIENCE) as progress,
        PairGrader(opinions=other_graders(auditors), workers=workers, judge=judge) as grader,
    ):
        for row in grader.rows(lines, size=pairs.stat().st_size, progress=progress):
            write(row)
    counts = grader.counts
    if not counts:
        raise UserError(f"{pairs} has no rows, so there was nothing to grade")
    carries_rows = output == STDOUT or own_descriptor(output) == 1
    echo(_as_json(grader) if as_json else _as_text(grader), err=carries_rows)
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


def _as_json(grader: PairGrader) -> str:
    from harness.reporting.text.audits import audit_fields

    summary: dict[str, Any] = {
        "rows": grader.counts.total(),
        "outcomes": dict(grader.counts.most_common()),
    }
    audits = audit_fields(grader.second)
    return json.dumps({**summary, "audit": audits} if audits else summary)


def _as_text(grader: PairGrader) -> str:
    """Return the count of every outcome, most frequent first, and what others dispute."""
    from harness.reporting.text.audits import audit_text

    counts = grader.counts
    total = max(1, counts.total())
    lines = [f"{'outcome':<16}{'rows':>8}{'share':>9}"]
    for outcome, rows in counts.most_common():
        lines.append(f"{outcome:<16}{rows:>8}{100 * rows / total:>7.1f} %")
    lines.append(f"{'total':<16}{counts.total():>8}")
    audits = audit_text(grader.second)
    return "\n".join([*lines, "", audits] if audits else lines)
