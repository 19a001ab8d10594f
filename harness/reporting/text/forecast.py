"""Writes the forecast of a run as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness.common.text import counted, one_line
from harness.evaluation.forecast import Forecast, total_tokens
from harness.reporting.text.layout import text_table
from harness.reporting.text.numbers import count, percent, smallest_shown
from harness.runs.cost import money


def forecast_text(found: Forecast, *, max_tokens: int) -> str:
    """Return the forecast as a table, and under it what it is based on."""
    headers = [
        "benchmark", "problems", "samples", "prompt tokens", "response tokens", "at most",
        "shows a difference of",
    ]  # fmt: skip
    rows = [
        [
            row.benchmark, str(row.problems), str(row.samples),
            *(count(tokens, unknown="?")
              for tokens in (row.prompt_tokens, row.expected_tokens, row.most_tokens)),
            smallest_shown(row.detectable),
        ]
        for row in found.rows
    ]  # fmt: skip
    totals = (
        total_tokens([row.prompt_tokens for row in found.rows]),
        total_tokens([row.expected_tokens for row in found.rows]),
        total_tokens([row.most_tokens for row in found.rows]),
    )
    rows.append(
        [
            "all",
            str(sum(row.problems for row in found.rows)),
            str(sum(row.samples for row in found.rows)),
            *(count(tokens, unknown="?") for tokens in totals),
            _on_average(found.average_detectable),
        ]
    )
    return "\n".join([text_table(rows, headers, "lrrrrrr"), "", *_basis(found, max_tokens)])


def _on_average(detectable: float) -> str:
    shown = smallest_shown(detectable)
    return f"{shown} on average" if detectable < 1 else shown


def _basis(found: Forecast, max_tokens: int) -> list[str]:
    if found.like is None:
        lines = [
            "no stored run tells how long the responses are, how many are correct, or how fast "
            f"this machine is; assumed: up to {max_tokens:,} tokens each, and half of the problems "
            "correct"
        ]
    else:
        taken = (
            f"{row.benchmark} {percent(row.assumed_accuracy)} %"
            for row in found.rows
            if row.is_in_like
        )
        lines = [
            f"lengths and accuracies as in {one_line(found.like_name or '')} ({found.like}), the "
            f"accuracies a little nearer to one half: {', '.join(taken)}"
        ]
        missing = [row.benchmark for row in found.rows if not row.is_in_like]
        if missing:
            lines[0] += (
                f"; it has no {', '.join(missing)}, where half of the problems are assumed to be "
                "correct"
            )
        unknown = [
            row.benchmark for row in found.rows if row.is_in_like and not row.expected_tokens
        ]
        if unknown:
            lines[0] += f"; it does not say how long its responses to {', '.join(unknown)} are"
    if found.seconds is not None:
        lines.append(f"{_minutes(found.seconds)} of generating, at that run's speed")
    elif found.like is not None:
        lines.append(
            "the time is not known: that run does not tell how fast this model is on this machine"
        )
    if found.most_money is not None:
        expected = "" if found.money is None else f"about {money(found.money)}, "
        lines.append(f"{expected}at most {money(found.most_money)} by the prices given")
    lines.append(
        "the difference is the smallest true one to another run of these problems that is found "
        "four times in five, at 5 % over all tests of the comparison (Holm)"
    )
    return [*lines, *_splits(found)]


def _splits(found: Forecast) -> Iterator[str]:
    """Say how the two runs' results on a problem are taken to be correlated, and why."""
    for row in found.rows:
        if row.pair is not None:
            yield (
                f"{row.benchmark}: as between {' and '.join(row.pair)}, the two runs' accuracies "
                f"on a problem have a correlation of {row.correlation:.2f}, and "
                f"{percent(row.by_problem, decimals=0)} % of a sample's variance is between "
                "problems"
            )
    assumed = [row.benchmark for row in found.rows if row.pair is None]
    if assumed:
        yield (
            f"{', '.join(assumed)}: no two stored runs of different models have these settings, so "
            "the two runs' accuracies on a problem are assumed to have a correlation of one half, "
            "and half of a sample's variance to be between problems"
        )


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"about {counted(minutes, 'minute')}" if minutes else "less than a minute"


def forecast_fields(found: Forecast) -> dict[str, Any]:
    """Return the forecast for JSON."""
    return asdict(found)
