"""Tests of the two rewards of earlier runs: verl's values, without verl's exceptions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import UserError
from harness.grading.compat.rewards import REWARDS, gsm8k_strict, hendrycks_boxed, normalise

PIECES = [
    *("\\boxed", "\\boxed{", "\\boxed ", "\\fbox{", "{", "}", "$", "\\frac", "\\sqrt", "\\text{ "),
    *("/", "=", "1", "2", "0.5", ".", "x", " ", "\n", "\\\\", "\\!", "\\%", "%", "^\\circ"),
    *("^{\\circ}", "\\left", "\\right", "tfrac", "dfrac", "-", "0", "\\$", "#### ", ",", "\u0661"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


@pytest.fixture(scope="module")
def verl() -> dict[str, Callable[[str, str], float]]:
    gsm8k: Any = pytest.importorskip("verl.utils.reward_score.gsm8k")
    boxed: Any = pytest.importorskip("verl.utils.reward_score.math_reward")
    return {"gsm8k-strict": gsm8k.compute_score, "hendrycks-boxed": boxed.compute_score}


@pytest.mark.parametrize("name", ["gsm8k-strict", "hendrycks-boxed"])
@given(response=texts, gold=texts)
@settings(max_examples=1_000)
def test_any_text_is_worth_what_verl_says(
    name: str, response: str, gold: str, verl: dict[str, Callable[[str, str], float]]
) -> None:
    assert REWARDS[name](response, gold) == verl[name](response, gold)


# One piece is changed, so that the two are equal often and almost equal often.
@given(inside=st.lists(st.sampled_from(PIECES), max_size=7), data=st.data())
@settings(max_examples=2_000)
def test_boxes_near_the_gold_are_worth_what_verl_says(
    inside: list[str], data: st.DataObject, verl: dict[str, Callable[[str, str], float]]
) -> None:
    other = list(inside)
    if inside and data.draw(st.booleans()):
        other[data.draw(st.integers(0, len(inside) - 1))] = data.draw(st.sampled_from(PIECES))
    response, gold = f"\\boxed{{{''.join(inside)}}}", "".join(other)
    assert hendrycks_boxed(response, gold) == verl["hendrycks-boxed"](response, gold)


BOXED = [
    (r"\boxed{\frac12}", "1/2", 1.0),
    (r"\boxed{.5}", r"\frac{1}{2}", 1.0),
    (r"\boxed{0.50}", r"\frac{1}{2}", 0.0),
    (r"\boxed{x=5}", "5", 1.0),
    (r"\boxed{5\text{ miles}}", "5", 1.0),
    (r"\boxed{5\text{ a}\text{ b}}", r"5\text{ a}\text{ b}", 1.0),
    (r"\boxed{\sqrt3}", r"\sqrt{3}", 1.0),
    (r"\boxed{\sqrt}", r"\sqrt", 1.0),
    (r"\boxed{\frac}", r"\dfrac", 0.0),
    (r"\boxed{90^\circ}", "90", 1.0),
    (r"\boxed 7.", "7", 0.0),
    (r"\boxed 7$ and", "7", 1.0),
    (r"\boxed 8$ and \boxed{7}", "7", 0.0),
    (r"\boxed{7} but \boxed{8", "7", 0.0),
    (r"\fbox{7}", "7", 0.0),
    (r"\boxed{7}", "07", 0.0),
    (r"\boxed{}", "", 1.0),
    ("\\boxed{1\n2}", "12", 1.0),
    ("nothing", "", 0.0),
    ("{7}", "7", 0.0),
]


@pytest.mark.parametrize(("response", "gold", "value"), BOXED)
def test_an_edge_of_the_boxed_reward(
    response: str, gold: str, value: float, verl: dict[str, Callable[[str, str], float]]
) -> None:
    assert hendrycks_boxed(response, gold) == value
    assert verl["hendrycks-boxed"](response, gold) == value


HASHES = [
    ("#### 42", "42", 1.0),
    ("#### 1,200", "1200", 1.0),
    ("#### 42.", "42", 0.0),
    ("#### 42.0", "42", 0.0),
    ("####42", "42", 0.0),
    ("#### $42", "42", 0.0),
    ("#### x", "x", 0.0),
    ("#### 1\n#### 2", "2", 1.0),
    ("#### 42" + " " * 293, "42", 1.0),
    ("#### 42" + " " * 294, "42", 0.0),
    ("#### -,3", "-3", 1.0),
]


@pytest.mark.parametrize(("response", "gold", "value"), HASHES)
def test_an_edge_of_the_strict_reward(
    response: str, gold: str, value: float, verl: dict[str, Callable[[str, str], float]]
) -> None:
    assert verl["gsm8k-strict"](response, gold) == value
    assert gsm8k_strict(response, gold) == value


@given(response=st.text(), gold=st.from_regex(r"[0-9]{1,3}(,[0-9]{3})+", fullmatch=True))
def test_no_response_earns_a_gold_with_a_thousands_comma(response: str, gold: str) -> None:
    """The strict reward has this fault, and the boxed one does not."""
    assert gsm8k_strict(f"{response}#### {gold}", gold) == 0
    assert hendrycks_boxed(rf"{response}\boxed{{{gold}}}", gold) == 1


@pytest.mark.parametrize("name", list(REWARDS))
@given(response=st.text(), gold=st.text())
def test_a_reward_is_zero_or_one_and_never_raises(name: str, response: str, gold: str) -> None:
    assert REWARDS[name](response, gold) in (0.0, 1.0)


HOSTILE = ["\\boxed{", "\\boxed ", "\\frac1", "\\sqrt", "{", "}", "#### ", "\\text{ ", "9", "9/"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_million_characters_take_no_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    for name in REWARDS:
        REWARDS[name](f"\\boxed{{{text}}}", text)
        REWARDS[name](text, "1")
    assert time.process_time() - began < 2


def test_degrees_and_sizes_are_not_seen() -> None:
    assert normalise(r"\left( 30^{\circ} \right)") == "(30)"


def test_an_unknown_reward_is_named_with_what_was_meant() -> None:
    with pytest.raises(UserError, match="did you mean 'gsm8k-strict'"):
        REWARDS["gsm8k-stric"]
