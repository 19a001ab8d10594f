r"""Write units, angles, money, times and quotations in one way, before the text becomes tokens.

``12^\circ 30'`` becomes a fraction of a degree, ``\SI{5}{\metre}`` a number with a unit, ``\$5``
five dollars, and ``2:05 p.m.`` loses its dots. The time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

Rewrite = Callable[[str], str]


def respell(text: str) -> str:
    r"""Return the text in the usual spellings.

    >>> respell(r"12^\circ 30'"), respell(r"\$18.90")
    ('\\frac{25}{2}^\\circ ', '18.90\\text{ dollars}')
    """
    for signs, rewrite in _REWRITES:
        if any(sign in text for sign in signs):
            text = rewrite(text)
    return text


_BLANK = r"(?:\s|~|\\[,;:! ])*"
_UPRIGHT = r"\\(?:text|textrm|mathrm|mbox|rm)"

# --- angles and temperatures ----------------------------------------------------------------------

_CIRC = r"\^\s?(?:\{\s?\\circ\s?\}|\\circ(?![A-Za-z]))"
_PRIME = r"(?:'|\^\s?(?:\{\s?\\prime\s?\}|\\prime(?![A-Za-z])))"
_PRIMES = r"(?:''|\"|\^\s?(?:\{\s?\\prime\s?\\prime\s?\}|\{\s?''\s?\}))"
_ARC = re.compile(
    rf"(?<![\d.])(\d{{1,9}})\s?{_CIRC}{_BLANK}(\d{{1,2}}(?:\.\d{{1,20}})?)\s?{_PRIME}(?!')"
    rf"(?:{_BLANK}(\d{{1,2}}(?:\.\d{{1,20}})?)\s?{_PRIMES})?"
)
_ONLY_PRIMES = re.compile(rf"^\s?(-?\d{{1,9}}(?:\.\d{{1,20}})?)\s?(?:({_PRIMES})|{_PRIME})\s?$")
_SCALE = re.compile(rf"{_CIRC}{_BLANK}(?:{_UPRIGHT}\s?\{{\s?([CF])\s?\}}|([CF])(?![A-Za-z(_^=]))")
_RATE = re.compile(rf"{_CIRC}{_BLANK}({_UPRIGHT}\s?\{{\s?)([CF])(?=/)")
_FEET = re.compile(rf"^\s?(\d{{1,3}})\s?'\s?(\d{{1,2}}(?:\.\d)?)\s?{_PRIMES}\s?$")
_SCALES = {"C": r"\text{ celsius}", "F": r"\text{ fahrenheit}"}


def _angle(text: str) -> str:
    text = (
        text.replace("\u00b0", r"^\circ ")
        .replace("\u00ba", r"^\circ ")
        .replace("\u2032", "'")
        .replace("\u2033", "''")
    )
    text = _SCALE.sub(lambda match: _SCALES[match[1] or match[2]], text)
    text = _RATE.sub(lambda match: match[1] + _SCALES[match[2]][6:-1], text)
    text = _FEET.sub(r"\1\\text{ ft }\2\\text{ in}", text)
    text = _ARC.sub(_degrees, text)
    return _ONLY_PRIMES.sub(
        lambda match: rf"{match[1]}\text{{ {'primes' if match[2] else 'prime'}}}", text
    )


def _degrees(match: re.Match[str]) -> str:
    """Return degrees, minutes and seconds of arc as degrees."""
    value = Fraction(match[1]) + Fraction(match[2]) / 60 + Fraction(match[3] or 0) / 3600
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}^\\circ "


# --- money ----------------------------------------------------------------------------------------

_MONEY = {
    "\\$": "dollars",
    "\\pounds ": "sterling",
    "\\euro ": "euros",
    "\u20b9": "rupees",
    "\u20ac": "euros",
    "\u00a3": "sterling",
    "\u00a5": "yen",
}
_STYLED_SIGN = re.compile(rf"{_UPRIGHT}\s?\{{\s?(\\\$|[\u20ac\u00a3\u00a5])\s?\}}")
_NUMBER = r"(\d[\d,.!{}\\ ]{0,40}\d|\d)"
_COUNTRY = re.compile(rf"(?:{_UPRIGHT}\s?\{{\s?)?(?<![A-Za-z])(?:US|CA|AU|A|C)\s?\}}?\s?(?=\\\$)")
_PRICE = re.compile(
    rf"(\\\$|\\pounds |\\euro |[\u20ac\u00a3\u00a5\u20b9])\s?{_NUMBER}"
    r"(\s?(?:thousand|million|billion|trillion))?(?=\s?\}?\s?\.?\s?$)"
)


_CODES = {"Rs": "rupees", "INR": "rupees", "USD": "dollars", "EUR": "euros", "GBP": "sterling"}
_CODE = re.compile(
    rf"^\s?(?:{_UPRIGHT}\s?\{{\s?)?(Rs|INR|USD|EUR|GBP)\.?{_BLANK}\}}?{_BLANK}{_NUMBER}\}}?\s?$"
)


def _price(text: str) -> str:
    """Write the sign of a currency before a number as its name after it, if there is one sign."""
    text = _STYLED_SIGN.sub(lambda match: match[1], text)
    text = _COUNTRY.sub("", text)
    if sum(map(text.count, _MONEY)) != 1:
        return text
    return _PRICE.sub(lambda m: rf"{m[2]}{m[3] or ''}\text{{ {_MONEY[m[1]]}}}", text)


# --- fractions in words ---------------------------------------------------------------------------

_WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
_PARTS = {
    "half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12,
}  # fmt: skip
_FRACTION = re.compile(
    rf"(?<![A-Za-z\d])({'|'.join(_WORDS)})[ -]({'|'.join(_PARTS)})s?(?![A-Za-z])", re.IGNORECASE
)


def _fraction(match: re.Match[str]) -> str:
    above, below = _WORDS.index(match[1].lower()) + 1, _PARTS[match[2].lower()]
    return f"\\frac{{{above}}}{{{below}}}"


MONTHS = tuple(
    "January February March April May June July August September October November December".split()
)
_DATE = re.compile(
    rf"(?<![A-Za-z\d])(\d{{1,2}})(?:st|nd|rd|th)?(?:\s(?:of\s)?({'|'.join(MONTHS)})(?![A-Za-z])"
    rf"|{_BLANK}{_UPRIGHT}\s?\{{\s?(?:of\s)?({'|'.join(MONTHS)})\s?\}})"
)
_DAY = re.compile(rf"(?<![A-Za-z])({'|'.join(MONTHS)})\s(\d{{1,2}})(?:st|nd|rd|th)(?![A-Za-z])")

# --- siunitx --------------------------------------------------------------------------------------

_SIUNITX = re.compile(r"\\(?:unit|si)\s?\{([^{}]{0,120})\}")
_QUANTITY = re.compile(r"\\(?:SI|qty)\s?\{([^{}]{0,80})\}\s?\{")
_NUM = re.compile(r"\\num\s?\{([^{}]{0,80})\}")
_ANG = re.compile(r"\\ang\s?\{([^{};]{0,40})(?:;([^{};]{1,40}))?(?:;([^{};]{1,40}))?\}")
_PREFIX = re.compile(r"\\(kilo|mega|giga|tera|deci|centi|milli|micro|nano|pico|femto)\s?\\")


def _siunitx(text: str) -> str:
    text = _NUM.sub(r"\1", _QUANTITY.sub(r"\1\\unit{", text))
    text = _ANG.sub(_arc_of, text)
    return _SIUNITX.sub(_spelled_out, text)


def _arc_of(match: re.Match[str]) -> str:
    minutes = f"{match[2]}'" if match[2] else ""
    seconds = f"{match[3]}''" if match[3] else ""
    return rf"{match[1]}^\circ {minutes}{seconds}"


def _spelled_out(match: re.Match[str]) -> str:
    r"""Return siunitx's ``\kilo\metre\per\second`` as words."""
    unit = _PREFIX.sub(r"\\\1", match[1]).replace("\\squared", "^2").replace("\\cubed", "^3")
    return "\\text{ " + unit.replace("\\", " ").replace(".", " ").replace(" ^", "^") + "}"


_LETTERS = (
    rf"\{{\s?{_UPRIGHT}\s?\{{\s?"
    r"((?:[A-Za-z]{1,12}|\\cdot |\\cdot\s?|\\[,;:]|[ ~^0-9]){1,8})\s?\}"
    r"(\^\s?(?:\{\s?)?[2-4])?\s?\}?\s?\}"
)
_QUOTIENT = re.compile(rf"\\[dt]?frac\s?{_LETTERS}\s?{_LETTERS}")


_BETWEEN_UNITS = re.compile(r"\\cdot|\\[,;:]|~")


def _quotient(match: re.Match[str]) -> str:
    r"""Write ``\frac{\text{m}}{\text{s}^2}`` on one line."""
    above, raised, below, raised_below = (group or "" for group in match.groups())
    unit = f"{above}{raised}/({below}{raised_below})"
    return "\\text{ " + _BETWEEN_UNITS.sub(" ", unit).replace("{", "") + "}"


# --- quotations, groups of digits, functions, and what the end of a box leaves ---------------

_GROUPING = re.compile(r"(?<=\d)\{\\[,!;: ]\}(?=\d{3})")
_MAPPED = re.compile(
    r"^\s?(?:([A-Za-z])\s?(?::|\\colon)\s?)?(?:\\mathbb\s?\{?[A-Z]\}?\s?\\(?:to|rightarrow)\s?\\mathbb\s?\{?[A-Z]"
    rf"\}}?\s?,?{_BLANK})?([A-Za-z])\s?\\mapsto(?![A-Za-z])"
)
_GOES_ON = re.compile(
    r"(?<=[^\s=])\s?(?:=|\\text\s?\{\s?or\s?\})\s?(-?\d{1,30}\.\d{2,60})\s?(?:\\[lc]?dots|\.\.\.)\s?$"
)
_BRACKETED_ABOUT = re.compile(
    rf"{_BLANK}(?:{_UPRIGHT}\s?"
    rf"\{{\s?)?\((?:\s|{_UPRIGHT}\s?\{{\s?|\\q?quad)*(?:\\approx(?![A-Za-z])|(?:or )?(?:about|"
    r"approximately|approx\.?|roughly)(?![A-Za-z]))\s?\}?([^()]{1,80})\)\s?$"
)
_SAID_ABOUT = re.compile(
    rf"(?<=[\d}})a-z]){_BLANK},?{_BLANK}{_UPRIGHT}\s?"
    rf"\{{\s?,?\s?(?:or |which is |that is |i\.e\.,? )?(?:about|"
    r"approximately|approx\.?|roughly|around)\s?\}\s?(-?\d[^()]{0,80})$"
)


_TRANSPOSED = re.compile(
    rf"(?<=[\])])\s?\^\s?(?:\{{\s?)?(?:\\top|\\intercal|T|(?:{_UPRIGHT}|\\mathsf)\s?\{{?\s?T\s?\}}?)"
    r"\s?\}?\s?$"
)

_COUNTS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen".split()
)
_COUNT = "|".join(_COUNTS)
_TWICE = re.compile(
    rf"(?:\\text\s?\{{\s?)?(?<![A-Za-z])({_COUNT})\s?\}}?{_BLANK}\(\s?(\d{{1,2}})\s?\)\}}?"
    rf"|(\d{{1,2}}){_BLANK}(?:\\text\s?\{{\s?)?\(\s?(?:\\text\s?\{{\s?)?({_COUNT})\s?\}}?\s?\)\}}?",
    re.IGNORECASE,
)


def _said_twice(match: re.Match[str]) -> str:
    """Return a number that is written in words and in digits, "seven (7)", in digits."""
    word, digits = match[1] or match[4], match[2] or match[3]
    return digits if _COUNTS.index(word.lower()) == int(digits) else match[0]


_NO_SOLUTION = re.compile(
    rf"^\s?(?:{_UPRIGHT}\s?\{{)?[A-Za-z ,]{{1,80}}\(\s?no solutions?\s?\)\.?\s?\}}?\s?$"
)
_DOMAIN = r"\\mathbb\s?\{?[A-Z]\}?(?:\^\s?[+*n]|_\{?[^{}]{1,8}\}?)?"
_SIGNATURE = re.compile(
    rf"^\s?([A-Za-z])\s?(?::|\\colon)\s?{_DOMAIN}\s?\\(?:to|rightarrow)\s?{_DOMAIN}\s?[,;:]{_BLANK}(?=\1\s?\()"
)
_HEADS = ("Yes.", "No.", "True.", "False.")
_HEAD = re.compile(r"(?<![A-Za-z ])(Yes|No|True|False)\.\s(?=[A-Za-z])")


_ALSO = re.compile(rf"{_UPRIGHT}\s?\{{\s?\((or|and)\s?\}}([^()]{{1,200}})\)\s?$")
_SPOKEN = r"\s*(?:\\text\s?\{{)?\s*{}\s*\}}?\s*"
_TENS = tuple("twenty thirty forty fifty sixty seventy eighty ninety".split())
_SPELLED_OUT = re.compile(
    rf"(?<![A-Za-z])({'|'.join(_TENS)})(?:[- ]({'|'.join(_COUNTS[1:10])}))?(?![A-Za-z-])"
    r"(?:\s?\}?\s?\((\d{2})\))?",
    re.IGNORECASE,
)
_BRACKETED_DECIMAL = re.compile(
    rf"(?<=[\d}}]){_BLANK}\((\d{{1,12}}\.\d{{1,12}}{_BLANK}{_UPRIGHT}\s?\{{[^{{}}()]{{1,20}}\}}[^()]{{0,8}})\)\s?$"
)


def _in_digits(match: re.Match[str]) -> str:
    tens = 10 * (2 + _TENS.index(match[1].lower()))
    value = str(tens + (_COUNTS.index(match[2].lower()) if match[2] else 0))
    return value if match[3] in (None, value) else f"{value} ({match[3]})"


_PLAIN_UNITS = tuple("cm mm km kg mg in ft mi yd ml mL".split())
_PLAIN_UNIT = re.compile(
    rf"(?<=[\da-z}})])\s({'|'.join(_PLAIN_UNITS)})(\^(?:\d|\{{\d\}}))?(?=\s?(?:$|[=,]))"
)
_BRACKETED_UNIT = re.compile(
    rf"\[\s?({_UPRIGHT}\s?\{{[^{{}}]{{1,30}}\}}(?:\^\{{?\d\}}?)?)\s?\]\s?$"
)
_COMPARED = {
    "greater than or equal to": r"\ge", "less than or equal to": r"\le", "at least": r"\ge",
    "at most": r"\le", "greater than": ">", "more than": ">", "less than": "<",
}  # fmt: skip
_COMPARISON = re.compile(
    rf"^\s?([A-Za-z])\s?(?:{_UPRIGHT}\s?\{{)?\s?is\s({'|'.join(_COMPARED)})\s?\}}?{_BLANK}(?=-?[\d\\])"
)
_FROM_TO = re.compile(
    rf"^\s?(?:{_UPRIGHT}\s?\{{\s?)?from\s?\}}?{_BLANK}(-?[\d.]{{1,20}}){_BLANK}(?:{_UPRIGHT}\s?\{{)?\s?to\s?\}}?"
    rf"{_BLANK}(-?[\d.]{{1,20}}){_BLANK}(?:{_UPRIGHT}\s?\{{)?,?\s?inclusive\s?\}}?\s?$"
)


_PART = re.compile(rf"{_UPRIGHT}\s?\{{\s?\((?:i{{1,3}}|iv|v|[a-e]|[1-6])\)\s?\}}")


def _in_parts(text: str) -> str:
    """Write the answers to several parts, each after its letter, as a list."""
    first = _PART.match(text.lstrip())
    if first is None or len(_PART.findall(text)) < 2:
        return text
    parts = [part.strip(" ,;") for part in _PART.split(text)]
    parts = [re.sub(r"(?:\\q?quad|\\[,; ]|[,;\s])+$", "", part) for part in parts]
    return ", ".join(part for part in parts if part)


def _unquoted(text: str) -> str:
    return text.replace("``", "").replace("''", "")


_QUOTED = re.compile(r"`([^`'{}]{1,200})'")
_BASES = {
    word: str(base)
    for base, word in enumerate("two three four five six seven eight nine ten".split(), 2)
}


def _sub(
    pattern: str | re.Pattern[str], replacement: str | Callable[[re.Match[str]], str]
) -> Rewrite:
    compiled = re.compile(pattern) if isinstance(pattern, str) else pattern
    return lambda text: compiled.sub(replacement, text)


_REWRITES: tuple[tuple[tuple[str, ...], Rewrite], ...] = (
    (("``",), _unquoted),
    (("{}", "{ }"), _sub(r"\{\s?\}(?=\s?\^)", "")),
    (("`",), _sub(_QUOTED, r"\1")),
    (("\u201c", "\u201e", "\u00ab"), _sub("[\u201c\u201d\u201e\u00ab\u00bb]", "")),
    (("base",), _sub(rf"(?<=base )({'|'.join(_BASES)})(?![A-Za-z])", lambda m: _BASES[m[1]])),
    (("\\text{,}",), _sub(r"\\text\{,\}", "{,}")),
    (("\\SI", "\\si", "\\qty", "\\unit", "\\num", "\\ang{"), _siunitx),
    (("\\circ", "\u00b0", "'", "\\prime", "\u2032", "\u2033", "\u00ba", '"'), _angle),
    (tuple(_MONEY), _price),
    (tuple(_CODES), _sub(_CODE, lambda match: rf"{match[2]}\text{{ {_CODES[match[1]]}}}")),
    (MONTHS, _sub(_DATE, lambda match: f"{match[2] or match[3]} {match[1]}")),
    (MONTHS, _sub(_DAY, r"\1 \2")),
    (("(",), _sub(_TWICE, _said_twice)),
    (tuple(_PARTS), _sub(_FRACTION, _fraction)),
    (("{\\",), _sub(_GROUPING, "")),
    (("frac{\\",), _sub(_QUOTIENT, _quotient)),
    (("no solution",), _sub(_NO_SOLUTION, "no solution")),
    (("\\to", "\\rightarrow"), _sub(_SIGNATURE, "")),
    (tuple(_HEADS), _sub(_HEAD, r"\1, ")),
    (("\\mapsto",), _sub(_MAPPED, lambda match: f"{match[1] or 'f'}({match[2]}) = ")),
    (("...", "dots"), _sub(_GOES_ON, r"\\approx \1")),
    (("[\\approx", "[ \\approx"), _sub(r"\[\s?\\approx\s?([^\[\]]{1,80})\]\s?$", r"\\approx \1")),
    (("(",), _sub(_BRACKETED_ABOUT, r" \\approx \1")),
    (("about", "approx", "roughly", "around"), _sub(_SAID_ABOUT, r" \\approx \1")),
    (("dozen",), _sub(r"(?<![A-Za-z])half a dozen(?![A-Za-z])", "6")),
    (("dozen",), _sub(r"(?<![A-Za-z])(?:a|one) dozen(?![A-Za-z])", "12")),
    (("!=",), _sub(r"(?<![\w^}.])(\d{1,3})!=(?=\s?\d)", r"\1! = ")),
    (("\\#",), _sub(r"\\#\s?(?=[A-Z(\\])", r"\\Pr ")),
    (("\\deg",), _sub(r"(?<=[\d}])\s?\\deg(?![A-Za-z])", r"^\\circ ")),
    (("\\left", "\\right"), _sub(r"\\(?:left|right)\s?(?=[\[\]])", " ")),
    (("^",), _sub(_TRANSPOSED, "")),
    (("\\",), _sub(r"\\(?:blacksquare|square|Box|qed|QED|checkmark)\s?$|(?<!\\)\\\s?$", "")),
    (("(or", "(and"), _sub(_ALSO, r"\\text{ \1 }\2")),
    (("out of",), _sub(rf"(\d+){_SPOKEN.format('out of')}(\d+)(?![\d.,])", r"\\frac{\1}{\2}")),
    (("to",), _sub(rf"^\s?(\d+){_SPOKEN.format('to')}(\d+)\s?$", r"\1:\2")),
    (_TENS, _sub(_SPELLED_OUT, _in_digits)),
    (("\\_",), _sub(r"(?<=\d)\\_(?=\d{3})", "")),
    (("(",), _sub(_BRACKETED_DECIMAL, r" \\approx \1")),
    (_PLAIN_UNITS, _sub(_PLAIN_UNIT, r"\\text{ \1}\2")),
    (("[\\", "[ \\"), _sub(_BRACKETED_UNIT, r" \1")),
    (("e\\",), _sub(rf"(?<![A-Za-z])e{_UPRIGHT}\{{V\}}", r"\\mathrm{eV}")),
    (("mathring",), _sub(r"\\mathring\s?(?:\{\s?A\s?\}|A)", r"\\AA ")),
    (("\\imath", "\\jmath"), _sub(r"\\([ij])math(?![A-Za-z])", r" \1")),
    (("}/_",), _sub(r"\^\{(\d{1,9})\}\s?/\s?_\{(\d{1,9})\}", r"\\frac{\1}{\2}")),
    (tuple(_COMPARED), _sub(_COMPARISON, lambda m: rf"{m[1]} {_COMPARED[m[2]]} ")),
    (("from",), _sub(_FROM_TO, r"[\1, \2]")),
    (
        ("base",),
        _sub(
            rf"{_BLANK}\(\s?{_UPRIGHT}\s?\{{\s?(?:in )?base\s?\}}\s?(\d{{1,2}})\s?\)",
            r"\\text{ base }\1",
        ),
    ),
    (("{(", "{ ("), _in_parts),
    (("half-li",), _sub(r"half-(life|lives)", r"half\1")),
    (("\u00a2",), _sub("\u00a2", r"\\text{ cents}")),
    (("mL^",), _sub(r"(?<=\d)mL(?=\^)", "m L")),
    (("\\times",), _sub(r"\\times(?=\s?\\(?:vec|overrightarrow)(?![A-Za-z]))", r"\\cross")),
    (("clock",), _sub(r"o'clock", "oclock")),
    ((".",), _sub(r"(?<![A-Za-z])([aApP])\.\s?([mM])(?:\.|(?![A-Za-z]))", r"\1\2")),
    (("sec",), _sub(r"(?<![A-Za-z\\])sec(?=\.?\s?(?:$|[},/^)]))", "secs")),
    (("\\\\",), _sub(r"\\\\\s?$", "")),
    # The last two braces of a set were written in the wrong order.
    (("\\}}",), _sub(r"\{([^{}\\]{0,40})\\\}\}\s?$", r"{\1}\\}")),
)
"""Each rewriting, with signs of which the text has one if there is anything to rewrite."""
