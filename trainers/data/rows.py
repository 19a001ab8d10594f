"""What a row has to be: a question and an answer in text. What is not is told by its reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from trainers.data.reading import Found
from trainers.data.styles import END_MARK

_NUMERIC = re.compile(r"[-+]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row that can be trained on."""

    prompt: str
    reasoning: str
    """Empty if the source has none."""
    answer: str
    """As the source has it, without its end mark."""
    had_end_mark: bool

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


def checked(found: Found) -> Row | str:
    """Return the row that was found, or why it is none."""
    if found.fault is not None:
        return found.fault
    prompt, reasoning, answer = (found.values.get(key) for key in ("prompt", "reasoning", "answer"))
    fault = _fault("prompt", prompt) or _fault("answer", answer)
    if fault:
        return fault
    reasoning = "" if reasoning is None else reasoning
    if not isinstance(reasoning, str):
        return "reasoning is no text"
    texts = str(prompt), reasoning, str(answer)
    if not _can_be_written(texts):
        return "holds half a surrogate pair, which is no text"
    stated = texts[2].removesuffix(END_MARK)
    if not stated.strip():
        return "answer is missing or empty"
    return Row(prompt=texts[0], reasoning=reasoning, answer=stated, had_end_mark=stated != texts[2])


def _fault(column: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return f"{column} is missing or empty"
    return None if isinstance(value, str) else f"{column} is no text"


def _can_be_written(texts: Iterable[str]) -> bool:
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Repetitions:
    """Questions seen so far, by sum, so that half a million take some tens of megabytes."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[int, int]] = {}
        self.duplicate = 0
        self.conflicting = 0

    def add(self, row: Row, number: int) -> int | None:
        """Count a row; return the number of the first with its question and another answer."""
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
    """Return 64 bits of a sum that is the same in every process, unlike ``hash``."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
