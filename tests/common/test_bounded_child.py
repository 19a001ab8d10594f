"""What works through hostile input in a child ends in time, and takes nothing with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from harness.common.bounded_child import BoundsError, bounded_texts


def _forever(_: str) -> str:
    while True:
        time.sleep(1)


def _fails(_: str) -> str:
    raise KeyError("x" * 10_000)


def _killed(_: str) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def _exits(_: str) -> str:
    raise SystemExit(3)


def test_texts_come_in_order() -> None:
    assert bounded_texts(str.upper, ["a", "\ud800", "ü" * 100_000, ""], seconds=10) == [
        "A", "\ud800", "Ü" * 100_000, "",
    ]  # fmt: skip
    assert bounded_texts(str.upper, [], seconds=0) == []


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_forever, "it took more than 0 s"),
        (_fails, "^KeyError: 'xxx"),
        (_killed, "or its process was killed"),
        (_exits, "^SystemExit: 3$"),
        (lambda text: text * 10_000_000, "a text has 10,000,000 bytes"),
        (lambda text: text * 10**11, "it needs too much memory"),
    ],
)
def test_what_the_child_does_is_told_in_a_line(function: Callable[[str], str], said: str) -> None:
    before = psutil.Process().children()
    with pytest.raises(BoundsError, match=said) as told:
        bounded_texts(function, ["a", "b"], seconds=0.3 if "took" in said else 10)
    assert len(str(told.value)) < 600
    left = {child.pid for child in psutil.Process().children()}
    assert left <= {child.pid for child in before}, "none is left, not even a zombie"


def test_all_texts_together_are_bounded() -> None:
    with pytest.raises(BoundsError, match="more than 1,000 bytes together"):
        bounded_texts(str.upper, ["a" * 400] * 3, seconds=10, total=1000)


def test_the_environment_is_as_it_was() -> None:
    before = dict(os.environ)
    bounded_texts(str.upper, ["a"], seconds=10)
    assert dict(os.environ) == before
