"""Tables that people read, made of records. Pure: records in, text out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Literal

from tabulate import tabulate

from harness.record import Interval, Run, Score
from harness.scores import distrust

Format = Literal["text", "markdown", "csv", "latex", "json"]
_TABULATE = {"text": "simple", "markdown": "github", "latex": "latex_booktabs"}


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal.

    >>> percent(0.125)
    '12.5'
    """
    return f"{100 * share:.1f}"


def interval(value: Interval) -> str:
    """Return an interval in per cent, as ``[low, high]``."""
    return f"[{percent(value.low)}, {percent(value.high)}]"


def score_table(run: Run) -> str:
    """Return a run's table: one row a benchmark, and the average.

    Outcomes other than those with a column of their own are footnotes, with counts.
    """
    headers = [
        "benchmark", "correct", "accuracy %", "95 % interval", "truncated", "no answer", "tokens",
    ]  # fmt: skip
    rows = [_score_row(score) for score in run.scores]
    if run.average is not None:
        rows.append(["average", "", percent(run.average.accuracy), interval(run.average.interval)])
    table = tabulate(
        rows, headers, tablefmt="simple", disable_numparse=True,
        colalign=("left", "right", "right", "right", "right", "right", "right"),
    )  # fmt: skip
    return "\n".join([table, *score_notes(run)])


def _score_row(score: Score) -> list[str]:
    tokens = score.mean_response_tokens
    return [
        score.benchmark,
        f"{score.correct}/{score.samples}",
        percent(score.accuracy),
        interval(score.interval),
        str(score.outcomes.get("truncated", 0)),
        str(score.outcomes.get("no answer", 0)),
        "" if tokens is None else f"{tokens:,.0f}",
    ]


def score_notes(run: Run) -> list[str]:
    """Return what has to be said under a run's scores, and first of all why not to trust them."""
    notes = [*_doubts(run), *_sources(run)]
    shown = {"correct", "wrong", "truncated", "no answer"}
    for score in run.scores:
        rest = [
            f"{count} {outcome}"
            for outcome, count in score.outcomes.items()
            if outcome not in shown
        ]
        if rest:
            notes.append(f"{score.benchmark}: {', '.join(rest)}")
        if score.samples != score.problems:
            notes.append(f"{score.benchmark}: {score.problems} problems, {score.samples} samples")
        notes.extend(_without_errata(score))
    if run.spec.limit is not None:
        notes.append(
            f"only the first {run.spec.limit} problems of each benchmark: not a full score"
        )
    return notes


def _doubts(run: Run) -> list[str]:
    remedy = f"grade it again: python -m harness regrade {run.id}"
    return [f"NOT TO BE TRUSTED: {reason}; {remedy}" for reason in distrust(run.scores)]


def _sources(run: Run) -> list[str]:
    """Say where verdicts or samples are not an evaluation's own."""
    notes = _reward_note(run)
    if run.regraded_from is not None:
        notes.append(f"samples of {run.regraded_from}, graded again")
    if run.saved is not None:
        notes.append(
            f"samples read from {run.saved.format} files; how they were drawn is not known"
        )
        notes += [f"{text}: not a full score" for text in _missing(run)]
    return notes


def _reward_note(run: Run) -> list[str]:
    if run.identity.reward is None:
        return []
    return [f"verdicts of {run.identity.grader}: not the harness's own score"]


def _missing(run: Run) -> list[str]:
    """Name the benchmarks of which saved files hold only a part."""
    whole = {} if run.saved is None else run.saved.problems_of
    return [
        f"{score.benchmark}: {score.problems} of {whole[score.benchmark]} problems"
        for score in run.scores
        if score.problems < whole.get(score.benchmark, 0)
    ]


def _without_errata(score: Score) -> list[str]:
    rest = score.without_errata
    if rest is None:
        return []
    doubted = score.problems - rest.problems
    golds = "1 doubtful gold" if doubted == 1 else f"{doubted} doubtful golds"
    return [
        f"{score.benchmark}: without {golds}: {rest.correct}/{rest.samples} = "
        f"{percent(rest.accuracy)} %"
    ]


def run_fields(run: Run) -> dict[str, Any]:
    """Return a run's record for JSON, with whether its scores can be trusted."""
    reasons = distrust(run.scores)
    return {**run.model_dump(mode="json"), "trusted": not reasons, "untrusted": reasons}


def runs_table(runs: Sequence[Run], form: Format) -> str:
    """Return the stored runs side by side: accuracies in per cent, one row a run."""
    benchmarks = list(dict.fromkeys(score.benchmark for run in runs for score in run.scores))
    rows = [_run_row(run, benchmarks) for run in runs]
    if form == "json":
        return json.dumps(
            [{**row, **_more(run)} for row, run in zip(rows, runs, strict=True)], indent=2
        )
    if form == "csv":
        return _csv(rows)
    headers = list(rows[0]) if rows else ["name", "average"]
    body = [[_cell(value) for value in row.values()] for row in rows]
    table = tabulate(body, headers, tablefmt=_TABULATE[form], disable_numparse=True)
    notes = [note for run in runs for note in _run_notes(run)]
    return "\n\n".join([table, *notes])


def _run_notes(run: Run) -> list[str]:
    notes = [*_doubts(run), *_missing(run), *_reward_note(run)]
    if run.spec.limit is not None:
        notes.append(f"only the first {run.spec.limit} problems of each benchmark")
    return [f"{run.name}: {note}" for note in notes]


def _more(run: Run) -> dict[str, Any]:
    """Return what a run's row has in JSON alone."""
    reasons = distrust(run.scores)
    return {
        "grader": run.identity.grader,
        "trusted": not reasons,
        "untrusted": reasons,
        "regraded_from": run.regraded_from,
        "without_errata": {
            score.benchmark: score.without_errata.model_dump()
            for score in run.scores
            if score.without_errata is not None
        },
    }


def _run_row(run: Run, benchmarks: Sequence[str]) -> dict[str, Any]:
    by_name = {score.benchmark: 100 * score.accuracy for score in run.scores}
    return {
        "name": run.name,
        **{name: by_name.get(name) for name in benchmarks},
        "average": None if run.average is None else 100 * run.average.accuracy,
        "samples": sum(score.samples for score in run.scores),
        "prompt": run.spec.prompt.style,
        "limit": run.spec.limit,
        "run": run.id,
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    target = io.StringIO()
    writer = csv.DictWriter(target, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue().rstrip("\n")
