"""Read the outputs of Qwen2.5-Math's evaluation kit and of kits derived from it, like OpenSeek's.

A row has one problem. ``code`` holds its responses, ``pred`` the answer that the kit found in
each response, and ``score`` the kit's verdict on it.
"""

from __future__ import annotations

from harness.importers.base import (
    Format,
    Row,
    SavedResponse,
    finish_reason,
    first_text,
    text_of,
    texts_of,
    value_at,
    verdict_of,
)


def _read(row: Row) -> list[SavedResponse]:
    responses = texts_of(row["code"], "code")
    count = len(responses)
    gold = text_of(row.get("gt")) or text_of(row.get("answer"))
    return [
        SavedResponse(
            response=response,
            question=first_text(row, ("question", "problem")),
            gold=gold,
            finish_reason=finish_reason(value_at(row.get("finish_reason"), number, count)),
            task=text_of(row.get("data_name")),
            theirs=verdict_of(value_at(row.get("score"), number, count)),
            their_answer=text_of(value_at(row.get("pred"), number, count)),
            judge="score",
        )
        for number, response in enumerate(responses)
    ]


def _fits(row: Row) -> bool:
    return "code" in row and ("gt" in row or "pred" in row)


FORMAT = Format(
    name="qwen",
    about='Qwen2.5-Math\'s kit (OpenSeek\'s qwen_eval): {"question", "gt", "code": [response, …], '
    '"pred": […], "score": […]}',
    fits=_fits,
    read=_read,
)
