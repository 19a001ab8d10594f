"""Writes the scores of one run, and those of many side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from benchmarks.hints import hint
from harness.analysis.ranking import Group, grouped
from harness.common.text import one_line
from harness.reporting.text.cost import cost_facts
from harness.reporting.text.layout import Format, csv_table, shown_table, text_table
from harness.reporting.text.notes import result_notes, score_notes
from harness.reporting.text.numbers import (
    LOOPING,
    count,
    interval,
    looping_count,
    outcome_count,
    percent,
)
from harness.runs.cost import cost_of
from harness.runs.record import Run, Score
from harness.runs.results import Result
from harness.runs.scores import reliability_problems
from harness.stats.intervals import Interval


def score_table(run: Run, path: Path) -> str:
    """Return the table of the run in a folder: one row for each benchmark, and the average.

    Outcomes without a column of their own are counted in footnotes. How many responses loop has a
    column where any was cut off.
    """
    cut = any(score.outcomes.get("truncated") for score in run.scores)
    headers = [
        "benchmark", "correct", "accuracy %", "95 % interval", "truncated", *([LOOPING] * cut),
        "no answer", "tokens",
    ]  # fmt: skip
    rows = [_score_row(score, cut=cut) for score in run.scores]
    if run.average is not None:
        rows.append(["average", "", percent(run.average.accuracy), interval(run.average.interval)])
    return "\n".join([text_table(rows, headers, "lrrrrrr" + "r" * cut), *score_notes(run, path)])


def run_text(run: Run, path: Path) -> str:
    """Return what `eval` prints at its end: the scores, what they took, and where they are."""
    cost = [f"{name}: {text}" for name, text in cost_facts(cost_of(run))]
    with suppress(ValueError):  # a results folder outside the working directory stays absolute
        path = path.resolve().relative_to(Path.cwd())
    return "\n".join(
        [
            score_table(run, path),
            *(f"{adopted} samples adopted from {other}" for other, adopted in run.reused.items()),
            "",
            f"{one_line(run.name, limit=None)}  {run.id}  prompts {run.identity.prompts_sum[:8]}  "
            f"grader {run.identity.shown_grader}",
            *cost,
            f"stored in {path}",
            f"next: {hint(f'show {run.id} --wrong')}",
        ]
    )


def _score_row(score: Score, *, cut: bool) -> list[str]:
    ends_known = score.at_limit is not None
    looping = looping_count(score.outcomes, score.looping, ends_known=ends_known)
    return [
        score.benchmark,
        f"{score.correct}/{score.samples}",
        percent(score.accuracy),
        interval(score.interval),
        outcome_count(score.outcomes, "truncated", ends_known=ends_known),
        *([looping] * cut),
        outcome_count(score.outcomes, "no answer", ends_known=ends_known),
        count(score.mean_response_tokens),
    ]


def run_fields(run: Run) -> dict[str, Any]:
    """Return a run's record for JSON, with what it took and whether its scores can be trusted."""
    reasons = reliability_problems(run.scores)
    return {
        **run.model_dump(mode="json"),
        "trusted": not reasons,
        "untrusted": reasons,
        "cost": asdict(cost_of(run)),
    }


def runs_table(results: Sequence[Result], form: Format) -> str:
    """Return results side by side: accuracies in per cent with 95 % intervals, one row a result.

    Results that were not measured alike get different letters, and a footnote says in what they
    differ; they are ranked only among those of the same letter. CSV and JSON have columns for
    the group and the notes instead.

    Raises:
        UserError: a run's scores are not those of its verdicts.
    """
    for result in results:  # to rank two reads their verdicts; one alone is not ranked
        result.require_counted()
    groups = grouped(results)
    benchmarks = list(dict.fromkeys(name for result in results for name in result.scores))
    if form in ("csv", "json"):
        rows = [row for n, group in enumerate(groups) for row in _data_rows(group, n, benchmarks)]
        return csv_table(rows) if form == "csv" else json.dumps(_with_more(rows, groups), indent=2)
    notes = _Notes(groups)
    letters = _letters(groups)
    rows = [
        row
        for letter, group in zip(letters, groups, strict=True)
        for row in _shown_rows(group, letter, benchmarks, notes)
    ]
    return shown_table(rows, notes.lines(), form)


class _Notes:
    """The footnotes of a table, numbered in the order in which they are first needed."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._of_group = {
            id(group): _group_note(group)
            for group in groups
            if group is not groups[0] or group.results[0].source is not None
        }
        methods = _methods(result for group in groups for result in group.results)
        self._intervals = [f"[low, high]: 95 % intervals ({methods})"] if methods else []
        self._ranked = any(rank is not None for group in groups for rank in group.ranks)
        self._numbers: dict[str, int] = {}

    def marks(self, group: Group, result: Result) -> str:
        texts = [*filter(None, [self._of_group.get(id(group))]), *result_notes(result)]
        numbers = [self._numbers.setdefault(t, len(self._numbers) + 1) for t in texts]
        return "".join(f" [{number}]" for number in numbers)

    def lines(self) -> list[str]:
        ranked = [RANK_NOTE] if self._ranked else []
        return [
            *self._intervals,
            *ranked,
            *(f"[{number}] {text}" for text, number in self._numbers.items()),
        ]


RANK_NOTE = (
    "rank: one more than the number of rows with the same letter whose average is higher beyond "
    "chance (5 %, corrected over all pairs); rows share a rank where the data cannot tell them "
    "apart; rows with different letters were not measured alike"
)


def _letters(groups: Sequence[Group]) -> list[str]:
    """Return the letters before the ranks of each group; none where there is only one group.

    >>> _letters([Group(results=(), ranks=())] * 28)[-2:]
    ['aa', 'ab']
    """
    if len(groups) < 2:
        return [""] * len(groups)
    alphabet = ascii_lowercase
    return [
        (alphabet[n // 26 - 1] if n >= 26 else "") + alphabet[n % 26] for n in range(len(groups))
    ]


def _group_note(group: Group) -> str:
    source = group.results[0].source
    if source is not None:
        url = f", {source.url}" if source.url else ""
        return (
            f"published: {source.title}{url}; settings that it does not state may differ from ours"
        )
    differs = "; ".join(
        f"{change.field} {change.b} instead of {change.a}" for change in group.differs
    )
    return f"not comparable with the first row: {differs}"


def _shown_rows(
    group: Group, letter: str, benchmarks: Sequence[str], notes: _Notes
) -> list[dict[str, str]]:
    return [
        {
            "rank": letter if rank is None else f"{letter}{rank}",
            "name": one_line(result.name) + notes.marks(group, result),
            **{name: _percent_of(result, name) for name in benchmarks},
            "average": _with_interval(result.average, result.average_interval),
            "samples": str(sum(score.samples for score in result.scores.values())),
            "run": result.id,
        }
        for result, rank in zip(group.results, group.ranks, strict=True)
    ]


def _percent_of(result: Result, benchmark: str) -> str:
    score = result.scores.get(benchmark)
    return "" if score is None else _with_interval(score.accuracy, score.interval)


def _with_interval(share: float | None, spread: Interval | None) -> str:
    if share is None or spread is None:
        return ""
    return f"{percent(share, decimals=2)} {interval(spread)}"


def _data_rows(group: Group, number: int, benchmarks: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "rank": rank,
            "group": number,
            "name": result.name,
            **{
                name: None if score is None else _in_percent(score.accuracy)
                for name in benchmarks
                for score in [result.scores.get(name)]
            },
            "average": _in_percent(result.average),
            **_ends(result, benchmarks),
            "samples": sum(score.samples for score in result.scores.values()),
            "intervals": _methods([result]),
            **_set_up(result),
            "run": result.id,
            "notes": "; ".join(result_notes(result)),
        }
        for result, rank in zip(group.results, group.ranks, strict=True)
    ]


def _ends(result: Result, benchmarks: Sequence[str]) -> dict[str, float | None]:
    """Return the ends of each interval in per cent. No benchmark's name has a blank."""
    spreads = {name: score.interval for name, score in result.scores.items()}
    named = [
        *((name, spreads.get(name)) for name in benchmarks),
        ("average", result.average_interval),
    ]
    return {
        f"{name} {end}": None if spread is None else _in_percent(getattr(spread, end))
        for name, spread in named
        for end in ("low", "high")
    }


def _in_percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 6)


def _methods(results: Iterable[Result]) -> str:
    """Name the methods by which the intervals of results were made."""
    scores = [score for result in results for score in result.scores.values()]
    methods = sorted({score.interval_method for score in scores}, key=str.casefold)
    return "; ".join([*methods, *(["average: MOVER over them"] if methods else [])])


def _with_more(rows: Sequence[dict[str, Any]], groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Add to each run's row what only JSON holds."""
    results = [result for group in groups for result in group.results]
    return [
        {**row, **({} if result.run is None else _more(result.run))}
        for row, result in zip(rows, results, strict=True)
    ]


def _more(run: Run) -> dict[str, Any]:
    reasons = reliability_problems(run.scores)
    return {
        "trusted": not reasons,
        "untrusted": reasons,
        "regraded_from": run.regraded_from,
        "without_errata": {
            score.benchmark: score.without_errata.model_dump()
            for score in run.scores
            if score.without_errata is not None
        },
    }


def _set_up(result: Result) -> dict[str, Any]:
    """Return how a result was measured; None stands for what was not stated."""
    run, settings = result.run, result.settings
    return {
        "tags": "" if run is None else " ".join(run.tags),
        "prompt": settings.get("prompt.style"),
        "temperature": settings.get("sampling.temperature"),
        "max_tokens": settings.get("sampling.max_tokens"),
        "limit": None if run is None else run.spec.limit,
        "grader": settings.get("grader") if run is None else run.identity.grader,
    }
