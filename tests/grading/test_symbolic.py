"""The symbolic comparison itself, in this process."""

from __future__ import annotations

import pytest

from harness.grading.answers.brackets import mismatched
from harness.grading.answers.rules import Equivalence, decide
from harness.grading.workers import symbolic
from harness.grading.workers.symbolic import compare


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("6", r"\sum_{k=1}^{3} k", Equivalence.EQUAL),
        (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^{n} k", Equivalence.EQUAL),
        (r"\frac{1}{2}", r"\int_0^1 x \, dx", Equivalence.EQUAL),
        ("7", r"\sum_{k=1}^{3} k", Equivalence.DIFFERENT),
        ("7", r"\frac{}{}", Equivalence.UNPARSABLE),
    ],
)
def test_what_the_rules_do_not_read_is_compared(
    gold: str, answer: str, expected: Equivalence
) -> None:
    assert compare(gold, answer) is expected


@pytest.mark.parametrize(
    "formula", [r"\frac{1}{2}", "x^2 - 9", r"\sqrt{5}", r"\sum_{k=1}^{3} k", r"\{1, 2\}", "(1, 2)"]
)
@pytest.mark.parametrize(
    ("begin", "end"), [("(", ""), (r"\{", ""), ("{", ""), ("", "("), ("", ")")]
)
def test_a_bracket_without_a_partner_saves_a_worker_the_time(
    formula: str, begin: str, end: str
) -> None:
    answer = begin + formula + end
    assert mismatched(answer)
    assert not mismatched(formula)
    decision = decide(formula, answer)
    assert decision is not None
    # math-verify says the same, only later.
    assert decision.equivalence is compare(formula, answer) is Equivalence.UNPARSABLE


@pytest.mark.parametrize("answer", ["]2, 5]", "[2; 7[", r"\left\{ x = 1 \right.", "42}", "x + 1"])
def test_a_bracket_that_may_mean_something_is_left_to_others(answer: str) -> None:
    assert not mismatched(answer)


def test_a_worker_practises_on_formulas_that_it_can_read() -> None:
    assert symbolic.practise() is Equivalence.EQUAL
    for formula in symbolic.EXERCISES[:-1]:
        assert compare(formula, formula) is Equivalence.EQUAL
    assert compare("1", symbolic.EXERCISES[-1]) is Equivalence.UNPARSABLE
