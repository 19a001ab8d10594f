"""The cheap rules: what they decide, and that they leave the rest alone."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.grading.limits import too_costly
from harness.grading.rules import Comparison, identical, number, read_number, typeset_alike

NUMBERS = {
    "007": Fraction(7),
    "-3": Fraction(-3),
    "+3": Fraction(3),
    "1,234,567": Fraction(1234567),
    ".5": Fraction(1, 2),
    "5.": Fraction(5),
    "2.50": Fraction(5, 2),
    "-3/4": Fraction(-3, 4),
    r"-\frac{3}{4}": Fraction(-3, 4),
    r"\frac{-3}{4}": Fraction(-3, 4),
    r"\tfrac34": Fraction(3, 4),
    "2 3/4": Fraction(11, 4),
    r"-2\frac{3}{4}": Fraction(-11, 4),
    r"\$1,000.00": Fraction(1000),
    "12 percent": Fraction(12),
    r"12\text{ percent}": Fraction(12),
}


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_a_plain_number_is_read_exactly(text: str, value: Fraction) -> None:
    found = read_number(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        "1/0",
        "x",
        "1 2",
        "1,23",
        "1,2345",
        "1e5",
        "2^3",
        "1//2",
        "\u0664\u0663",
        "1-2",
    ],
)
def test_anything_else_is_left_alone(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize("digits", [1_001, 100_000, 5_000_000])
def test_a_number_of_a_million_digits_is_not_computed(digits: int) -> None:
    assert number("42", "9" * digits) is None
    assert number("42", "1/" + "9" * digits) is None


def test_nothing_normalises_to_an_empty_text_that_equals_another() -> None:
    assert identical("", "") is None
    assert identical("$$", r"\,") is None
    assert identical("$ $", ".") is None


@given(st.fractions(), st.fractions())
def test_numbers_compare_the_same_in_both_orders(left: Fraction, right: Fraction) -> None:
    assert number(str(left), str(right)) == number(str(right), str(left))
    expected = Comparison.EQUAL if left == right else Comparison.DIFFERENT
    assert number(str(left), str(right)) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_a_decimal_equals_its_fraction(value: object) -> None:
    spelling = f"{value:f}"
    assert number(str(Fraction(spelling)), spelling) == Comparison.EQUAL


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing_that_matters(text: str) -> None:
    normal = typeset_alike(text)
    assert not normal or identical(text, text) == Comparison.EQUAL


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
