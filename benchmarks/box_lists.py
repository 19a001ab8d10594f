r"""Tell the boxes of one answer from successive attempts, by the text between two boxes.

Boxes are the parts of one answer if one sentence lists them: a comma, a semicolon, "and" or "or"
stands between them, and no word that concludes, corrects or restates ("so", "gives", "wait",
"that is", "="). Otherwise the later box replaces the earlier one.
"""

from __future__ import annotations

import re

LONGEST_SEPARATOR = 160
"""The most characters between two boxes of one list."""

# Signs alone: "$, $", "\quad\text{and}\quad". Over a blank line, too.
_SIGNS = re.compile(
    r"""(?: [\s$~*,;\uff0c\u3001] | \\[()\[\],;:!\ ] | \\q?quad(?![a-z]) | (?:and|or)(?![a-z])
      | \\(?:text|textrm|mathrm|mbox)\{\s*(?:and|or|,)\s*\} | \u548c | \u6216 )*""",
    re.VERBOSE,
)
_JOINS = re.compile(r"(?<!\\)[,;\uff0c\u3001]|\b(?:and|or)\b|\u548c|\u6216")
# What names the next part: "y =", "b:", "\text{width} =", "f(2) =".
_NAME = re.compile(
    r"""(?P<name> (?: [A-Za-z]\w{0,9}'? | \\[A-Za-z]{2,10} | \\(?:text|mathrm)\{[^{}]{1,30}\} )
        (?: _(?:\w|\{\w{1,9}\}) )? (?: \([\w,\ ]{1,9}\) )? ) \s?&?=\s?\Z""",
    re.VERBOSE,
)
_SENTENCE_END = re.compile(r"[.!?:](?:[*$)\]]|\\[)\]]){0,3}(?:\s|\Z)|[\u3002\uff01\uff1f\uff1a]|\n\s*\n")
_NOT_A_LIST = re.compile(
    r"""\b(?: so | thus | hence | therefore | then | wait | actually | no | not | but | however | or,
      | instead | rather | wrong | correct\w* | incorrect | right | because | since | as | giv\w+
      | get\w* | obtain\w* | yield\w* | become\w* | mean\w* | impl\w+ | sum\w* | total\w* | final\w*
      | altogether | equal\w* | equivalent\w* | that\ is | i\.e | e\.g | about | approx\w* | roughly
      | answers?\s(?:is|are) | simplif\w+ | substitut\w+ | check\w* | verif\w+ | again | which
      | step | attempt | written | namely | also\ be )\b
    | [=<>\u2248\u2192\u21d2] | \\(?:approx|to|Rightarrow|rightarrow|implies|iff|equiv|sim)\b
    | 所以 | 因此 | 即 | 不 | 得""",
    re.VERBOSE | re.IGNORECASE,
)
# "(a) … (b) …" on lines of their own.
_NEXT_PART = re.compile(r"\n[\s*_-]{0,6}(?:part\s)?\(?(?:[b-h]|ii|iii|iv|v|vi)[).:]", re.IGNORECASE)


def are_listed(between: str) -> bool:
    r"""Say whether the two boxes with this text between them are the parts of one answer.

    >>> are_listed(" cats and "), are_listed(r"$, $y="), are_listed(". Wait, it is ")
    (True, True, False)
    """
    if not between:
        return True
    if len(between) > LONGEST_SEPARATOR:
        return False
    if _SIGNS.fullmatch(between):  # only a blank or a line break begins a new attempt
        return bool(_JOINS.search(between))
    words = _NAME.sub("", between)
    part = _NEXT_PART.search(words)
    if part:
        words = words[: part.start()].rstrip().rstrip(".") + " and " + words[part.end() :]
    if _SENTENCE_END.search(words) or _NOT_A_LIST.search(words):
        return False
    return bool(_JOINS.search(words))


def name_before(text: str) -> str | None:
    """Return the name that the end of the text gives to a value: ``y`` of "x is 2 and y = "."""
    named = _NAME.search(text[-60:])
    return named["name"] if named else None
