r"""Write an answer's notation in one way, before it is split into tokens.

Colours, sizes and invisible parts are dropped. Unicode's letters, digits, fractions and raised
characters become ASCII and LaTeX. Some notations have several spellings that differ in more than
one sign, such as ``\pmod 7`` and ``(\text{mod } 7)``, or ``]a,b[`` and ``(a,b)``: these are
rewritten to one of them. The time is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

Rewrite = Callable[[str], str]


def plain(text: str) -> str:
    r"""Return the text with one spelling of each notation.

    >>> plain(r"\color{red}{\nicefrac{1}{2}}"), plain("\uff14\u00b2")
    ('{\\frac{1}{2}}', '4^{2}')
    """
    if not text.isascii():
        text = _ascii(text)
    if _TYPESET.search(text):
        text = _without_typesetting(text)
    for signs, rewrite in _REWRITES:
        if any(sign in text for sign in signs):
            text = rewrite(text)
    return text


# --- Unicode --------------------------------------------------------------------------------

_NOT_RAISED = "\u00aa\u00ba"
"""Ordinal signs. People type the second one for a degree."""


def _small_characters() -> dict[str, str]:
    """Return each raised or lowered character with its mark and its usual form: ``^2``, ``_n``."""
    blocks = ((0xAA, 0xBB), (0x2B0, 0x2B9), (0x1D2C, 0x1D6B), (0x2070, 0x20A0), (0x2C7C, 0x2C7D))
    small = {}
    for first, last in blocks:
        for character in map(chr, range(first, last)):
            kind, _, codes = unicodedata.decomposition(character).partition(" ")
            if kind in ("<super>", "<sub>") and character not in _NOT_RAISED:
                usual = chr(int(codes, 16)).replace("\u2212", "-")
                small[character] = ("^" if kind == "<super>" else "_") + usual
    return small


_SMALL = _small_characters()
_SMALL_RUN = re.compile(
    "|".join(
        "[" + "".join(c for c, usual in _SMALL.items() if usual[0] == mark) + "]+" for mark in "^_"
    )
)
_OTHERS = {
    "\u066b": ".", "\u066c": ",", "\u060c": ",", "\u06d4": ".", "\u221b": r"\sqrt[3]",
    "\u221c": r"\sqrt[4]", "\u2026": r"\ldots ", "\u22ef": r"\cdots ", "\u00ba": r"^\circ ",
    "\u2209": r"\notin ", "\u2216": r"\setminus ", "\u2227": r"\land ", "\u2228": r"\lor ",
    "\u2261": r"\equiv ", "\u2223": r"\mid ", "\u2225": r"\| ", "\u2113": r"\ell ",
    "\u2200": r"\forall ", "\u211a": r"\mathbb{Q}", "\u2102": r"\mathbb{C}",
    "\u2211": r"\sum ", "\u222b": r"\int ", "\u21a6": r"\mapsto ", "\u2192": r"\to ",
    "\u2245": r"\cong ", "\u2262": r"\not\equiv ", "\u20d7": "",
}  # fmt: skip
_FULL_WIDTH = range(0xFF01, 0xFF5F)
_LETTERS = range(0x1D400, 0x1D800)
"""Mathematical bold, italic and other letters and digits, which are styles of the usual ones."""


def _ascii(text: str) -> str:
    text = _SMALL_RUN.sub(_marked, text)
    return "".join(c if c < "\x80" else _usual(c) for c in text)


def _marked(match: re.Match[str]) -> str:
    run = [_SMALL[character] for character in match[0]]
    return f"{run[0][0]}{{{''.join(usual[1:] for usual in run)}}}"


def _usual(character: str) -> str:
    if character in _OTHERS:
        return _OTHERS[character]
    if ord(character) in _FULL_WIDTH or ord(character) in _LETTERS:
        return unicodedata.normalize("NFKC", character)
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    if unicodedata.decomposition(character).startswith("<fraction>"):
        above, slash, below = unicodedata.normalize("NFKC", character).partition("\u2044")
        return f"\\frac{{{above}}}{{{below}}}" if slash and below else character
    return character


# --- commands that change nothing ------------------------------------------------------------

_IDLE = (
    "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge displaystyle "
    "textstyle scriptstyle scriptscriptstyle rm bf it sf tt sc cal boldmath unboldmath limits "
    "nolimits mathstrut strut checkmark nonumber notag centering relax hfill hfil"
).split()
_COLOURED = re.compile(r"\\(?:text)?color(?:box)?\s?(?:\[[a-zA-Z]{1,10}\]\s?)?\{[^{}\\]{0,30}\}")
_IDLE_COMMAND = re.compile(rf"\\(?:{'|'.join(_IDLE)})(?![A-Za-z])")
_INVISIBLE = re.compile(r"\\(?:[hv]?phantom|label|tag\*?)\s?\{")
_FRACTIONS = re.compile(r"\\(?:nicefrac|sfrac|cfrac|flatfrac)(?![A-Za-z])")
_ANGLED = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)\s?([<>])")
_NEGATED = re.compile(r"\\not\s?(?:=|\\(in|equiv|eq)(?![A-Za-z]))")
_NEGATIVE = {None: r"\ne ", "eq": r"\ne ", "in": r"\notin ", "equiv": r"\nequiv "}
_ONE_LETTER = re.compile(
    r"\\(?:mathrm|mathbf|mathit|mathsf|mathcal|boldsymbol|bm|text)\s{1,2}([A-Za-z0-9])(?![A-Za-z])"
)
_DEGREE = re.compile(r"(?:\^\s?)?(?:\{\s?)?\\degree(?![A-Za-z])(?:\s?\})?")
_BRACED_SIGN = re.compile(r"(?<![_^A-Za-z}])\{\s?([.:=]|\\times|\\cdot)\s?\}")


_TYPESET = re.compile(
    r"\\(?:(?:text)?color|[hv]?phantom|label|tag|nicefrac|sfrac|cfrac|flatfrac|not(?![a-z])|degree"
    rf"|(?:{'|'.join(_IDLE)})(?![A-Za-z])|(?:left|right|[bB]igg?[lr]?)\s?[<>]"
    r"|(?:math[a-z]{2,3}|boldsymbol|bm|text)\s)|\{\s?(?:[.:=]|\\times|\\cdot)\s?\}"
)
"""Anything that the function below rewrites: most texts have nothing of it."""


def _without_typesetting(text: str) -> str:
    text = _without_invisible(text)
    text = _COLOURED.sub("", text)
    text = _IDLE_COMMAND.sub("", text)
    text = _FRACTIONS.sub(r"\\frac", text)
    text = _ANGLED.sub(lambda match: r"\langle " if match[1] == "<" else r"\rangle ", text)
    text = _NEGATED.sub(lambda match: _NEGATIVE[match[1]], text)
    text = _ONE_LETTER.sub(r" \1", text)
    text = _DEGREE.sub(r"^\\circ ", text)
    return _BRACED_SIGN.sub(lambda match: match[1] + (" " if match[1][0] == "\\" else ""), text)


def _without_invisible(text: str) -> str:
    r"""Return the text without ``\phantom{…}`` and the like, each with what it holds."""
    parts, position = [], 0
    for match in _INVISIBLE.finditer(text):
        if match.start() < position:
            continue  # within one that is dropped already
        end = closing_brace(text, match.end())
        if end is None:
            break
        parts.append(text[position : match.start()])
        position = end
    return "".join((*parts, text[position:]))


def closing_brace(text: str, start: int) -> int | None:
    """Return where the group that is open at ``start`` ends, or None."""
    depth = 1
    for index in range(start, len(text)):
        if text[index] in "{}" and text[index - 1] != "\\":
            depth += 1 if text[index] == "{" else -1
            if depth == 0:
                return index + 1
    return None


# --- notations with several spellings ---------------------------------------------------------

_STYLED = r"(?:\\(?:text|mathrm|operatorname|rm)\s?\{?\s?)?"
_MODULO = re.compile(
    rf"\(\s?{_STYLED}\\?[bp]?mod\s?\}}?\s?([^(){{}}]{{1,40}})\)|\\[bp]?mod(?![A-Za-z])"
    rf"|\\(?:text|mathrm|operatorname)\s?\{{\s?mod\s?\}}|(?<=[0-9])\s?mod\s?(?=[0-9])"
)
_IN_BASE = re.compile(
    r"(?<![0-9A-Za-z.])([0-9][0-9A-F]{0,200})\s?(?:\\text\s?\{)?\s?(?:in\s|\()?\s?base[-\s}]{1,3}"
    r"([0-9]{1,2})\s?[)}]?"
)
_CHOOSE = re.compile(
    r"(?:\{\}\s?)?(?:(?<=\})|(?<![\w)\]}]))[_^]\{?([0-9]{1,4})\}?\s?([CP])_\{?([0-9]{1,4})\}?"
)
_OUTWARD = re.compile(
    r"((?:^|(?<=[\s$,(={])|(?<=cup))\]|(?<![A-Za-z])\[)([^\[\]]{1,200})"
    r"([\[\]])(?=\s{0,3}(?:$|[,;.)}$]|\\(?:cup|cap|text|\)|\]|setminus)))"
)
_OF_LIST = re.compile(r"(?<![\\A-Za-z])(max|min|gcd|lcm)(?=\s?(?:\(|\\\{))")
_DEGREES = re.compile(
    r"(?<=[0-9])\s?\^\s?(?:o|\{\s?o\s?\}|\\(?:text|mathrm)\s?\{\s?o\s?\})(?![A-Za-z])"
)


def _modulo(match: re.Match[str]) -> str:
    return rf"\mod {{{match[1]}}}" if match[1] else r"\mod "


def _chosen(match: re.Match[str]) -> str:
    above, letter, below = match.groups()
    ways = rf"\binom{{{above}}}{{{below}}}"
    return ways if letter == "C" else rf"({ways}{below}!)"


def _inward(match: re.Match[str]) -> str:
    opening, inner, closing = match.groups()
    if (opening, closing) == ("[", "]") or not ("," in inner or ";" in inner):
        return match[0]
    return f"{'(' if opening == ']' else '['}{inner}{')' if closing == '[' else ']'}"


def _sub(pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str]) -> Rewrite:
    return lambda text: pattern.sub(replacement, text)


_NUMBERS_SET = re.compile(
    r"\\([RZNQ])(?![A-Za-z])|(?<=\\in)\s?\\(?:mathbf|bf|mathrm)\s?\{?\s?([RZNQ])\s?\}?"
)
_ROOT_SIGN = re.compile(r"\\surd\s?(\d{1,20}|[A-Za-z](?![A-Za-z]))")
_COMBINATIONS = re.compile(
    r"(?<![A-Za-z\\])(?:\\(?:mathrm|text)\s?\{\s?C\s?\}|C)_\{?([0-9]{1,4})\}?\^\{?([0-9]{1,4})\}?"
)


def _numbers_set(match: re.Match[str]) -> str:
    return rf"\mathbb{{{match[1] or match[2]}}}"


_REWRITES: tuple[tuple[tuple[str, ...], Rewrite], ...] = (
    (("\\R", "\\Z", "\\N", "\\Q", "\\in"), _sub(_NUMBERS_SET, _numbers_set)),
    (("\\surd",), _sub(_ROOT_SIGN, r"\\sqrt{\1}")),
    (("C_", "C}_"), _sub(_COMBINATIONS, r"\\binom{\1}{\2}")),
    (("[", "]"), _sub(re.compile(r"\\[,;:!](?=\s?[\[\]])|(?<=[\[\]])\\[,;:!]"), " ")),
    (("mod",), _sub(_MODULO, _modulo)),
    (("base",), _sub(_IN_BASE, r"\1_{\2}")),
    (("C_", "P_"), _sub(_CHOOSE, _chosen)),
    (("[", "]"), _sub(_OUTWARD, _inward)),
    (("^o", "^ o", "^{o", "^{ o", "^\\text", "^\\mathrm"), _sub(_DEGREES, r"^\\circ ")),
    (("max", "min", "gcd", "lcm"), _sub(_OF_LIST, r"\\\1")),
)
"""Each rewriting, with signs of which the text has one if there is anything to rewrite."""
