r"""Other graders' opinions on a pair, for audits; they never decide a verdict.

`math_verify_alone` asks math-verify with its own settings. `qwen_compat` follows
the rules of the Qwen2.5-Math evaluation kit, with which OpenSeek's published
table was made, in order to reproduce such numbers. Both get the whole response.

There is one departure from the kit. It hands text to sympy's ``parse_expr``,
which evaluates it as Python; here only a LaTeX parser reads the text. So
mathematics in plain text, such as ``sqrt(3)``, is different here unless it is
equal as a string, and may be equal in the kit.

Known faults of both graders are kept. math-verify accepts any one of several
answers, rounds to six places, and accepts a set for a tuple. The kit takes x, x/100
and 100x as equal, numbers within a relative 1e-4 of each other, and ``(1,2)``
and ``[1,2)``; it also drops a variable whose letter is a unit.

These functions may hang or exhaust memory, so call them in a worker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import chain
from typing import Any

from harness.grading.answers.limits import too_costly
from harness.grading.answers.rules import Equivalence
from harness.grading.compat.qwen_text import (
    CHOICES,
    MAXIMUM_LENGTH,
    choice_in_answer,
    choice_in_response,
    extract,
    normalise,
)

MAXIMUM_DEPTH = 40
RELATIVE_TOLERANCE = 1e-4
_DELIMITERS = ("$", "\\boxed", "\\(", "\\[")


def math_verify_alone(gold: str, response: str) -> Equivalence:
    """Return math-verify's opinion on a whole response."""
    from math_verify import parse, verify

    # math-verify's documentation asks for a gold in LaTeX delimiters. Without them it would read
    # only a number within the gold.
    marked = gold if any(mark in gold for mark in _DELIMITERS) else f"${gold}$"
    # Its timeouts are off, since they work in a main thread only. The worker is killed instead.
    parsed_gold = parse(marked, parsing_timeout=None)
    parsed_answer = parse(response, parsing_timeout=None)
    equal = verify(parsed_gold, parsed_answer, timeout_seconds=None)
    return Equivalence.EQUAL if equal else Equivalence.DIFFERENT


def qwen_compat(gold: str, response: str) -> Equivalence:
    r"""Return the Qwen2.5-Math kit's opinion on a whole response.

    >>> qwen_compat("5", r"\boxed{500\%}")
    <Equivalence.EQUAL: 'equal'>
    """
    return _kit_opinion(normalise(gold), response, keep_units=False)


def qwen_compat_with_units(gold: str, response: str) -> Equivalence:
    """Return the kit's opinion for the benchmarks whose units it leaves in place."""
    for long, short in (("\\neq", "\\ne"), ("\\leq", "\\le"), ("\\geq", "\\ge")):
        gold = gold.replace(long, short)
    return _kit_opinion(gold, response, keep_units=True)


def _kit_opinion(gold: str, response: str, *, keep_units: bool) -> Equivalence:
    response = response.strip()
    answer = extract(response, keep_units=keep_units)
    if gold in tuple(CHOICES):
        answer = answer if answer in tuple(CHOICES) else choice_in_response(response)
    elif all(letter in CHOICES for letter in gold):
        answer = "".join(letter for letter in answer if letter in CHOICES)
    if len(answer) > MAXIMUM_LENGTH:
        return Equivalence.DIFFERENT
    return Equivalence.EQUAL if same_answer(answer, gold) else Equivalence.DIFFERENT


def same_answer(answer: str, gold: str, depth: int = MAXIMUM_DEPTH) -> bool:
    r"""Compare two normalised answers by the kit's rules, to at most ``depth`` nested structures.

    >>> same_answer("(1,50)", r"[1,0.5]"), same_answer("3.0001", "3"), same_answer("3.001", "3")
    (True, True, False)
    """
    if depth == 0:
        return False
    answer, gold = answer.strip(), gold.strip()
    if answer.lower() == gold.lower() or (
        gold in tuple(CHOICES) and choice_in_answer(answer) == gold
    ):
        return True
    if _same_number(answer, gold):
        return True
    if not answer:
        return False
    if "pmatrix" in answer and "pmatrix" not in gold:
        gold = _as_column(gold)
    return _same_without_brackets(answer, gold) or _same_structure(answer, gold, depth - 1)


def _same_number(answer: str, gold: str) -> bool:
    value, wanted = _read_number(answer), _read_number(gold)
    if value is None or wanted is None:
        return False
    return any(_close(either, value) for either in (wanted / 100, wanted, wanted * 100))


def _read_number(text: str) -> float | None:
    text = text.replace(",", "")
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%").removesuffix("\\") if percent else text)
    except ValueError:
        return None
    return value / 100 if percent else value


def _close(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE)


def _as_column(gold: str) -> str:
    """Return a gold in braces, ``{1,2}``, as a column matrix, since the answer is a matrix."""
    inside = gold[gold.find("{") : gold.rfind("}") + 1]
    if "{" not in gold or "," not in inside:
        return ""
    return f"\\begin{{pmatrix}}{inside.strip('{}')}\\end{{pmatrix}}".replace(",", "\\")


def _same_without_brackets(answer: str, gold: str) -> bool:
    squared = _is_within(answer, "[]") and not _is_within(gold, "()")
    rounded = _is_within(answer, "()") and not _is_within(gold, "[]")
    if squared or rounded:
        answer, gold = answer.strip("[]()"), gold.strip("[]()")
    left, right = (re.sub("[{}()]", "", side).lower() for side in (answer, gold))
    return left == right


def _is_within(text: str, brackets: str) -> bool:
    return text.startswith(brackets[0]) and text.endswith(brackets[1])


def _same_structure(answer: str, gold: str, depth: int) -> bool:
    """Compare by the first structure that both have: list, matrix, equation, expression."""
    if _is_list(answer) and _is_list(gold):
        return _same_cells([answer[1:-1].split(",")], [gold[1:-1].split(",")], depth)
    if _is_matrix(answer) and _is_matrix(gold):
        return _same_cells(_matrix_cells(answer), _matrix_cells(gold), depth)
    if answer.count("=") == gold.count("=") == 1:
        left, right = (_as_difference(side) for side in (answer, gold))
        return same_expression(left, right) or same_expression(f"-({left})", right)
    if _is_assignment(answer) and "=" not in gold:
        return same_answer(answer.split("=")[1], gold, depth)
    if _is_assignment(gold) and "=" not in answer:
        return same_answer(answer, gold.split("=")[1], depth)
    return same_expression(answer, gold)


def _same_cells(answer: list[list[str]], gold: list[list[str]], depth: int) -> bool:
    if [len(row) for row in answer] != [len(row) for row in gold]:
        return False
    cells = zip(chain(*answer), chain(*gold), strict=True)
    return all(same_answer(left, right, depth) for left, right in cells)


def _is_list(text: str) -> bool:
    return text[:1] in ("(", "[") and max(text.rfind(")"), text.rfind("]")) >= 2


_BEGIN, _END = "\\begin{pmatrix}", "\\end{pmatrix}"


def _is_matrix(text: str) -> bool:
    return text.startswith(_BEGIN) and text.endswith(_END)


def _matrix_cells(text: str) -> list[list[str]]:
    lines = text[len(_BEGIN) : -len(_END)].split("\\\\")
    return [line.strip().split("&") for line in lines if line.strip()]


def _as_difference(equation: str) -> str:
    left, _, right = equation.partition("=")
    return f"{left.strip()} - ({right.strip()})"


def _is_assignment(text: str) -> bool:
    return text.count("=") == 1 and len(text.partition("=")[0].strip()) <= 2


def same_expression(left: str, right: str) -> bool:
    r"""Compare two expressions with sympy; one that cannot be parsed equals only the same string.

    >>> same_expression(r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}")
    True
    """
    first, second = _parse(left), _parse(right)
    if isinstance(first, str) or isinstance(second, str):
        # The kit would hand a string to sympy here, which evaluates it as Python.
        return str(first) == str(second)
    tests: tuple[Callable[[Any, Any], Any], ...] = (
        lambda a, b: str(a) == str(b) or a == b,
        lambda a, b: a.equals(b) or _simplified(a - b) == 0,
        lambda a, b: abs(a.lhs - a.rhs).equals(abs(b.lhs - b.rhs)),
        lambda a, b: _close(float(b.evalf()), float(a.evalf())),
        lambda a, b: a.shape == b.shape and _rounded(a).equals(_rounded(b)),
    )
    return any(_holds(test, first, second) for test in tests)


def _parse(text: str) -> Any:
    if too_costly(text):
        return text
    from latex2sympy2_extended import latex2sympy

    for spelling in (text.replace("\\\\", "\\"), text):
        try:
            return latex2sympy(spelling)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S112 - the parser raises bare Exception; the next is tried
            continue
    return text


def _holds(test: Callable[[Any, Any], Any], first: Any, second: Any) -> bool:
    """Run one test; a test that does not apply to such objects fails, as in the kit."""
    try:
        return bool(test(first, second))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - sympy raises whatever it comes to
        return False


def _simplified(expression: Any) -> Any:
    from sympy import simplify

    return simplify(expression)


def _rounded(matrix: Any) -> Any:
    return matrix.applyfunc(lambda cell: round(cell, 3))
