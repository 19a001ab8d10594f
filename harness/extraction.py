r"""Response -> candidate answer, with the name of the rule that found it.

The one decision here: an answer is what the response *states last*, under the
most explicit form it uses. The rules go from explicit to lenient, and the
first that finds something ends the search:

==============  ==============================================================
``boxed``       the last ``\boxed{…}`` in which something stands
``hash``        the last ``#### 42`` (GSM8K's marker, not a markdown heading)
``answer-is``   the last "answer is …", "Answer: …"
``last-number`` the last number; only of a response that ended by itself
==============  ==============================================================

Text inside a thinking block never counts. Responses come from a model under
training, so every step takes time linear in the text, however hostile.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.boxed import last_boxed

MAXIMUM_ANSWER_LENGTH = 2_000
"""A longer candidate is no answer: cut short it would state something else."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """The candidate answer of one response."""

    answer: str
    """The candidate as the response writes it, without its box or marker."""
    rule: str
    """The rule that found it: `boxed`, `hash`, `answer-is` or `last-number`."""


def extract(response: str, *, truncated: bool = False) -> Extraction | None:
    r"""Return the answer a response states, or None when it states none.

    ``truncated`` says that the token limit cut the response off: then its last
    number proves nothing, and a statement that the cut runs through does not count.

    >>> extract(r"<think>\boxed{7}</think> So it is \boxed{8}.")
    Extraction(answer='8', rule='boxed')
    >>> extract("The answer is **42**.")
    Extraction(answer='42', rule='answer-is')
    >>> extract("it was 12 and", truncated=True) is None
    True
    """
    text = _after_thinking(response)
    if text is None:
        return None
    for name, rule in _RULES.items():
        answer = rule(text, truncated)
        if answer:
            return Extraction(answer, name) if len(answer) <= MAXIMUM_ANSWER_LENGTH else None
    return None


def _after_thinking(response: str) -> str | None:
    """Return what follows the last closed thinking block, or None if one stays open.

    A template may have opened the block in the prompt, so ``</think>`` alone closes one.
    """
    _, _, text = response.rpartition("</think>")
    return None if "<think>" in text else text


def _boxed(text: str, truncated: bool) -> str | None:
    return last_boxed(text)


# The rest of the marker's line; each line is read once, whatever stands in it.
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n#][^\n]*)")
# "#### 2. Solve for x" and "#### Conclusion" are headings.
_HEADING = re.compile(r"\d{1,3}[.)]\s+\D|\d{1,3}[.)]\s*\*\*|[*_]*[A-Za-z]{2}")


def _hash(text: str, truncated: bool) -> str | None:
    found = None
    for match in _HASH.finditer(text):
        cut_off = truncated and match.end() == len(text)
        if not cut_off and not _HEADING.match(match[1]):
            found = match[1]
    return _tidy(found[: MAXIMUM_ANSWER_LENGTH + 1]) if found else None


_ANSWER = re.compile("answer", re.IGNORECASE)
_ATTEMPTS = 100
"""How many mentions of the word are tried: an attempt may read on for a whole window."""
# What may stand between the word and its value. Every repeat is bounded, so
# that one attempt costs a constant however often the word is said.
_STATES = re.compile(
    r"""(?:s|\(s\))?[*_"'\u201d]{0,4}
    (?: (?:[^.\n:=\\$]{0,60}?\b(?:is|are)\b) | \s{0,3}[:\uff1a=] | \s{0,3}(?=\$|\\[(\[]) )
    [*_]{0,4}\s{0,3}[:\uff1a]?[*_]{0,4}
    (?:\s{0,3}(?:therefore|thus|simply|just|exactly|approximately|equal\ to)\b,?)?
    \s{0,3}[*_]{0,4}""",
    re.VERBOSE | re.IGNORECASE,
)
_MATHS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_STATEMENT_END = re.compile(r"\n|[.;!?](?=\s|\*|$)|\*\*|</")


def _answer_is(text: str, truncated: bool) -> str | None:
    """Go back from the last "answer" to the first one that states a value."""
    last_words = deque((match.end() for match in _ANSWER.finditer(text)), maxlen=_ATTEMPTS)
    for word in reversed(last_words):
        statement = _STATES.match(text, word)
        value = _value(text, statement.end(), truncated) if statement else None
        if value and not _ANSWER.search(value):
            return value
    return None


def _value(text: str, start: int, truncated: bool) -> str | None:
    """Read the value stated from ``start`` on: a formula, or text up to the sentence's end."""
    # Beyond the limit nothing is an answer; a window keeps each attempt bounded.
    window = text[start : start + MAXIMUM_ANSWER_LENGTH]
    for opening, closing in _MATHS:
        if window.startswith(opening):
            end = window.find(closing, len(opening))
            if end > 0:
                return _formula(window, opening, closing, end)
            if opening != "$":  # an opening dollar may be a currency
                return None
    end_match = _STATEMENT_END.search(window)
    if end_match is None and (truncated or len(window) == MAXIMUM_ANSWER_LENGTH):
        return None
    value = window[: end_match.start()] if end_match else window
    return _tidy(_said_in(value))


_EMPHASISED = re.compile(r"\*\*([^*\n]{1,200})\*\*|\$([^$\n]{1,200})\$|\\\(([^\n]{1,200}?)\\\)")
_COPULA = re.compile(r"\s(?:is|are|equals)\s")
# A word of prose, and not the name of a function or constant.
_WORD = re.compile(r"(?<![\\A-Za-z{])(?!(?:and|or|sqrt|sin|cos|tan|log|exp|inf)\b)[A-Za-z]{3,}")


def _said_in(sentence: str) -> str:
    """Return the value in a sentence such as "the largest one is **7** apples".

    A sentence without words of prose is the value; otherwise what it emphasises
    or sets as a formula is, or its number if it has only one.
    """
    sentence = _COPULA.split(sentence)[-1]
    if not _WORD.search(sentence):
        return sentence
    emphasised = list(_EMPHASISED.finditer(sentence))
    if emphasised:
        return str(emphasised[-1][emphasised[-1].lastindex or 0])
    numbers = list(_NUMBER.finditer(sentence))
    return numbers[0][0] if len(numbers) == 1 else sentence


def _formula(window: str, opening: str, closing: str, end: int) -> str | None:
    """Return the formula, and the further ones of a list: ``$1$, $2$ and $3$``."""
    value = window[len(opening) : end].strip()
    rest = window[end + len(closing) :]
    while following := re.match(
        r"\s{0,3}(?:,\s{0,3}and|,|and|or)\s{1,3}" + re.escape(opening), rest
    ):
        end = rest.find(closing, following.end())
        if end < 0:
            break
        value += ", " + rest[following.end() : end].strip()
        rest = rest[end + len(closing) :]
    return value or None


_NUMBER = re.compile(
    r"""(?: (?<![\w)}\]]) [-\u2212] [ ]? )? \$?
    (?: \\[dt]?frac\{\s?-?\d+\s?\}\{\s?\d+\s?\}
      | (?: (?: \d{1,3}(?:,\d{3})+(?!\d) | \d+ ) (?:\.\d+)? | \.\d+ ) (?: [ ]?/[ ]?\d+ )? )
    (?: [ ]?\\?% )?""",
    re.VERBOSE | re.ASCII,
)
_NUMBER_LENGTH = 200


def _last_number(text: str, truncated: bool) -> str | None:
    """Return the last number written in digits; a last resort, so never of a truncated response."""
    last_digit = max(text.rfind(digit) for digit in "0123456789")
    if truncated or last_digit < 0:
        return None
    window = text[max(0, last_digit - _NUMBER_LENGTH) : last_digit + 4]
    numbers = [match[0] for match in _NUMBER.finditer(window)]
    if not numbers or len(numbers[-1]) >= _NUMBER_LENGTH:
        return None
    return numbers[-1].replace("\u2212", "-").replace("- ", "-").replace("$", "")


def _tidy(value: str) -> str | None:
    r"""Strip emphasis, a formula's signs and a sentence's full stop from around a value.

    >>> _tidy(" **$42$.** ")
    '42'
    """
    value = value.strip().strip("*_").strip()
    value = value.rstrip(".").rstrip()
    for opening, closing in _MATHS:
        inner = value[len(opening) : -len(closing)]
        if value.startswith(opening) and value.endswith(closing) and opening not in inner:
            return inner.strip() or None
    return value.strip("*").strip() or None


_RULES: dict[str, Callable[[str, bool], str | None]] = {
    "boxed": _boxed,
    "hash": _hash,
    "answer-is": _answer_is,
    "last-number": _last_number,
}
