"""Define a saved response, which is the same for every format, and define a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.runs.sample import FinishReason

Row = Mapping[str, Any]
"""One row of a file, with the field names and values of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedResponse:
    """One response with everything that its file states about it."""

    response: str
    problem_id: str | None = None
    """The problem's id in this harness, ``<benchmark>/<id>``."""
    question: str | None = None
    prompt: str | None = None
    """A longer text that contains the question."""
    gold: str | None = None
    """The gold that the file states."""
    index: int | None = None
    """The number of this sample among the problem's samples; None if the file does not state it."""
    finish_reason: FinishReason = "unknown"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seed: int = 0
    prompt_sum: str = ""
    error: str | None = None
    reasoning: str | None = None
    """What the model reasoned, where the file has it apart from the response."""
    reasoning_tokens: int | None = None
    task: str | None = None
    """The file's name for the benchmark."""
    theirs: bool | None = None
    """The other harness's verdict; None if it has no verdict on this single response."""
    their_answer: str | None = None
    judge: str = ""
    """What gave that verdict, such as the name of a metric."""
    repeats: str | None = None
    """A key: rows of one file with the same key hold the same responses, judged in several ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format for saved generations."""

    name: str
    about: str
    """The fields of a row, described for people."""
    fits: Callable[[Row], bool]
    """Tells whether a row looks like one of this format."""
    read: Callable[[Row], Sequence[SavedResponse]]
    """Returns a row's responses; raises LookupError, TypeError or ValueError for another format."""
    columns: tuple[str, ...] = ()
    """The only columns that are read from a Parquet file, since other columns may be very large."""


def text_of(value: Any) -> str | None:
    """Return a string as it is and a number as a string; None for anything else."""
    if isinstance(value, bool):
        return None
    return str(value) if isinstance(value, str | int | float) else None


def require_text(value: Any, name: str) -> str:
    """Return a field's value, which must be a string.

    Raises:
        ValueError: the value is not a string.
    """
    if not isinstance(value, str):
        raise ValueError(f'"{name}" must be a text, but it is of type {type(value).__name__}')
    return value


def texts_of(value: Any, name: str) -> list[str]:
    """Return a field's value as a list of strings; a single string becomes a list of one.

    Raises:
        ValueError: the value is neither a string nor a list of strings.
    """
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise ValueError(f'"{name}" is neither a text nor a list of texts')
    return [require_text(one, name) for one in values]


def first_text(row: Row, names: Sequence[str]) -> str | None:
    """Return the first of the named fields that is a string and not blank, or None."""
    texts = (row.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text.strip()), None)


def verdict_of(value: Any) -> bool | None:
    """Return a verdict that is written as a boolean, as 0 or as 1; None for anything else.

    >>> verdict_of(True), verdict_of(0.0), verdict_of(0.25), verdict_of("1")
    (True, False, None, None)
    """
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return None


def value_at(values: Any, position: int, count: int) -> Any:
    """Return the value for one of ``count`` responses, or None if there is none.

    ``values`` is a list with one value for each response, or the value itself if there is
    only one response.
    """
    if isinstance(values, list | tuple) and len(values) == count:
        return values[position]
    return values if count == 1 and not isinstance(values, list | tuple) else None


_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "overflow": "overflow",
    "error": "error",
}
"""What this harness, OpenAI's API and vLLM (``stop``, ``length``), Anthropic's API (``end_turn``,
``stop_sequence``, ``max_tokens``) and TGI (``eos_token``, ``stop_sequence``) call the reasons."""


def finish_reason(value: Any, *, truncated: Any = None) -> FinishReason:
    """Return why a response ended; ``unknown`` if the file does not state it.

    >>> finish_reason("eos_token"), finish_reason(None, truncated=False), finish_reason(None)
    ('stop', 'stop', 'unknown')
    """
    if truncated is True:
        return "length"
    known = _FINISH_REASONS.get(value, "unknown") if isinstance(value, str) else "unknown"
    return "stop" if known == "unknown" and truncated is False else known
