"""`regrade`: an old run's samples, graded again, and the verdicts that changed."""

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
from harness.common.text import counted, one_line

if TYPE_CHECKING:
    from harness.evaluation.regrade import ChangedVerdict, Regraded

LISTED = 20
"""Changed verdicts printed; `--json` has all."""


@click.command("regrade")
@click.argument("run")
@click.option(
    "--reward",
    metavar="NAME",
    help="Grade by this training reward instead: gsm8k-strict or hendrycks-boxed.",
)
@data_option
@results_option
@json_option
def command(
    run: str, reward: str | None, data_dir: Path | None, results: Path, as_json: bool
) -> None:
    """Grade RUN's samples again, with today's grader, and store them as a new run.

    RUN is named by its version, its id (or the beginning of it), or its folder, and stays as it
    is. Prints each benchmark's old and new accuracy, and the verdicts that changed.
    """
    from harness.evaluation.regrade import regrade_by
    from harness.runs.catalogue import Catalogue

    catalogue = Catalogue(results)
    path, old = catalogue.find_run(run)
    done = regrade_by(reward, path, old, root=catalogue.root, data_dir=data_dir)
    echo(_as_json(done) if as_json else "\n".join(_lines(done)))


def _as_json(done: Regraded) -> str:
    from harness.reporting.text.runs import run_fields

    changes = None if done.changes is None else [asdict(change) for change in done.changes]
    fields = {
        "from": {"run": done.old.id, "grader": done.old.identity.grader},
        "accuracy": [
            {"benchmark": old.benchmark, "before": old.accuracy, "after": new.accuracy}
            for old, new in zip(done.old.scores, done.new.scores, strict=True)
        ],
        "changes": changes,
        "run": run_fields(done.new),
    }
    return json.dumps(fields, ensure_ascii=False, indent=2)


def _lines(done: Regraded) -> list[str]:
    from harness.reporting.text.notes import score_notes

    graders = f"{done.old.identity.grader} -> {done.new.identity.grader}"
    return [
        f"{one_line(done.old.name, limit=None)}  {done.old.id}  grader {graders}",
        "",
        _accuracies(done),
        *score_notes(done.new, done.path),
        "",
        *_changed(done.changes),
        "",
        f"stored in {done.path}",
        f"next: {hint(f'show {done.new.id}')}",
    ]


def _accuracies(done: Regraded) -> str:
    from harness.reporting.text.layout import text_table

    rows = [
        [old.benchmark, f"{old.correct}/{old.samples}", f"{new.correct}/{new.samples}",
         *_moved(old.accuracy, new.accuracy)]
        for old, new in zip(done.old.scores, done.new.scores, strict=True)
    ]  # fmt: skip
    if done.old.average and done.new.average:
        moved = _moved(done.old.average.accuracy, done.new.average.accuracy)
        rows.append(["average", "", "", *moved])
    headers = ["benchmark", "old", "new", "old %", "new %", "change"]
    return text_table(rows, headers, "lrrrrr")


def _moved(old: float, new: float) -> list[str]:
    from harness.reporting.text.numbers import percent, points

    return [percent(old), percent(new), points(new - old)]


def _changed(changes: Sequence[ChangedVerdict] | None) -> list[str]:
    if changes is None:
        return ["the old run has no verdicts any more, so which of them changed cannot be said"]
    if not changes:
        return ["no verdict went from correct to wrong, or from wrong to correct"]
    lost = sum(change.before == "correct" for change in changes)
    lines = [f"{counted(len(changes), 'verdict')} changed: {lost} correct -> wrong, "
             f"{len(changes) - lost} wrong -> correct"]  # fmt: skip
    lines.append(_change_table(changes[:LISTED]))
    if len(changes) > LISTED:
        lines.append(f"… and {len(changes) - LISTED} more (--json)")
    return lines


def _change_table(changes: Sequence[ChangedVerdict]) -> str:
    from harness.reporting.text.layout import text_table

    rows = [
        [
            change.problem_id,
            change.index,
            f"{change.before} -> {change.after}",
            one_line(change.gold, limit=24),
            _both(change.answer_before, change.answer_after),
            _both(change.rule_before, change.rule_after),
        ]
        for change in changes
    ]
    headers = ["problem", "sample", "verdict", "gold", "answer", "rule"]
    return text_table(rows, headers, "lr")


def _both(before: str | None, after: str | None) -> str:
    if before == after:
        return one_line(after, limit=30)
    return f"{one_line(before, limit=24) or '-'} -> {one_line(after, limit=24) or '-'}"
