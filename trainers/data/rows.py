"""What a row has to be: a question and an answer in text. Any other row gets a reason."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from trainers.data.answers import (
    LONGEST,
    PLACEHOLDERS,
    Answer,
    UnusableError,
    as_text,
    read_answer,
    stated_answer,
    without_end_marks,
    without_statement,
)
from trainers.data.columns import Columns, pick
from trainers.data.instructions import without_instruction
from trainers.data.reading import SourceRow
from trainers.data.turns import Conversation, is_turns, last_reply, read_turns

_NUMERIC = re.compile(r"[-+]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)")
OWN = Columns()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """A row that can be trained on."""

    prompt: str
    reasoning: str
    """The solution; empty if the source has none."""
    answer: str
    """The answer, without its end mark."""
    answer_from: str = ""
    """Where the answer was found: in which column, and in which form."""
    had_end_mark: bool = False
    """Whether an end mark was removed from the answer or the solution."""
    had_instruction: bool = False
    """Whether an instruction was removed from the question."""
    had_system: bool = False
    """Whether a system prompt was left out."""

    @property
    def numeric(self) -> bool:
        """Whether the answer is a plain decimal number."""
        return is_numeric(self.answer)


def is_numeric(answer: str) -> bool:
    r"""Say whether an answer is a plain decimal number, perhaps with thousands separators.

    >>> [is_numeric(text) for text in ("-1,200.5", "42", "1/2", r"\frac{1}{2}", "12,00", "-")]
    [True, True, False, False, False, False]
    """
    return _NUMERIC.fullmatch(answer) is not None


def checked(found: SourceRow, columns: Columns = OWN) -> TrainingRow | str:
    """Return the row to train on, or the reason why there is none."""
    if found.fault is not None:
        return found.fault
    try:
        return _row(found.values, columns)
    except UnusableError as error:
        return str(error)


def _row(values: Mapping[str, Any], columns: Columns) -> TrainingRow:
    asked = _asked(values, columns.question)
    question = without_instruction(asked.question)
    answer, found_in = _answer(values, columns, asked)
    solution = _solution(values, columns) or asked.solution
    text = without_statement(without_end_marks(solution)) or answer.before
    reasoning = "" if _says_only(text, answer.text) else text
    for name, part in (
        (columns.question, question),
        (columns.answer, answer.text),
        (columns.solution, reasoning),
    ):
        with _told_of(name):
            _require_writable(part)
    return TrainingRow(
        prompt=question,
        reasoning=reasoning,
        answer=answer.text,
        answer_from=found_in,
        had_end_mark=answer.marked or without_end_marks(solution) != solution,
        had_instruction=question != asked.question,
        had_system=asked.system,
    )


def _asked(values: Mapping[str, Any], name: str) -> Conversation:
    """Return the question, in a conversation if its column holds turns."""
    value = pick(values, name)
    with _told_of(name):
        asked = read_turns(value) if is_turns(value) else None
        if asked is None and value is not None and not isinstance(value, str):
            raise UnusableError("is not text")
        asked = asked or Conversation(question=value or "")
        if not asked.question.strip():
            raise UnusableError("is missing or empty")
    return asked


def _solution(values: Mapping[str, Any], columns: Columns) -> str:
    """Return the text of the column with solutions; empty if there is none."""
    name = columns.solution
    value = None if name is None else pick(values, name)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and math.isnan(value):  # how pandas writes an empty cell
        return ""
    with _told_of(name):
        if is_turns(value):
            return last_reply(value)
        if name != columns.answer:
            raise UnusableError("is not text")
        return as_text(value)


def _answer(values: Mapping[str, Any], columns: Columns, asked: Conversation) -> tuple[Answer, str]:
    """Return the answer, and in words where it was found."""
    name, stated = columns.answer, columns.stated
    if name is not None:
        value, place = pick(values, name), name
    elif asked.answer is not None:
        value, place = asked.answer, f"the answer beside the last turn of {columns.question}"
        stated = False
    else:
        value, place = asked.solution, f"the last turn of {columns.question}"
    with _told_of(place):
        text = last_reply(value) if is_turns(value) else as_text(value)
        bare = without_end_marks(text)
        if not bare.strip():
            raise UnusableError("is missing or empty")
        answer = stated_answer(bare) if stated else read_answer(bare)
        if answer is None:
            raise UnusableError("states no answer in a box or on a last line")
        _require_answer(answer.text)
    form = f", {answer.form}" if answer.form else ""
    return replace(answer, marked=bare != text), f"{place}{form}"


def _require_answer(answer: str) -> None:
    if len(answer) > LONGEST:
        raise UnusableError(f"is longer than {LONGEST:,} characters, so it is no final answer")
    if answer.strip().lower() in PLACEHOLDERS:
        raise UnusableError("stands for an answer and is none ('proof', 'notfound', 'nan')")


@contextmanager
def _told_of(name: str | None) -> Iterator[None]:
    """Begin what is said about an unusable value with the name of its column."""
    try:
        yield
    except UnusableError as error:
        raise UnusableError(f"{name} {error}") from None


def _says_only(text: str, answer: str) -> bool:
    """Say whether a solution is the answer and nothing else."""
    bare = text.strip().strip("$").strip()
    return bare in {answer.strip(), answer.strip().strip("$").strip(), f"\\boxed{{{answer}}}"}


def _require_writable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnusableError("has half a surrogate pair, which is not text") from None


class Repetitions:
    """The questions seen so far, as digests: half a million take some tens of megabytes."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[int, int]] = {}
        self.duplicate = 0
        self.conflicting = 0

    def add(self, row: TrainingRow, number: int) -> int | None:
        """Count a row; if its question had another answer in an earlier row, return that number."""
        answer = digest(row.answer.strip())
        first, first_answer = self._first.setdefault(digest(row.prompt), (number, answer))
        if first == number:
            return None
        if first_answer == answer:
            self.duplicate += 1
            return None
        self.conflicting += 1
        return first


def digest(text: str) -> int:
    """Return a 64-bit digest that is the same in every process, unlike ``hash``."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
