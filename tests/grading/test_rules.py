"""Tests of the rules without symbolic work: what they read, decide, and leave undecided."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.grading.answers.limits import too_costly
from harness.grading.answers.rules import Equivalence, decide, identical, read, typeset_alike
from harness.grading.answers.syntax import Apply, Number, Quantity, Symbol
from harness.grading.answers.values import exact

NUMBERS = {
    "007": Fraction(7),
    "-3": Fraction(-3),
    "+3": Fraction(3),
    "1,234,567": Fraction(1234567),
    r"1{,}234\,567": Fraction(1234567),
    "1 000": Fraction(1000),
    ".5": Fraction(1, 2),
    "5.": Fraction(5),
    "2.50": Fraction(5, 2),
    "-3/4": Fraction(-3, 4),
    r"-\frac{3}{4}": Fraction(-3, 4),
    r"\frac{-3}{4}": Fraction(-3, 4),
    r"\tfrac34": Fraction(3, 4),
    r"\frac9{19}": Fraction(9, 19),
    "2 3/4": Fraction(11, 4),
    r"-2\frac{3}{4}": Fraction(-11, 4),
    r"\$1,000.00": Fraction(1000),
    "3e8": Fraction(300_000_000),
    r"1.5 \times 10^{-3}": Fraction(3, 2000),
    "1.5*10**3": Fraction(1500),
    "2\u00d710\u2075": Fraction(200_000),
    "2^{10}": Fraction(1024),
    "4!": Fraction(24),
    r"\binom{5}{2}": Fraction(10),
    r"\sqrt{\frac{9}{4}}": Fraction(3, 2),
    "\u221216": Fraction(-16),
    "seven": Fraction(7),
    "3\u00bd": Fraction(7, 2),
}


def value(text: str) -> Fraction | None:
    """Return the rational number that a text is read as, its unit aside."""
    found = read(text)
    found = found.value if isinstance(found, Quantity) else found
    return exact(found) if isinstance(found, Number | Symbol | Apply) else None


@pytest.mark.parametrize(("text", "expected"), NUMBERS.items())
def test_a_number_is_read_exactly(text: str, expected: Fraction | None) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text", ["12 percent", r"12\text{ percent}", r"12\%", "12 cm", "12 apples"]
)
def test_a_unit_is_read_apart_from_its_number(text: str) -> None:
    assert isinstance(read(text), Quantity)
    assert value(text) == 12


@pytest.mark.parametrize(
    "text", ["", ".", "-", "1/0", "x", "1 2", "1//2", "2^{", "sin", "0^0", "(-3)!"]
)
def test_anything_else_is_no_number(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize("digits", [1_001, 100_000, 5_000_000])
def test_a_number_of_a_million_digits_is_not_computed(digits: int) -> None:
    for text in ("9" * digits, "1/" + "9" * digits):
        decision = decide("42", text)
        assert decision is not None
        assert decision.equivalence is Equivalence.UNPARSABLE


def test_nothing_normalises_to_an_empty_text_that_equals_another() -> None:
    assert not identical("", "")
    assert not identical("$$", r"\,")
    assert not identical("$ $", ".")


@pytest.mark.parametrize(
    "empty", ["{,}", r"\{,\}", "(,)", r"\{;\}", ", ,", r"\{\}", "||", "=", r"\pm"]
)
def test_an_empty_list_equals_no_value(empty: str) -> None:
    for gold in ("5", "1,2", r"\sqrt{2}", "east"):
        assert compared(gold, empty) is not Equivalence.EQUAL


@pytest.mark.parametrize(
    "answer",
    [
        ">5", r"\neq 5", "x>=5", "5,...", r"5, \ldots", "5 or 6", "5,6", r"\{5,6\}", "x=5=6",
        r"5 \pm 1", "5!", "5 (or 6)", "not 5", r"5\text{ if } x>0, 6\text{ otherwise}",
    ],
)  # fmt: skip
def test_saying_more_or_less_than_the_value_is_not_saying_it(answer: str) -> None:
    assert compared("5", answer) is not Equivalence.EQUAL


def compared(gold: str, answer: str) -> Equivalence | None:
    decision = decide(gold, answer)
    return decision.equivalence if decision else None


@pytest.mark.parametrize("answer", ["5", "-129", r"-\frac{1}{2}", "3/4"])
def test_a_word_is_no_number(answer: str) -> None:
    assert compared(r"\text{odd}", answer) is Equivalence.DIFFERENT
    assert compared(answer, r"\text{odd}") is Equivalence.DIFFERENT


def test_a_short_word_may_be_a_product_of_letters() -> None:
    assert compared(r"\text{odd}", "-od") is None


@given(st.fractions(), st.fractions())
def test_numbers_compare_the_same_in_both_orders(left: Fraction, right: Fraction) -> None:
    expected = Equivalence.EQUAL if left == right else Equivalence.DIFFERENT
    assert compared(str(left), str(right)) == compared(str(right), str(left)) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_a_decimal_equals_its_fraction(value: object) -> None:
    spelling = f"{value:f}"
    assert compared(str(Fraction(spelling)), spelling) == Equivalence.EQUAL


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing_that_matters(text: str) -> None:
    assert not typeset_alike(text) or identical(text, text)


@given(st.text(alphabet=r"\{}()[]^_+-*/=<>|,;:!&% .$'0123456789abcefghinpqrstxyz", max_size=60))
def test_no_text_raises(text: str) -> None:
    decide("42", text)
    decide(text, "42")


# A verdict names its rule, so that its reader knows what was compared.
NAMED = [
    (r"\frac12", "0.5", "number"),
    (r"\sqrt{8}", r"2\sqrt{2}", "expression"),
    ("(x+1)^2", "x^2+2x+1", "expression"),
    ("1,2", "2, 1", "list"),
    ("(1,2)", "(1, 2.0)", "tuple"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)", "matrix"),
    ("x=5", "5", "relation"),
    ("x>5", r"(5,\infty)", "relation"),
    ("10", "10 cm", "unit"),
    ("52_8", "52", "base"),
    ("east", "West", "words"),
    ("1:2", "2:4", "ratio"),
    (r"(0,1)\cup(2,3)", r"(2,3)\cup(0,1)", "interval"),
    (r"\text{(C)}", r"(C) 12", "choice"),
    ("5", "9^9^9^9", "limits"),
]


@pytest.mark.parametrize(("gold", "answer", "rule"), NAMED)
def test_the_rule_that_decides_is_named(gold: str, answer: str, rule: str) -> None:
    decision = decide(gold, answer)
    assert decision is not None
    assert decision.rule == rule


@pytest.mark.parametrize(
    "text",
    [
        "9^9^9^9",
        "9**9**9",
        "(9^{99})^{99999}",
        "2^{2^{2^{49}}}",
        "1000000000^{10000}",
        "99999!",
        "((3!)!)!",
        "7" * 500,
        "(" * 50 + "1" + ")" * 50,
        r"\frac" * 400,
        "x" * 2_001,
    ],
)
def test_shapes_that_are_never_an_answer_are_refused(text: str) -> None:
    assert too_costly(text)


@pytest.mark.parametrize("text", ["2^{2019}-1", "e^{x^{2}}", "2^{3^2}", "100!", r"\binom{2024}{7}"])
def test_shapes_that_may_be_an_answer_pass(text: str) -> None:
    assert too_costly(text) is None
