"""What the rules may cost: they run where nothing can kill them, so their own count stops them.

The limits are wide: the worst takes half a second of the processor, and one that is not stopped
takes minutes. The thread's time is measured and not the clock, since the machine may be busy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.extraction import extract
from harness.grading import Outcome, Undecided, Verdict, grade_by_rules
from harness.grading.answer_classes import answer_classes
from harness.grading.answers import effort, rules
from harness.grading.answers.effort import TooCostlyError, bounded, once, spend
from harness.grading.answers.parser import parse
from harness.grading.answers.rules import Decision, Equivalence, decide
from harness.grading.remembered import Memory, remembered

CORPUS = os.environ.get("HARNESS_GRADING_CORPUS")
SECONDS = 2.0
"""The most seconds of the processor that one pair may take in the caller's thread."""
MEBIBYTES = 300
"""The most memory that all the pairs below may take together."""


def numbered(pattern: str, numbers: Iterable[int]) -> list[str]:
    """Return the pattern with each number in place of its N."""
    return [pattern.replace("N", str(number)) for number in numbers]


def of_factorials(first: int, factors: int) -> str:
    return "*".join(numbered("N!^{3}", range(first, first - factors, -1)))


HOSTILE = {
    "powers": "*".join(["9^{19999}"] * 99),
    "factorials": "*".join(["2999!^{3}"] * 63),
    "other factorials": of_factorials(2999, 63),
    "sums of products": "+".join(of_factorials(2999 - 13 * row, 13) for row in range(6)),
    "quotients": "/".join(numbered("N!^{3}", range(2999, 2919, -1))),
    "fractions": "+".join(rf"\frac{{{n}^{{9999}}}}{{{n + 1}^{{9999}}}}" for n in range(10, 52)),
    "reciprocals": "+".join(numbered(r"\frac1{N^{4400}}", range(11, 99, 2))),
    "binomials": "+".join(rf"\binom{{{11999 - n}}}{{{5999 - n}}}" for n in range(70)),
    "floors": "+".join(rf"\lfloor\frac{{{n}!^{{3}}}}{{{n}!+1}}\rfloor" for n in range(2900, 2925)),
    "roots": r"\sqrt{" + "*".join(["9^{9998}"] * 99) + "}",
    "a binomial of a huge number": r"\binom{e^{999999999}}{5}",
    "a binomial of a huge product": r"\binom{e^{999999999}e^{999999999}x}{5.5}",
    "a huge percentage": "*".join(["9^{19999}"] * 90) + "%",
    "decimals": "*".join(numbered("1.N^{9999}", range(10, 94))),
    "variables": "x*" + "*".join(["9^{19999}"] * 98),
    "a list of powers": ",".join(
        f"{base}^{{19999}}+{n}" for base in range(2, 10) for n in range(8)
    ),
    "a list of functions": ",".join(numbered(r"\sin(Nx)", range(60))),
    "a list without values": ",".join(numbered(r"\tan(x)!^{Nx}", range(50))),
    "a list of complex numbers": ",".join(numbered(r"(x+Ni)!", range(60))),
    "sets of sets": ",".join(
        r"\{" + ",".join(f"{n}x+{m}" for m in range(8)) + r"\}" for n in range(9)
    ),
    "a chain": "x=" + "=".join(numbered("N^{9999}", range(10, 99))),
    "intervals": r"\cup".join(["(1,9^{19999})"] * 50),
    "a ratio": ":".join(["9^{19999}"] * 90),
    "a matrix": r"\begin{pmatrix}" + r"\\".join(["9^{19999}&x"] * 40) + r"\end{pmatrix}",
    "a decimal": "7.8*10^{19999}",
    "one that does not end": r"\frac{3}{2^{19999}}",
    "mixed numbers": ",".join(rf"{n}\frac{{1}}{{{'9' * 20}}}" for n in range(1, 60)),
    "periods": ",".join(numbered(r"0.\overline{N}", range(10**18, 10**18 + 60))),
    "factors": " ".join("x" * 325),
    "text": r"\text{" + "a " * 900 + "}",
}
ORDINARY = ("42", "(1,2)", "x+1", "1A_{16}", r"50\%", "x=5", "0.333333333333333333")
"""Golds against which expressions that are drawn at random are graded."""


def in_time(response: str, gold: str) -> Verdict | Undecided:
    """Grade by the rules, and check that they end soon and without an error."""
    began = time.thread_time()
    graded = grade_by_rules(response, gold)
    assert time.thread_time() - began < SECONDS
    assert isinstance(graded, Undecided) or graded.outcome is not Outcome.GRADER_ERROR
    return graded


@pytest.mark.parametrize("name", HOSTILE)
def test_an_expression_of_huge_numbers_is_stopped(name: str) -> None:
    text = HOSTILE[name]
    in_time(rf"\boxed{{{text}}}", "42")
    in_time(r"\boxed{x+1}", text)
    in_time(rf"\boxed{{{text}}}", text + "+1")


def test_what_is_stopped_is_unparsable_on_either_side() -> None:
    refused = Decision(Equivalence.UNPARSABLE, "limits")
    assert decide("42", HOSTILE["powers"]) == decide(HOSTILE["powers"], "42") == refused
    assert decide(HOSTILE["powers"], HOSTILE["powers"]) == Decision(Equivalence.EQUAL, "identical")


def test_a_huge_number_is_no_error_against_a_gold_in_another_base() -> None:
    assert decide("1A_{16}", "9^{19999}") == Decision(Equivalence.DIFFERENT, "base")


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\frac{3}{2^{9999}}", "0.333333333333333333"),
        ("(1+0.0425/365)^{3650}-1", "(1+0.0425/365)^{3650}-1+0"),
        ("2^{9999}", "2^{9998}*2"),
        (",".join(numbered("x+N", range(30))), ",".join(numbered("N+x", range(29, -1, -1)))),
    ],
)
def test_what_somebody_may_ask_is_far_from_the_limit(gold: str, answer: str) -> None:
    with bounded(effort.MAXIMUM_STEPS // 5):
        decision = decide(gold, answer)
    assert decision is not None
    assert decision.equivalence is not Equivalence.UNPARSABLE


def test_a_majority_vote_is_stopped_too() -> None:
    """Hostile answers take no time from the others, which are classed as if they were alone."""
    hostile = [HOSTILE["a list without values"].replace("(x)", f"({n}x)", 1) for n in range(4)]
    hostile += [HOSTILE["factorials"], HOSTILE["a list of complex numbers"]]
    began = time.thread_time()
    classes = answer_classes([*hostile, "x+1", "1+x"], ["wrong"] * (len(hostile) + 2))
    assert time.thread_time() - began < SECONDS
    assert classes[-1] == classes[-2]


# --- drawn at random --------------------------------------------------------------------------

_ATOMS = st.sampled_from(
    r"9 x i e \pi \infty 2999 0.5 1e400 12345678901234567890 9^{19999} 2999! 0.\overline{142857}"
    r" 3\frac{1}{7} 50\% 1\text{apple} \frac{1}{97^{9999}} \binom{11999}{5999} f(x) x_1 2,000"
    r" \infty -1 10^{-400} 0 \text{yes} 1.0000001 180^\circ".split()
)
_AROUND = st.sampled_from(
    r"({})^{{19999}} ({})! \sqrt{{{}}} \sqrt[7]{{{}}} \sin({}) \log({}) \lfloor{}\rfloor |{}| -{}"
    r" 1/({}) f({}) \binom{{{}}}{{5.5}} ({},1) [0,{}) \{{{}\}} x={} x<{} {}\% e^{{{}}} {}^{{{}}}"
    r" \frac{{{}}}{{{}}} \text{{{}}} \begin{{pmatrix}}{}&1\end{{pmatrix}} 1\pm{} {}:2".split()
)
_BETWEEN = st.sampled_from(["+", "*", " ", "-", "/", ",", ";", "=", "<", "^", r"\cup", ":", " or "])


def _repeated(parts: tuple[str, str, int]) -> str:
    text, between, times = parts
    return between.join([text] * times)


def _nested(parts: tuple[str, str, int]) -> str:
    text, around, times = parts
    for _ in range(times):
        text = around.format(text, text)[:4_000]
    return text


NASTY = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, _BETWEEN, st.integers(2, 99)).map(_repeated),
        st.tuples(inner, _AROUND, st.integers(1, 30)).map(_nested),
        st.tuples(inner, _BETWEEN, inner).map("".join),
    ),
    max_leaves=6,
)


@settings(max_examples=100)
@given(answer=NASTY, gold=NASTY | st.sampled_from(ORDINARY))
@example("2999!*" * 50 + "x", "x")
def test_no_expression_takes_long_or_raises(answer: str, gold: str) -> None:
    in_time(rf"\boxed{{{answer}}}", gold)


# --- 25 times as long -------------------------------------------------------------------------


def collected() -> list[dict[str, Any]]:
    if CORPUS is None:
        return []
    text = (Path(CORPUS) / "adversarial.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


LARGER: tuple[Callable[[str], str], ...] = (
    lambda text: "+".join([text] * 25),
    lambda text: "*".join([f"({text})"] * 25),
    lambda text: ", ".join([text] * 25),
    lambda text: " ".join([text] * 25),
    lambda text: "+".join([rf"\frac{{1}}{{{text}}}"] * 25),
    lambda text: r"\boxed{" * 25 + text + "}" * 25,
    lambda text: r"\sqrt{" * 25 + text * 25 + "}" * 25,
)


@pytest.mark.slow
@pytest.mark.skipif(CORPUS is None, reason="HARNESS_GRADING_CORPUS names no folder")
@pytest.mark.parametrize("number", range(len(LARGER)))
def test_a_hostile_answer_at_25_times_its_size_is_stopped(number: int) -> None:
    """Each row is enlarged in one way, and each way is tried on a seventh of the rows."""
    for row in collected()[number :: len(LARGER)]:
        found = extract(row["response"])
        larger = LARGER[number](found.answer if found else row["response"])
        in_time(rf"\boxed{{{larger}}}", row["gold"])
        in_time(larger, row["gold"])
        in_time(row["response"], larger)


# --- memory -----------------------------------------------------------------------------------

MEASURED = r"""
import json, sys, time
from harness.grading import grade_by_rules

def most_held():
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024

grade_by_rules(r"\boxed{\sqrt{2}x}", "x+1")  # loads what is loaded at the first use
before, began = most_held(), time.process_time()
for answer in json.load(sys.stdin):
    grade_by_rules(rf"\boxed{{{answer}}}", "x+1")
print(most_held() - before, time.process_time() - began)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_huge_values_are_not_remembered() -> None:
    """Once, 25 such rows took two minutes, and 1.5 GB in caches of huge fractions."""
    rows = [
        "+".join(of_factorials(2999 - 100 * row - 14 * part, 13) for part in range(6))
        for row in range(25)
    ]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        input=json.dumps(rows),
        check=True,
        capture_output=True,
        text=True,
    )
    grown, seconds = map(float, done.stdout.split())
    assert grown < MEBIBYTES
    assert seconds < len(rows) * SECONDS / 2


def test_a_memory_forgets_what_was_not_used() -> None:
    memory = Memory[int, str](room=100)
    for key in range(1_000):
        memory.keep(key, "value", size=10)
        assert memory.get(0) == ("value" if key < 1_000 else None)  # it is used again and again
    assert sum(memory.get(key) is not None for key in range(1_000)) <= 10
    memory.keep(-1, "too large to be kept", size=51)
    assert memory.get(-1) is None


def test_what_raises_is_not_remembered_and_what_is_none_is() -> None:
    asked: list[str] = []

    @remembered(room=1_000, size=len)
    def ask(text: str) -> None:  # what it returns is None
        asked.append(text)
        if text == "fail":
            raise KeyError(text)

    for _ in range(3):
        ask("once")
        with pytest.raises(KeyError):
            ask("fail")
    assert asked == ["once", "fail", "fail", "fail"]


def test_an_answer_that_is_remembered_takes_no_more_than_is_counted() -> None:
    texts = ["x^2" * 60, "1+" * 200 + "1", ",".join("1" * 60), "x y z w " * 20, "7"]
    for text in texts:
        tracemalloc.start()
        kept = [parse(text.replace("1", str(number)) + "+1") for number in range(9)]
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held / len(kept) < 500 + 150 * len(text)


# --- the count --------------------------------------------------------------------------------


def test_the_steps_of_a_pair_do_not_depend_on_those_before_it() -> None:
    pair = ("2^{9999}+1", "2^{9998}*2+1")

    def steps() -> int:
        for most in range(1, 200):
            try:
                with bounded(most):
                    assert rules.structure(*pair, rules.MATHEMATICS) is not None
            except TooCostlyError:
                continue
            return most
        raise AssertionError("it takes more than 200 steps")

    first = steps()
    decide("2^{9999}*3", "2^{9998}*6")
    assert steps() == first > 5


def test_only_the_outermost_block_counts() -> None:
    spend(10**9)  # nothing counts here
    with bounded(10):
        spend(4)
        with bounded(1_000):
            spend(6)
            with pytest.raises(TooCostlyError):
                spend(1)
    with bounded(10):
        spend(10)


def test_a_result_is_found_once_for_each_pair() -> None:
    asked = []
    for _ in range(2):
        with bounded():
            assert [once(lambda n: asked.append(n) or n, 7)] == [7]  # another function each time
            for _ in range(3):
                assert once(abs, -7) == 7
    assert asked == [7, 7]
