r"""The final answer, read from whatever a source's column holds.

A column may hold the answer as text or as a number, as a list with one entry, in a box, or at the
end of a whole solution. The forms of a statement are GSM8K's line ``#### 42``, a LaTeX box, and
MetaMathQA's last line ``The answer is: 42``. A text that states no answer in one of these forms is
itself the answer, if its column holds answers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchmarks.bounded_json import parse_json
from benchmarks.boxed import boxed_gold, last_boxed
from benchmarks.gsm8k import without_calculator_marks

END_MARKS = (
    "</s>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
)
"""What models write to end a text: those of Llama 2 and 3, Qwen, Phi, Gemma and DeepSeek. They are
no part of any answer or solution, and trainers add their own."""
PLACEHOLDERS = frozenset({"proof", "notfound", "nan"})
"""Words that stand where there is no answer: the first two in NuminaMath-1.5, as the cards of data
made from it say, and the last wherever a table was written without one."""
LONGEST = 1000
"""Characters of an answer. A longer text is prose: no response can be compared with it."""
HASH, BOX, SAID = "after ####", "in a box", "after 'The answer is:'"
_SAID = re.compile(r"the (?:final )?answer is: *", re.IGNORECASE)
_WORD = re.compile(r"(?<!\\)\b[^\W\d_]{2,}")
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SHORT, _FEW = 100, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, and what was around it."""

    text: str
    form: str = ""
    """How it was stated; empty if the value was the answer and nothing else."""
    before: str = ""
    """The solution that led to it, if the value was a whole solution."""
    marked: bool = False
    """Whether an end mark followed."""


class UnusableError(Exception):
    """A value from which no text can be read; the message says what it is."""


def as_text(value: Any) -> str:
    """Return a text, or a number as text.

    Raises:
        UnusableError: it is neither, or the number is none.

    >>> as_text(42), as_text(42.0), as_text(0.5), as_text(["42"]), as_text('["42"]')
    ('42', '42', '0.5', '42', '42')
    """
    if isinstance(value, str):
        return _only_entry(value)
    if value is None or (isinstance(value, list) and not value):
        raise UnusableError("is missing or empty")
    if isinstance(value, list):
        entries = {as_text(entry) for entry in value[:100]}
        if len(entries) > 1 or len(value) > 100:
            raise UnusableError("is a list of several values")
        return entries.pop()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnusableError("is not text")
    return _number(value)


def _only_entry(text: str) -> str:
    """Return the entry of a JSON list with one text, as Skywork-OR1-RL-Data has them in text."""
    if not (text.startswith('["') and text.endswith('"]')):
        return text
    try:
        value = parse_json(text)
    except ValueError:
        return text
    return as_text(value)


def _number(value: float | Decimal) -> str:
    if not math.isfinite(value):
        raise UnusableError("is not a finite number")
    whole = isinstance(value, int) or value == int(value)
    try:
        if whole:
            return str(int(value))
        return format(value, "f") if isinstance(value, Decimal) else repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        raise UnusableError("is a number with too many digits") from None


def without_end_marks(text: str) -> str:
    """Return a text without the end marks at its end, however many.

    >>> without_end_marks("5</s>"), without_end_marks("So. <|im_end|>\\n<|endoftext|>\\n")
    ('5', 'So. ')
    """
    end = cut = len(text)
    while True:
        while cut and text[cut - 1].isspace():
            cut -= 1
        mark = next((mark for mark in END_MARKS if text.endswith(mark, 0, cut)), None)
        if mark is None:
            return text[:end]
        end = cut = cut - len(mark)


def read_answer(text: str) -> Answer:
    r"""Return the answer in a text that is one, or that states one.

    >>> read_answer("3*4 = <<3*4=12>>12 pears.\n#### 1,200")
    Answer(text='1200', form='after ####', before='3*4 = 12 pears.', marked=False)
    >>> read_answer(r"$\boxed{\frac{1}{2}}$").text, read_answer("x + 1").text
    ('\\frac{1}{2}', 'x + 1')
    """
    stated = _last_lines(text)
    if stated is not None:
        return stated
    box = last_boxed(text)
    if box is None:
        return Answer(text=text)
    return Answer(text=box, form=BOX, before=text if _WORD.search(_unboxed(text)) else "")


def stated_answer(solution: str) -> Answer | None:
    r"""Return the answer that a solution states; None if it states none.

    The last box counts. A solution of at most three words on one line is the answer itself, as in
    DAPO-Math-17k-Processed and in some rows of s1K.

    >>> stated_answer(r"So $x = \boxed{3}$, or \boxed{4}.").text, stated_answer("$x = 5$").text
    ('4', '$x = 5$')
    >>> stated_answer("It follows that it is so.")
    """
    stated = _last_lines(solution)
    if stated is not None:
        return stated
    try:
        return Answer(text=boxed_gold(solution), form=BOX, before=solution)
    except ValueError:
        pass
    bare = solution.strip()
    if len(bare) <= _SHORT and "\n" not in bare and len(_WORD.findall(bare)) <= _FEW:
        return Answer(text=solution)
    return None


def _last_lines(text: str) -> Answer | None:
    """Return the answer that the last line, or the last two, state in a form of their own."""
    before, said = _cut_last_line(text)
    match = _SAID.match(said)
    answer = said[match.end() :].strip() if match else ""
    if answer:
        return Answer(text=answer, form=SAID, before=without_statement(before))
    where = 0 if text.startswith("####") else text.rfind("\n####") + 1
    if not where and not text.startswith("####"):
        return None
    line, _, after = text[where:].lstrip("#").partition("\n")
    answer = line.strip()
    if not answer or after.strip():
        return None
    # As verl's preparation of GSM8K: its reward takes the separators out of the response only.
    return Answer(
        text=plain(answer), form=HASH, before=without_calculator_marks(text[:where]).strip()
    )


def without_statement(solution: str) -> str:
    """Return a solution without a last line that does nothing but state the answer.

    >>> without_statement("It is 5." + chr(10) + "#### 5" + chr(10) + "The answer is: 5")
    'It is 5.'
    """
    for _ in range(2):
        before, line = _cut_last_line(solution)
        if not line.startswith("####") and not _SAID.match(line):
            break
        solution = before
    return solution


def _cut_last_line(text: str) -> tuple[str, str]:
    """Return what is before the last line that is not blank, and that line."""
    before, _, line = text.rstrip().rpartition("\n")
    return before, line.strip()


def _unboxed(text: str) -> str:
    return text.replace("boxed", "").replace("fbox", "")


def plain(answer: str) -> str:
    r"""Return a number without its thousands separators; any other answer as it is.

    >>> plain("-1,200.5"), plain("(1,200)"), plain("1,20")
    ('-1200.5', '(1,200)', '1,20')
    """
    return answer.replace(",", "") if _THOUSANDS.fullmatch(answer) else answer
