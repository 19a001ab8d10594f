r"""Find answers that a response only ends with: an expression, a choice, a formula, a number.

The one decision here: the last thing that a response says is its conclusion,
except for a formula that only qualifies it ("for which $x < 5$", "for every $n$").
"""

from __future__ import annotations

import re

from harness.extraction.formulas import (
    Formula,
    cleaned,
    formula_at,
    formulas_from_the_end,
    listed,
    only_names,
    prose_in,
)
from harness.extraction.values import (
    MAXIMUM_ANSWER_LENGTH,
    NUMBER,
    SMALL_WORD,
    WORD,
    has_number,
    last_number_in,
    tidy,
)

_BRACKETED = re.compile(r"\A\[\s?(\$[^$]{1,2000}\$)\s?\]\Z")
_TERMS = re.compile(r"[\s,.]{0,3}\b(?:where|for all|for every)\b")
# One or two words, and maybe a formula: "Evelyn", "no solution", "odd $n$".
_FEW_WORDS = re.compile(r"(?:[A-Z]?[a-z]{1,20}\b[ -]?){0,2}(?:\$[^$\d]{1,40}\$)?[.]?")

_LABEL = re.compile(r"\w{1,8}:\s")
_NUMBERS = re.compile(r"-?\d+(?:[,:;]\s?-?\d+)+(?<!,\d{3})")


def bare(text: str) -> str | None:
    r"""Return the whole response if it is nothing but an expression or a word or two.

    >>> bare(r"2\sqrt{3}"), bare("odd $n$"), bare("42 because I say so")
    ('2\\sqrt{3}', 'odd $n$', None)
    """
    text = _BRACKETED.sub(r"\1", text.strip())
    if not text or len(text) > MAXIMUM_ANSWER_LENGTH or not any(map(str.isalnum, text)):
        return None
    if text.startswith("\\begin{") and text.endswith("}") and text.count("\\begin{") == 1:
        return text
    if "\n" in text or not _is_whole(text) or _LABEL.match(text):
        return None
    formula = formula_at(text, 0)
    if formula and formula.end == len(text.rstrip(". ")):
        return formula.content
    if _FEW_WORDS.fullmatch(text) or _NUMBERS.fullmatch(text) or _is_expression(text):
        return tidy(text)
    if "where" not in text and "for " not in text:  # most of what comes this far is prose
        return None
    explained = _TERMS.search(text) and not WORD.search(_TERMS.sub("", text))
    return tidy(text) if explained else None


def _is_expression(line: str) -> bool:
    """Say whether a line is an expression: it has no prose and is more than one number."""
    if prose_in(line) or SMALL_WORD.search(line) or not _SYMBOLIC.search(line):
        return False
    whole = _RELATION.search(line) or _EQUATION.fullmatch(line.strip())
    result = line if whole else line.rsplit("=", 1)[-1]
    return not (NUMBER.fullmatch(result.strip(" .$*()[]")) or _MEASURED.fullmatch(result))


_SYMBOLIC = re.compile(
    r"[\\^_(\[{<>\u2264\u2265\u2260\u221a\u03c0\u221e\u222a\u2208\u00b1|]|[A-Za-z]|,\s|\d:\d"
)
_RELATION = re.compile(r"[<>\u2264\u2265\u2260,;]|\\[lg]eq?|\\ne|\\in\b|\b(?:and|or)\b")
# "3x + 4y = 0" is an answer; "x = 5" states a number, "2 km * 3 = 6 km" computes one.
_EQUATION = re.compile(
    r"(?=[^=]{0,200}[+*/^\-\u2212])(?=[^=]{0,200}[A-Za-z])(?!.{0,200}[A-Za-z]{2})[^=]{1,200}=[^=]{1,200}"
)
# "5 cm", "79 g de", "(25 km/h)", "3kg": a number with its unit; "3ab" is none.
_MEASURED = re.compile(
    r"""[=\u2248~*(\ ]*[-\u2212$]?\d[\d.,/]*
    (?: (?:\s|[%\u00b0$\u20ac\u00a3])+ (?:[A-Za-z\u00b0%/.$\u20ac\u00a3]{1,5}\s?){0,3}
      | [ckm]?m | k?g | m?l | ft | lbs? | oz | hrs? )? (?:\^\d)? [*.)\ ]*""",
    re.VERBOSE,
)

_CHOICES = re.compile(
    r"""\b(?:option|choice|finali[sz]e|choose|select|pick|go\ with)\s(?:is\s)?
      \(?\*{0,2}\(?(?P<named>[A-J])\b(?!\s(?!is|because)[a-z])
    | \b(?:it's|it\u2019s|it\ is|it\ must\ be|it\ has\ to\ be)\s
      \(?\*{0,2}\(?(?P<it>[A-J])\b\)?\W{0,4}(?=\n|\Z)
    | \b(?P<right>[A-J])\)?\ is\ (?:correct|(?:the\ )(?:correct|right|best))\b
    | (?:\u6545\u9009|\u9009\u62e9|\u5e94\u9009|\u6240\u4ee5\u9009|\u56e0\u6b64\u9009|\u9009)
      (?:\u9879)?[:\uff1a]?\s?(?P<chinese>[A-J])(?![A-Za-z])
    | (?:\A|\n)\W{0,6}(?P<alone>[A-J])\b\)?\W{0,6}(?=\n|\Z)""",
    re.VERBOSE | re.IGNORECASE,
)
_CAPITAL = re.compile(r"[A-J](?<![0-9A-Za-z_][A-J])(?![0-9A-Za-z_])")
_FIRST_WORD = re.compile(r"\W{0,6}([A-HJ])(?:\)?[.:,\u3002\uff0c]|\)|\s(?:is|because)\b)")


def choice(text: str) -> str | None:
    """Return the letter that the response chooses after its last digit, or None.

    A response without digits may also begin with its letter: "B, because …".

    >>> choice("B is correct. Or maybe C. Actually let's finalize B")
    'B'
    >>> choice("Choose A number.") is None
    True
    """
    tail = text[-MAXIMUM_ANSWER_LENGTH:]
    if not _CAPITAL.search(tail):  # every pattern below needs a capital that stands alone
        return None
    start = 1 + max(tail.rfind(digit) for digit in "0123456789")
    chosen = [found for found in _CHOICES.finditer(tail) if found.start() >= start]
    letters = [found[found.lastgroup] for found in chosen if found.lastgroup]
    letters = [letter for letter in letters if letter.isupper()]
    if letters:
        return letters[-1]
    first = None if start or tail != text else _FIRST_WORD.match(text)
    return first[1] if first else None


def last_number(text: str) -> str | None:
    """Return the last number written in digits, or None. This rule is the last resort.

    Two numbers are returned if they state one value: "5/12 \u2248 0.417", "3 dollars and 20 cents".

    >>> last_number("there are 7 instead of 6."), last_number("it costs 3 dollars and 20 cents.")
    ('7', '3 dollars and 20 cents')
    """
    text = _up_to_aside(_up_to_denial(_up_to_qualification(text)))
    return _stated_twice(text) or last_number_in(text)


_COMPARED = re.compile(
    r"""(?:\b(?:instead\sof|rather\sthan|unlike|(?:more|less|fewer|larger|smaller|greater|higher|lower)\sthan
      |compared\s(?:to|with)|versus|(?:up|down)\sfrom)
    | ,\s(?:since|because|although|though|whereas|while|as)\b(?:\s[A-Za-z']{1,12}){0,4}
    | \b(?:answer|respuesta|antwort|r\u00e9ponse|risposta|resposta)\b[^.\n]{0,20}
      \b(?:exceed|above|below|under|over)
    | ,?\s(?:attained|achieved|reached|obtained)\s(?:for|at|when)\s\$?[A-Za-z]\s?=
    | \b(?:if|suppose|assume)\b[^,.!?\n]{1,60}\b(?:were|was)
    )\s[$*(\\]{0,4}(?=[-\u2212]?\d)""",
    re.VERBOSE | re.IGNORECASE,
)
_NOUNS = ("answer", "respuesta", "antwort", "r\u00e9ponse", "risposta", "resposta")
_QUESTION = re.compile(r"(?:\A|(?<=[.!?\n])\s{0,3}|\n)[^.!?\n]{1,300}\?\W*\Z")


def _up_to_aside(text: str) -> str:
    """Cut off a last number that is only asked, supposed, or compared with another before it."""
    tail = text[-MAXIMUM_ANSWER_LENGTH:]
    question = _QUESTION.search(tail)
    if question and has_number(tail, question.start()):
        return text[: len(text) - len(tail) + question.start()]
    asides = list(_COMPARED.finditer(tail))
    if not asides or len(NUMBER.findall(tail, asides[-1].end())) > 1:
        return text
    head = tail[: asides[-1].start()]
    opening = asides[-1][0].lstrip(" ,").lower()
    supposed = opening.startswith(("if", "suppose", "assume", *_NOUNS))
    if not supposed and not has_number(_SENTENCE_END.split(head)[-1]):
        return text
    return text[: len(text) - len(tail) + asides[-1].start()]


_TWICE = re.compile(
    rf"""(?P<exact>{NUMBER.pattern.replace("?P<percent>", "?:")})\s?(?:,\s)?
    (?:or\s(?:about|approximately|roughly)|\u2248|\\approx|which\sis\sabout)\s?
    (?P<rounded>{NUMBER.pattern.replace("?P<percent>", "?:")})\W{{0,4}}\Z""",
    re.VERBOSE | re.ASCII,
)
_IN_TWO_UNITS = re.compile(
    r"""(\d[\d,]{0,20}\s(?:dollars?|euros?|pounds?|hours?|days?|weeks?|minutes|feet|foot|years?|meters|km|kg)
    ,?\s(?:and\s)?\d[\d.]{0,9}\s(?:cents?|pence|minutes?|seconds?|hours?|days?|inch(?:es)?|ounces?|months?
    |cm|m|g|centimeters))\W{0,4}\Z""",
    re.VERBOSE,
)


_BOLD_BEFORE_ASIDE = re.compile(r"\*\*\s?([-\d.,/]{1,40})\s?\*\*\s?\([^()\n]{1,60}\)\W{0,4}\Z")


def _stated_twice(text: str) -> str | None:
    tail = text[-_NUMBERS_LENGTH:]
    parts = _IN_TWO_UNITS.search(tail) or _BOLD_BEFORE_ASIDE.search(tail)
    if parts:
        return parts[1]
    found = _TWICE.search(tail) if any(sign in tail for sign in _ABOUT) else None
    return rf"{found['exact'].strip()} \approx {found['rounded'].strip()}" if found else None


_NUMBERS_LENGTH = 200
_ABOUT = ("\u2248", "approx", "about", "roughly")


_DENIAL = re.compile(
    r"(?:\b(?:not|never|cannot)|n['\u2019]t)\s(?:be\s|equal\s(?:to\s)?)?[$*(\\]{0,4}(?=[-\u2212]?\d)"
)


def _up_to_denial(text: str) -> str:
    """Cut off the last number of the text if the text denies it: "it is 160, not 159"."""
    tail = text[-MAXIMUM_ANSWER_LENGTH:]
    denials = list(_DENIAL.finditer(tail))
    if not denials or len(NUMBER.findall(tail, denials[-1].end())) > 1:
        return text
    return text[: len(text) - len(tail) + denials[-1].start()]


_EMPHASISED_WORD = re.compile(
    r"\b(?:is|are|was)\s(?:\*\*|__)\s?([A-Za-z][a-z]{1,20}(?:\s[a-z]{2,20})?)\.?\s?(?:\*\*|__)[.!]?\s*\Z"
)


def emphasised(text: str) -> str | None:
    """Return a bold word or two with which the response says what something is, or None.

    >>> emphasised("So the claim is **False**."), emphasised("This is **not** so.")
    ('False', None)
    """
    found = _EMPHASISED_WORD.search(text[-200:])
    return found[1] if found else None


def last_formula(text: str) -> str | None:
    r"""Return the formula that the response ends with, or an expression in plain text.

    >>> last_formula(r"So $x = 2$, and the total is 12."), last_formula("It is 2x + 3.")
    (None, '2x + 3')
    """
    text = _up_to_qualification(text)
    formula = _last_statement(text)
    tail = text[formula.end :] if formula else text
    if has_number(tail[-MAXIMUM_ANSWER_LENGTH:]) or formula is None:
        return _plain_expression(tail)
    percent = _PERCENT.match(tail)
    return formula.content + "\\%" if percent else formula.content


_PERCENT = re.compile(r"\s?(?:\\?%|per ?cent\b)")


def _last_statement(text: str) -> Formula | None:
    """Return the last formula that says something, with those that are listed before it.

    A formula that is only a name, such as ``n``, counts if the text has no other and no number.
    """
    found = formulas_from_the_end(text)
    name = None
    for formula in found:
        if not only_names(formula.content):
            return listed(text, formula, found)
        name = name or formula
    if name is None or has_number(text[-MAXIMUM_ANSWER_LENGTH:]):
        return None
    return name


_QUALIFIES = re.compile(
    r"\b(?:where|when|if|since|because|as|such that|so that|for which|with|satisfying|satisfy"
    r"|for(?: all| any| every| each)?)\s{0,3}$"
)
_SENTENCE_END = re.compile(r"[.!?]\s|\n")


def _up_to_qualification(text: str) -> str:
    """Cut off up to three last formulas that only qualify what their sentence says before."""
    for _ in range(3):
        formula = _last_statement(text)
        if formula is None or has_number(text, formula.end) or not _qualifies(text, formula):
            break
        text = text[: formula.start]
    return text


def _qualifies(text: str, formula: Formula) -> bool:
    before = text[max(0, formula.start - 300) : formula.start]
    sentence = _SENTENCE_END.split(before)[-1]
    if not _QUALIFIES.search(sentence[-20:]):
        return False
    states = any(not only_names(each.content) for each in formulas_from_the_end(sentence))
    return states or has_number(sentence)


# A display whose backslashes were lost on the way: "[ 56 + 11 = 67 ]".
_DISPLAYED = re.compile(r"\A\s?\[\s(.{1,2000})\s\]\s?\Z")
_BOLD_FIRST = re.compile(r"([^*\s]{1,60})\*\*\s?\(")  # "6** (2 x 3)": its first stars are gone
_COPULA = re.compile(r"\s(?:is|are|equals|be)\s|:\s")


def _plain_expression(text: str) -> str | None:
    """Return the expression in the last line: all of it, or what follows "is" or a colon."""
    for line in reversed(text[-MAXIMUM_ANSWER_LENGTH:].split("\n")):
        if any(map(str.isalnum, line)):
            value = _COPULA.split(_DISPLAYED.sub(r"\1", line))[-1]
            value = value.strip(" \t*$=\u2248").rstrip(".,; ")
            bold = _BOLD_FIRST.match(value)
            value = bold[1] if bold else value
            if WORD.search(value) or not _is_whole(line) or not _is_expression(value):
                return None
            return tidy(cleaned(value))
    return None


def _is_whole(line: str) -> bool:
    """Say whether a line's brackets balance, and it has no calculator call (``<<``) and no box."""
    opened, closed = (sum(map(line.count, signs)) for signs in ("([{", ")]}"))
    return opened == closed and "<<" not in line and "boxed" not in line
