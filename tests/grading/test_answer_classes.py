"""Tests of grouping equal answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.grading.answer_classes import answer_classes, value_of
from harness.grading.answers.rules import read
from harness.grading.answers.values import exact


@given(st.lists(st.sampled_from(["1/2", "0.5", r"\frac{1}{2}", "7", "7.0", "x+1", "1+x", "(1,2)"])))
def test_classes_depend_on_equality_and_not_on_spelling_or_order(answers: list[str]) -> None:
    def partition(given: list[str]) -> set[frozenset[str]]:
        classes = answer_classes(given, ["wrong"] * len(given))
        return {
            frozenset(a for a, c in zip(given, classes, strict=True) if c == number)
            for number in set(classes)
        }

    assert partition(answers) == partition(answers[::-1])
    assert all(
        len({a in ("1/2", "0.5", r"\frac{1}{2}") for a in one}) == 1 for one in partition(answers)
    )


@given(st.from_regex(r"-?[0-9]{1,18}", fullmatch=True))
def test_an_integer_has_the_value_that_its_structure_has(answer: str) -> None:
    """The shortcut for integers gives the same value as parsing does."""
    structure = read(answer)
    assert structure is not None
    assert value_of(answer) == exact(structure)
