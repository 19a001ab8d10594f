"""What the three rewards return, one sample at a time and outside verl."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.grading import Outcome, Verdict
from harness.grading.compat import rewards as strings
from harness.grading.grader import Grader
from trainers import rewards
from trainers.rewards import COLUMNS, COUNTED, OUT_OF_REACH, OutcomeLog

T = TypeVar("T")
NAMES = ("gsm8k_strict", "hendrycks_boxed", "harness")
OUTCOMES = tuple(name for name in COLUMNS if name != OUT_OF_REACH)
INTEGRAL = r"\boxed{\int_{0}^{\infty} x^{x^{x}} \sin(x^{x}) dx}"
"""The symbolic grader would work on it for minutes."""


def finished(coroutine: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end in a thread, since a test with a browser leaves a loop in this."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def reward(name: str, response: str, gold: object, **told: Any) -> dict[str, float]:
    function: Callable[..., Coroutine[None, None, dict[str, float]]] = getattr(rewards, name)
    kwargs = {"data_source": "any", "solution_str": response, "ground_truth": gold}
    return finished(function(**kwargs, **told))


def outcome(columns: dict[str, float]) -> str:
    [name] = [name for name in OUTCOMES if columns[name]]
    return name


CASES = [
    ("gsm8k_strict", "so\n#### 1,200", "1200", "acc"),
    ("gsm8k_strict", "so\n#### 12", "1200", "wrong"),
    ("gsm8k_strict", r"\boxed{1200}", "1200", "no_answer"),
    ("gsm8k_strict", "#### 1200" + " " * 300, "1200", "no_answer"),
    ("gsm8k_strict", "", "1200", "no_answer"),
    ("hendrycks_boxed", r"so \boxed{\dfrac12}", r"\frac{1}{2}", "acc"),
    ("hendrycks_boxed", r"so \boxed{x+1}", "1+x", "wrong"),
    ("hendrycks_boxed", r"\fbox{7}", "7", "wrong"),
    ("hendrycks_boxed", "so it is 7", "7", "no_answer"),
    ("hendrycks_boxed", r"so \boxed{7", "7", "no_answer"),
    ("harness", r"so \boxed{x+1}", "1+x", "acc"),
    ("harness", "so it is 7", "7", "acc"),
    ("harness", "so it is 8", "7", "wrong"),
    ("harness", "I cannot say.", "7", "no_answer"),
    ("harness", r"\boxed{\frac{}{}}", "7", "unparsable"),
]


@pytest.mark.parametrize(("name", "response", "gold", "expected"), CASES)
def test_a_response_has_the_outcome(name: str, response: str, gold: str, expected: str) -> None:
    columns = reward(name, response, gold)
    assert outcome(columns) == expected
    assert columns["score"] == columns["acc"] == float(expected == "acc")


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("gsm8k_strict", "and so the total is 7"),
        ("hendrycks_boxed", r"and so the total is \boxed{7"),
        ("harness", "and so the total is 7"),
    ],
)
def test_a_response_that_was_cut_off_before_its_answer_is_truncated(
    name: str, response: str
) -> None:
    assert outcome(reward(name, response, "7", extra_info={"truncated": True})) == "truncated"


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_before_the_cut_counts(name: str) -> None:
    response = r"It is \boxed{7}, and #### 7 for that matter, because"
    assert outcome(reward(name, response, "7", extra_info={"truncated": True})) == "acc"


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_the_same_columns_and_one_outcome(name: str) -> None:
    for response in ("", "#### 1", r"\boxed{1}", "1"):
        columns = reward(name, response, "1", reward_router_address=None)
        assert tuple(columns) == ("score", *COLUMNS)
        assert all(type(value) is float for value in columns.values())
        assert sum(columns[name] for name in OUTCOMES) == 1


@pytest.mark.parametrize(
    ("name", "gold", "out_of_reach"),
    [
        ("gsm8k_strict", "1200", 0),
        ("gsm8k_strict", "-0.5", 0),
        ("gsm8k_strict", "", 0),
        ("gsm8k_strict", "1,200", 1),
        ("gsm8k_strict", r"\frac{1}{2}", 1),
        ("gsm8k_strict", "x", 1),
        ("gsm8k_strict", "7" * 400, 1),
        ("hendrycks_boxed", r"\frac{1}{2}", 0),
        ("hendrycks_boxed", "1,200", 0),
        ("hendrycks_boxed", "{", 0),
        ("hendrycks_boxed", "{$", 1),
        ("harness", "anything", 0),
        ("harness", " ", 1),
        ("harness", "7" * 3_000, 1),
    ],
)
def test_a_gold_that_no_response_can_reach_is_told(
    name: str, gold: str, out_of_reach: float
) -> None:
    assert reward(name, "", gold)[OUT_OF_REACH] == out_of_reach


digits = st.text("0123456789.,- x{$\\", max_size=6)


@pytest.mark.parametrize("name", ["gsm8k_strict", "hendrycks_boxed"])
@given(gold=digits, near=digits)
@settings(max_examples=200)
def test_whatever_earns_the_reward_had_a_gold_within_reach(name: str, gold: str, near: str) -> None:
    plain = getattr(strings, name)
    for inside in (gold, near):
        for response in (f"#### {inside}", f"\\boxed{{{inside}}}", f"\\boxed {inside}$"):
            columns = reward(name, response, gold)
            assert columns["score"] == plain(response, gold)
            assert not (columns["score"] and columns[OUT_OF_REACH])


@pytest.mark.slow
def test_a_hostile_response_times_out_and_the_next_is_graded() -> None:
    async def together() -> list[dict[str, float]]:
        answers = [(INTEGRAL, "7"), (r"\boxed{\int_0^1 x dx}", r"\frac12"), (INTEGRAL, "8")]
        return await asyncio.gather(
            *(rewards.harness("", answer, gold, time_limit=3.0) for answer, gold in answers)
        )

    assert [outcome(columns) for columns in finished(together())] == [
        "grader_timeout",
        "acc",
        "grader_timeout",
    ]


class ScriptedGrader:
    def __init__(self, verdict: Outcome) -> None:
        self.verdict = verdict

    def submit(self, response: str, gold: str, *, truncated: bool) -> Future[Verdict]:
        future: Future[Verdict] = Future()
        future.set_result(Verdict(outcome=self.verdict))
        return future


@pytest.mark.parametrize("verdict", COUNTED)
def test_every_verdict_but_correct_scores_nothing_and_shows(
    verdict: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewards, "_grader", lambda *_: ScriptedGrader(verdict))
    columns = reward("harness", r"\boxed{7}", "7")
    assert columns["score"] == 0
    assert outcome(columns) == verdict.value.replace(" ", "_")


def test_the_grader_gets_what_the_recipe_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, float]] = []

    def grader(process: int, workers: int, time_limit: float) -> ScriptedGrader:
        asked.append((process, workers, time_limit))
        return ScriptedGrader(Outcome.CORRECT)

    monkeypatch.setattr(rewards, "_grader", grader)
    reward("harness", "7", "7", workers=3, time_limit=0.25)
    assert asked == [(os.getpid(), 3, 0.25)]


def test_a_process_has_one_grader() -> None:
    first = rewards._grader(os.getpid(), 1, 9.0)
    assert isinstance(first, Grader)
    assert rewards._grader(os.getpid(), 1, 9.0) is first


@pytest.mark.parametrize("name", NAMES)
def test_a_row_without_a_gold_is_an_error_and_not_a_wrong_answer(name: str) -> None:
    with pytest.raises(ValueError, match="no ground truth"):
        reward(name, "7", None)


@pytest.mark.parametrize("name", NAMES)
def test_a_number_for_a_gold_is_read_as_its_digits(name: str) -> None:
    assert reward(name, r"\boxed{7} #### 7", 7)["acc"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_end_of_a_huge_response_is_graded(name: str) -> None:
    assert reward(name, "{" * 3_000_000 + r"\boxed{7} #### 7", "7")["acc"] == 1


def loaded_by_path() -> ModuleType:
    """As verl loads it: under a made-up name that is not in sys.modules."""
    spec = importlib.util.spec_from_file_location("custom_module_17", str(rewards.__file__))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_the_file_works_under_any_name_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function = getattr(loaded_by_path(), name)
    assert asyncio.iscoroutinefunction(function)
    assert finished(function("any", r"#### 7 \boxed{7}", "7"))["acc"] == 1


def test_the_log_keeps_a_file_a_step_and_names_what_is_not_zero(tmp_path: Path) -> None:
    log = OutcomeLog.beside(str(tmp_path))
    assert log
    log.append(3, "u_0", {"score": 1.0, "acc": 1.0, "wrong": 0.0, "pred": "7"})
    log.append(3, "u_1", {"wrong": 1.0, "out_of_reach": 1.0}, reward=0.5, split="train")
    log.append(4, "v_0", {"grader_timeout": 1.0})
    three, four = sorted((tmp_path / "outcomes").iterdir())
    assert three.name == f"3.{log.worker}.jsonl"
    assert [json.loads(line) for line in three.read_text().splitlines()] == [
        {"key": "u_0", "columns": ["acc"], "reward": 0.0, "split": ""},
        {"key": "u_1", "columns": ["wrong", "out_of_reach"], "reward": 0.5, "split": "train"},
    ]
    assert json.loads(four.read_text())["columns"] == ["grader_timeout"]


def test_without_a_rollout_folder_nothing_is_kept() -> None:
    assert OutcomeLog.beside(None) is None


def test_a_log_that_cannot_be_written_warns_once_and_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outcomes").write_text("a file where the folder should be")
    log = OutcomeLog.beside(str(tmp_path))
    assert log
    for _ in range(3):
        log.append(1, "u_0", {"acc": 1.0})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "missing from the curves" in caplog.text
