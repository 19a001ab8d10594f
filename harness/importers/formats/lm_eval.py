"""Read lm-evaluation-harness's ``samples_*.jsonl``.

A row has one problem and the verdict of one filter. A task with two filters writes every
problem twice, with the same responses and another verdict.
"""

from __future__ import annotations

from typing import Any

from harness.importers.base import (
    Format,
    Row,
    SavedResponse,
    first_text,
    text_of,
    texts_of,
    value_at,
    verdict_of,
)

QUESTIONS = ("question", "problem", "Problem", "Question", "query")
"""The fields in which data sets keep the question."""
METRICS = ("math_verify", "exact_match", "acc")
"""The metrics that give verdicts; the first one found is used.

If a row has none of them, its first metric with the value 0 or 1 is used."""


def _read(row: Row) -> list[SavedResponse]:
    doc = row["doc"] if isinstance(row["doc"], dict) else {}
    responses = _responses(row["resps"])
    count = len(responses)
    metric = _metric(row)
    which = row.get("filter")
    return [
        SavedResponse(
            response=response,
            question=first_text(doc, QUESTIONS),
            prompt=_prompt(row.get("arguments")),
            gold=_gold(row, doc),
            theirs=verdict_of(value_at(row.get(metric), number, count)) if metric else None,
            their_answer=_filtered(row.get("filtered_resps"), number, count),
            judge=", ".join(part for part in (metric, which) if isinstance(part, str)),
            repeats=f"doc {row['doc_id']}",
        )
        for number, response in enumerate(responses)
    ]


def _responses(resps: Any) -> list[str]:
    """Return the responses; the file has a list of them for each request, of which there is one."""
    if isinstance(resps, list) and len(resps) == 1:
        return texts_of(resps[0], "resps")
    return texts_of(resps, "resps")


def _filtered(filtered: Any, number: int, count: int) -> str | None:
    if isinstance(filtered, list) and len(filtered) == 1 and isinstance(filtered[0], list):
        filtered = filtered[0]
    return text_of(value_at(filtered, number, count))


def _gold(row: Row, doc: Row) -> str | None:
    target = text_of(row.get("target"))
    return target or first_text(doc, ("answer", "Answer", "solution"))


def _metric(row: Row) -> str | None:
    stated = row.get("metrics")
    names = [name for name in stated if isinstance(name, str)] if isinstance(stated, list) else []
    judging = [name for name in (*METRICS, *names) if name in row]
    return next((name for name in judging if _is_verdict(row[name])), None)


def _is_verdict(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(verdict_of(one) is not None for one in values)


def _prompt(arguments: Any) -> str | None:
    """Return the prompt, which lm-evaluation-harness has written in two ways."""
    if isinstance(arguments, dict):  # {"gen_args_0": {"arg_0": prompt, "arg_1": settings}}
        arguments = [[part.get("arg_0")] for part in arguments.values() if isinstance(part, dict)]
    while isinstance(arguments, list) and arguments:  # [[prompt, settings]]
        arguments = arguments[0]
    return arguments if isinstance(arguments, str) else None


def _fits(row: Row) -> bool:
    return "resps" in row and "doc" in row and "doc_id" in row


FORMAT = Format(
    name="lm-eval",
    about='lm-evaluation-harness\'s samples_*.jsonl: {"doc_id", "doc", "target", "resps", '
    '"filtered_resps", "filter", a metric}',
    fits=_fits,
    read=_read,
)
