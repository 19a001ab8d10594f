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
    r"""(?P<name> (?: [A-Za-z]\w{0,19}'? | \\[A-Za-z]{2,10} | \\(?:text|mathrm)\{[^{}]{1,30}\} )
        (?: _(?:\w|\{\w{1,9}\}) )? (?: \([\w,\ ]{1,9}\) )? )
    (?P<sign> \s?&?[=:] ) [\s$*]{0,4} (?:\\[(\[])? \s{0,2} \Z""",
    re.VERBOSE,
)
_SENTENCE_END = re.compile(
    r"[.!?:](?:[*$)\]]|\\[)\]]){0,3}(?:\s|\Z)|[\u3002\uff01\uff1f\uff1a]|\n\s*\n"
)
_NOT_A_LIST = re.compile(
    r"""\b(?: so | now | thus | hence | therefore | then | wait | actually | no | not | but
      | however | or(?=,) | instead | rather | wrong | correct\w* | incorrect | right | because
      | since | as | giv\w+ | get\w* | obtain\w* | yield\w* | become\w* | impl\w+ | sum\w*
      | total\w* | final\w* | altogether | equal\w* | equivalent\w* | that\ is | i\.e | e\.g
      | about | approx\w* | roughly | answers?\s?(?:is|are|\Z) | simplif\w+ | substitut\w+
      | check\w* | verif\w+ | again | which | step | thought | initial\w* | later | revis\w+
      | simplest | form | decimal | exact\w* | attempt | written | namely | also\ be )\b
    | [+=<>\u2248\u2192\u21d2] | \\(?:approx|to|Rightarrow|rightarrow|implies|iff|equiv|sim)\b
    | \u6240\u4ee5 | \u56e0\u6b64 | \u5373 | \u4e0d | \u5f97""",
    re.VERBOSE | re.IGNORECASE,
)
# "(a) … (b) …" and the items of a list, on lines of their own.
_NEXT_PART = re.compile(
    r"""[\s.]* \n (?: \s{0,6} [-*\u2022] \s
      | [\s*_-]{0,6} (?:part\s)? \(?(?:[b-h]|ii|iii|iv|v|vi)[).:] ) [\s.:)*_]{0,6}""",
    re.VERBOSE | re.IGNORECASE,
)
# "(about \boxed{0.5})", "(or \boxed{50\%})", "\approx \boxed{0.5}"
_REMARK = re.compile(
    r"""(?: (?<!\\)(?<!\w)\([^()\n]{0,60}[a-z]{2}[^()\n]{0,20} | \\approx\s? | \u2248\s?
      | \b(?:about|approximately|roughly)\s )
    [\s$]{0,3}(?:\\\()?\s?\Z""",
    re.VERBOSE,
)


def is_remark(between: str) -> bool:
    """Say whether the text before a box makes it a remark: it is in round brackets, or rounded."""
    return bool(_REMARK.search(between[-LONGEST_SEPARATOR:]))


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
    named = _NAME.search(between)
    words = between[: named.start("sign")] if named else between
    part = _NEXT_PART.search(words)
    if part:
        words = words[: part.start()] + " and " + words[part.end() :]
    if _SENTENCE_END.search(words) or _NOT_A_LIST.search(words):
        return False
    return bool(_JOINS.search(words))


def name_before(text: str) -> str | None:
    """Return the name that the end of the text gives to a value: ``y`` of "x is 2 and y = "."""
    named = _NAME.search(text[-60:])
    return named["name"] if named and "=" in named["sign"] else None
