r"""Answers to a multiple choice: a letter, a value, or both, as in ``\textbf{(C)}\ 12``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.grading.answers.notation import closing_brace

_LONGEST = 800
_LONE_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Ja-j](?![A-Za-z])")
_STYLE = re.compile(r"\\(?:text[a-z]{0,6}|math(?:rm|bf|sf|it)|mbox|hbox|bold|operatorname)\s?\{")
_SWITCH = re.compile(r"\\(?:bf|rm|it|sf|bfseries)(?![A-Za-z])")
_BLANK = re.compile(r"(?:\\[,;:> ]|\\q?quad(?![A-Za-z])|~|\s){1,20}")
_SAID = (
    r"(?:(?:[Tt]he\s)?(?:[Cc]orrect\s|[Ff]inal\s)?(?:[Aa]nswer|[Oo]ption|[Cc]hoice|[Ss]tatement)"
    r"\s?(?:is\s?)?:?\s?)"
)
_AT_START = re.compile(
    rf"\s?{_SAID}{{0,2}}\{{?(?:\(\s?([A-Ja-j])\s?\)|([A-J])[).:]|([a-j])\))\}}?(?![0-9])"
    r"(?![.:,]?[-+*/^=_(!'])(?!\s?[.:,]?[+*/^=_(!'])\s?[:.,]?\s?(.{0,600})",
    re.DOTALL,
)
_SAID_LETTER = re.compile(rf"\s?{_SAID}{{1,2}}([A-J])(?:\s?[:.,)]\s?(.{{0,600}}))?\s?", re.DOTALL)
_AT_END = re.compile(r"(.{1,600}?)\s?[,;]?\s\(\s?([A-J])\s?\)\s?\.?", re.DOTALL)
_NAMED_LAST = re.compile(
    r"(.{1,600}?)\s?,?\s(?:i\.e\.,?\s|that is,?\s|which is\s|so\s)?\(?(?:option|choice|answer)\s"
    r"\(?([A-J])\)?\)?\s?\.?",
    re.DOTALL,
)
_ALONE = re.compile(r"\s?\{?\(?\s?([A-Ja-j])\s?\)?\}?\s?[.:]?\s?")


@dataclass(frozen=True, slots=True)
class Choice:
    """A letter, and the text that stands beside it: empty if it stands alone."""

    letter: str
    value: str


def read_choice(answer: str) -> Choice | None:
    r"""Return the choice that an answer names, or None.

    >>> read_choice(r"\textbf{(C)}\ 12"), read_choice("12 (C)").letter
    (Choice(letter='C', value='12'), 'C')
    """
    if len(answer) > _LONGEST or not _LONE_LETTER.search(answer):
        return None
    text = _unstyled(answer).strip()
    alone = _ALONE.fullmatch(text)
    if alone is not None:
        letter = alone[1]
        # "x = a" or "i" may be a value; only a capital letter or a bracket makes it a choice.
        return Choice(letter.upper(), "") if letter.isupper() or ")" in text else None
    for pattern in (_AT_START, _SAID_LETTER):
        found = pattern.fullmatch(text)
        if found is not None:
            *letters, value = found.groups()
            letter = next(group for group in letters if group)
            return _single(letter.upper(), value or "")
    found = _AT_END.fullmatch(text) or _NAMED_LAST.fullmatch(text)
    return _single(found[2], found[1]) if found else None


_ANOTHER = re.compile(r"\(\s?[A-Ja-j]\s?\)|(?<![A-Za-z])[A-J][).:]|^\s?(?:,|&|and\s|or\s)")


def _single(letter: str, value: str) -> Choice | None:
    """Return the choice, unless another letter stands beside it: two letters choose nothing."""
    return None if _ANOTHER.search(value) else Choice(letter, value.strip())


def _unstyled(answer: str) -> str:
    r"""Return the text without ``\text{…}`` and the like around its parts and with blanks."""
    text = answer.replace("**", "").replace("$", "")
    characters = [*text]
    for match in _STYLE.finditer(text):
        end = closing_brace(text, match.end())
        if end is not None:
            characters[match.start() : match.end()] = [""] * len(match[0])
            characters[end - 1] = " "
    text = "".join(characters)
    return _BLANK.sub(" ", _SWITCH.sub("", text))
