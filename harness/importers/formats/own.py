"""Read this harness's own files, and any rows with ``problem_id`` and ``response``."""

from __future__ import annotations

from typing import Any

from harness.importers.base import Format, Row, SavedResponse, finish_reason, require_text, text_of
from harness.runs.sample import MOST_SAMPLES

LARGEST = 2**62
"""Larger than any count or seed, and small enough for a 64-bit column of a table."""


def _read(row: Row) -> list[SavedResponse]:
    index = row.get("index")
    if index is not None and (_count(index) is None or index >= MOST_SAMPLES):
        raise ValueError(f'"index" is not the number of a sample, from 0 to {MOST_SAMPLES - 1:,}')
    return [
        SavedResponse(
            response=require_text(row["response"], "response"),
            problem_id=text_of(row["problem_id"]),
            question=text_of(row.get("question")),
            gold=text_of(row.get("gold")),
            index=index,
            finish_reason=finish_reason(row.get("finish_reason"), truncated=row.get("truncated")),
            prompt_tokens=_count(row.get("prompt_tokens")),
            completion_tokens=_count(row.get("completion_tokens")),
            seed=_count(row.get("seed")) or 0,
            prompt_sum=text_of(row.get("prompt_sum")) or "",
            error=text_of(row.get("error")),
            reasoning=text_of(row.get("reasoning")),
            reasoning_tokens=_count(row.get("reasoning_tokens")),
            theirs=None if row.get("outcome") is None else row["outcome"] == "correct",
            their_answer=text_of(row.get("extracted")),
            judge="stored verdict",
        )
    ]


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < LARGEST else None


def _fits(row: Row) -> bool:
    return "problem_id" in row and "response" in row


FORMAT = Format(
    name="harness",
    about='this harness\'s samples.jsonl, samples.parquet or run folder: {"problem_id", '
    '"response"}, optionally "index", "finish_reason" or "truncated"',
    fits=_fits,
    read=_read,
    columns=(
        "problem_id", "index", "response", "finish_reason", "gold", "outcome", "extracted",
        "prompt_tokens", "completion_tokens", "seed", "error", "reasoning",
        "reasoning_tokens",
    ),
)  # fmt: skip
