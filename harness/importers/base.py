"""What a saved row says of one response, whatever its format; and what a format is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.runs.sample import FinishReason

Row = Mapping[str, Any]
"""One row of a file, as it says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedResponse:
    """One response with what its file knows of it."""

    response: str
    problem_id: str | None = None
    """In this harness's form, ``<benchmark>/<id>``."""
    question: str | None = None
    prompt: str | None = None
    """A longer text in which the question occurs."""
    gold: str | None = None
    """The file's own."""
    index: int | None = None
    """Which of the problem's samples; None where the file only has an order."""
    finish_reason: FinishReason = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seed: int = 0
    prompt_sum: str = ""
    error: str | None = None
    task: str | None = None
    """What the file calls its benchmark."""
    theirs: bool | None = None
    """The other harness's verdict; None where it has none for this very response."""
    their_answer: str | None = None
    judge: str = ""
    """Whose verdict that is, such as a metric's name."""
    repeats: str | None = None
    """Rows of one file that have this in common hold the same responses, judged in several ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way in which generations are saved."""

    name: str
    about: str
    """Its fields, for people."""
    fits: Callable[[Row], bool]
    """Whether a row looks like one of this format."""
    read: Callable[[Row], Sequence[SavedResponse]]
    """A row's responses; LookupError, TypeError or ValueError if it is not of this format."""
    columns: tuple[str, ...] = ()
    """What is needed of a table, which may have columns larger than all of these."""


def text_of(value: Any) -> str | None:
    """Return a text, or a number as text; None for anything else."""
    if isinstance(value, bool):
        return None
    return str(value) if isinstance(value, str | int | float) else None


def require_text(value: Any, name: str) -> str:
    """Return a text that must be one."""
    if not isinstance(value, str):
        raise ValueError(f'"{name}" is no text but a {type(value).__name__}')
    return value


def texts_of(value: Any, name: str) -> list[str]:
    """Return a list of texts; one text alone is a list of one."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise ValueError(f'"{name}" is neither a text nor a list of texts')
    return [require_text(one, name) for one in values]


def first_text(row: Row, names: Sequence[str]) -> str | None:
    """Return the first of some fields that is a text with something in it."""
    texts = (row.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text.strip()), None)


def verdict_of(value: Any) -> bool | None:
    """Return a verdict that is written as a truth value or as 0 or 1; None for anything else.

    >>> verdict_of(True), verdict_of(0.0), verdict_of(0.25), verdict_of("1")
    (True, False, None, None)
    """
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return None


def at(values: Any, position: int, count: int) -> Any:
    """Return what belongs to one of ``count`` responses, if ``values`` is a list of as many."""
    if isinstance(values, list | tuple) and len(values) == count:
        return values[position]
    return values if count == 1 and not isinstance(values, list | tuple) else None


def finish_reason(value: Any, *, truncated: Any = None) -> FinishReason:
    """Return why a response ended, as far as the file says; ``stop`` where it does not."""
    if truncated is True or value in ("length", "max_tokens"):
        return "length"
    return value if value in ("overflow", "error") else "stop"
