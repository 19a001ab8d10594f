r"""Find answers that a response announces: in a tag, after ``####``, after the word "answer".

The one decision here: the last announcement with a value after it counts. Text
that cannot be read as a value is prose about the answer and is passed over; so is
what is denied or supposed ("the answer is not 5", "if the answer were 5").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.extraction.clauses import before_clause
from harness.extraction.formulas import formula_at, only_names
from harness.extraction.languages import ASCII_NOUNS, NOUNS, Noun
from harness.extraction.reply import Reply
from harness.extraction.values import MAXIMUM_ANSWER_LENGTH, is_plain, tidy, value_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """An answer that a mark encloses or precedes."""

    start: int
    """The index in the text at which the mark opens."""
    end: int
    """The index in the text at which the answer, or its closing mark, ends."""
    content: str
    """The marked text, stripped; it is never empty."""


# A closing tag ends in one of these. To look for them first is much cheaper than the pattern.
_CLOSING = ("nswer>", "NSWER>", "nswer]", "NSWER]", "<|end_of_box|>")
_TAG = re.compile(
    r"<(?P<end>/?)(?:final[_ -]?)?answer> | \[(?P<stop>/?)(?:final[_ -]?)?answer\]"
    r" | <\|(?:begin|(?P<close>end))_of_box\|>",
    re.VERBOSE | re.IGNORECASE,
)


def last_tag(text: str) -> Marked | None:
    """Return the last complete ``<answer>…</answer>`` (or GLM's box) that is not empty."""
    found = opening = None
    for tag in _TAG.finditer(text) if any(each in text for each in _CLOSING) else ():
        if not (tag["end"] or tag["stop"] or tag["close"]):
            opening = tag
        elif opening:
            content = text[opening.end() : tag.start()].strip()
            if content:
                found = Marked(start=opening.start(), end=tag.end(), content=content)
            opening = None
    return found


# The rest of the marker's line. The pattern reads each line once, so its time is linear.
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*([^\n#][^\n]*)")
# "#### 2. Solve for x" and "#### Conclusion" are headings.
_HEADING = re.compile(r"\d{1,3}[.)]\s+\D|\d{1,3}[.)]\s*\*\*|[*_]*[A-Za-z]{2}")


def last_hash(reply: Reply) -> Marked | None:
    """Return what stands after the last ``####`` that is not a heading."""
    found = None
    for match in _HASH.finditer(reply.text) if "####" in reply.text else ():
        cut_off = reply.truncated and match.end() == len(reply.text)
        if not cut_off and not _HEADING.match(match[1]):
            found = match
    value = tidy(found[1][: MAXIMUM_ANSWER_LENGTH + 1]) if found else None
    return Marked(start=found.start(), end=found.end(), content=value) if found and value else None


_ATTEMPTS = 100
"""How many mentions of the word are tried. Each attempt may read a whole window of text."""
_HEADING_WORDS = 4
_LIST_MARK = re.compile(r"\d{1,2}[.)]\s|[-*\u2022]\s")
_STATEMENT_END = re.compile(
    r"""\n | [.!?](?=\s|\*|$) (?<!\bi\.e\.)(?<!\be\.g\.)(?<!\bapprox\.)(?<!\bca\.)
    | ;(?=\s|\*|$) (?!\s?[-\u2212]?\d[\d.,/]{0,20}(?:[;.\n]|\Z))  # else a list: "2; 3"
    | [\u3002\uff1b\uff01\uff1f\u0964\u061f] | \*\*(?=\W|$) | </""",
    re.VERBOSE,
)


def answer_is(reply: Reply, *, plain: bool = False) -> str | None:
    """Return the value after the last mention of "answer" that has one, or None.

    With ``plain``, the value must be all that the statement says: "the answer is 12", but not
    "the answer is 12 times as large" and not "the answer to part (a) is 12".
    """
    for noun, start in _mentions(reply.text):
        if noun.is_result and (plain or not _in_last_sentence(reply.text, start)):
            continue
        value = None if noun.is_result else _said_before(reply.text, noun, start)
        if value:
            return value
        statement = noun.states.match(reply.text, start)
        if statement is None or not _is_claimed(reply.text, noun, statement, plain=plain):
            continue
        value = _stated(reply, noun, statement, plain=plain)
        if value and "boxed" not in value and "nswer" not in value:
            return value
    return None


_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n|[\u3002\uff01\uff1f]")


def _in_last_sentence(text: str, start: int) -> bool:
    end = _SENTENCE_END.search(text, start, start + MAXIMUM_ANSWER_LENGTH)
    return not any(map(str.isalnum, text[end.end() if end else start + MAXIMUM_ANSWER_LENGTH :]))


def _mentions(text: str) -> Iterator[tuple[Noun, int]]:
    """Yield each mention of the word and the index at which it ends, the last mention first."""
    found = []
    for noun in ASCII_NOUNS if text.isascii() else NOUNS:
        if noun.tail not in text:  # much faster than to look for the last one
            continue
        position = len(text)
        for _ in range(_ATTEMPTS):
            position = text.rfind(noun.tail, 0, position)
            if position < 0:
                break
            if _begins(text, position - 1, noun):
                found.append((position + len(noun.tail), noun))
    found.sort(key=lambda mention: mention[0], reverse=True)
    for end, noun in found[:_ATTEMPTS]:
        yield noun, end


def _begins(text: str, index: int, noun: Noun) -> bool:
    """Say whether the noun begins at the index, and no longer word has it as its end."""
    if index < 0 or text[index].lower() != noun.word[0].lower():
        return False
    return index == 0 or not noun.language.spaced or not text[index - 1].isalpha()


_DENIED = re.compile(
    r"""\b(?:not|never|cannot|neither|nor|nicht|kein|niet|inte|ikke|non|pas|no|n\u00e3o|nie
      | kh\u00f4ng|bukan|\u043d\u0435|\u03b4\u03b5\u03bd|de\u011fil)\b | n['\u2019]t\b
    | \u4e0d | \u975e | \u306a\u3044 | \uc544\ub2c8 | \u0e44\u0e21\u0e48
    | \u0928\u0939\u0940\u0902 | \u09a8\u09af\u09bc | \u0644\u064a\u0633 | \u05dc\u05d0""",
    re.VERBOSE | re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"\b(?:if|whether|suppos\w+|assum\w+|unless|were|verify\w*|check\w*|confirm\w*)\b[^,:]*\Z",
    re.IGNORECASE,
)
_NOT_THE_ANSWER = re.compile(
    r"\b(?:wrong|incorrect|previous|earlier|initial|first|intermediate|partial|tempting|naive"
    r"|student'?s|original)\s(?:final\s)?\Z",
    re.IGNORECASE,
)
_OF_A_PART = re.compile(
    r"""\b(?:part|step|first|previous|sub|if|would|could|might|may|format|form
    |approximately|about|roughly|nearly|decimal|numerically)\b|\([a-h]\)""",
    re.VERBOSE | re.IGNORECASE,
)
_ROUNDED = re.compile(r"decimal|numerical|approximat|round", re.IGNORECASE)
_LOOK_BACK = 80


def _is_claimed(text: str, noun: Noun, statement: re.Match[str], *, plain: bool) -> bool:
    start = statement.start() - len(noun.word)
    before = _STATEMENT_END.split(text[max(0, start - _LOOK_BACK) : start])[-1]
    if _SUPPOSED.search(before) or _NOT_THE_ANSWER.search(before):
        return False
    if plain and (_OF_A_PART.search(statement[0]) or _ROUNDED.search(before)):
        return False
    return not _DENIED.search(statement[0])


# "42 is the answer": the value stands before the noun.
_SAID_BEFORE = re.compile(
    r"(?P<value>\$[^$\n]{1,60}\$|\\\([^\n]{1,60}?\\\)|[^\s,;:]{1,60})\s(?:is|are)\s(?:the|our|my|your)\s"
    r"(?:final\s|correct\s){0,2}\Z"
)


def _said_before(text: str, noun: Noun, end: int) -> str | None:
    start = end - len(noun.word)
    before = _STATEMENT_END.split(text[max(0, start - _LOOK_BACK) : start])[-1]
    said = None if _SUPPOSED.search(before) else _SAID_BEFORE.search(before)
    value = tidy(said["value"]) if said else None
    return value if value and is_plain(value) else None


# "not 41 but 42" states the second value.
_RATHER = re.compile(r"\b(?:but|sondern|mais|sino|mas|\u0430|\u800c\u662f)(?:\s(?:rather|is))?\s")
_JSON_KEY = re.compile(r"""(["'])\s?:\s{0,8}\Z""")
_JSON_VALUE = re.compile(r""""(?:[^"\\\n]|\\.){1,2000}"|'[^'\n]{1,2000}'|\[[^\[\]{}]{1,2000}\]""")
_JSON_END = re.compile(r"[,}\n]")


def _stated(reply: Reply, noun: Noun, statement: re.Match[str], *, plain: bool) -> str | None:
    text, start = reply.text, statement.end()
    if _JSON_KEY.search(statement[0]):
        value = _json_value(text[start : start + MAXIMUM_ANSWER_LENGTH])
        return value if value and (not plain or is_plain(value)) else None
    if statement["heading"]:
        line = text[text.rfind("\n", 0, statement.start()) + 1 : statement.start()]
        if len(line) > 60 or len(line.split()) > _HEADING_WORDS:
            return None
    if "\n" in statement[0]:
        item = _BULLET.match(text, start, start + MAXIMUM_ANSWER_LENGTH)
        start = item.end() if item else start
        if not item and _LIST_MARK.match(text, start):
            return None
    fence = _FENCE.match(text, start)
    start = fence.end() if fence else start
    value = _value(reply, start, plain=plain)
    if value and noun.language.decimal_comma:
        value = _DECIMAL_COMMA.sub(r"\1{,}\2", value)
    return value


_DECIMAL_COMMA = re.compile(r"\A([-\u2212]?\d{1,20}),(\d{1,2}|\d{4,20})(?!\d)")


def _json_value(window: str) -> str | None:
    """Return the value of a field in JSON; a number or a word ends at the next comma or brace."""
    if window.startswith(_NO_VALUE):
        return None
    value = _JSON_VALUE.match(window)
    if value is None:
        return tidy(_JSON_END.split(window, maxsplit=1)[0])
    return tidy(_JSON_ESCAPE.sub(r"\1", value[0]))


_JSON_ESCAPE = re.compile(r"""\\(["'\\])""")
_NO_VALUE = ("{", "null", "None")
_FENCE = re.compile(r"\s{0,4}```\w{0,12}\n")
_BULLET = re.compile(r"[-*\u2022]\s(?![^\n]*\n\s*[-*\u2022]\s)")


def _value(reply: Reply, start: int, *, plain: bool) -> str | None:
    """Read the value stated from ``start`` on: a formula, or text up to the sentence's end."""
    while True:
        # No answer is longer than the limit, and a window keeps each attempt bounded.
        window = reply.text[start : start + MAXIMUM_ANSWER_LENGTH]
        formula = formula_at(window, 0)
        named = formula and only_names(formula.content) and _IS_SAID.match(window, formula.end)
        if not named:
            break
        start += named.end()  # "$n$ is 34", "$x$ = 5": the value follows the name
    end = _STATEMENT_END.search(window, formula.end if formula else 0)
    if formula:
        rest = window[formula.end : end.start() if end else None]
        if plain and not is_plain("1 " + before_clause("1 " + rest)[2:]):
            return None
        return formula.content + ("\\%" if _PERCENT.match(window, formula.end) else "")
    if window.startswith((r"\(", r"\[", "$$")):
        return None
    if end is None and (reply.truncated or len(window) == MAXIMUM_ANSWER_LENGTH):
        return None
    if end and end[0] in _QUESTION_MARKS:
        return None
    sentence = window[: end.start()] if end else window
    if end and sentence.endswith((":", "\uff1a")):
        return _announced(reply, window, end.end(), plain=plain)
    return _in_sentence(sentence, plain=plain)


_QUESTION_MARKS = ("?", "\uff1f", "\u061f")
_IS_SAID = re.compile(r"\s{0,3}(?:is|are|equals|=)\s")
_PERCENT = re.compile(r"\s?(?:\\?%|per ?cent\b)")
_BLANKS = re.compile(r"\s{0,8}")


def _in_sentence(sentence: str, *, plain: bool) -> str | None:
    if _DENIED.match(sentence):
        rather = _RATHER.search(sentence)
        if rather is None:
            # "No" is an answer, and so is "no solution"; what follows "not" is none.
            return None if not _NO.match(sentence) else tidy(before_clause(sentence))
        sentence = sentence[rather.end() :]
    head = before_clause(sentence)
    value = tidy(head if plain else value_in(head))
    return value if value and (not plain or is_plain(value)) else None


_NO = re.compile(r"no\b", re.IGNORECASE)


def _announced(reply: Reply, window: str, start: int, *, plain: bool) -> str | None:
    """Read the value on the line after "the answer is:", where a colon ends the line before."""
    blanks = _BLANKS.match(window, start)
    formula = formula_at(window, blanks.end() if blanks else start)
    if formula:
        return formula.content
    line, _, rest = window[start:].lstrip().partition("\n")
    complete = rest or not reply.truncated
    return _in_sentence(line, plain=plain) if complete and not line.endswith(":") else None
