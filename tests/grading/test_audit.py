"""Tests of audits: other graders' opinions are counted and listed, and never decide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.grading import Outcome, Verdict
from harness.grading.answers.rules import Equivalence
from harness.grading.compat.audit import OPINIONS, SHOWN, Audited, Auditor, OpinionCounts, differs


@pytest.fixture(scope="module")
def auditor() -> Iterator[Auditor]:
    with Auditor(OPINIONS, workers=1) as shared:
        yield shared


def opinions(
    auditor: Auditor, response: str, gold: str, benchmark: str | None = None
) -> dict[str, str]:
    asked = auditor.submit(response, gold, benchmark=benchmark)
    return {name: opinion.result(60).value for name, opinion in asked.items()}


def test_every_grader_has_an_opinion_of_its_own(auditor: Auditor) -> None:
    assert opinions(auditor, r"\boxed{x(x+1)}", "x^2+x") == dict.fromkeys(OPINIONS, "equal")
    assert opinions(auditor, r"\boxed{500}", "5") == {
        "math-verify": "different",
        "qwen-compat": "equal",
    }


def test_the_kit_leaves_units_in_place_in_some_benchmarks(auditor: Auditor) -> None:
    assert opinions(auditor, r"\boxed{5 kg}", "5")["qwen-compat"] == "equal"
    assert opinions(auditor, r"\boxed{5 kg}", "5", "minerva_math")["qwen-compat"] == "different"


def test_a_grader_is_asked_once_however_often_it_is_named() -> None:
    with Auditor(["math-verify", "math-verify"]) as twice:
        assert twice.names == ("math-verify",)


def test_nobody_named_is_nobody_asked() -> None:
    with Auditor([]) as nobody:
        assert nobody.submit("7", "7") == {}


def test_an_unknown_grader_is_refused() -> None:
    with pytest.raises(ValueError, match="math-verfy"):
        Auditor(["math-verfy"])


CORRECT = Verdict(outcome=Outcome.CORRECT)
WRONG = Verdict(outcome=Outcome.WRONG)


@pytest.mark.parametrize(
    ("verdict", "opinion", "disputed"),
    [
        (CORRECT, Equivalence.EQUAL, False),
        (CORRECT, Equivalence.DIFFERENT, True),
        (WRONG, Equivalence.EQUAL, True),
        (WRONG, Equivalence.DIFFERENT, False),
        (Verdict(outcome=Outcome.TRUNCATED), Equivalence.EQUAL, True),
        (CORRECT, Equivalence.TIMEOUT, False),
        (CORRECT, Equivalence.ERROR, False),
    ],
)
def test_an_opinion_disputes_only_the_opposite(
    verdict: Verdict, opinion: Equivalence, disputed: bool
) -> None:
    assert differs(verdict, opinion) is disputed


def test_a_tally_counts_all_and_keeps_the_first() -> None:
    tally = OpinionCounts()
    for number in range(3 * SHOWN):
        opinion = Equivalence.EQUAL if number % 3 else Equivalence.DIFFERENT
        pair = Audited(id=number, gold="7", verdict=WRONG, opinion=opinion)
        assert tally.add(pair) is bool(number % 3)
    assert tally.opinions == {Equivalence.EQUAL: 2 * SHOWN, Equivalence.DIFFERENT: SHOWN}
    assert tally.disputed == 2 * SHOWN
    assert [pair.id for pair in tally.first] == [n for n in range(3 * SHOWN) if n % 3][:SHOWN]
