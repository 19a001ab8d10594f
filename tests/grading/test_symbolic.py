"""The symbolic comparison itself, in this process."""

from __future__ import annotations

import pytest

from harness.grading.answers.rules import Equivalence
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
