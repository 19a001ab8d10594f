"""Say which words after a number name what was counted, and which change the number."""

from __future__ import annotations

import re

from harness.grading.answers.units import read_unit

NUMERALS = frozenset(
    "half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths seventh "
    "sevenths eighth eighths ninth ninths tenth tenths twelfth twelfths hundredth hundredths "
    "millionth millionths billionth billionths "
    "thousandth thousandths hundred hundreds thousands millions billions trillions score gross "
    "dozen dozens pair pairs couple triple double twice thrice lakh crore thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty "
    "ninety".split()
)
ARITHMETIC = frozenset(
    "of over plus minus times by divided mod modulo base not nor or and least most than more less "
    "fewer below above under up to squared cubed factorial choose point doubled tripled halved "
    "exceeded grand octal hex hexadecimal binary".split()
)
"""Words that join a number to another one: ``5 percent of 3``, ``2 more than x``."""
_JOINS = frozenset(
    "if when where whenever for with without from between such that which is are was equals equal "
    "unless except given since because as about in on at but the".split()
)
"""Words that begin a clause about the number."""
_RESTRICTING = frozenset("if unless except but is are was were equals".split())
DENYING = frozenset(
    "not wrong incorrect false never cannot rejected extraneous invalid contradiction absurd "
    "impossible fails failed excluded".split()
)
_LONE_LETTER = re.compile(
    r"(?<![A-Za-z] )(?<![A-Za-z\\/])[b-dfi-loqrt-zXYZ](?![A-Za-z]| [A-Za-z](?![A-Za-z]))"
    r"|(?<=[a-z]{2} )[xyzkn]$"
)
_WORD = re.compile(r"[A-Za-z%]+")


def changes_number(unit: str) -> bool:
    """Say whether the words after a number change it, as in ``2 thirds`` and ``5 to 3``."""
    words = _WORD.findall(unit.lower())
    if words == ["times"]:
        return False  # "it happens 4 times"
    letters = bool(_LONE_LETTER.search(unit))
    return bool(words) and (
        (letters and read_unit(unit) is None)
        or not (NUMERALS | DENYING).isdisjoint(words)
        or words[0] in ARITHMETIC | _RESTRICTING
        or "% of" in unit
    )


def is_noun(unit: str) -> bool:
    """Say whether what follows a number is a unit, or the noun of what was counted."""
    if read_unit(unit) is not None:
        return True
    words = _WORD.findall(unit.lower())
    known = NUMERALS | ARITHMETIC | _JOINS
    return bool(words) and known.isdisjoint(words) and all(len(word) >= 3 for word in words)


_KINDS = tuple(
    frozenset(words.split())
    for words in (
        "boy girl", "boys girls", "man woman", "men women", "male female", "males females",
        "son daughter", "sons daughters", "adult child", "adults children", "even odd",
        "red blue green yellow white black orange purple", "win loss", "wins losses",
        "row column", "rows columns", "north south east west", "left right",
        "area perimeter volume", "mean median mode", "minimum maximum",
        "apples oranges", "quotient remainder",
    )
)  # fmt: skip
"""Nouns of which only one can be meant."""


def are_opposite(gold: str, answer: str) -> bool:
    """Say whether two nouns name different things of one kind: 9 boys are not 9 girls."""
    words = [set(_WORD.findall(noun.lower())) for noun in (gold, answer)]
    return any(
        words[0] & kind and words[1] & kind and words[0] & kind != words[1] & kind
        for kind in _KINDS
    )
