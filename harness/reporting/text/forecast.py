"""The forecast of a run, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from harness.evaluation.forecast import Forecast, total_tokens
from harness.runs.cost import money


def forecast_text(found: Forecast, *, max_tokens: int) -> str:
    """Return the forecast as people read it."""
    headers = [
        "benchmark", "problems", "samples", "prompt tokens", "response tokens", "at most",
        "shows a difference of",
    ]  # fmt: skip
    rows = [
        [
            row.benchmark, row.problems, row.samples, _number(row.prompt_tokens),
            _number(row.expected_tokens), _number(row.most_tokens), _points(row.detectable),
        ]
        for row in found.rows
    ]  # fmt: skip
    rows.append(
        [
            "all", *(sum(column) for column in zip(*((r[1], r[2]) for r in rows), strict=True)),
            _number(total_tokens([row.prompt_tokens for row in found.rows])),
            _number(total_tokens([row.expected_tokens for row in found.rows])),
            _number(total_tokens([row.most_tokens for row in found.rows])),
            f"{_points(found.average_detectable)} on average",
        ]
    )  # fmt: skip
    align = ("left", *["right"] * 6)
    table = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)
    return "\n".join([table, "", *_basis(found, max_tokens)])


def _basis(found: Forecast, max_tokens: int) -> list[str]:
    if found.like is None:
        lines = [
            "no stored run tells how long responses get, how many are right, or how fast this "
            f"machine is: up to {max_tokens:,} tokens each, and half of the problems right"
        ]
    else:
        lines = [f"lengths and accuracies as in {found.like}"]
        unknown = [row.benchmark for row in found.rows if row.expected_tokens is None]
        if unknown:
            lines[0] += f"; of {', '.join(unknown)} it says nothing: half of the problems right"
    if found.seconds is not None:
        lines.append(
            f"about {max(1, round(found.seconds / 60))} minutes of generating, at its speed"
        )
    elif found.like is not None:
        lines.append("how long is not known: that run tells no speed of this model here")
    if found.most_money is not None:
        expected = "" if found.money is None else f"about {money(found.money)}, "
        lines.append(f"{expected}at most {money(found.most_money)} by the prices given")
    lines.append(
        "shown: the smallest true difference to another run of these problems that is found four "
        "times in five, at 5 % over all benchmarks (Holm); two checkpoints are assumed to agree "
        "on problems with a correlation of one half"
    )
    return lines


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def forecast_fields(found: Forecast) -> dict[str, Any]:
    """Return the forecast for JSON."""
    return asdict(found)
