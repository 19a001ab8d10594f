"""The symbolic comparison itself, in this process."""

from __future__ import annotations

import pytest

from harness.grading.answers.rules import Comparison
from harness.grading.workers.symbolic import compare


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("6", r"\sum_{k=1}^{3} k", Comparison.EQUAL),
        (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^{n} k", Comparison.EQUAL),
        (r"\frac{1}{2}", r"\int_0^1 x \, dx", Comparison.EQUAL),
        ("7", r"\sum_{k=1}^{3} k", Comparison.DIFFERENT),
        ("7", r"\frac{}{}", Comparison.UNPARSABLE),
    ],
)
def test_what_the_rules_do_not_read_is_compared(
    gold: str, answer: str, expected: Comparison
) -> None:
    assert compare(gold, answer) is expected
