"""The symbolic comparison itself, in this process: what it calls and what it never calls."""

from __future__ import annotations

import pytest

from harness.grading.rules import Comparison
from harness.grading.symbolic import compare


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


@pytest.mark.parametrize(
    "answer", ["1 + #1", "(1).real", "[0 for i in iter(int, 1)]", "2 / )3", ""]
)
def test_text_is_never_handed_to_an_evaluator(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[str] = []
    monkeypatch.setattr("math_verify.parser.parse_expr", lambda text, **_: evaluated.append(text))
    compare("41", answer)
    assert evaluated == []
