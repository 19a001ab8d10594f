"""The grader as its users see it: outcomes, threads, hostile text."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.grading import Grader, Outcome, Verdict, grade


@given(gold=st.text(min_size=1, max_size=40))
def test_any_text_with_something_in_it_equals_itself(gold: str) -> None:
    with Grader() as own:  # starts no process
        if any(character.isalnum() for character in gold):
            assert own.grade_answer(gold, gold).correct


@settings(max_examples=30)
@given(above=st.integers(-50, 50), below=st.integers(1, 50), shift=st.integers(1, 3))
def test_fractions_are_told_apart_in_every_spelling(above: int, below: int, shift: int) -> None:
    with Grader() as own:
        gold = f"{above}/{below}"
        assert own.grade_answer(rf"\frac{{{3 * above}}}{{{3 * below}}}", gold).correct
        assert not own.grade_answer(rf"\dfrac{{{above + shift}}}{{{below}}}", gold).correct


@pytest.mark.parametrize(
    ("response", "truncated", "outcome"),
    [
        ("I could not find out.", False, Outcome.NO_ANSWER),
        ("", False, Outcome.NO_ANSWER),
        ("let me count: 1, 2, 3", True, Outcome.TRUNCATED),
        (r"\boxed{7} and then", True, Outcome.CORRECT),
        (r"\boxed{8}", False, Outcome.WRONG),
        (r"\boxed{\frac{}{}}", False, Outcome.UNPARSABLE),
        (r"\boxed{9^{9^{9^{9}}}}", False, Outcome.UNPARSABLE),
    ],
)
def test_every_end_has_its_outcome(
    grader: Grader, response: str, truncated: bool, outcome: Outcome
) -> None:
    assert grader.grade(response, "7", truncated=truncated).outcome is outcome


def test_a_verdict_says_how_it_was_reached(grader: Grader) -> None:
    assert grader.grade("The answer is 1/2.", "0.5") == Verdict(
        outcome=Outcome.CORRECT, extracted="1/2", extraction="answer-is", rule="number"
    )
    symbolic = grader.grade(r"\boxed{\sum_{k=1}^{n} k}", r"\frac{n(n+1)}{2}")
    assert (symbolic.correct, symbolic.rule) == (True, "math-verify")


def test_the_gold_comes_first(grader: Grader) -> None:
    # A value given as an assignment is an answer; an equation asked for is not met by its value.
    assert grader.grade_answer("x = 5", "5").correct
    assert not grader.grade_answer("5", "y = 2x + 5").correct


HOSTILE = {
    "import": "__import__('os').system('touch CANARY')",
    "import in a fraction": r"\frac{__import__('os').system('touch CANARY')}{1}",
    "open": "open('CANARY','w').close()",
    "list": "[__import__('os').system('touch CANARY'), 1]",
    "lambda": "(lambda: open('CANARY','w'))()",
    "exit": "__import__('os')._exit(0)",
    "sleep": "__import__('time').sleep(60)",
    "tower": "9^9^9^9",
    "python tower": "9**9**9**9",
    "factorials": "((99!)!)!",
    "large factorial": "123456789!",
    "tiny": "10^{-10^{10}}",
    "digits": "1" * 1_900,
    "nesting": "{" * 900 + "1" + "}" * 900,
    "roots": r"\sqrt{" * 300 + "2" + "}" * 300,
    "commands": r"\frac" * 390,
    "nul": "4\x002",
    "surrogate": "\ud83d",
    "right to left": "\u202e42",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_neither_run_nor_pass(grader: Grader, name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    answer = HOSTILE[name].replace("CANARY", str(canary))
    began = time.process_time()
    verdict = grader.grade_answer(answer, "41")
    assert not verdict.correct
    assert verdict.outcome in (Outcome.WRONG, Outcome.UNPARSABLE)
    assert time.process_time() - began < 2
    assert not canary.exists()


def test_a_megabyte_of_digits_costs_nothing(grader: Grader) -> None:
    began = time.process_time()
    for response in ("\\boxed{%s}", "The answer is %s.", "%s", "#### %s"):
        assert not grader.grade(response % ("7" * 1_000_000), "7").correct
    assert time.process_time() - began < 5


def test_it_grades_from_any_thread_and_asks_once_for_equal_pairs(grader: Grader) -> None:
    verdicts: list[Verdict] = []

    def work() -> None:
        verdicts.append(grader.grade(r"\boxed{\sum_{k=1}^{4} k}", "10"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [verdict.correct for verdict in verdicts] == [True] * 8


def test_futures_cannot_be_cancelled_from_under_others(grader: Grader) -> None:
    first = grader.submit(r"\boxed{\prod_{k=1}^{4} k}", "24")
    second = grader.submit(r"\boxed{\prod_{k=1}^{4} k}", "24")
    first.cancel()
    assert second.result(60).correct
    assert first.result(60).correct


def test_the_shared_grader_needs_no_process_for_simple_answers() -> None:
    assert grade("The answer is 12.", "12").correct


def test_importing_the_grader_loads_no_heavy_library() -> None:
    code = (
        "import sys, harness.grading as g; g.grader_version(); g.grade('#### 4', '4.0');"
        "print([m for m in ('sympy', 'math_verify', 'latex2sympy2_extended', 'numpy', 'torch')"
        " if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
