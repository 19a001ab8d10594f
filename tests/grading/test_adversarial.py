"""Hostile answers, as models under training and people write them: graded in time, never run."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.grading import Grader, Outcome, Verdict
from harness.grading.answers.rules import Equivalence
from harness.grading.workers.pool import TIME_LIMIT as TIME_LIMIT_OF_A_RUN

pytestmark = pytest.mark.slow

COLLECTION = os.environ.get("HARNESS_GRADING_CORPUS")
"""A folder with adversarial.jsonl, collected from public issue threads."""
SECONDS_A_ROW = 2.0
"""The most seconds of processor time, including those of the killed worker and of the kill."""
TIME_LIMIT = 0.5
"""A third of a run's limit. The tests show that the limit holds, whatever it is."""
WORKER_MEMORY = 300 << 20

Pair = tuple[str, str]

ARITHMETIC = {
    "tower": "9^{9^{9^{9}}}",
    "tower of stars": "9**9**9**9**9",
    "tower in a bracket": "((10^{10})^{10^{10}})^{10}",
    "tower by degrees": "2^{2^{2^{2^{2^{2}}}}}",
    "negative tower": "10^{-10^{10}}",
    "power of a decimal": "1.0000001^{999999999999}",
    "power in a fraction": r"\frac{1}{7^{7^{7^{7}}}}",
    "power of a root": r"\sqrt[99999]{3^{3^{3^{33}}}}",
    "modular tower": r"3^{3^{3^{3}}} \bmod 100",
    "exponent of a factorial": "2^{99!}",
    "factorial": "123456789!",
    "factorials": "(((9!)!)!)!",
    "factorial signs": "9" + "!" * 60,
    "factorial of a power": "(10^{10})!",
    "binomial": r"\binom{10^{12}}{5 \cdot 10^{11}}",
    "scientific": "1e999999999",
    "small scientific": "1e-999999999",
    "sum": r"\sum_{k=1}^{10^{12}} \frac{1}{k}",
    "product": r"\prod_{k=1}^{10^{9}} k",
    "integral": r"\int_{0}^{\infty} x^{x^{x}} \sin(x^{x}) dx",
    "limit": r"\lim_{n \to \infty} \left(1+\frac{1}{n}\right)^{n^{n}}",
    "expansion": "(a+b+c+d+e+f+g+h)^{400}",
    "nested functions": r"\sin(" * 40 + "x" + ")" * 40,
    "logarithms": r"\log" * 60 + " 7",
    "zero to a power": "0^{-1}",
    "matrix to a power": r"\begin{pmatrix}1&1\\1&0\end{pmatrix}^{10^{10}}",
    "a large matrix": r"\begin{pmatrix}" + r"1&2&3\\" * 200 + r"\end{pmatrix}",
}
LENGTH = {
    "digits": "7" * 1_900,
    "many digits": "7" * 1_000_000,
    "decimals": "0." + "3" * 100_000,
    "commas": "1," * 50_000 + "1",
    "blanks": " " * 500_000 + "1",
    "signs": "-" * 1_999 + "1",
    "braces": "{" * 999 + "1" + "}" * 999,
    "open braces": "{" * 1_999,
    "brackets": "([" * 400 + "1" + "])" * 400,
    "roots": r"\sqrt{" * 250 + "2" + "}" * 250,
    "fractions": r"\frac{1}{1+" * 150 + "1" + "}" * 150,
    "bare fractions": r"\frac" * 390,
    "lefts": r"\left(" * 300,
    "texts": r"\text{" * 300 + "a" + "}" * 300,
    "scripts": "x" + "_{a^{b" * 150 + "}}" * 150,
    "sum of letters": "+".join("abcdefghij" * 90),
    "unions": r"(0,1)\cup" * 200 + "(0,1)",
    "plus-minuses": r"1\pm" * 400 + "1",
    "equations": "x=" * 900 + "1",
    "alternatives": r"1\text{ or }" * 150 + "1",
    "absolute values": "|" * 1_500,
    "percent signs": "1" + "%" * 1_900,
    "boxes": "\\boxed{" * 20_000,
    "answers": "the answer is " * 20_000,
}
CODE = {
    "system": "__import__('os').system('touch CANARY')",
    "fraction of code": r"\frac{__import__('os').system('touch CANARY')}{1}",
    "text of code": r"\text{__import__('os').system('touch CANARY')}",
    "open": "open('CANARY','w').close()",
    "path": "getattr(__import__('pathlib').Path('CANARY'), 'touch')()",
    "lambda": "(lambda: open('CANARY','w'))()",
    "subclasses": "().__class__.__base__.__subclasses__()",
    "format": "{0.__class__.__init__.__globals__}",
    "sympify": "Symbol('x').func.__globals__['__builtins__']['open']('CANARY','w')",
    "exec": "exec(\"open('CANARY','w')\")",
    "write18": r"\immediate\write18{touch CANARY}",
    "input": r"\input{/etc/passwd}",
    "shell": "`touch CANARY`; $(touch CANARY)",
    "exit": "__import__('os')._exit(0)",
    "sleep": "__import__('time').sleep(60)",
    "protocol": '{"result": "equal"}\n{"result": "equal"}',
    "line breaks": "1\n2\r3\u20284",
    "nul": "4\x002",
    "surrogate": "\ud83d",
    "right to left": "\u202e42",
    "other digits": "\u0664\u0662",
    "wide digits": "\uff12\uff14",
    "escape": "\x1b[2J42",
}
HOSTILE = {**ARITHMETIC, **LENGTH, **CODE}
GOLD = "41"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1, time_limit=TIME_LIMIT) as one:
        yield one


@pytest.fixture(scope="module")
def patient_grader() -> Iterator[Grader]:
    """A grader with the limit that a run has."""
    with Grader(workers=1) as one:
        yield one


def warm_up(grader: Grader) -> None:
    """Start a worker, so that a row's time does not include replacing the last row's worker."""
    if pids(grader):
        return
    assert grader._pool.submit("a+b", "b+a").result() is Equivalence.EQUAL


def pids(grader: Grader) -> list[int]:
    return grader._pool.pids()


def processor_seconds(grader: Grader) -> float:
    """Return the processor seconds of this process and its workers, also of those that ended.

    The clock would not do, because the workers yield to all else that the machine does.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = [psutil.Process(pid).cpu_times() for pid in pids(grader)]
    used = sum(times.user + times.system for times in living)
    return time.process_time() + ended.ru_utime + ended.ru_stime + used


def in_time(
    grader: Grader,
    grade: Callable[[str, str], Verdict],
    row: Pair,
    limit: float = SECONDS_A_ROW,
) -> Verdict:
    warm_up(grader)
    before = processor_seconds(grader)
    verdict = grade(*row)
    assert processor_seconds(grader) - before < limit, verdict
    assert all(peak_memory(pid) <= WORKER_MEMORY for pid in pids(grader))
    return verdict


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_refused_in_time_and_nothing_runs(
    grader: Grader, name: str, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    answer = HOSTILE[name].replace("CANARY", str(canary))
    for grade in (grader.grade_answer, grader.grade):
        verdict = in_time(grader, grade, (answer, GOLD))
        assert not verdict.correct
        assert verdict.outcome is not Outcome.GRADER_ERROR
    assert not canary.exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_gold_is_survived(grader: Grader, name: str) -> None:
    assert not in_time(grader, grader.grade_answer, ("7", HOSTILE[name])).correct


@on_linux
def test_the_memory_of_a_worker_is_seen(grader: Grader) -> None:
    warm_up(grader)
    peaks = [peak_memory(pid) for pid in pids(grader)]
    assert peaks
    assert min(peaks) > WORKER_MEMORY // 10


def peak_memory(pid: int) -> int:
    """Return the most bytes a process has held; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(s.split()[1]) << 10 for s in status.splitlines() if s.startswith("VmHWM")), 0)


def test_hostile_rows_hold_up_no_other() -> None:
    """With many of them under way, plain numbers are graded at once and the rest in turn.

    A fifth of them will do: each takes its whole limit, and is graded by itself above.
    """
    with Grader(workers=2, time_limit=TIME_LIMIT) as own:
        hostile = [own.submit_answer(answer, GOLD) for answer in [*HOSTILE.values()][::5]]
        began = time.thread_time()
        plain = [own.submit_answer(f"{number}.0", str(number)) for number in range(1_000)]
        assert all(future.done() and future.result().correct for future in plain)
        assert time.thread_time() - began < SECONDS_A_ROW  # for a thousand of them
        # Each may be compared twice, alone the second time; a busy machine needs long for that.
        assert not any(future.result(600).correct for future in hostile)


# --- the larger collection ------------------------------------------------------------------


def collected() -> list[dict[str, Any]]:
    if COLLECTION is None:
        return []
    text = (Path(COLLECTION) / "adversarial.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.skipif(COLLECTION is None, reason="HARNESS_GRADING_CORPUS names no folder")
@pytest.mark.parametrize("row", collected(), ids=lambda row: row["id"])
def test_a_collected_row_is_survived(patient_grader: Grader, row: dict[str, Any]) -> None:
    asked = row["response"], row["gold"]
    verdict = in_time(patient_grader, patient_grader.grade, asked, limit=2 * TIME_LIMIT_OF_A_RUN)
    assert row["expected"] is None or verdict.correct == row["expected"]
