r"""Find answers that a response announces: in a tag, after ``####``, after the word "answer".

The one decision here: the last announcement with a value after it counts. Text
that cannot be read as a value is prose about the answer and is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.extraction.formulas import formula_at, only_names
from harness.extraction.reply import Reply
from harness.extraction.values import MAXIMUM_ANSWER_LENGTH, tidy, value_in

_TAGS = (("<answer>", "</answer>"), ("<|begin_of_box|>", "<|end_of_box|>"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag that holds an answer."""

    start: int
    """The index in the text at which the tag opens."""
    content: str
    """The text inside the tag, stripped; it is never empty."""


def last_tag(text: str) -> Tag | None:
    """Return the last complete ``<answer>…</answer>`` (or GLM's box) that is not empty."""
    if "<" not in text:
        return None
    tags = [tag for opening, closing in _TAGS if (tag := _last_tag(text, opening, closing))]
    return max(tags, key=lambda tag: tag.start, default=None)


def _last_tag(text: str, opening: str, closing: str) -> Tag | None:
    start = len(text)
    while (end := text.rfind(closing, 0, start)) >= 0:
        start = text.rfind(opening, 0, end)
        if start < 0:
            return None
        content = text[start + len(opening) : end].strip()
        if content:
            return Tag(start=start, content=content)
    return None


# The rest of the marker's line. The pattern reads each line once, so its time is linear.
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n#][^\n]*)")
# "#### 2. Solve for x" and "#### Conclusion" are headings.
_HEADING = re.compile(r"\d{1,3}[.)]\s+\D|\d{1,3}[.)]\s*\*\*|[*_]*[A-Za-z]{2}")


def hash_mark(reply: Reply) -> str | None:
    """Return what stands after the last ``####`` that is not a heading."""
    found = None
    for match in _HASH.finditer(reply.text) if "####" in reply.text else ():
        cut_off = reply.truncated and match.end() == len(reply.text)
        if not cut_off and not _HEADING.match(match[1]):
            found = match[1]
    return tidy(found[: MAXIMUM_ANSWER_LENGTH + 1]) if found else None


# The word "answer" in several languages, without a first letter that may be a capital.
_WORDS = (
    *("nswer", "NSWER", "ntwort", "\u00e9ponse", "espuesta", "isposta", "esposta", "dpowied\u017a"),
    *("\u0442\u0432\u0435\u0442", "\u7b54\u6848", "\u7b54\u3048", "\uc815\ub2f5"),
)
_ATTEMPTS = 100
"""How many mentions of the word are tried. Each attempt may read a whole window of text."""
_COPULA = r"\b(?:is|are|be|equals|est|ist|es|\u00e8|\u00e9|jest|\u0440\u0430\u0432\u0435\u043d)\b"
# What may stand between the word and its value. Every repeat is bounded, so
# that one attempt takes constant time however often the word occurs.
_STATES = re.compile(
    rf"""(?:s|S|\(s\)|\u662f|\u4e3a|\u306f|:)?[*_"'\u201d]{{0,4}}
    (?: (?:[^.\n:=\\$]{{0,60}}?{_COPULA}) | \s{{0,3}}[:\uff1a=] | \s{{0,3}}(?=\$|\\[(\[])
      | (?P<heading>[ \t]{{0,3}}(?:[*_#-]{{1,4}}\s{{0,3}})?\n) | (?<=[\u662f\u4e3a\u306f:]) )
    [*_]{{0,4}}\s{{0,3}}[:\uff1a]?[*_]{{0,4}}
    (?:\s{{0,3}}(?:therefore|thus|simply|just|exactly|approximately|equal\ to|indeed|clearly
      |definitely|actually|then|hence|about|still|now)\b,?)?
    \s{{0,3}}[*_]{{0,4}}""",
    re.VERBOSE | re.IGNORECASE,
)
_HEADING_WORDS = 4
_LIST_MARK = re.compile(r"\d{1,2}[.)]\s|[-*]\s")
_STATEMENT_END = re.compile(r"\n|[.;!?](?=\s|\*|$)|[\u3002\uff1b\uff01\uff1f]|\*\*|</")


def answer_is(reply: Reply) -> str | None:
    """Return the value after the last mention of "answer" that has one, or None."""
    for word in _mentions(reply.text):
        statement = _STATES.match(reply.text, word)
        value = _stated(reply, statement) if statement else None
        if value and "boxed" not in value and not any(other in value for other in _WORDS):
            return value
    return None


def _mentions(text: str) -> Iterator[int]:
    """Yield the index at which each mention of the word ends, the last mention first."""
    ends = []
    for word in _WORDS:
        position = len(text)
        for _ in range(_ATTEMPTS):
            position = text.rfind(word, 0, position)
            if position < 0:
                break
            ends.append(position + len(word))
    yield from sorted(ends, reverse=True)[:_ATTEMPTS]


def _stated(reply: Reply, statement: re.Match[str]) -> str | None:
    text, start = reply.text, statement.end()
    if statement["heading"]:
        line = text[text.rfind("\n", 0, statement.start()) + 1 : statement.start()]
        if len(line) > 60 or len(line.split()) > _HEADING_WORDS or _LIST_MARK.match(text, start):
            return None
    return _value(reply, start)


def _value(reply: Reply, start: int) -> str | None:
    """Read the value stated from ``start`` on: a formula, or text up to the sentence's end."""
    while True:
        # No answer is longer than the limit, and a window keeps each attempt bounded.
        window = reply.text[start : start + MAXIMUM_ANSWER_LENGTH]
        formula = formula_at(window, 0)
        named = formula and only_names(formula.content) and _IS_SAID.match(window, formula.end)
        if not named:
            break
        start += named.end()  # "$n$ is 34", "$x$ = 5": the value follows the name
    if formula:
        return formula.content + ("\\%" if _PERCENT.match(window, formula.end) else "")
    if formula is None and window.startswith((r"\(", r"\[", "$$")):
        return None
    end = _STATEMENT_END.search(window)
    if end is None and (reply.truncated or len(window) == MAXIMUM_ANSWER_LENGTH):
        return None
    value = window[: end.start()] if end else window
    if end and value.endswith((":", "\uff1a")):
        return _announced(reply, window, end.end())
    return tidy(value_in(value))


_IS_SAID = re.compile(r"\s{0,3}(?:is|are|equals|=)\s")
_PERCENT = re.compile(r"\s?(?:\\?%|per ?cent\b)")
_BLANKS = re.compile(r"\s{0,8}")


def _announced(reply: Reply, window: str, start: int) -> str | None:
    """Read the value on the line after "the answer is:", where a colon ends the line before."""
    blanks = _BLANKS.match(window, start)
    formula = formula_at(window, blanks.end() if blanks else start)
    if formula:
        return formula.content
    line, _, rest = window[start:].lstrip().partition("\n")
    complete = rest or not reply.truncated
    return tidy(value_in(line)) if complete and not line.endswith(":") else None
