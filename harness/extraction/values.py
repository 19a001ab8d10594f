r"""Find values in text: what a number looks like, and which part of a sentence is the value.

The one decision here: a sentence without words of prose *is* the value. In any
other sentence the value is what it emphasises or writes as a formula, or else
its number, if it has exactly one.
"""

from __future__ import annotations

import re

MAXIMUM_ANSWER_LENGTH = 2_000
"""The most characters of an answer. A longer candidate is dropped and not cut, because
a part of it would state something else."""

MATHS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
"""The signs that open and close a formula in text."""

WORD = re.compile(
    r"""(?<![\\A-Za-z{])
    (?! (?: and|or|sqrt|cbrt|a?(?:rc)?(?:sin|cos|tan|cot)h?|sec|csc|log|exp|inf|infty|infinity
          | gcd|lcm|max|min|mod|abs|det|floor|ceil|binom|nan ) (?![A-Za-z]) )
    [A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]{3,}
    | [\u0400-\u1cff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]""",
    re.VERBOSE,
)
"""A word of prose: three letters or more that are not the name of a function or a constant. One
letter of a script that mathematics does not use, such as Cyrillic or Chinese, is enough."""

NUMBER = re.compile(
    r"""(?: (?<![\w)}\]]) [-\u2212] (?:(?<!\n-)[ ])? )? (?<![\d^_]) (?<![\^_]\{) \$?
    (?: \\[dt]?frac\{\s?-?\d+\s?\}\{\s?\d+\s?\}
      | (?: \d+,\d\d(?=[ ]?[$\u20ac\u00a3](?!\d))
          | (?: \d{1,3}(?:,\d{3})+(?!\d) | \d+ ) (?:\.\d+)? | \.\d+ )
        (?: [ ]?(?:\\times|\\cdot|\u00d7|\*)[ ]?10(?=\^) )?
        (?: \^(?: \{[-\u2212]?\d{1,9}\} | [-\u2212]?\d{1,9} ) )?
        (?: [ ]?/[ ]?\d+ )? )
    (?: \\?% | (?P<percent>[ ]?per[ ]?cent\b) )?""",
    re.VERBOSE | re.ASCII,
)
"""A number in digits: a decimal, a fraction or a power, with or without a dollar or a percent."""

_DIGIT = re.compile("[0-9]")


def has_number(text: str, start: int = 0) -> bool:
    """Say whether the text has a `NUMBER` at or after ``start``."""
    # Most texts have no digit, and that is found much faster.
    return bool(_DIGIT.search(text, start) and NUMBER.search(text, start))


_NUMBER_LENGTH = 200
_DECIMAL_COMMA = re.compile(r"(?a:(\d),(\d\d))(?!\d)")


def last_number_in(text: str) -> str | None:
    """Return the last number in the text, without its currency, or None.

    An exponent or an index does not count as a number.

    >>> last_number_in("they share 28 percent"), last_number_in("it is 25 cm^2 wide")
    ('28%', '25')
    """
    end = 1 + max(text.rfind(digit) for digit in "0123456789")
    for length in (_NUMBER_LENGTH, 10 * _NUMBER_LENGTH):
        window = text[max(0, end - length) : end + len(" percent")]
        numbers = list(NUMBER.finditer(window)) if end else []
        if numbers:
            return plain(numbers[-1]) if len(numbers[-1][0]) < _NUMBER_LENGTH else None
    return None


def plain(number: re.Match[str]) -> str:
    """Return a match of `NUMBER` in one spelling: no dollar, an ASCII minus, ``%`` for percent."""
    text = number[0]
    if number["percent"]:
        text = text[: -len(number["percent"])] + "%"
    text = text.replace("\u2212", "-").replace("- ", "-").replace("$", "")
    return _DECIMAL_COMMA.sub(r"\1.\2", text)


_EMPHASISED = re.compile(r"\*\*([^*\n]{1,200})\*\*|\$([^$\n]{1,200})\$|\\\(([^\n]{1,200}?)\\\)")
_COPULA = re.compile(r"\s(?:is|are|equals)\s")
_BEGINS_WITH_VALUE = re.compile(r"[\s*(]{0,4}(?:[A-Za-z]\w?\s?=\s?)?[-\u2212$]{0,2}\d")
# "x^2 for x > 0": its number is none of its own.
_BEGINS_WITH_FORMULA = re.compile(r"[\s*(]{0,4}(?:\d*[A-Za-z]|\\[A-Za-z]{2,20})\s?[\^+*/]")
# The letter of a choice. "A" before a word is an article.
_LABEL = re.compile(
    r"(?<![\w'])(?<!not )(?:\(([A-J])\)|([B-HJ])(?![\w'])(?!\s?[=+*/^<>-])|(A)(?=[.,:;)]|\s*$))"
)


def value_in(sentence: str) -> str:
    """Return the value that a sentence states; if none stands out, all that follows its "is".

    >>> value_in("the largest one is **7** apples"), value_in("for sure D, it can't be A or B")
    ('7', 'D')
    """
    if not _BEGINS_WITH_VALUE.match(sentence):  # else "2 if n is even" would become "even"
        sentence = _COPULA.split(sentence)[-1]
    if not WORD.search(sentence):
        return sentence
    emphasised = [str(found[found.lastindex or 0]) for found in _EMPHASISED.finditer(sentence)]
    emphasised = [value for value in emphasised if not WORD.search(value)]
    if emphasised:
        return emphasised[-1]
    numbers = list(NUMBER.finditer(sentence))
    if len(numbers) == 1 and _is_changed(sentence, numbers[0]):
        return sentence
    if len(numbers) == 1 and not _BEGINS_WITH_FORMULA.match(sentence):
        number = plain(numbers[0]) if numbers[0]["percent"] else numbers[0][0]
        negative = _MINUS.search(sentence[: numbers[0].start()][-40:])
        return f"-{number}" if negative and number[0] not in "-\u2212" else number
    label = None if numbers else _LABEL.search(sentence)
    return str(label[label.lastindex or 0]) if label else sentence


_BOUNDED = re.compile(
    r"""(?: \b(?:at\ (?:most|least)|(?:more|less|fewer|greater)\ than|under|over|up\ to|below|above
          |exceeds?|twice|thrice|double|triple|half|(?:(?:square|cube)\ root|square|cube)\ of
          |menor\ que|mayor\ que|al\ menos|como\ m\u00e1ximo|h\u00f6chstens|mindestens
          |inf\u00e9rieure?\ \u00e0|sup\u00e9rieure?\ \u00e0|au\ moins|au\ plus
          |(?:gr\u00f6\u00dfer|kleiner)\ als|maior\ que|minore\ di|maggiore\ di)\s[$*]{0,3}
      | (?:\u81f3\u5c11|\u81f3\u591a|\u5927\u4e8e|\u5c0f\u4e8e|\u4e0d\u8d85\u8fc7|\u6700\u591a)
        (?:\u662f|\u4e3a)?\s? )\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_CHANGED = re.compile(
    r"""[*$]{0,3}\s(?:times\ (?:as|the|that|more)|(?:more|less|fewer|greater|larger|smaller)\ than
      |percent\ of|%\ of|hundred|thousand|million|billion|trillion|dozen|squared|cubed
      |factorial)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_MINUS = re.compile(r"\b(?:minus|negative)\s[$*]{0,3}\Z", re.IGNORECASE)


def _is_changed(sentence: str, number: re.Match[str]) -> bool:
    """Say whether words make another value of the number: "at most 6", "twice 6", "6 squared"."""
    before, after = sentence[: number.start()][-40:], sentence[number.end() :][:40]
    return bool(_BOUNDED.search(before) or _CHANGED.match(after))


SMALL_WORD = re.compile(
    r"(?<![\\\w])(?:an|as|at|be|by|he|if|in|is|it|my|no|of|on|so|to|we)\b", re.IGNORECASE
)
"""A word of two letters. `WORD` leaves them out, because two letters may be a product."""

_SAYS_A_VALUE = re.compile(r"\d|[\\^+*/\u221a\u03c0\u221e]|\A\W*[A-J]\W*\Z")
# "3 more than before", "8 times the other": such words make another value of the number.
_COMPARES = re.compile(
    r"\b(?:more|less|fewer|times|than|digits?|multiples?|factors?|decimals?|places?|minus|plus"
    r"|other|further|correct|wrong|right|above|below|modulo|solutions?|cases?)\b",
    re.IGNORECASE,
)
_UNIT_WORDS = 2
_TEXT_COMMAND = re.compile(r"\\(?:text\w{0,6}|mbox|mathrm|operatorname)\s?\{[^{}]{0,200}\}")


def is_plain(value: str) -> bool:
    """Say whether text is a value and nothing else: a formula, a letter, a number with its unit.

    >>> is_plain("31 square feet"), is_plain("3 more"), is_plain("in the form a/b"), is_plain("D")
    (True, False, False, True)
    """
    value = _TEXT_COMMAND.sub("", value)
    if not _SAYS_A_VALUE.search(value) or SMALL_WORD.search(value) or _COMPARES.search(value):
        return False
    words = list(WORD.finditer(value))
    return not words or (len(words) <= _UNIT_WORDS and has_number(value[: words[0].start()]))


_QUOTES = "\"'\u201c\u201d\u2018\u2019\u00ab\u00bb\u201e`"
_CHOICE = re.compile(r"\(?([A-J])\)?\.?")
_SMILEYS = re.compile(
    r"\s(?:[:;]-?[)DP]|[\u2705\u2713\u2714\u2764\U0001f300-\U0001faff]\ufe0f?)+\Z"
)


def tidy(value: str) -> str | None:
    r"""Strip emphasis, quotes, formula signs and the full stop around a value; None if empty.

    >>> tidy(" **$42$.** "), tidy('"(C)"'), tidy("(35 + 70 = 105)")
    ('42', 'C', '35 + 70 = 105')
    """
    value = value.strip().strip("*_").lstrip("> ").strip("*_").strip()
    value = _SMILEYS.sub("", value[-20:]) if len(value) <= 20 else value
    value = value.rstrip(".\u3002\u0964").rstrip()
    if value[:1] in _QUOTES and value[-1:] in _QUOTES:
        value = value.strip(_QUOTES).strip()
    for opening, closing in MATHS:
        inner = value[len(opening) : -len(closing)]
        if value.startswith(opening) and value.endswith(closing) and opening not in inner:
            return inner.strip() or None
    choice = _CHOICE.fullmatch(value)
    if choice:
        return choice[1]
    value = value.strip("*").strip()
    return (_unwrapped(value) if "=" in value else value) or None


def _unwrapped(equation: str) -> str:
    inner = equation[1:-1]
    whole = equation.startswith("(") and equation.endswith(")") and "(" not in inner
    return inner.strip() if whole and "," not in inner else equation
