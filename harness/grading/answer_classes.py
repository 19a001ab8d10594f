"""Group the equal answers to one problem, so that a majority vote can count them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from harness.grading.answers.effort import MAXIMUM_STEPS, bounded
from harness.grading.answers.rules import INTEGER, Equivalence, decide, read
from harness.grading.answers.syntax import Apply, Number, Symbol
from harness.grading.answers.values import exact

CORRECT_CLASS = 0
MOST_COMPARED = 100
"""How many earlier answers to a problem a new one is compared with, at most."""
MOST_STEPS = MAXIMUM_STEPS // 20
"""How many steps of the rules one of these comparisons may take; the usual ones take fewer than a
hundred. Answers that take more stay apart."""


def answer_classes(
    answers: Sequence[str | None], outcomes: Sequence[str]
) -> tuple[int | None, ...]:
    """Number the answers of one problem so that equal answers have the same number.

    Correct answers have the number 0, and a response without an answer has None. A vote is then
    between answers and not between spellings. An answer joins the class with the lowest number
    whose first member it equals by the grader's rules. No worker is asked: answers that only a
    symbolic comparison would find equal stay apart, and hostile answers take no time.

    >>> answer_classes(["1/2", "3", None, "0.5", "3.0"],
    ...                ["correct", "wrong", "no answer", "correct", "wrong"])
    (0, 1, None, 0, 1)
    """
    numbering = _Numbering()
    classes: list[int | None] = []
    for answer, outcome in zip(answers, outcomes, strict=True):
        if answer is None:
            classes.append(None)
        else:
            classes.append(CORRECT_CLASS if outcome == "correct" else numbering.of(answer))
    return tuple(classes)


class _Numbering:
    """Gives each answer the number of the first answer that it equals.

    Plain numbers are looked up by their value. If a problem has very many answers, a late one is
    compared with only some of the earlier ones, so that the time does not grow with the square of
    the number of samples.
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._values: dict[Fraction | int, int] = {}
        self._numbers: list[str] = []
        self._others: list[str] = []
        self._count = CORRECT_CLASS

    def of(self, answer: str) -> int:
        number = self._known.get(answer)
        if number is None:
            number = self._known[answer] = self._number(answer)
        return number

    def _number(self, answer: str) -> int:
        value = value_of(answer)
        if value in self._values:
            return self._values[value]
        found = self._equal(answer, self._others if value is not None else self._all())
        if found is None:
            self._count += 1
            found = self._count
            (self._others if value is None else self._numbers).append(answer)
        if value is not None:
            self._values[value] = found
        return found

    def _all(self) -> list[str]:
        return self._others[: MOST_COMPARED // 2] + self._numbers[: MOST_COMPARED // 2]

    def _equal(self, answer: str, members: list[str]) -> int | None:
        equal = [self._known[one] for one in members[:MOST_COMPARED] if _are_equal(one, answer)]
        return min(equal, default=None)


def _are_equal(member: str, answer: str) -> bool:
    try:
        with bounded(MOST_STEPS):
            decision = decide(member, answer)
    except Exception:  # noqa: BLE001 - the grader counts the error of this answer
        return False
    return decision is not None and decision.equivalence is Equivalence.EQUAL


def value_of(answer: str) -> Fraction | int | None:
    """Return the value of an answer that is a rational number; None for any other answer."""
    if INTEGER.fullmatch(answer):  # most answers are integers, and need no parsing
        return int(answer)
    try:
        with bounded():
            structure = read(answer)
            return exact(structure) if isinstance(structure, Number | Symbol | Apply) else None
    except Exception:  # noqa: BLE001 - the grader counts the error of this answer
        return None
