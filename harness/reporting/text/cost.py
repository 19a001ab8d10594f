"""Writes what runs took: time, tokens and money. Pure: costs in, text out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.common.text import duration, one_line
from harness.reporting.text.layout import Format, csv_table, shown_table, text_table
from harness.reporting.text.numbers import percent
from harness.runs.cost import Cost, cost_of, money
from harness.runs.record import Run
from harness.runs.results import Result

UNKNOWN = "-"
MEANINGS = {
    "drawn": "samples that the run drew itself",
    "tokens/s": "response tokens divided by the time of generate",
    "busy %": "share of wall in which the engine worked: (generate - handle) / wall",
    "wall": "prepare + start + generate + finish",
    "handle": "the part of generate in which the run's own process stored and graded",
}


def cost_facts(cost: Cost) -> Iterator[tuple[str, str]]:
    """Yield what is known of a cost as pairs of a heading and a text, notes last."""
    known = {name: text for name, text in _texts(cost).items() if text != UNKNOWN}
    counts = ("prompt tokens", "response tokens", "tokens/s")
    spent = [f"{known['drawn']} samples drawn"] if "drawn" in known else []
    spent += [f"{known[name]} {name}" for name in counts if name in known]
    if cost.events:
        spent.append(known["events"])
    if "money" in known:
        spent.append(f"{known['money']} by the prices given")
    if spent:
        yield "cost", ", ".join(spent)
    if "wall" in known:
        parts = ("prepare", "start", "generate", "finish")
        phases = ", ".join(f"{name} {known[name]}" for name in parts if name in known)
        busy = f"; engine busy {known['busy %']} %" if "busy %" in known else ""
        yield "time", f"{known['wall']}: {phases}{busy}"
    if cost.notes:
        yield "about the cost", "; ".join(cost.notes)


def cost_block(cost: Cost) -> str:
    """Return everything that is known of one run's cost, a line each."""
    if cost.wall_seconds is None:
        return "\n".join([f"cost {UNKNOWN}", *cost.notes])
    rows = [(name, text, MEANINGS.get(name, "")) for name, text in _texts(cost).items()]
    return "\n".join([text_table(rows, ["cost", "", ""], "lrl"), *cost.notes])


def cost_table(results: Sequence[Result], form: Format) -> str:
    """Return what stored runs took, one row a run; published results state no cost.

    A value marked ``≥`` covers only a part of the run, and a footnote says which.
    """
    runs = [result.run for result in results if result.run is not None]
    costs = [cost_of(run) for run in runs]
    if form == "json":
        rows = [_fields(run, cost) for run, cost in zip(runs, costs, strict=True)]
        return json.dumps(rows, ensure_ascii=False, indent=2)
    if form == "csv":
        return csv_table([_flat(run, cost) for run, cost in zip(runs, costs, strict=True)])
    numbers: dict[str, int] = {}
    for note in (note for cost in costs for note in cost.notes):
        numbers.setdefault(note, len(numbers) + 1)
    shown = [
        {
            "name": one_line(run.name) + "".join(f" [{numbers[note]}]" for note in cost.notes),
            **_texts(cost),
            "run": run.id,
        }
        for run, cost in zip(runs, costs, strict=True)
    ]
    meanings = "; ".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items())
    notes = [meanings, *(f"[{number}] {note}" for note, number in numbers.items())]
    return shown_table(_without_unpriced(shown), notes, form)


def _without_unpriced(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Leave out the column of money where no run has a price."""
    if any(row["money"] != UNKNOWN for row in rows):
        return rows
    return [{name: text for name, text in row.items() if name != "money"} for row in rows]


def _texts(cost: Cost) -> dict[str, str]:
    """Return every value of a cost as text, by the name of its column."""
    least = "≥ " if cost.at_least else ""

    def whole(value: float | None) -> str:
        return UNKNOWN if value is None else f"{least}{value:,.0f}"

    return {
        "drawn": whole(cost.drawn),
        "prompt tokens": whole(cost.prompt_tokens),
        "response tokens": whole(cost.completion_tokens),
        "tokens/s": _rate(cost.tokens_per_second),
        "samples/s": _rate(cost.samples_per_second),
        "busy %": UNKNOWN if cost.engine_busy is None else percent(cost.engine_busy),
        "wall": UNKNOWN if cost.wall_seconds is None else least + duration(cost.wall_seconds),
        **_phases(cost),
        "money": UNKNOWN if cost.money is None else least + money(cost.money),
        # If the known part had no events, nobody knows whether the rest had some.
        "events": UNKNOWN if cost.at_least and not cost.events else least + _events(cost.events),
    }


def _phases(cost: Cost) -> dict[str, str]:
    return {
        name.removeprefix("engine_"): UNKNOWN if seconds is None else duration(seconds)
        for name, seconds in asdict(cost.phases).items()
    }


def _rate(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _events(events: Mapping[str, int] | None) -> str:
    if events is None:
        return UNKNOWN
    return ", ".join(f"{name} {count:,}" for name, count in sorted(events.items())) or "none"


def _fields(run: Run, cost: Cost) -> dict[str, Any]:
    return {"name": run.name, "run": run.id, **asdict(cost)}


def _flat(run: Run, cost: Cost) -> dict[str, Any]:
    """Return the fields as CSV cells: phases become columns, events and notes become text."""
    fields = _fields(run, cost)
    phases = fields.pop("phases")
    return {
        **fields,
        "events": None if cost.events is None else _events(cost.events),
        "notes": "; ".join(cost.notes),
        **{f"{name}_seconds": seconds for name, seconds in phases.items()},
    }
