"""Tell a response that repeats itself at its end from one that only is long.

A model in a loop says the same again and again until the token limit ends it. More tokens would
not help it, so whoever reads how many responses were cut off has to know which of them loop.

A loop is an end that consists of copies of one text, as in vLLM's `repetition_detection`
(`check_sequence_repetition` in vllm/v1/core/sched/utils.py of 0.30.0) and in the option of the same
name that was proposed for llama.cpp (pull request 26039). Those stop a response while it is
written and have to look at every token; here the whole response is there, so that the copies may
be as long as paragraphs, and the copies may count: "Step 101: ... Step 102: ..." is a loop.
Shares of repeated n-grams, as in the repetition penalties of reinforcement learning, are not used:
careful reasoning repeats phrases, too, and no share divides the two safely.
"""

from __future__ import annotations

import re
from itertools import pairwise

WINDOW = 16_000
"""Characters at the end in which copies are looked for, so that the time is bounded."""
COPIES, LENGTH = 3, 600
"""At least so many copies, with so many characters together, are a loop."""
COUNTING_COPIES, COUNTING_LENGTH = 8, 800
"""The same where numbers go up or down from copy to copy: a table of values looks much alike."""
LONGEST_NUMBER = 400
"""Digits of the longest number that may be one that counts."""
_PROBE = 32
"""The last characters, which occur again at the distance of two copies."""
_CANDIDATES = 1000
"""How many of their occurrences are looked at, from the end, so that the time is linear."""
_NUMBER = re.compile(r"[0-9]+")
_WORD = re.compile(r"(?<!\\)(?<![^\W\d_])[^\W\d_]{3}|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
"""A word, and no command of LaTeX: bare numbers that go up evenly are a list, not a loop."""
_LAST_NUMBER = re.compile(r"[0-9]{1,400}\Z")


def is_looping(text: str) -> bool:
    """Say whether a text that was cut off was repeating itself.

    >>> is_looping("Let me check. " + "So x = 5. Wait, no. " * 40 + "So x")
    True
    >>> is_looping("".join(f"Step {n}: we add 2 to the sum. " for n in range(1, 90)))
    True
    >>> is_looping("".join(f"{n}^2 = {n * n}, " for n in range(1, 90)))
    False
    """
    end = text.rstrip("\ufffd")[-WINDOW:]  # half of a character may be the last thing said
    return _period(end, COPIES, LENGTH) is not None or _counts_in_copies(end)


def _period(text: str, copies: int, length: int) -> int | None:
    """Return the length of the text whose copies are the end of ``text``; None if there is none.

    The last copy may be cut off. It is enough to look where the last few characters occur before.
    """
    size, probe = len(text), text[-_PROBE:]
    place = size - len(probe)
    for _ in range(_CANDIDATES):
        place = text.rfind(probe, 0, place + len(probe) - 1)
        period = size - len(probe) - place
        needed = max(copies * period, length)
        if place < 0 or needed > size:
            return None
        if text.endswith(text[size - needed : size - period]):
            return period
    return None


def _counts_in_copies(text: str) -> bool:
    """Say whether the end is copies of one text, but for numbers that go up or down evenly."""
    text = _LAST_NUMBER.sub("", text)  # it may be cut off
    shape = _NUMBER.sub("0", text)
    period = _period(shape, COUNTING_COPIES, COUNTING_LENGTH)
    if period is None:
        return False
    numbers = _NUMBER.findall(text)
    each, worded = shape[-period:].count("0"), _WORD.search(shape, len(shape) - period)
    counted = numbers[-each * max(COUNTING_COPIES, COUNTING_LENGTH // period) :]
    if not each or not worded or max(map(len, counted)) > LONGEST_NUMBER:
        return False
    values = [int(number) for number in counted]
    return all(_is_even(values[place::each]) for place in range(each))


def _is_even(values: list[int]) -> bool:
    """Say whether each value is as far from the next as any other."""
    return len({after - before for before, after in pairwise(values)}) <= 1
