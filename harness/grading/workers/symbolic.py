r"""Symbolic comparison by math-verify. It runs only inside a worker process.

math-verify's own timeouts are off: they use ``signal.alarm``, which works in
the main thread only and cannot interrupt a big-integer operation in C. The
worker is killed from outside instead. Sympy is imported inside functions, so
that importing this module is cheap.
"""

from __future__ import annotations

import re
from typing import Any

from harness.grading.answers.limits import too_costly
from harness.grading.answers.rules import Equivalence, strip_delimiters

RELATIVE_TOLERANCE = 1e-6
"""Two numbers that differ by more than this, relative to the larger one, are never equal.
math-verify rounds to six *decimal* places and would call 1e-7 and 2e-7 equal."""


EXERCISES = (
    *(r"-24x^2 - 10x + 6", r"\frac{x+1}{2\sqrt{3}}", r"\sqrt[3]{2}\pi", r"2^{n-1}\sin(2\theta)"),
    *(r"(-\infty, 2) \cup [3, 5]", r"\{1, -2, \frac{1}{2}\}", r"(3, -4)", r"x = 2, y \le 3"),
    *(r"\text{even}", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\sum_{k=1}^{n} k^2"),
    *(r"\binom{5}{2} + 3!", r"|x - 1| < 2", r"3 \text{ cm}", r"(2 > 1: 0"),
)
"""Formulas of the usual kinds."""


def practise(*_: str) -> Equivalence:
    """Read formulas of the usual kinds, so that the first comparisons take half the time.

    The parser fills its tables as it meets new forms. All of it takes half a second.
    """
    for formula in EXERCISES:
        _parse(formula)
    return Equivalence.EQUAL


_OPEN_END = re.compile(r"\\(?:[lcv]?dots|dots[bcimo]|ddots)(?![A-Za-z])|\.\.\.|\u2026")
"""Dots, which stand for more than is written. math-verify drops them."""


def compare(gold: str, answer: str) -> Equivalence:
    """Compare a candidate with the gold as mathematics.

    Hostile input may make this hang, exhaust memory or crash the process, so call it in a worker.
    """
    if too_costly(gold) or too_costly(answer) or _OPEN_END.search(gold + answer):
        return Equivalence.UNPARSABLE
    parsed_answer = _parse(answer)
    if not parsed_answer:
        return Equivalence.UNPARSABLE
    parsed_gold = _parse(gold)
    # The gold comes first: verify() is not symmetric.
    if _verify(parsed_gold, parsed_answer) and not _differ_in_case(gold, answer):
        return Equivalence.EQUAL
    if not any(_is_expression(item) for item in parsed_answer):
        return Equivalence.UNPARSABLE
    return Equivalence.DIFFERENT


def _parse(text: str) -> list[Any]:
    """Return what math-verify reads in the text: expressions, strings, or nothing.

    Both sides are boxed, because math-verify often misses bare LaTeX. With a box, its
    first match is the whole text and never a number picked out of it.
    """
    from math_verify import LatexExtractionConfig, parse

    boxed = rf"\boxed{{{as_latex(text)}}}"
    # Only the LaTeX parser is used: math-verify's parser of plain expressions hands text to
    # sympy's parse_expr, which evaluates it as Python.
    parsed: list[Any] = parse(
        boxed,
        extraction_config=[LatexExtractionConfig()],
        extraction_mode="first_match",
        parsing_timeout=None,
    )
    return parsed


# Names that plain text writes without a backslash. A LaTeX parser would read them as a
# product of letters: pi as p*i.
_BARE_NAME = re.compile(
    r"(?<![\\A-Za-z{])(pi|theta|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|ln|log|exp)"
    r"(?![A-Za-z])"
)
_UNICODE = str.maketrans(
    {
        "\u2212": "-",
        "\u00b0": r"^\circ ",
        "\u03c0": r"\pi ",
        "\u221e": r"\infty ",
        "\u00d7": r"\times ",
        "\u00b7": r"\cdot ",
        "\u2264": r"\le ",
        "\u2265": r"\ge ",
        "\u2260": r"\ne ",
        "\u222a": r"\cup ",
    }
)
# A root in plain text, with at most one level of parentheses inside.
_ROOT = re.compile(r"\\?(?:(?<![A-Za-z])sqrt|\u221a)\s?\(((?:[^()]|\([^()]*\))*)\)")
_ROOT_SIGN = re.compile(r"\u221a\s?(\d+|[A-Za-z])")
_PYTHON_POWER = re.compile(r"\*\*\s?(-?\d+)")


def as_latex(text: str) -> str:
    r"""Return plain-text mathematics as LaTeX; text that is LaTeX already stays LaTeX.

    >>> as_latex("$3*pi**2$")
    '3*\\pi^{2}'
    """
    latex = _ROOT.sub(r"\\sqrt{\1}", strip_delimiters(text))
    latex = _ROOT_SIGN.sub(r"\\sqrt{\1}", latex).translate(_UNICODE)
    latex = _PYTHON_POWER.sub(r"^{\1}", latex).replace("**", "^")
    return _BARE_NAME.sub(r"\\\1 ", latex).replace(r"\pi ^", r"\pi^")


def _verify(gold: list[Any], answer: list[Any]) -> bool:
    from math_verify import verify

    if not verify(gold, answer, timeout_seconds=None):
        return False
    first = (gold[0], answer[0])
    return not (_far_apart(*first) or _other_equations(*first) or _other_derivatives(*first))


_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")


def _differ_in_case(gold: str, answer: str) -> bool:
    """Say whether the same letters are written in another case, which math-verify ignores."""
    letters = [frozenset(_LETTER.findall(text)) for text in (gold, answer)]
    lower = [frozenset(letter.lower() for letter in side) for side in letters]
    return letters[0] != letters[1] and lower[0] == lower[1]


def _other_equations(gold: Any, answer: Any) -> bool:
    """Say whether two equations are not multiples of one another.

    math-verify also calls two equations equal if it finds no solution of either.
    """
    from sympy import Eq, simplify

    if not (isinstance(gold, Eq) and isinstance(answer, Eq)):
        return False
    left, right = (_without_derivatives(side.lhs - side.rhs) for side in (gold, answer))
    ratio = simplify(left / right)
    return not (ratio.is_number and ratio.is_finite and ratio != 0)


def _other_derivatives(gold: Any, answer: Any) -> bool:
    """Say whether two expressions are equal only as long as their derivatives count as zero."""
    from sympy import Expr, simplify

    if not (isinstance(gold, Expr) and isinstance(answer, Expr)):
        return False
    named = _without_derivatives(gold), _without_derivatives(answer)
    return named != (gold, answer) and simplify(named[0] - named[1]) != 0


def _without_derivatives(expression: Any) -> Any:
    """Return an expression with a symbol for each derivative of a name, as in ``dx/dt``.

    sympy takes the derivative of one symbol by another for zero.
    """
    from sympy import Derivative, Symbol

    return expression.replace(
        lambda part: isinstance(part, Derivative) and isinstance(part.expr, Symbol),
        lambda part: Symbol(str(part)),
    )


def _far_apart(gold: Any, answer: Any) -> bool:
    """Say whether two real numbers differ by more than the relative tolerance."""
    if not (_is_number(gold) and _is_number(answer)):
        return False
    difference = (gold - answer).evalf(20)
    largest = max(abs(gold.evalf(20)), abs(answer.evalf(20)))
    return bool(abs(difference) > RELATIVE_TOLERANCE * largest)


def _is_number(item: Any) -> bool:
    from sympy import Expr

    return isinstance(item, Expr) and bool(item.is_number) and item.is_finite is not False


def _is_expression(item: Any) -> bool:
    return not isinstance(item, str)
