r"""The second opinions: the Qwen2.5-Math kit's rules with their holes, and math-verify alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.grading.answers.rules import Equivalence
from harness.grading.compat import graders as compat
from harness.grading.compat.graders import (
    math_verify_alone,
    qwen_compat,
    qwen_compat_with_units,
    same_answer,
    same_expression,
)
from harness.grading.compat.qwen_text import MAXIMUM_LENGTH, extract, normalise

EQUAL, DIFFERENT = Equivalence.EQUAL, Equivalence.DIFFERENT

EXTRACTED = [
    (r"\boxed{1} then \boxed{2}", "2"),
    (r"\boxed{\{1, 2\}}", "{1,2}"),
    (r"\boxed{7", "7"),
    (r"so it is \boxed 7$ dollars", "7"),
    ("boxed", ""),
    ("The final answer is $x^2$. I hope it is correct. \\boxed{3}", "x^2"),
    ("The answer is 12. The answer is 13.", "13"),
    ("Our final answer is: 14/", "14"),
    ("答案是 5\n\nand 6", "5"),
    ("first 1,200 and then -.5", "-.5"),
    ("first 1,200", "1200"),
    ("none at all", ""),
]


@pytest.mark.parametrize(("response", "answer"), EXTRACTED)
def test_an_answer_is_found_where_the_kit_finds_it(response: str, answer: str) -> None:
    assert extract(response) == answer


NORMALISED = [
    (r"\left(\dfrac12, \tfrac{3}4\right).", r"(\frac{1}{2},\frac{3}4)"),
    (r"12\text{ cm}", "12"),
    (r"\text{Monday}", "Monday"),
    (r"2\text{ or }\frac{1}{3}", "2"),
    ("12 square feet", "12"),
    ("12 sq . m", "120"),  # "sq" goes before "sq . m", and a lone stop is then a decimal
    ("a+b", "+b"),
    (r"90^\circ", "90"),
    (r"\$5.00", "5"),
    (r"50\%", "50"),
    (r"k=3", "3"),
    ("x = 3", "3"),
    (r"x\in[1,2]", "[1,2]"),
    ("y=2x+1", "2x+1"),
    ("3.10", "3.10"),
    ("3.0x", "3x"),
    (".5", "0.5"),
    ("007", "7"),
    ("1/2", r"\frac{1}{2}"),
    ("sqrt{2}/2", r"\frac{sqrt{2}}{2}"),
    (r"\sqrt2x", r"\sqrt{2x}"),
    (r"\frac1", r"\frac1"),
    (r"\frac", r"\frac"),
    ("infinity", r"\infty"),
    ("(-inf, 3)", r"(-\infty,3)"),
    ("3j", "3i"),
    ("island", "isl"),
    (r"\begin{array}{cc}1&2\end{array}", r"\begin{pmatrix}1&2\end{pmatrix}"),
    ("two million three thousand nine hundred and eighty-four", "2003984"),
    ("two point five", "2.5"),
    ("one hundred thirty-five", "135"),
    ("seven dwarfs", "7"),
    ("million", "1000000"),
    ("million million", "millionmillion"),
    ("thousand two million", "thoustwomillion"),
    ("million two", "milliontwo"),
]


@pytest.mark.parametrize(("answer", "normal"), NORMALISED)
def test_an_answer_is_normalised_as_the_kit_does(answer: str, normal: str) -> None:
    assert normalise(answer) == normal


PAIRS = [
    ("1/2", r"\boxed{0.5}", EQUAL),
    ("5", r"\boxed{500}", EQUAL),  # percentage: 100x
    ("5", r"\boxed{0.05}", EQUAL),  # percentage: x/100
    ("5", r"\boxed{50}", DIFFERENT),
    ("10000", r"\boxed{10001}", EQUAL),  # within 1e-4
    ("1000", r"\boxed{1001}", DIFFERENT),
    ("0", r"\boxed{0.0001}", DIFFERENT),
    ("1,200", r"\boxed{1200}", EQUAL),
    ("(1,2)", r"\boxed{[1,2]}", EQUAL),  # brackets are not seen
    ("[1,2)", r"\boxed{(1,2)}", EQUAL),
    ("(1,2)", r"\boxed{(2,1)}", DIFFERENT),
    ("(1,2)", r"\boxed{(1,2,3)}", DIFFERENT),
    ("(1,0.5)", r"\boxed{(1,\frac{1}{2})}", EQUAL),
    ("((1,2),3)", r"\boxed{((1,2),3)}", EQUAL),
    ("x=3", r"\boxed{3}", EQUAL),
    ("n+k=3", r"\boxed{k+n=3}", EQUAL),
    ("n-k=3", r"\boxed{k-n=-3}", EQUAL),
    ("n+x=3", r"\boxed{n+3}", EQUAL),  # "x=" goes wherever it stands
    ("x+y=3", r"\boxed{3=y+x}", DIFFERENT),  # a short left side is taken for a name
    ("x+y=3", r"\boxed{x+y=4}", DIFFERENT),
    ("x+1", r"\boxed{1+x}", EQUAL),
    ("x+1", r"\boxed{x+2}", DIFFERENT),
    (r"\frac{x+2}{7}", r"\boxed{\frac{x}{7}+\frac{2}{7}}", EQUAL),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\boxed{\begin{bmatrix}1.0\\2\end{bmatrix}}", EQUAL),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\boxed{\begin{pmatrix}1\\3\end{pmatrix}}", DIFFERENT),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\boxed{\begin{pmatrix}1&2\end{pmatrix}}", DIFFERENT),
    (r"\text{yes}", r"\boxed{Yes}", EQUAL),
    ("B", "The answer is (B).", EQUAL),
    ("B", "The answer is (C), not B.", DIFFERENT),
    ("AC", r"\boxed{A and C}", EQUAL),
    ("7", "", DIFFERENT),
    ("a+b", r"\boxed{c+b}", EQUAL),  # variables that are units vanish
]


@pytest.mark.parametrize(("gold", "response", "opinion"), PAIRS)
def test_an_opinion_of_the_kit(gold: str, response: str, opinion: Equivalence) -> None:
    assert qwen_compat(gold, response) == opinion


def test_units_stay_where_the_kit_leaves_them() -> None:
    assert qwen_compat("5", r"\boxed{5 kg}") == EQUAL
    assert qwen_compat_with_units("5", r"\boxed{5 kg}") == DIFFERENT
    assert qwen_compat_with_units("a+b", r"\boxed{b+a}") == EQUAL


ALONE = [
    ("1/2", r"\boxed{0.5}", EQUAL),
    (r"\sqrt{3}", r"It is $\frac{3}{\sqrt{3}}$.", EQUAL),
    (r"3\pi", r"\boxed{3}", DIFFERENT),
    (r"$x+1$", r"\boxed{1+x}", EQUAL),
    ("7", "no number here", DIFFERENT),
]


@pytest.mark.parametrize(("gold", "response", "opinion"), ALONE)
def test_an_opinion_of_math_verify_alone(gold: str, response: str, opinion: Equivalence) -> None:
    assert math_verify_alone(gold, response) == opinion


EVALUATED = "__import__('sys').exit(7)"


def test_text_is_never_evaluated() -> None:
    with_python = f"\\boxed{{{EVALUATED}}}"
    assert qwen_compat("7", with_python) == DIFFERENT
    assert qwen_compat("7", r"\boxed{sum([3, 4])}") == DIFFERENT
    assert not same_expression("sqrt(9)", "3")


def test_no_evaluator_is_so_much_as_named() -> None:
    """What the kit hands to parse_expr, and through N() to sympify, is evaluated as Python."""
    tree = ast.parse(Path(str(compat.__file__)).read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert not {"eval", "exec", "sympify", "parse_expr", "N", "S"} & (names | imported)


def test_deep_and_long_answers_are_only_different() -> None:
    deep = "(" * 900 + "1" + ",2)" * 900
    assert not same_answer(deep, deep.replace("1", "3", 1))
    assert qwen_compat("1", r"\boxed{" + "9" * (MAXIMUM_LENGTH + 1) + "}") == DIFFERENT


texts = st.text(alphabet="0123456789.,%=+-/()[]{}\\$ abxfrctsqie\n", max_size=40)


@given(answer=texts)
@settings(max_examples=300)
def test_any_answer_that_is_found_equals_itself(answer: str) -> None:
    assert same_answer(answer, answer)


@given(response=texts, gold=texts)
@settings(max_examples=200)
def test_any_text_has_an_opinion(response: str, gold: str) -> None:
    assert qwen_compat(gold, rf"\boxed{{{response}}}") in (EQUAL, DIFFERENT)


@given(value=st.integers(-(10**6), 10**6), factor=st.sampled_from([1, 100]))
def test_percentages_are_numbers_either_way(value: int, factor: int) -> None:
    assert same_answer(str(value * factor), str(value))
    assert same_answer(str(value), str(value * factor))
