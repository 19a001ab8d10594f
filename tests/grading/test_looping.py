"""Tests that responses in a loop are told from long ones, in bounded time."""

from __future__ import annotations

import random
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.grading.looping import COPIES, LENGTH, WINDOW, is_looping

REASONING = (
    "Let $n$ be the number of coins. Each of the first three bags holds a third of what is left, "
    "so we have $n = 3k + 1$ for some $k$. Wait, that leaves one coin over. Let me check with $n = "
    "25$: then $k = 8$, and 16 remain, of which 5 are taken. Hmm, so the second bag has 5.\n\n"
)
PARAGRAPH = (
    "Wait, let me reconsider the problem. We have $x + y = 10$ and $xy = 21$, hence the "
    "two numbers are the roots of $t^2 - 10t + 21$, which are 3 and 7. But the problem says "
    "that both are even, so this cannot be right. Let me start over.\n\n"
)
LOOPS = {
    "letters": "a" * 700,
    "a word": "the " * 200,
    "a phrase": "I am sorry for the mistake. " * 40,
    "a paragraph": PARAGRAPH * 4,
    "paragraphs": (PARAGRAPH + REASONING * 4) * 5,
    "lines": "Therefore, x = 5.\nBut x = 6.\n" * 40,
    "LaTeX": r"\frac{1}{2} + \frac{1}{4} = \frac{3}{4}, \quad " * 20,
    "brackets": r"\boxed{" * 120,
    "line ends": "\n" * 700,
    "Chinese": "\u6240\u4ee5\u7b54\u6848\u662f\u4e94\u3002" * 100,
    "pictures": "\U0001f642\u200d\u2642\ufe0f" * 160,
    "a repeating decimal": "1/7 = 0." + "142857" * 120,
    "thirds": "0." + "3" * 700,
    "steps": "".join(f"Step {n}: add 2 to the sum and go on.\n" for n in range(101, 140)),
    "a countdown": "".join(f"{n} bottles are left, so take one down. " for n in range(150, 99, -1)),
    "two counters": "".join(
        f"Case {n}: the remainder of {5 * n + 1} is 1. No.\n" for n in range(95, 130)
    ),
    "numbered paragraphs": "".join(f"Attempt {n}. {PARAGRAPH}" for n in range(1, 11)),
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=list(LOOPS))
@pytest.mark.parametrize("before", ["", REASONING, "<think>\n" + REASONING])
@pytest.mark.parametrize("cut", [0, 1, 2, 5, 11])
def test_loops_are_found_wherever_they_are_cut(loop: str, before: str, cut: int) -> None:
    assert is_looping(before + loop[: len(loop) - cut])


def test_a_loop_may_be_cut_inside_a_character() -> None:
    assert is_looping(LOOPS["Chinese"] + "\ufffd")


def _squares(count: int) -> str:
    return "".join(f"$n = {n}$: $n^2 + 1 = {n * n + 1}$.\n" for n in range(1, count))


def _primes(count: int) -> str:
    words = {True: "prime", False: "not prime"}
    return "".join(f"{n} is {words[all(n % d for d in range(2, n))]}.\n" for n in range(2, count))


def _decimals() -> str:
    return "".join(f"1/{n} = {float(Fraction(1, n)):.6f}\n" for n in range(2, 90))


LONG = {
    "reasoning": REASONING + PARAGRAPH,
    "said twice": REASONING * 2,
    "a phrase a few times": REASONING + "No. " * 20,
    "squares": _squares(200),
    "primes": _primes(200),
    "decimals": _decimals(),
    "a matrix of zeros": REASONING + (r"0 & 0 & 0 & 0 & 0 & 0 & 0 & 0 & 0 & 0 \\" + "\n") * 10,
    "a line under a heading": REASONING + "-" * 120,
    "a great power": "10^{200} = 1" + "0" * 200,
    "multiples": ", ".join(str(7 * n) for n in range(5, 500)),
    "multiples in LaTeX": "".join(rf"$7 \cdot {n} = {7 * n}$, " for n in range(5, 100)),
    "powers of ten": "".join(f"10 to the {n} is 1{'0' * n}. " for n in range(1, 90)),
    "words and primes": "".join(f"Case {n}: {n * n % 17} is left.\n" for n in range(90)),
    "a loop that it left": "the " * 500 + REASONING,
    "nothing": "",
    "one character": "x",
}


@pytest.mark.parametrize("text", LONG.values(), ids=list(LONG))
def test_what_only_is_long_is_no_loop(text: str) -> None:
    assert not any(is_looping(text[:end]) for end in range(len(text), max(0, len(text) - 60), -1))


def test_long_reasoning_is_no_loop_wherever_it_is_cut() -> None:
    """Sentences from a small store of words repeat by chance, as they do in reasoning."""
    words = "so we get x = 5 and 7 hence the sum is 12 but wait let me check it again no".split()
    drawn = random.Random(0)
    text = " ".join(drawn.choice(words) for _ in range(6000))
    assert not any(is_looping(text[:end]) for end in range(500, len(text), 97))


@given(
    st.text(st.sampled_from("ab 1.\n\u4e94"), min_size=1, max_size=200),
    st.integers(COPIES, 9),
    st.integers(0, 100),
)
def test_enough_copies_are_a_loop(text: str, copies: int, cut: int) -> None:
    count = max(copies, LENGTH // len(text) + 1) + 1
    whole = text * count
    assert is_looping(whole[: len(whole) - min(cut, len(text))])


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        ("a" * 60 + "b") * 20_000,
        "a" * WINDOW + "b" + "a" * 40,
        "ab" * (WINDOW // 4) + "b" + "ab" * (WINDOW // 8) + "a",
        "1" * 10**6,
        "1 " * 10**6,
        "".join(f"{n} " for n in range(100_000)),
        "x" + "9" * 5000 + " ",
        "\ufffd" * 10**6,
    ],
)
def test_hostile_text_takes_bounded_time(text: str) -> None:
    began = time.process_time()
    is_looping(text)
    assert time.process_time() - began < 0.5
