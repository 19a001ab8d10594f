"""The generated benchmark: the same rows everywhere, and every answer right."""

import hashlib
import json
import re
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from random import Random

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.demo import BENCHMARK, TEST_ROWS, TRAIN_ROWS, train_rows
from benchmarks.demo import test_rows as held_out_rows
from benchmarks.demo_problems import KINDS, Exercise, exercise, exercises

X = sympy.Symbol("x")
SEEDS = st.integers(min_value=0, max_value=2**64)
GOLDEN = [
    ("test-0001", "Compute $13 + 41$.", "54"),
    ("test-0002", "Compute $18 \\cdot 6$.", "108"),
    (
        "test-0003",
        "Hugo has 16 stamps and finds 53 more. How many stamps does Hugo have now?",
        "69",
    ),
    (
        "test-0004",
        "Ana has 8 rows of 2 stamps and gives away 12 stamps. How many stamps are left?",
        "4",
    ),
]


def plain(latex: str) -> str:
    """Write LaTeX arithmetic as Python that sympy reads."""
    latex = re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"(\1/\2)", latex).replace("\\cdot", "*")
    latex = re.sub(r"(\d)x", r"\1*x", latex).replace(")(", ")*(")
    return latex.replace("^", "**")


def value(latex: str) -> sympy.Expr:
    return sympy.sympify(plain(latex), locals={"x": X}, rational=True)


def formulas(question: str) -> list[str]:
    return re.findall(r"\$([^$]*)\$", question)


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", text)]


def test_the_first_rows_are_these():
    first = [(row["id"], row["question"], row["answer"]) for row in islice(held_out_rows(), 4)]
    assert first == GOLDEN


@pytest.mark.parametrize("split", [BENCHMARK.test, BENCHMARK.train])
def test_a_split_has_the_rows_and_the_sum_that_are_declared(split):
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in split.generate()]
    assert len(lines) == split.rows
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == split.sha256


def test_no_question_occurs_twice_in_or_across_the_splits():
    questions = [row["question"] for rows in (held_out_rows, train_rows) for row in rows()]
    assert len(set(questions)) == len(questions) == TEST_ROWS + TRAIN_ROWS


@pytest.mark.parametrize("rows", [held_out_rows, train_rows])
def test_any_first_twelve_rows_have_every_kind(rows):
    assert {row["kind"] for row in islice(rows(), len(KINDS))} == set(KINDS)


def test_a_row_becomes_a_problem_and_a_worked_example():
    row = next(iter(held_out_rows()))
    problem, shot = BENCHMARK.to_problem(row), BENCHMARK.to_shot(row)
    assert problem.id == "demo/test-0001"
    assert problem.meta == {"kind": "integer"}
    assert (shot.question, shot.answer) == (problem.question, problem.answer)
    assert shot.solution
    assert "boxed" not in shot.solution


def test_problem_ids_are_unique_over_both_splits():
    rows = [*held_out_rows(), *train_rows()]
    assert len({BENCHMARK.to_problem(row).id for row in rows}) == len(rows)


def test_it_imports_nothing_heavy():
    heavy = ("torch", "transformers", "sympy", "numpy", "harness")
    code = f"import sys, benchmarks.demo; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(seed=SEEDS)
def test_a_seed_decides_the_exercises(seed):
    assert list(islice(exercises(seed), 24)) == list(islice(exercises(seed), 24))


@given(seed=SEEDS, kind=st.sampled_from(sorted(KINDS)))
def test_every_exercise_is_short_and_whole(seed, kind):
    drawn = exercise(kind, Random(seed))
    assert drawn.question
    assert drawn.answer == drawn.answer.strip() != ""
    assert 1 <= len(drawn.solution.splitlines()) <= 2
    assert all(line.endswith(".") for line in drawn.solution.splitlines())
    assert drawn.question.count("$") % 2 == 0


def drawn_of(*kinds: str):
    """A strategy for exercises of these kinds."""
    return st.builds(lambda kind, seed: exercise(kind, Random(seed)), st.sampled_from(kinds), SEEDS)


@given(drawn=drawn_of("integer", "product", "fraction", "decimal"))
def test_arithmetic_is_exact(drawn: Exercise):
    assert value(drawn.answer) == value(formulas(drawn.question)[0])


@given(drawn=drawn_of("fraction"))
def test_fractions_are_in_lowest_terms(drawn: Exercise):
    parts = re.fullmatch(r"-?\\frac\{(\d+)\}\{(\d+)\}", drawn.answer)
    if parts:
        assert Fraction(int(parts[1]), int(parts[2])).denominator == int(parts[2]) > 1


@given(drawn=drawn_of("story-one"))
def test_one_step_stories_add_or_take_away(drawn: Exercise):
    start, change = numbers(drawn.question)
    total = start + change if "more" in drawn.question else start - change
    assert int(drawn.answer) == total >= 0


@given(drawn=drawn_of("story-two"))
def test_two_step_stories_multiply_first(drawn: Exercise):
    count, each, other = numbers(drawn.question)
    total = count * each + (other if "single" in drawn.question else -other)
    assert int(drawn.answer) == total > 0


@given(drawn=drawn_of("vector"))
def test_vectors_are_added_by_coordinate(drawn: Exercise):
    left, right = (numbers(formula) for formula in formulas(drawn.question))
    assert numbers(drawn.answer) == [a + b for a, b in zip(left, right, strict=True)]


@given(drawn=drawn_of("interval"), at=st.integers(-200, 200))
def test_a_number_lies_in_the_interval_as_it_solves_the_inequality(drawn: Exercise, at):
    # Half steps hit the ends, so that open and closed ones differ.
    x = Fraction(at, 2)
    told = plain(formulas(drawn.question)[0]).replace("\\le", "<=").replace("\\ge", ">=")
    assert inside(x, drawn.answer) == eval(told, {"x": x})


def inside(x: Fraction, interval: str) -> bool:
    ends = re.fullmatch(r"([(\[])(.*), (.*)([)\]])", interval)
    low, high = (float(end.replace("\\infty", "inf")) for end in ends.groups()[1:3])
    above = low <= x if ends[1] == "[" else low < x
    return above and (x <= high if ends[4] == "]" else x < high)


@given(drawn=drawn_of("expansion"))
def test_expansions_equal_the_product_and_are_written_out(drawn: Exercise):
    answer = value(drawn.answer)
    assert sympy.expand(value(formulas(drawn.question)[0])) == answer


@given(drawn=drawn_of("derivative"))
def test_derivatives_are_right(drawn: Exercise):
    function = formulas(drawn.question)[0].removeprefix("f(x) = ")
    assert sympy.diff(value(function), X) == value(drawn.answer)


@given(drawn=drawn_of("roots"))
def test_roots_are_all_the_solutions(drawn: Exercise):
    left = formulas(drawn.question)[0].removesuffix(" = 0")
    assert sorted(numbers(drawn.answer)) == sorted(sympy.roots(value(left), X))
    assert drawn.answer.startswith("\\{")


@given(drawn=drawn_of("word"))
def test_words_name_the_parity_or_the_larger(drawn: Exercise):
    word = drawn.answer.removeprefix("\\text{").removesuffix("}")
    if "even or odd" in drawn.question:
        assert word == ("even", "odd")[numbers(drawn.question)[0] % 2]
    else:
        owned = re.findall(r"(\w+) has (\d+)", drawn.question)
        assert word == max(owned, key=lambda pair: int(pair[1]))[0]
