r"""Split the text of an answer into tokens, without its typesetting.

LaTeX, plain text and Unicode become one small vocabulary, so that the parser
sees one spelling of everything. The time is linear in the text. A text that does
not look like an answer raises `UnreadableError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from harness.grading.answers.notation import plain
from harness.grading.answers.spellings import respell
from harness.grading.answers.units import UNIT_LETTERS, unit_of

MAXIMUM_TOKENS = 600


class UnreadableError(ValueError):
    """The rules cannot read the text as an answer. This says nothing about its value."""


class TooDeepError(ValueError):
    """The text has more levels than any answer: neither the rules nor a worker should read it."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text, and whether a blank stands before it."""

    kind: str
    r"""`number`, `symbol`, `command` (known, without its backslash), `word`, `relation`,
    `separator`, `dots`, `row`, `cell`, `begin`, `end`, or the character itself."""
    text: str
    """The token in its one spelling."""
    spaced: bool = False
    """A blank stands before the token."""


_CHARACTERS = str.maketrans(
    {
        "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2010": "-", "\u2011": "-",
        "\u00d7": r"\times ", "\u00b7": r"\cdot ", "\u22c5": r"\cdot ", "\u2217": "*",
        "\u00f7": r"\div ", "\u2044": "/", "\u2215": "/", "\u221a": r"\sqrt ", "\u221e": r"\infty ",
        "\u2264": r"\le ", "\u2265": r"\ge ", "\u2a7d": r"\le ", "\u2a7e": r"\ge ",
        "\u2260": r"\ne ", "\u2248": r"\approx ", "\u00b1": r"\pm ", "\u2213": r"\mp ",
        "\u222a": r"\cup ", "\u2229": r"\cap ", "\u2208": r"\in ", "\u2205": r"\emptyset ",
        "\u211d": r"\mathbb{R}", "\u2124": r"\mathbb{Z}", "\u2115": r"\mathbb{N}",
        "\u00b0": r"^\circ ", "\u2032": "'", "\u2019": "'", "\u230a": r"\lfloor ",
        "\u230b": r"\rfloor ", "\u2308": r"\lceil ", "\u2309": r"\rceil ",
        "\u27e8": r"\langle ", "\u27e9": r"\rangle ", "\u2220": r"\angle ",
        "\u03b1": r"\alpha ", "\u03b2": r"\beta ", "\u03b3": r"\gamma ", "\u03b4": r"\delta ",
        "\u03b5": r"\varepsilon ", "\u03b8": r"\theta ", "\u03bb": r"\lambda ", "\u03bc": r"\mu ",
        "\u03c0": r"\pi ", "\u03c1": r"\rho ", "\u03c3": r"\sigma ", "\u03c4": r"\tau ",
        "\u03c6": r"\phi ", "\u03d5": r"\phi ", "\u03c9": r"\omega ", "\u03a9": r"\Omega ",
        "\u3001": ",", "\u3002": ".",
        "\u20ac": "", "\u00a3": "", "\u00a5": "",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200a": " ", "\u2002": " ", "\u2003": " ",
        "\u200b": "", "\ufeff": "",
    }
)  # fmt: skip

_STEPS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=\d)\{?,\}?\\!\s?(?=\d{3})", ""),
        (r"\\!", ""),
        (r"\\(?:left|right|[bB]igg?[lrm]?|middle)(?![A-Za-z])\.?", ""),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"(?<=\d)(?:\{,\}|(?<!\\)\\[,;: ]|~)\s?(?=\d{3}(?!\d))", ""),
        # In braces a comma separates no list: before one or two digits it is a decimal sign.
        (r"(?<=\d)\{,\}(?=\d{1,2}(?![\d{]))", "."),
        (r"\{,\}", ","),
        (r"(?<!\\)\\[,;:> ]|\\q?quad(?![A-Za-z])|\\(?:hspace|vspace)\*?\{[^{}]{0,20}\}|~", " "),
        # An approximation after an exact answer is a remark, and is dropped.
        (
            r"\s\(?(?:\\text\s?\{)?\s?\(?\s?(?:or\s)?(?:about|approximately|approx\.?)\s.{0,200}$",
            "",
        ),
        (r"(?<![A-Za-z])(?:np|numpy|math|sympy|sp)\.(?=[a-z])", ""),
        (r"\*\*", "^"),
        (r"\.\.\.", r"\\ldots "),
        (r"(?<=\d)\s?x\s?(?=10\s?\^)", r"\\times "),
        (r"\.(?=\s?\}\s?$)", ""),
        (r"^\s?(?:\\text\s?\{)?\s?(?:[Tt]he )?(?:[Ff]inal )?[Aa]nswer\s?(?:is|:){1,2}\s?\}?", ""),
        (r"^\s?(?:\\(?:text|mathrm)\s?\{\s?)?[Aa]ns\.?\s?[:=.]?\s?\}", ""),
        (r"^\s?\\(?:implies|therefore|to|[Rr]ightarrow|[Ll]ongrightarrow)(?![A-Za-z])\s?", ""),
        (r"(?:\r?\n\s{0,20}){2,}", " , "),
        (r"\\\$|\$", ""),
    )
)
_LISTED_DOTS = re.compile(r",\s{0,3}\\[a-z]{0,2}dots$")
_TWICE_ESCAPED = re.compile(r"\\\\(?=[A-Za-z]{2})")


def clean(text: str) -> str:
    """Return the text as LaTeX in ASCII, without sizes, spacing and remarks.

    Raises:
        UnreadableError: the text ends in dots, so it does not state the whole answer.
    """
    text = plain(respell(text)).translate(_CHARACTERS)
    text = _REPEATING.sub(_as_fraction, text)
    if "\\begin" not in text:
        text = _TWICE_ESCAPED.sub(r"\\", text)
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    text = text.strip().strip("*")
    if text.endswith("dots") and not _LISTED_DOTS.search(text):
        raise UnreadableError("an open end")
    return text.rstrip(".,;:").strip()


_REPEATING = re.compile(
    r"(?<![\d.])(\d{0,20})\.(\d{0,20}?)(?:\\(?:overline|bar)\s?\{(\d{1,20})\}|\\(?:dot|bar|overline)\s?\{?(\d)\}?|\((\d{1,20})\)"
    r"|(\d)\6\6+\s?(?:\.\.\.|\u2026|\\[lc]?dots))"
)


def _as_fraction(match: re.Match[str]) -> str:
    r"""Return a repeating decimal as a fraction: ``0.1\overline{6}`` is (16 - 1) / 90."""
    whole, fixed = match[1] or "0", match[2]
    period = next(group for group in match.groups()[2:] if group)
    value = Fraction(int(whole + fixed + period) - int(whole + fixed))
    value /= (10 ** len(period) - 1) * 10 ** len(fixed)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>
        (?: \d{1,3}(?:,\d{3})+(?![\d]) | \d{1,2}(?:,\d{2})+,\d{3}(?![\d,])
          | \d{1,3}(?:[ ]\d{3})+(?![\d]) | \d+ ) (?:\.\d*)?
        (?: [eE][-+]?\d{1,9}(?![\dA-Za-z.]) )?
      | \.\d+ (?: [eE][-+]?\d{1,9}(?![\dA-Za-z.]) )? )
    | (?P<text>\\(?:text|textrm|textnormal|textsf|textit|mbox|hbox|mathrm)\s?\{)
    | (?P<styled>\\(?:textbf|mathbf|pmb|mathit|mathsf|mathcal|bm|boldsymbol|operatorname\*?|emph
        |boxed|fbox|underline)\s?\{)
    | \\(?P<environment>begin|end)\s?\{(?P<name>[a-zA-Z]{1,12})\*?\}(?:\{[lcr|]{0,20}\})?
    | (?P<row>\\\\|\\cr(?![a-z]))
    | \\(?P<command>[A-Za-z]+)
    | \\(?P<escaped>[{}|%\#_&])
    | (?P<letters>[A-Za-z]+)
    | (?P<foreign>[\u00c0-\u02af\u0400-\u1fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+)
    | (?P<relation><=|>=|!=|==|:=|[=<>])
    | (?P<mark>[-+*/^_!'|(){}\[\],;:&%])""",
    re.VERBOSE | re.ASCII,
)

RELATIONS = {
    "=": "=", "==": "=", ":=": "=", "equiv": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=",
    "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=", "geqslant": ">=",
    "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "!=": "!=", "approx": "~", "simeq": "~",
    "sim": "~", "doteq": "~", "approxeq": "~", "fallingdotseq": "~", "thickapprox": "~",
    "in": "in", "notin": "notin",
}  # fmt: skip
_MARKS = {
    "times": "*", "cdot": "*", "ast": "*", "div": "/", "lbrack": "[", "rbrack": "]",
    "lbrace": "\\{", "rbrace": "\\}", "vert": "|", "mid": "|", "lvert": "|", "rvert": "|",
    "colon": ":", "langle": "(", "rangle": ")", "prime": "'",
    "lparen": "(", "rparen": ")", "degree": "circ", "percent": "%", "tfrac": "frac",
    "backslash": "setminus", "smallsetminus": "setminus", "bigcup": "cup", "bigcap": "cap",
}  # fmt: skip
FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot asin acos atan sinh cosh tanh ln log lg "
    "exp sqrt cis abs floor ceil".split()
)
GREEK = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi "
    "pi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi "
    "Psi Omega AA max min gcd lcm hbar ell odot oplus circ infty emptyset varnothing nabla "
    "partial sup inf det Pr arg deg dim ker".split()
)
_STRUCTURE = frozenset(
    "frac binom dbinom tbinom pm mp cup cap setminus lfloor rfloor lceil rceil mathbb dot ddot "
    "hat bar vec overline overrightarrow widehat tilde angle triangle mod sum prod int lim forall "
    "mapsto cross".split()
)
_VARIANTS = {f"var{name}": name for name in "epsilon theta phi rho sigma kappa pi".split()}
"""Shapes of one letter: nobody gives two of them different meanings in one answer."""
_SEPARATORS = {"land": "and", "wedge": "and", "lor": "or", "vee": "or"}
_JOINING = {"and": "and", "or": "or", "und": "and", "oder": "or", "et": "and", "ou": "or"}
_FOREIGN_SEPARATORS = {"\u6216": "or", "\u6216\u8005": "or", "\u548c": "and", "\u4e14": "and"}
DOTS = "\\ldots"
"""The dots in a list, in their one spelling."""
_DOTS = frozenset("ldots dots cdots dotsc dotsb".split())
NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
}
_MULTIPLES = {
    "dozen": "12",
    "hundred": "100",
    "thousand": "1000",
    "lakh": "100000",
    "million": "1000000",
    "crore": "10000000",
    "billion": "1000000000",
    "trillion": "1000000000000",
}


def tokenize(text: str) -> list[Token]:
    r"""Return the tokens of an answer; raise `UnreadableError` for text outside the vocabulary.

    >>> [token.text for token in tokenize(r"$x \\le \\dfrac{1}{2}\\text{ cm}$")]
    ['x', '<=', 'frac', '{', '1', '}', '{', '2', '}', 'cm']
    """
    tokens: list[Token] = []
    for token in _scan(clean(text)):
        tokens.append(token)
        if len(tokens) > MAXIMUM_TOKENS:
            raise UnreadableError("too long")
    return tokens


_UPRIGHT = UNIT_LETTERS | frozenset("TFHCS")
"""Letters that are a unit where they stand in \\text after a value."""


def _follows_value(previous: str, letters: str | None) -> bool:
    r"""Say whether a letter in ``\text`` comes after a value: ``\frac{1}{6} \text{ m}``.

    After anything but a number or a unit, it has to stand alone: ``\text{AN}`` is a name.
    """
    if previous in ("number", "word", "/"):
        return True
    return previous in ("}", ")", "symbol") and letters is not None and len(letters) == 1


def _scan(text: str) -> Iterator[Token]:
    position, spaced, previous = 0, False, ""
    closing: list[int] = []  # depths at which a \text group ends, since its brace is dropped
    depth = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnreadableError(f"{text[position]!r} is no part of an answer")
        position = match.end()
        kind = str(match.lastgroup)
        if kind == "space":
            spaced = True
            continue
        if kind in ("text", "styled"):
            closing.append(depth)
            depth += 1
            spaced = True
            continue
        if kind == "mark" and match["mark"] in "{}":
            depth += 1 if match["mark"] == "{" else -1
            if match["mark"] == "}" and closing and depth == closing[-1]:
                closing.pop()
                spaced = True
                continue
        for token in _tokens_of(kind, match, spaced, "text" if closing else previous):
            if closing and token.text in _UPRIGHT and _follows_value(previous, match["letters"]):
                token = Token("word", token.text, token.spaced)
            previous = token.kind
            yield token
        spaced = False
    if closing:
        raise UnreadableError("a group stays open")


def _tokens_of(kind: str, match: re.Match[str], spaced: bool, after: str) -> Iterator[Token]:
    if kind == "number":
        yield Token("number", match["number"], spaced)
    elif kind == "name":
        yield Token("begin" if match["environment"] == "begin" else "end", match["name"], spaced)
    elif kind == "row":
        yield Token("row", "\\\\", spaced)
    elif kind == "command":
        yield _command(match["command"], spaced)
    elif kind == "escaped":
        yield _escaped(match["escaped"], spaced)
    elif kind == "letters":
        yield from _letters(match["letters"], spaced, after)
    elif kind == "foreign":
        word = match["foreign"]
        kind = "separator" if word in _FOREIGN_SEPARATORS else "word"
        yield Token(kind, _FOREIGN_SEPARATORS.get(word, word), spaced)
    elif kind == "relation":
        yield Token("relation", RELATIONS[match["relation"]], spaced)
    else:
        mark = match["mark"]
        yield Token("cell" if mark == "&" else mark, mark, spaced)


def _command(name: str, spaced: bool) -> Token:
    if name in RELATIONS:
        return Token("relation", RELATIONS[name], spaced)
    if name in _SEPARATORS:
        return Token("separator", _SEPARATORS[name], spaced)
    if name in _DOTS:
        return Token("dots", DOTS, spaced)
    if name in _MARKS:
        mark = _MARKS[name]
        return Token("command" if mark.isalpha() else mark, mark, spaced)
    if name in FUNCTIONS or name in _STRUCTURE:
        return Token("command", name, spaced)
    name = _VARIANTS.get(name, name)
    if name in GREEK:
        return Token("command" if name == "circ" else "symbol", f"\\{name}", spaced)
    raise UnreadableError(f"\\{name} is not read")


def _escaped(mark: str, spaced: bool) -> Token:
    if mark in "{}":
        return Token(f"\\{mark}", f"\\{mark}", spaced)
    if mark == "&":
        return Token("separator", "and", spaced)
    if mark in "%|":
        return Token(mark, mark, spaced)
    raise UnreadableError(f"\\{mark} is not read")


def _is_short_word(run: str, after: str) -> bool:
    """Say whether a few letters are a word and not a product, from the token before them."""
    if run in SHORT_UNITS and after in ("number", "}", ")", "text", "word"):
        return True
    if after == "text" and len(run) == 2 and unit_of(run) is not None:
        return True
    if after in ("text", "word"):
        return run.lower() in _SHORT_WORDS
    return after == "" and run.lower() == "no"


def _letters(run: str, spaced: bool, after: str) -> Iterator[Token]:
    """Yield a function, a constant, a separator, a number or a word; else a symbol per letter."""
    lower = run.lower()
    if run in FUNCTIONS or run in ("pi", "infty", "inf", "infinity", "oo", "theta"):
        name = {"pi": "\\pi", "theta": "\\theta"}.get(run)
        if name or run == "oo" or run.startswith("inf"):
            yield Token("symbol", name or "\\infty", spaced)
        else:
            yield Token("command", run, spaced)
    elif lower in _JOINING and (len(run) > 2 or lower == "or" or after == "text"):
        yield Token("separator", _JOINING[lower], spaced)
    elif lower in _MULTIPLES:
        yield Token("*", "*")
        yield Token("number", _MULTIPLES[lower])
    elif lower in NUMBER_WORDS:
        yield Token("number", NUMBER_WORDS[lower], True)
    elif len(run) >= 3 or _is_short_word(run, after):
        yield Token("word", run, spaced)
    else:
        for index, letter in enumerate(run):
            yield Token("symbol", letter, spaced and index == 0)


_SHORT_WORDS = frozenset("an if is of to if on at by as we no so it be".split())
SHORT_UNITS = frozenset(
    "sq cu cm mm km kg mg ml mL hr Hz kJ MJ mW kW kV pm am PM AM eV in ft mi".split()
)
"""Two letters that are a unit after a number, a bracket or a word, and a product elsewhere."""
