r"""Find where the value of a sentence ends and a clause about it begins.

The one decision here: a clause that gives a reason, a comparison, a rounding or a remark is no
part of the value ("22, since 5 + 17 = 22", "1/3 (about 33%)", "22, not 24"). A clause that
changes the value stays with it: a condition ("2 if n is even"), a domain ("for x > 0"), a further
value ("3, and 5 for odd n"), a base.
"""

from __future__ import annotations

import re

from harness.extraction.values import NUMBER, WORD

_CLAUSE = re.compile(
    r"""[,;]?\s(?:because|since|which|who|obtained|due\ to|thanks\ to|i\.e|e\.g|viz)\b
    | [,;]\s(?:as|so|not|that\ is|hence|thus)\b | ,?\s(?:and|but)\snot\b
    | \sif\s[^,;\n]{1,80},\s(?:which|and\sit|and\sthis)\s(?:always\s)?(?:holds|is\strue|does)\b
    | ,?\s(?:or|and)\s(?:about|approximately|roughly|nearly|equivalently|so)\b
    | \sout\sof\s(?:the\s)?(?=\d)
    | \s?\u2014 | \s[-\u2013]\s(?=(?-i:(?![A-Z])[^\W\d_]{3})|(?:it|so|as|we|in|by)\b)
    | \s[-\u2013]\s(?=\d{1,20}\s(?:more|less|fewer)\b)
    | :\s(?=[^\n=]{1,200}=)
    | \s?(?<![A-Za-z])[(\uff08](?P<remark>[^()\uff08\uff09\n]{1,200})[)\uff09]
    | [,;]\s(?P<word>[^\W\d_]{2,20}|a(?=\s[a-z]{3}))
    | [,;\uff0c\uff1b]\s?(?P<sign>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])""",
    re.VERBOSE | re.IGNORECASE,
)
_CLAUSES = 20
"""How many places of one sentence are looked at."""
_CHANGES_THE_VALUE = frozenset(
    "and or but if when unless except provided otherwise while whereas for where with without "
    "plus minus times then et ou und oder aber wenn y o e pero mais si se "
    "\u548c \u6216 \u4e14 \u82e5 \u5f53".split()
)
_APPROXIMATION = re.compile(r"[\u2248~]|\\approx|approx|about|rounded")
_BASE = re.compile(r"\s?(?:in\s|to\s)?(?:base|mod)")
_LETTER = re.compile(r"\W*[A-J]\W*")


def before_clause(sentence: str) -> str:
    """Return a sentence without the clause that only speaks about its value.

    >>> before_clause("22, which is even"), before_clause("2 if n is even, and 3 otherwise")
    ('22', '2 if n is even, and 3 otherwise')
    >>> before_clause("1/3 (about 33%)"), before_clause("12 (base 8)"), before_clause("Rome, Italy")
    ('1/3', '12 (base 8)', 'Rome, Italy')
    """
    for _, clause in zip(range(_CLAUSES), _CLAUSE.finditer(sentence), strict=False):
        head = sentence[: clause.start()]
        if head.strip(" *_") and not _is_inside(head) and _ends(head, clause):
            return head
    return sentence


def _is_inside(head: str) -> bool:
    """Say whether what follows stands inside of brackets or of a formula."""
    opened, closed = (sum(map(head.count, signs)) for signs in ("([{", ")]}"))
    return opened > closed or head.replace(r"\$", "").count("$") % 2 == 1


def _ends(head: str, clause: re.Match[str]) -> bool:
    remark, word = clause["remark"], clause["word"] or clause["sign"]
    if remark:
        speaks = WORD.search(remark) or _APPROXIMATION.search(remark) or not remark.isascii()
        return bool(speaks) and not _BASE.match(remark) and _has_value(head)
    if word:
        return word.lower() not in _CHANGES_THE_VALUE and _has_value(head)
    return True


def _has_value(head: str) -> bool:
    return bool(NUMBER.search(head) or _LETTER.fullmatch(head) or not WORD.search(head))
