"""Read lighteval's details, a Parquet file with one row for each problem.

The names of the columns have changed twice. Since 0.13 they are ``doc``, ``model_response`` and
``metric``. From 0.10 on, the same names stood between double underscores. Before 0.10 they were
``example`` (or ``full_prompt``), ``gold``, ``predictions`` and ``metrics``. A value that lighteval
could not store in a column is stored as a Python literal, in a string.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from benchmarks.boxed import last_boxed
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

METRICS = ("extractive_match", "math_pass@1", "qem", "quasi_exact_match", "maj@")
"""The metrics that give verdicts, by the beginning of their names; the first one found is used.

If a file has none of them, its first metric with the value 0 or 1 is used."""
MAX_LITERAL = 1_000_000
"""The most characters of a Python literal that is read."""


def _read(row: Row) -> list[SavedResponse]:
    return _read_old(row) if "predictions" in row else _read_new(row)


def _read_new(row: Row) -> list[SavedResponse]:
    doc = _mapping(_part(row, "doc"), "doc")
    answered = _mapping(_part(row, "model_response"), "model_response")
    responses = texts_of(_literal(answered["text"]), "text")
    count = len(responses)
    metric, verdict = _verdict(_part(row, "metric"))
    tokens = _literal(answered.get("output_tokens"))
    return [
        SavedResponse(
            response=response,
            prompt=first_text(doc, ("original_query", "query")),
            gold=_choice(_literal(doc.get("choices")), _literal(doc.get("gold_index"))),
            completion_tokens=_length(value_at(tokens, number, count)),
            task=text_of(doc.get("task_name")),
            theirs=verdict if count == 1 else None,
            judge=metric,
        )
        for number, response in enumerate(responses)
    ]


def _read_old(row: Row) -> list[SavedResponse]:
    responses = texts_of(_literal(row["predictions"]), "predictions")
    metric, verdict = _verdict(row.get("metrics"))
    tokens = _literal(row.get("cont_tokens"))
    return [
        SavedResponse(
            response=response,
            prompt=first_text(row, ("example", "full_prompt")),
            gold=_choice(_literal(row.get("gold")), 0),
            completion_tokens=_length(value_at(tokens, number, len(responses))),
            theirs=verdict if len(responses) == 1 else None,
            judge=metric,
        )
        for number, response in enumerate(responses)
    ]


def _part(row: Row, name: str) -> Any:
    return row[name] if name in row else row[f"__{name}__"]


def _literal(value: Any) -> Any:
    """Return the value of a Python literal in a string, and any other value unchanged.

    Only literals are evaluated; no code in the string is run.
    """
    if not isinstance(value, str) or value[:1] not in "[{(" or len(value) > MAX_LITERAL:
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _mapping(value: Any, name: str) -> Row:
    found = _literal(value)
    if not isinstance(found, Mapping):
        raise ValueError(f'"{name}" is not a record of fields')
    return found


def _verdict(metrics: Any) -> tuple[str, bool | None]:
    """Return the name of the metric that judges the answer, and its verdict."""
    found = _literal(metrics)
    values = found if isinstance(found, Mapping) else {}
    named = [name for begin in METRICS for name in values if name.startswith(begin)]
    for name in (*named, *values):
        if verdict_of(values[name]) is not None:
            return str(name), verdict_of(values[name])
    return "", None


def _choice(choices: Any, index: Any) -> str | None:
    """Return the gold; if it is a whole solution, return the content of its last box."""
    if isinstance(index, list):
        index = index[0] if index else None
    texts = choices if isinstance(choices, list) else [choices]
    if not isinstance(index, int) or not 0 <= index < len(texts):
        return None
    text = text_of(texts[index])
    return None if text is None else last_boxed(text) or text


def _length(tokens: Any) -> int | None:
    return len(tokens) if isinstance(tokens, list) else None


def _fits(row: Row) -> bool:
    new = ("doc" in row or "__doc__" in row) and (
        "model_response" in row or "__model_response__" in row
    )
    return new or ("predictions" in row and ("full_prompt" in row or "example" in row))


FORMAT = Format(
    name="lighteval",
    about="lighteval's details_*.parquet: doc, model_response, metric; or example, gold, "
    "predictions, metrics",
    fits=_fits,
    read=_read,
    columns=(
        "doc", "__doc__", "metric", "__metric__",
        "model_response.text", "__model_response__.text",
        "model_response.output_tokens", "__model_response__.output_tokens",
        "model_response", "__model_response__",
        "example", "full_prompt", "gold", "predictions", "metrics", "cont_tokens",
    ),
)  # fmt: skip
