"""`score`: saved generations, judged by our grader, beside the verdicts they came with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.hints import hint
from harness.cli.options import data_option, json_option, results_option
from harness.cli.output import echo
from harness.common.text import counted, one_line, printable

if TYPE_CHECKING:
    from harness.importers import Scored
    from harness.importers.agreement import DifferentVerdict
    from harness.importers.importing import Imported

LISTED, LISTED_ROWS = 20, 5
"""Differing verdicts, and rows that could not be used, that are printed; `--json` has all."""
FORMATS = ("harness", "qwen", "lm-eval", "lighteval")

EXAMPLES = """\b
Examples:
  python -m harness score outputs/math500/test_qwen25-math-cot_-1_seed0_t0.0.jsonl --name theirs
  python -m harness score samples_gsm8k_2025-01-01.jsonl --benchmark gsm8k --data DIR
  python -m harness score details_lighteval_math_500.parquet --json
"""


@click.command("score", epilog=EXAMPLES)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="Name to store the run under.  [default: the first file's name]")
@click.option(
    "--benchmark",
    "names",
    multiple=True,
    metavar="NAME",
    help="Look for the problems in this benchmark only; repeatable.  [default: all]",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Format of FILES.  [default: recognised by their first rows]",
)
@data_option
@results_option
@json_option
def command(
    files: tuple[Path, ...],
    name: str | None,
    names: tuple[str, ...],
    format_: str | None,
    data_dir: Path | None,
    results: Path,
    as_json: bool,
) -> None:
    """Score FILES of saved generations and store them as a run.

    Understood are this harness's samples, Qwen2.5-Math's and OpenSeek's outputs,
    lm-evaluation-harness's samples, lighteval's details, and rows of {"problem_id", "response"}.
    Prints where the verdicts in the files differ from ours, and which rows could not be used.
    """
    from harness.importers.importing import import_files
    from harness.runs.catalogue import Catalogue

    found = import_files(
        files,
        catalogue=Catalogue(results),
        name=name,
        benchmarks=names,
        format_=format_,
        data_dir=data_dir,
    )
    echo(_as_json(found) if as_json else "\n".join(_lines(found)))


def _as_json(found: Imported) -> str:
    from harness.reporting.text.runs import run_fields

    scored, stored = found.scored, found.stored
    fields = {
        "run": None if stored is None else run_fields(stored[1]),
        "path": None if stored is None else str(stored[0]),
        "own_golds": [score.model_dump(mode="json") for score in scored.foreign],
        "agreement": [asdict(counts) for counts in scored.comparison.agreements.values()],
        "differences": [asdict(difference) for difference in scored.comparison.differences],
        "unmatched": [asdict(row) for row in scored.unmatched],
        "unreadable": [asdict(row) for row in scored.unreadable],
        "unread_benchmarks": scored.faults,
    }
    # Texts from the files may hold halves of surrogate pairs, which only ASCII can carry.
    return json.dumps(fields, indent=2)


def _lines(found: Imported) -> list[str]:
    from harness.reporting.text.runs import score_table

    scored, stored = found.scored, found.stored
    formats = ", ".join(dict.fromkeys(file.format.name for file in found.source.files))
    lines = [f"{counted(scored.responses, 'response')} read as {formats}", ""]
    if stored is not None:
        lines += [score_table(stored[1], stored[0]), ""]
    lines += [*_foreign(scored), *_agreement(scored), *_unused(scored)]
    if stored is not None:
        lines += [f"stored in {stored[0]}", f"next: {hint(f'show {stored[1].id} --wrong')}"]
    return lines


def _foreign(scored: Scored) -> list[str]:
    if not scored.foreign:
        return []
    rows = [
        f"  {printable(score.benchmark)}: {score.correct}/{score.samples} correct "
        f"({100 * score.accuracy:.1f} % over {counted(score.problems, 'problem')})"
        for score in scored.foreign
    ]
    head = "of no benchmark known here, graded against the files' own golds, and not stored:"
    return [head, *rows, ""]


def _agreement(scored: Scored) -> list[str]:
    from harness.reporting.text.layout import text_table

    judged = scored.comparison.judged
    if not judged:
        return ["the files hold no verdicts to compare with ours", ""]
    rows = [
        [printable(one.benchmark), printable(one.judge, limit=40), one.both_correct, one.neither,
         one.only_ours, one.only_theirs, one.unjudged]
        for one in judged
    ]  # fmt: skip
    headers = [
        "benchmark", "their verdict", "both right", "neither", "only ours", "only theirs",
        "without",
    ]  # fmt: skip
    table = text_table(rows, headers, "llrrrrr")
    return [table, "", *_differences(scored.comparison.differences)]


def _differences(differences: Sequence[DifferentVerdict]) -> list[str]:
    from harness.reporting.text.layout import text_table

    if not differences:
        return ["no verdict of theirs differs from ours", ""]
    rows = [
        [
            printable(one.problem_id, limit=40),
            one.index,
            "right" if one.theirs else "wrong",
            one.ours,
            one_line(one.gold, limit=24),
            one_line(one.their_answer, limit=24),
            one_line(one.our_answer, limit=24),
            one.rule or "",
        ]
        for one in differences[:LISTED]
    ]
    headers = ["problem", "sample", "theirs", "ours", "gold", "their answer", "our answer", "rule"]
    more = len(differences) - LISTED
    return [
        f"{counted(len(differences), 'verdict')} of theirs where ours is another:",
        text_table(rows, headers, "lr"),
        *([f"… and {more} more (--json)"] if more > 0 else []),
        "",
    ]


def _unused(scored: Scored) -> list[str]:
    from harness.importers.importing import unread_benchmarks

    lines = []
    for noun, what, rows in (
        ("response", "matched no problem and got no score", scored.unmatched),
        ("row", "could not be read", scored.unreadable),
    ):
        if rows:
            lines.append(f"{counted(len(rows), noun)} {what}:")
            lines += [
                f"  {row.place}: {one_line(row.reason, limit=120)}" for row in rows[:LISTED_ROWS]
            ]
            more = len(rows) - LISTED_ROWS
            lines += [f"  … and {more} more (--json)"] if more > 0 else []
    if scored.unmatched or scored.foreign:
        lines += unread_benchmarks(scored)
    return [*lines, ""] if lines else []
