"""What a looping model writes: long and deep formulas cost their own sample a verdict at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.grading import Grader, Outcome, Verdict
from harness.grading.answer_classes import answer_classes
from harness.grading.answers import rules
from harness.grading.answers.formula import MAXIMUM_LEVELS

LONG = {
    "one letter": " ".join("x" * 325),
    "letters": " ".join("abcdefghjklmnop" * 22),
    "stars": "*".join("a" * 400),
    "indices": "x_1 " * 300,
    "fractions": r"\frac12 " * 200,
    "a sum": "+".join(["a"] * 900),
    "a sum of products": "+".join([" ".join("xyz" * 60)] * 5),
    "quotients": "/".join("2" * 400),
    "degrees": "2" + r"^\circ" * 300,
    "primes": "f" + "'" * 900,
    "roots": r"\sqrt" * 240 + "2",
    "minus signs": "-" * 1_500 + "2",
    "a list of products": ",".join([" ".join("ab" * 55)] * 6),
}
OF_ONE_SAMPLE = {
    Outcome.WRONG,
    Outcome.NO_ANSWER,
    Outcome.UNPARSABLE,
    Outcome.GRADER_TIMEOUT,
}
STATED: dict[str, Callable[[str], str]] = {
    "boxed": lambda text: rf"\boxed{{{text}}}",
    "in words": lambda text: f"The answer is {text}",
    "in dollars": lambda text: f"so it is ${text}$.",
}


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1) as made:
        yield made


def with_little_stack_left(call: Callable[[], Verdict], frames: int = 550) -> Verdict:
    """Call from as deep a stack as a plug-in, a debugger or a trainer may have."""
    return with_little_stack_left(call, frames - 1) if frames else call()


@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize("text", LONG)
def test_a_response_that_repeats_itself_costs_itself_alone(
    text: str, stated: str, grader: Grader
) -> None:
    response = STATED[stated](LONG[text])
    verdict = with_little_stack_left(lambda: grader.grade(response, "4"))
    assert verdict.outcome in OF_ONE_SAMPLE
    assert grader.grade(r"\boxed{4}", "4").correct


@pytest.mark.parametrize("text", LONG)
def test_a_gold_that_repeats_itself_costs_its_sample_alone(text: str, grader: Grader) -> None:
    verdict = with_little_stack_left(lambda: grader.grade(r"\boxed{4}", LONG[text]))
    assert verdict.outcome in OF_ONE_SAMPLE
    assert grader.grade(rf"\boxed{{{LONG[text]}}}", LONG[text]).outcome is not Outcome.WRONG


def test_a_product_that_somebody_might_write_is_read() -> None:
    factors = [f"x_{{{n}}}" for n in range(MAXIMUM_LEVELS - 1)]
    decision = rules.decide(" ".join(factors), " ".join(reversed(factors)))
    assert decision == rules.Decision(rules.Equivalence.EQUAL, "expression")
    deeper = [*factors, "y", "z"]
    decision = rules.decide(" ".join(deeper), " ".join(reversed(deeper)))
    assert decision == rules.Decision(rules.Equivalence.UNPARSABLE, "limits")


@pytest.mark.parametrize("pair", [("(4, 12)", "(4, 1>2)"), ("(1>2, 4)", "(4, x<2)")])
def test_an_inequality_within_a_pair_is_compared(pair: tuple[str, str]) -> None:
    """The region of a pair is the pair: its comparison began again without an end."""
    for gold, answer in (pair, pair[::-1]):
        decision = rules.decide(gold, answer)
        assert decision is None or decision.equivalence is rules.Equivalence.DIFFERENT
    same = rules.decide("(4, 1>2)", "(4, 1 > 2)")
    assert same is not None
    assert same.equivalence is rules.Equivalence.EQUAL


@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), KeyError("a fault of ours")])
def test_a_fault_within_a_rule_is_the_grader_error_of_one_sample(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(gold: str, answer: str, conventions: object) -> None:
        raise error

    text = f"1/2 + 1/3 + {len(type(error).__name__)} - {len(type(error).__name__)}"
    with Grader(workers=1) as grader:
        with monkeypatch.context() as patched:
            patched.setattr(rules, "structure", fail)
            verdict = grader.grade(rf"\boxed{{{text}}}", "5/6")
            assert grader.grade(r"\boxed{7}", "7").correct
            assert answer_classes(["a b", "a c"], ["wrong", "wrong"]) == (1, 2)
        assert (verdict.outcome, verdict.rule) == (Outcome.GRADER_ERROR, "failed")
        assert verdict.extracted == text
        assert grader.grade(rf"\boxed{{{text}}}", "5/6").correct, "it was remembered"


def test_a_fault_within_the_extraction_is_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(response: str, *, truncated: bool) -> None:
        raise RecursionError

    monkeypatch.setattr("harness.grading.grader.extract", fail)
    with Grader(workers=1) as grader:
        assert grader.grade(r"\boxed{7}", "7").outcome is Outcome.GRADER_ERROR
