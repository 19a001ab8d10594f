"""Properties of all answers: a gold is accepted in any typesetting, and another number never.

The golds are a list of our own and, where HARNESS_DATA names the benchmarks' files, all of theirs.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from benchmarks import BENCHMARKS, STANDARD, Benchmark, Conventions, Problem
from benchmarks.errata import errata_for
from benchmarks.source import load_problems
from harness.grading import Grader, Outcome
from harness.grading.answers.rules import Decision, decide, structure

GOLDS = Path(__file__).with_name("golds.txt").read_text(encoding="utf-8").splitlines()
"""Golds of every kind that occurs in the benchmarks."""

_NAMELESS = re.compile(r"[A-Za-z<>=,;:\\{]|^[(\[]")
_COMMAND = re.compile(r"\\(?:frac|sqrt|pi|binom)(?![A-Za-z])|[{}]")


def rewritings(gold: str) -> Iterator[str]:
    """Yield the gold in other typesettings."""
    yield gold
    yield f"  {gold} "
    yield f"${gold}$"
    yield rf"\({gold}\)"
    yield f"{gold}."
    yield rf"\displaystyle {gold}"
    yield gold.replace(r"\frac", r"\dfrac")
    yield re.sub(r"(?<=[^\\{^_(\[,eE])([-+=])(?=[^,])", r" \1 ", gold)
    if not _NAMELESS.search(_COMMAND.sub("", gold)):  # a number or a closed form of numbers
        yield f"x={gold}"
        yield f"x = {gold}"


def refused(grader: Grader, gold: str, conventions: Conventions) -> list[str]:
    """Return the rewritings of a gold that are not accepted, bare or boxed in a sentence."""
    spellings = dict.fromkeys(rewritings(gold))
    bare = {s: grader.submit_answer(s, gold, conventions=conventions) for s in spellings}
    boxed = {
        s: grader.submit(rf"So it is $\boxed{{{s}}}$.", gold, conventions=conventions)
        for s in spellings
        if "$" not in s and r"\(" not in s
    }
    return [
        s for each in (bare, boxed) for s, future in each.items() if not future.result().correct
    ]


@pytest.mark.parametrize("gold", GOLDS)
def test_a_gold_is_accepted_however_it_is_typeset(grader: Grader, gold: str) -> None:
    assert refused(grader, gold, Conventions()) == []


def test_a_boxed_gold_is_read_as_its_content(grader: Grader) -> None:
    assert [g for g in GOLDS if not grader.grade_answer(g, rf"\boxed{{{g}}}").correct] == []


@pytest.mark.skipif("HARNESS_DATA" not in os.environ, reason="HARNESS_DATA names no folder")
@pytest.mark.parametrize("name", STANDARD)
def test_every_published_gold_is_accepted_however_it_is_typeset(grader: Grader, name: str) -> None:
    def lost(benchmark: Benchmark, problem: Problem) -> list[str]:
        return refused(grader, problem.answer, benchmark.conventions_for(problem))

    known = {erratum.problem_id for erratum in errata_for(name)}
    benchmark = BENCHMARKS[name]
    problems = [p for p in load_problems(benchmark) if p.id not in known]
    assert {p.id: bad for p in problems if (bad := lost(benchmark, p))} == {}


# --- numbers --------------------------------------------------------------------------------


def slashed(number: Fraction) -> str:
    return f"{number.numerator}/{number.denominator}"


def latex(number: Fraction) -> str:
    sign = "-" if number < 0 else ""
    return rf"{sign}\frac{{{abs(number.numerator)}}}{{{number.denominator}}}"


def unreduced(number: Fraction) -> str:
    return rf"\dfrac{{{7 * number.numerator}}}{{{7 * number.denominator}}}"


def plain_tex(number: Fraction) -> str:
    return rf"{{{number.numerator} \over {number.denominator}}}"


def mixed(number: Fraction) -> str:
    whole, rest = divmod(abs(number), 1)
    if not whole or not rest:
        return latex(number)
    return rf"{'-' if number < 0 else ''}{whole}\frac{{{rest.numerator}}}{{{rest.denominator}}}"


def decimal(number: Fraction) -> str:
    """Write a terminating decimal out, and any other number as a fraction."""
    for places in range(8):
        scaled = number * 10**places
        if scaled.denominator == 1:
            digits = f"{abs(scaled.numerator):0{places + 1}d}"
            point = f"{digits[:-places]}.{digits[-places:]}" if places else digits
            return f"-{point}" if number < 0 else point
    return slashed(number)


def named(number: Fraction) -> str:
    return f"x = {latex(number)}"


SPELLINGS = (slashed, latex, unreduced, plain_tex, mixed, decimal, named)
RATIONALS = st.fractions(min_value=-20, max_value=20, max_denominator=100)
"""Two of them differ by far more than six digits say, so no decimal is a rounding of another."""
Spelling = Callable[[Fraction], str]
A_SPELLING = st.sampled_from(SPELLINGS)


@given(number=RATIONALS, one=A_SPELLING, other=A_SPELLING)
def test_a_rational_equals_itself_in_every_spelling(
    grader: Grader, number: Fraction, one: Spelling, other: Spelling
) -> None:
    assert grader.grade_answer(one(number), other(number)).correct


@given(number=RATIONALS, another=RATIONALS, one=A_SPELLING, other=A_SPELLING)
def test_different_rationals_are_never_equal(
    grader: Grader, number: Fraction, another: Fraction, one: Spelling, other: Spelling
) -> None:
    assume(number != another)
    assert not grader.grade_answer(one(number), other(another)).correct


INTEGER_SPELLINGS = (
    str,
    lambda n: f"{n:,}",
    lambda n: f"{n:,}".replace(",", "{,}"),
    lambda n: f"{n:,}".replace(",", r"\,"),
    lambda n: f"{n}.0",
    lambda n: str(n).replace("-", "\u2212"),
    lambda n: rf"\text{{{n}}}",
    lambda n: rf"{n}\text{{ apples}}",
)


@given(
    number=st.integers(-(10**40), 10**40),
    difference=st.integers(-1000, 1000),
    one=st.sampled_from(INTEGER_SPELLINGS),
    other=st.sampled_from(INTEGER_SPELLINGS),
)
@example(number=10**4, difference=1, one=INTEGER_SPELLINGS[1], other=str)
def test_integers_are_equal_exactly_if_they_are_the_same(
    grader: Grader,
    number: int,
    difference: int,
    one: Callable[[int], str],
    other: Callable[[int], str],
) -> None:
    verdict = grader.grade_answer(one(number + difference), other(number))
    assert verdict.correct == (difference == 0)


@given(base=st.integers(2, 9), power=st.integers(50, 2000), difference=st.integers(0, 2))
def test_large_powers_are_told_apart(
    grader: Grader, base: int, power: int, difference: int
) -> None:
    verdict = grader.grade_answer(f"{base}^{{{power + difference}}}", f"{base}^{{{power}}}")
    assert verdict.correct == (difference == 0)


# --- verdicts are values --------------------------------------------------------------------


def pairs() -> list[tuple[str, str]]:
    files = sorted((Path(__file__).parent / "corpus").glob("*.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    return [(row["answer"], row["gold"]) for row in rows if "answer" in row]


def verdicts(asked: list[tuple[str, str]], workers: int) -> list[tuple[Outcome, str | None]]:
    with Grader(workers=workers, time_limit=20) as own:
        futures = [own.submit_answer(answer, gold) for answer, gold in asked]
        return [(future.result().outcome, future.result().rule) for future in futures]


def test_a_verdict_depends_on_its_pair_alone() -> None:
    asked = pairs()
    straight = verdicts(asked, workers=1)
    assert verdicts(asked[::-1], workers=2)[::-1] == straight
    assert verdicts(asked[1::2] + asked[::2], workers=1)[len(asked[1::2]) :] == straight[::2]


_PIECES = st.sampled_from(
    r"\frac \sqrt \left( \right) \{ \} { } ( ) [ ] ^ _ & \\ $ , ; . : = < > | ! % + - * / ' \pi"
    r" \cup \in \infty \pm \text{ \boxed{ \begin{pmatrix} \end{pmatrix} \overline \log \sin"
    r" 0 1 2 12 007 x y i e and or where \le".split(" ")
)
MATHS = st.lists(_PIECES, max_size=25).map(" ".join) | st.lists(_PIECES, max_size=25).map("".join)


@settings(max_examples=200)
@given(answer=MATHS | st.text(max_size=60), gold=MATHS | st.text(max_size=30))
def test_no_text_raises_or_takes_long(grader: Grader, answer: str, gold: str) -> None:
    began = time.process_time()
    graded = [grader.grade_answer(answer, gold), grader.grade(answer, gold)]
    assert all(isinstance(verdict.outcome, Outcome) for verdict in graded)
    assert time.process_time() - began < 2


@given(text=MATHS | st.text(max_size=60))
def test_nothing_to_compare_is_never_correct(grader: Grader, text: str) -> None:
    for nothing in ("", "  ", "$$", r"\boxed{}"):
        assert not grader.grade_answer(nothing, text).correct


integers = st.builds(
    "{}{}{}".format, st.sampled_from(["", "-"]), st.sampled_from(["", "0"]), st.integers(0, 10**15)
)


@given(integers, integers, st.sampled_from([Conventions(), Conventions(relative_tolerance=0.05)]))
@example("7", "07", Conventions())
@example("0", "-0", Conventions())
def test_integers_are_told_apart_at_once_as_their_structure_would(
    gold: str, answer: str, conventions: Conventions
) -> None:
    slowly = structure(gold, answer, conventions)
    assert slowly is not None
    rule = "identical" if gold == answer else slowly.rule
    assert decide(gold, answer, conventions) == Decision(slowly.equivalence, rule)
