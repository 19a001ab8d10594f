r"""Find formulas in text, and tell them from prices.

The one decision here: two dollar signs enclose a formula only if the text
between them could be one. "It costs $5 and then $7" has two dollar signs and no
formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.extraction.values import MATHS, MAXIMUM_ANSWER_LENGTH, WORD

_ENVIRONMENT = r"(?:equation|align|gather|multline|eqnarray)\*?\}"
# `\\` and `\$` are matched so that no half of them is taken for a sign.
_SIGN = re.compile(
    rf"\\\\|\\\$|\$\$|\$|\\[\[\]()]|\\begin\{{{_ENVIRONMENT}|\\end\{{{_ENVIRONMENT}", re.DOTALL
)
_WINDOW = 2 * MAXIMUM_ANSWER_LENGTH
_CLOSING = {"$$": "$$", "$": "$", r"\)": r"\(", r"\]": r"\["}


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """One formula, or several that one sentence lists."""

    start: int
    """The index in the text at which its opening sign begins."""
    end: int
    """The index in the text at which its closing sign ends."""
    content: str
    """The text between the signs, as `cleaned` returns it."""


def formulas_from_the_end(text: str) -> Iterator[Formula]:
    """Yield the formulas in the last few thousand characters, the last one first."""
    if "$" not in text and "\\" not in text:  # every sign has one of the two
        return
    offset = max(0, len(text) - _WINDOW)
    signs = [sign for sign in _SIGN.finditer(text, offset) if sign[0] not in ("\\\\", r"\$")]
    while len(signs) > 1:
        closing = signs.pop()
        opening = _opening(signs, closing[0])
        content = text[signs[opening].end() : closing.start()] if opening is not None else ""
        if opening is None or not _is_formula(content, closing, text):
            continue
        yield Formula(start=signs[opening].start(), end=closing.end(), content=cleaned(content))
        del signs[opening:]


def _opening(signs: list[re.Match[str]], closing: str) -> int | None:
    r"""Return the index of the sign that ``closing`` closes, or None.

    A display, ``\[ … \]``, may hold text with a few formulas, so more signs are looked at.
    """
    wanted = "\\begin" if closing.startswith("\\end") else _CLOSING.get(closing)
    reach = 1 if closing in ("$", r"\)") else 9
    for index in range(len(signs) - 1, max(-1, len(signs) - 1 - reach), -1):
        sign = signs[index][0]
        if wanted and sign.startswith(wanted) and (wanted == "\\begin" or sign == wanted):
            return index
    return None


_INCOMPLETE = re.compile(r"[=+*/(<-]\s*$|^\s*[,.;:?!)=]")


def _is_formula(content: str, closing: re.Match[str], text: str) -> bool:
    if not content.strip() or len(content) > MAXIMUM_ANSWER_LENGTH:
        return False
    if closing[0] != "$":
        return True
    return could_be_formula(content) and not text[closing.end() : closing.end() + 1].isdigit()


def could_be_formula(content: str) -> bool:
    """Say whether the text between two single dollars can be a formula, not prose between prices.

    >>> could_be_formula("x = 5"), could_be_formula("5 and then "), could_be_formula("35*2=")
    (True, False, False)
    """
    one_sided = content[0].isspace() != content[-1].isspace()
    return not (one_sided or _INCOMPLETE.search(content) or prose_in(content) or "\n\n" in content)


_TEXT_COMMAND = re.compile(r"\\(?:text\w{0,6}|mbox|mathrm|operatorname)\s?\{[^{}]{0,200}\}")


def prose_in(content: str) -> bool:
    r"""Say whether a formula has words of prose outside of ``\text{…}``."""
    return bool(WORD.search(_TEXT_COMMAND.sub("", content)))


_MULTIPLE_LINES = re.compile(r"\\(?:begin|end)\{(?:align|gather|split|eqnarray)(?:ed)?\*?\}|\\\\")
_TRAILING = re.compile(r"(?:\s|[.,;]|\\[,;:! ]|\\q?quad)+$")
_NESTED_ROWS = re.compile(r"\\begin\{(?:[a-zA-Z]?matrix|cases|array|tabular)")


def cleaned(content: str) -> str:
    r"""Return a formula without the punctuation of its sentence.

    If the last line of several begins with ``=``, only what follows that sign is kept.

    >>> cleaned(r"x &= 1 + 2 \\ &= 3."), cleaned(r"\begin{pmatrix}1\\2\end{pmatrix},")
    ('3', '\\begin{pmatrix}1\\\\2\\end{pmatrix}')
    """
    content = _without_trailing(content.strip())
    if "\\\\" not in content or _NESTED_ROWS.search(content):
        return content
    lines = [_without_trailing(line).strip() for line in _MULTIPLE_LINES.split(content)]
    lines = [line for line in lines if line]
    if lines and lines[-1].lstrip("& ").startswith("="):
        return lines[-1].replace("&", " ").strip().lstrip("=").strip()
    return content


def _without_trailing(content: str) -> str:
    # Only the end is searched: a pattern that ends in `$` is tried at every blank of the text.
    head, tail = content[:-40], content[-40:]
    return head + _TRAILING.sub("", tail)


_SYMBOL = re.compile(
    r"""(?: \\(?:triangle|angle|overline|vec|mathbf|mathbb|mathrm|mathcal)\s?\{?\s?)?
    (?: [A-Za-z]{1,4} | \\(?!pi\b|infty\b|emptyset\b|varnothing\b|text|boxed)[A-Za-z]+ )
    '*(?:_(?:\w|\{\w{1,6}\}))?\}?(?:\(\s?[a-z]\s?(?:,\s?[a-z]\s?){0,3}\))?""",
    re.VERBOSE,
)


def only_names(content: str) -> bool:
    r"""Say whether a formula is only a name, as ``n``, ``f(x)`` and ``\triangle ABC`` are."""
    return bool(_SYMBOL.fullmatch(content))


_LISTING = re.compile(r"\s{0,3}(?:,\s{0,3}(?:and|or)|,|;|and|or)\s{1,3}")


def listed(text: str, last: Formula, before: Iterator[Formula]) -> Formula:
    """Return the last formula together with those that the same sentence lists before it."""
    for formula in before:
        if only_names(formula.content) or not _are_listed(text, formula, last):
            break
        content = f"{formula.content}, {last.content}"
        last = Formula(start=formula.start, end=last.end, content=content)
        if len(content) > MAXIMUM_ANSWER_LENGTH:
            break
    return last


def _are_listed(text: str, before: Formula, after: Formula) -> bool:
    between = text[before.end : after.start]
    if between.isspace() and _comma_inside(text, before.start, before.end):
        return True
    return bool(_LISTING.fullmatch(between))


_BLANKS = re.compile(r"\s{1,3}")


def _comma_inside(text: str, start: int, end: int) -> re.Match[str] | None:
    """Return the blanks after a formula that ends in its sentence's comma: ``$x=1,$ $y=2$``."""
    return _BLANKS.match(text, end) if text.endswith((",$", r",\)"), start, end) else None


def formula_at(text: str, start: int) -> Formula | None:
    """Return the formula that opens at ``start`` with those listed after it, or None."""
    first = _one_at(text, start)
    if first is None:
        return None
    contents, end = [first.content], first.end
    while following := _LISTING.match(text, end) or _comma_inside(text, start, end):
        formula = _one_at(text, following.end())
        if formula is None:
            break
        contents.append(formula.content)
        end = formula.end
    return Formula(start=start, end=end, content=", ".join(contents))


_UNESCAPED_DOLLAR = re.compile(r"(?<!\\)\$")


def _one_at(text: str, start: int) -> Formula | None:
    for opening, closing in MATHS:
        if not text.startswith(opening, start):
            continue
        inside = start + len(opening)
        if opening == "$":
            dollar = _UNESCAPED_DOLLAR.search(text, inside)
            end = dollar.start() if dollar else -1
        else:
            end = text.find(closing, inside)
        content = text[inside:end] if end > inside else ""
        if not content.strip() or (opening == "$" and not could_be_formula(content)):
            return None
        return Formula(start=start, end=end + len(closing), content=cleaned(content))
    return None
