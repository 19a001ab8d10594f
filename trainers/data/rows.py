"""What a row has to be: a question and an answer in text. Any other row gets a reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from trainers.data.reading import SourceRow
from trainers.data.styles import END_MARK

_NUMERIC = re.compile(r"[-+]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """A row that can be trained on."""

    prompt: str
    reasoning: str
    """The reasoning; empty if the source has none."""
    answer: str
    """The answer as the source has it, without its end mark."""
    had_end_mark: bool
    """Whether the answer had an end mark."""

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


def checked(found: SourceRow) -> TrainingRow | str:
    """Return the row to train on, or the reason why there is none."""
    if found.fault is not None:
        return found.fault
    prompt, reasoning, answer = (found.values.get(key) for key in ("prompt", "reasoning", "answer"))
    fault = _fault("prompt", prompt) or _fault("answer", answer)
    if fault:
        return fault
    reasoning = "" if reasoning is None else reasoning
    if not isinstance(reasoning, str):
        return "reasoning is not text"
    texts = str(prompt), reasoning, str(answer)
    if not _can_be_written(texts):
        return "has half a surrogate pair, which is not text"
    stated = texts[2].removesuffix(END_MARK)
    if not stated.strip():
        return "answer is missing or empty"
    return TrainingRow(
        prompt=texts[0], reasoning=reasoning, answer=stated, had_end_mark=stated != texts[2]
    )


def _fault(column: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return f"{column} is missing or empty"
    return None if isinstance(value, str) else f"{column} is not text"


def _can_be_written(texts: Iterable[str]) -> bool:
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
