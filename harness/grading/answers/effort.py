"""Bound the work that the rules do for one pair.

The rules run in the caller's thread, where nothing can stop them: Python cannot interrupt an
operation on a big integer. The length of a text does not bound the work, as a short one can stand
for a product of hundreds of huge powers, or for thousands of comparisons. So the work is counted
while it is done, before each part of it. It is counted in steps and not in seconds, so that a
verdict depends on the pair alone, and not on the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, cast

K = TypeVar("K")
T = TypeVar("T")

MAXIMUM_STEPS = 40_000
"""The most steps for one pair. A step takes about ten microseconds, and most pairs take fewer than
ten steps."""


class TooCostlyError(Exception):
    """The work on a pair has more steps than it may have.

    It is neither a ValueError nor an ArithmeticError, with which a rule says that it does not
    understand something.
    """


class _Work(threading.local):
    """What this thread may still do, and has found out, for the pair that it compares."""

    left: int | None = None
    """The steps that are left; None where nothing bounds them."""
    found: dict[tuple[Callable[..., object], object], Any]


_work = _Work()


def spend(steps: int) -> None:
    """Count work that is about to be done.

    Raises:
        TooCostlyError: the pair has had its steps.
    """
    if _work.left is None:
        return
    _work.left -= steps
    if _work.left < 0:
        raise TooCostlyError("more work than any answer takes")


def once(function: Callable[[K], T], argument: K) -> T:
    """Return the function's result; within `bounded`, compute it only once.

    It is remembered no longer than for this pair, and so the steps that a pair takes do not depend
    on those before it.
    """
    if _work.left is None:
        return function(argument)
    key = function, argument
    if key not in _work.found:
        _work.found[key] = function(argument)
    return cast(T, _work.found[key])


class bounded:  # noqa: N801 - it is used as a function, like `suppress` and `closing`
    """Allow the code within so many steps. Within another such block, only that one counts."""

    def __init__(self, steps: int = MAXIMUM_STEPS) -> None:
        """Allow ``steps`` steps."""
        self._steps = steps

    def __enter__(self) -> Self:
        """Begin to count, unless an outer block counts already."""
        self._outermost = _work.left is None
        if self._outermost:
            _work.left, _work.found = self._steps, {}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop counting."""
        if self._outermost:
            _work.left, _work.found = None, {}
