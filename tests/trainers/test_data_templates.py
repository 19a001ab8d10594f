"""Which training questions are a benchmark's with other numbers; all questions are invented."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import BENCHMARKS, Problem
from benchmarks.source import load_problems, load_shots
from trainers.data.templates import Templates, template

LONG = (
    "Ada packs {} boxes of pears, each of them holding {}; then she sells {} boxes to Ben and eats "
    "$\\frac{{{}}}{{2}}$ of a pear. How many pears are left?"
)
PROBLEM = LONG.format(7, 12, "1,200", 3)
SHORT = "What is the greatest common factor of 12 and 18?"


def found(question, problem=PROBLEM, same=(), n=13):
    problems = {"toy": [Problem(id="toy/it", question=problem, answer="1")]}
    return [match.problem for match in Templates(problems, n).check(question, same)]


@pytest.mark.parametrize("numbers", [(8, 12, 9, 3), (7, 12.5, 1, 4), ("two", "thirty five", 2, 1)])
@pytest.mark.parametrize("around", ["{}", "Please solve this: {} Answer with a number.", "**{}**"])
def test_other_numbers_are_found_whatever_is_around(numbers, around):
    assert found(around.format(LONG.format(*numbers))) == ["toy/it"]


def test_case_and_punctuation_hide_nothing():
    question = LONG.format(1, 2, 3, 4).upper().replace(";", ",").replace(" ", "\n")
    assert found(question) == ["toy/it"]


def test_the_same_numbers_are_no_other_numbers():
    assert found(PROBLEM, same={"toy/it"}) == []


def test_other_words_or_other_signs_are_another_question():
    assert not found(LONG.format(8, 12, 9, 3).replace("pears", "plums"))
    assert not found(LONG.format("-8", 12, 9, 3))
    assert not found(LONG.format(8, 12, 9, 3).removesuffix("left?"))
    assert not found("")


def test_a_short_template_is_nobodys():
    assert not found("What is the greatest common factor of 5 and 9?", SHORT)
    assert found("What is the greatest common factor of 5 and 9?", SHORT, n=8) == ["toy/it"]
    assert not found("What is the greatest common factor of 5 and 9?", SHORT, n=9)


def test_a_question_without_numbers_has_no_other_numbers():
    words = " ".join(f"w{chr(97 + n)}" for n in range(20))
    assert not found(words, words)


def test_rows_and_problems_are_counted():
    problems = {"toy": [Problem(id="toy/it", question=PROBLEM, answer="1")], "none": []}
    templates = Templates(problems, 13)
    for n in range(3):
        templates.check(LONG.format(n, n, n, n))
    assert (templates.rows["toy"], templates.met()["toy"]) == (3, 1)
    assert (templates.rows["none"], templates.met()["none"]) == (0, 0)


@given(st.lists(st.integers(0, 10**9), min_size=4, max_size=4))
def test_any_numbers_give_the_same_template(numbers):
    assert template(LONG.format(*numbers)) == template(PROBLEM)


@pytest.mark.skipif("HARNESS_DATA" not in os.environ, reason="HARNESS_DATA names no folder")
def test_gsm8k_trains_on_no_problem_of_its_test_with_other_numbers():
    """No false alarm among 7,473 rows and 1,319 problems, and every copy with other numbers."""
    gsm8k = BENCHMARKS["gsm8k"]
    problems = load_problems(gsm8k)
    templates = Templates({"gsm8k": problems}, 13)
    assert not any(templates.check(shot.question) for shot in load_shots(gsm8k))
    changed = [(p.id, re.sub("[0-9]+", "97", p.question)) for p in problems]
    copies = [(name, text) for name, text in changed if "97" in text]
    found = [name in {m.problem for m in templates.check(text)} for name, text in copies]
    assert (sum(found), len(found)) == (1296, 1296)
