r"""How the Qwen2.5-Math evaluation kit finds an answer in a response and normalises it.

The rules are reproduced with their faults, because published numbers depend on
them. They are used for second opinions only and never decide a verdict. Known
faults: the last ``boxed`` counts even if it never closes; letters that are also
in the list of units vanish (the variable in ``a+b``, the ``s`` in ``2 s``);
everything after the first ``\text{`` is dropped if a brace ends the answer; a
percent sign is dropped; ``and`` is dropped, even inside words.
"""

from __future__ import annotations

import re
from functools import cache

from harness.grading.compat.rewards import INTEGER, with_braced_fractions

CHOICES = "ABCDE"
MAXIMUM_LENGTH = 2_000
"""The most characters of an answer that is normalised. The kit has no such limit, but no published
answer is that long."""
_TRIGGERS = re.compile("choice is|answer is")
_LAST_NUMBER = re.compile(r"-?\d*\.?\d+")


def extract(response: str, *, keep_units: bool = False) -> str:
    r"""Return a response's normalised answer; empty if there is none, as it is if it is too long.

    >>> extract(r"so \boxed{\frac12\text{ cm}}"), extract("The answer is 3."), extract("7, 1,000 m")
    ('\\frac{1}{2}', '3', '1000')
    """
    found = re.sub(r"\n\s*", "", _stated(response.replace("ки", "")))
    found = found.removeprefix(":").removesuffix(".").removesuffix("/")
    if len(found) > MAXIMUM_LENGTH:
        return found
    # The kit normalises twice: when it extracts and again before it compares.
    return normalise(normalise(found, keep_units=keep_units), keep_units=keep_units)


def _stated(response: str) -> str:
    """Return what the response states, by the kit's most trusted phrase that occurs in it."""
    if "final answer is $" in response and "$. I hope" in response:
        _, _, rest = response.partition("final answer is $")
        return rest.partition("$. I hope")[0].strip()
    for marker in ("boxed", "he answer is", "final answer is"):
        _, found, rest = response.rpartition(marker)
        if found:
            return _in_box(rest) if marker == "boxed" else rest.strip()
    if "答案是" in response:
        return response.split("答案是")[1].strip().partition("\n\n")[0].strip()
    numbers = _LAST_NUMBER.findall(response.replace(",", ""))
    return numbers[-1] if numbers else ""


def _in_box(text: str) -> str:
    if not text.startswith("{"):
        return text.partition("$")[0].strip()
    depth = 0
    for brace in re.finditer(r"[{}]", text):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[1 : brace.start()]
    return text[1:]


def choice_in_response(response: str) -> str:
    """Return the option letter that a whole response names, or its last words.

    >>> choice_in_response("A is wrong. The answer is (B), not C.")
    'B'
    """
    text = response.strip("\n")
    if any(text.count(trigger) > 1 for trigger in ("choice is", "answer is")):
        text = text.split("\n\n")[0]
    *before, text = _TRIGGERS.split(text)
    return _choice(text, first=bool(before))


def choice_in_answer(answer: str) -> str:
    """Return the last option letter of an extracted answer, or the answer itself."""
    return _choice(answer, first=False)


def _choice(text: str, *, first: bool) -> str:
    text = text.strip("\n").rstrip(".").rstrip("/").strip(" ").lstrip(":")
    letters = re.findall(r"\b[A-E]\b", text.upper()) or [text.strip().strip(".")]
    return str(letters[0 if first else -1]).rstrip(".").rstrip("/")


def normalise(text: str, *, keep_units: bool = False) -> str:
    r"""Return the kit's normal form of an answer.

    >>> normalise(r"x=\dfrac12"), normalise("12.00 miles"), normalise("twenty-one")
    ('\\frac{1}{2}', '12', '21')
    """
    text = _ARRAY.sub(r"\\begin{pmatrix}", text.strip().replace("\n", "").rstrip("."))
    text = _replaced(text, _TYPESETTING)
    text = _without_last_text(text)
    if not keep_units:
        text = _without_units(_without_units(text))
    text = _number_words_read(_replaced(text, _SIGNS))
    text = _replaced(re.sub(r"\\text\{(.*?)\}", r"\1", text), _CONTENTS)
    text = _without_zero_decimals(_with_imaginary_i(_with_infinity(text)))
    return _with_standard_fractions(_without_name(text))


def _replaced(text: str, rewrites: tuple[tuple[str, str], ...]) -> str:
    for old, new in rewrites:
        text = text.replace(old, new)
    return text


_ARRAY = re.compile(r"\\begin\{array\}\{.*?\}")
_TYPESETTING = (
    ("\\!", ""),
    ("\\end{array}", "\\end{pmatrix}"),
    ("bmatrix", "pmatrix"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\neq", "\\ne"),
    ("\\leq", "\\le"),
    ("\\geq", "\\ge"),
    ("\\left", ""),
    ("\\right", ""),
    ("\\{", "{"),
    ("\\}", "}"),
)
_SIGNS = (
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
    ("$", ""),
    ("\\(", ""),
    ("\\)", ""),
)
_CONTENTS = (
    *((name + sign, "") for sign in ("=", "\\in", "\\to") for name in "xyz"),
    ("\\emptyset", "{}"),
    ("(-\\infty,\\infty)", "\\mathbb{R}"),
    ("\\%", ""),
    ("%", ""),
    (" .", " 0."),
    ("{.", "{0."),
)


def _without_last_text(text: str) -> str:
    r"""Drop everything after the first ``\text{`` of an answer that ends with a brace."""
    before, _, inside = text.partition("\\text{")
    return before.strip() or text if inside.endswith("}") else text


# Most of these units are MathQA's. The dots are wildcards: the kit does not escape them.
_UNITS = (
    "east|degree|mph|kmph|ft|m sqaure| m east|sq m|deg|mile|q .|monkey|prime|ratio|profit of rs"
    "|rd|o|gm|p . m|lb|tile|per|dm|lt|gain|ab|way|west|a .|b .|c .|d .|e .|f .|g .|h .|t|a|h"
    "|no change|men|soldier|pie|bc|excess|st|inches|noon|percent|by|gal|kmh|c|acre|rise|a . m|th"
    "|π r 2|sq|mark|l|toy|coin|sq . m|gallon|° f|profit|minw|yr|women|feet|am|pm|hr|cu cm|square"
    "|v â € ™|are|rupee|rounds|cubic|cc|mtr|s|ohm|number|kmph|day|hour|minute|min|second|man|woman"
    "|sec|cube|mt|sq inch|mp|∏ cm ³|hectare|more|sec|unit|cu . m|cm 2|rs .|rs|kg|g|month|km|m|cm"
    "|mm|apple|liter|loss|yard|pure|year|increase|decrease|d|less|Surface|litre|pi sq m|s .|metre"
    "|meter|inch"
)


@cache
def _unit_patterns() -> tuple[re.Pattern[str], ...]:
    units = _UNITS.split("|")
    return tuple(
        re.compile(rf"(^|\W){unit}($|\W)") for unit in [*units, *(unit + "s" for unit in units)]
    )


def _without_units(text: str) -> str:
    for pattern in _unit_patterns():
        text = pattern.sub(r"\1\2", text) or text
    return text


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = {"billion": 10**9, "million": 10**6, "thousand": 10**3}
_SMALL = {word: value for value, word in enumerate(_ONES)} | {
    word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)
}
_WORDS = _SMALL | {"hundred": 100} | _SCALES


def _number_words_read(text: str) -> str:
    """Return the number that the text's number words make; the text itself if it has none."""
    plain = text.replace("-", " ").lower()
    if plain.isdecimal():
        return str(int(plain)) if len(plain) <= 4_000 else text
    words = [word for word in plain.split() if word in _WORDS or word == "point"]
    if not words or any(words.count(word) > 1 for word in (*_SCALES, "point")):
        return text
    cut = words.index("point") if "point" in words else len(words)
    value = _whole_number(words[:cut])
    if value is None:
        return text
    decimals = words[cut + 1 :]
    if not decimals:
        return str(value)
    return str(value + _decimals(decimals))


def _whole_number(words: list[str]) -> int | None:
    """Return the integer that number words make in their usual order; None if they make none."""
    if len(words) <= 1:
        return _WORDS[words[0]] if words else 0
    total = 0
    for scale, factor in _SCALES.items():
        if scale in words:
            group = _below_thousand(words[: words.index(scale)])
            if group is None:
                return None
            total += group * factor
            words = words[words.index(scale) + 1 :]
    rest = _below_thousand(words) if words else 0
    return None if rest is None else total + rest


def _below_thousand(words: list[str]) -> int | None:
    if not words or any(word in _SCALES for word in words):
        return None
    values = [_WORDS[word] for word in words]
    if len(values) == 2:
        return values[0] * values[1] if 100 in values else sum(values)
    if len(values) in (3, 4):
        return values[0] * values[1] + sum(values[2:])
    return values[0]


def _decimals(words: list[str]) -> float:
    digits = [_SMALL.get(word, 10) for word in words]
    return float("0." + "".join(map(str, digits))) if max(digits) < 10 else 0.0


def _with_infinity(text: str) -> str:
    text = text.replace("infinity", "\\infty")
    if "\\infty" not in text:
        text = text.replace("inf", "\\infty")
    text = text.replace("+\\inity", "\\infty").replace("and", "").replace("\\mathbf", "")
    return re.sub(r"\\mbox\{.*?\}", "", text)


def _with_imaginary_i(text: str) -> str:
    return text if "i" in text else text.replace("j", "i")


def _without_zero_decimals(text: str) -> str:
    text = re.sub(r"(\d+)\.0*([^\d])", r"\1\2", text)
    text = re.sub(r"(\d+)\.0*$", r"\1", text)
    return "0" + text if text.startswith(".") else text


def _without_name(text: str) -> str:
    parts = text.split("=")
    return parts[1] if len(parts) == 2 and len(parts[0]) <= 2 else text


def _with_standard_fractions(text: str) -> str:
    text = re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    parts = text.split("\\frac")[1:]
    if all(len(part) >= 2 or part == "{" for part in parts):
        text = with_braced_fractions(text)
    sides = text.split("/")
    if len(sides) == 2 and all("sqrt" in side or re.fullmatch(INTEGER, side) for side in sides):
        return f"\\frac{{{sides[0]}}}{{{sides[1]}}}"
    return text
