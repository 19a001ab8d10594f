"""How a message names a command of ours, so that it works when it is copied.

The command line says once how it was started and which folders it was told; every message that
names a command calls `hint`. It is in this room because every other one may use it.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

USUAL = "python -m harness"
"""How a command is named if it was not started by the command line."""
TAKING = {
    "--results": ("diff", "eval", "list", "regrade", "report", "score", "show", "table"),
    "--data": ("check-determinism", "eval", "regrade", "report", "score"),
}
"""The options that a command needs again to find the same folders, and the commands that take
each."""


class _Begun:
    """What the command line said of the command that is running."""

    start: ClassVar[str] = USUAL
    given: ClassVar[dict[str, str]] = {}


def hint(words: str) -> str:
    """Return a command as the user would type it here; ``words`` begin with its name.

    >>> hint("show v1 --wrong")
    'python -m harness show v1 --wrong'
    """
    command, *rest = words.split()
    options = [
        f" {option} {shlex.quote(value)}"
        for option, value in _Begun.given.items()
        if command in TAKING[option] and option not in rest
    ]
    return f"{_Begun.start} {words}{''.join(options)}"


def started_by() -> str:
    """Return what the user typed before the command's own words."""
    return _Begun.start


def begin(start: str) -> None:
    """Name commands by ``start`` from now on."""
    _Begun.start = start


def remember(option: str, value: str) -> None:
    """Name commands with this option, one of `TAKING`, until it is forgotten."""
    _Begun.given[option] = value


def forget(option: str) -> None:
    """Name commands without this option from now on."""
    _Begun.given.pop(option, None)


def start_of(typed: Sequence[str], arguments: int) -> str:
    """Return how the command line was started: what was typed, without the last ``arguments``.

    ``typed`` is the whole command line with its interpreter, as `sys.orig_argv` has it.

    >>> start_of([".venv/bin/python", "-m", "harness", "list"], 1)
    '.venv/bin/python -m harness'
    """
    start = list(typed[: len(typed) - arguments])
    if start[-2:] == ["-m", "harness"]:
        return shlex.join(start)
    script = Path(start[-1]) if start else Path()
    if script.name != "harness":
        return USUAL
    found = shutil.which("harness")
    if found and Path(found).resolve() == script.resolve():
        return "harness"
    return shlex.quote(str(script))
