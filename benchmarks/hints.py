"""How a message names a command of ours, so that it works when it is copied.

The command line says once how it was started and which folders it was told; every message that
names a command calls `hint`, and every message that names a setting calls `setting`: whoever typed
a command knows an option, and a caller of the Python API a parameter. It is in this room because
every other one may use it.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

USUAL = "python -m harness"
"""How a command is named if it was not started by the command line."""
TAKING = {
    "--results": ("diff", "eval", "list", "rank", "regrade", "report", "score", "show", "table"),
    "--data": ("check-determinism", "eval", "regrade", "report", "score"),
}
"""The options that a command needs again to find the same folders, and the commands that take
each."""


class _Begun:
    """What the command line said of the command that is running."""

    start: ClassVar[str] = USUAL
    given: ClassVar[dict[str, str]] = {}
    option: ClassVar[Callable[[str], str | None]] = staticmethod(lambda name: None)


def hint(words: str) -> str:
    """Return a command as the user would type it here; ``words`` begin with its name.

    >>> hint("show v1 --wrong")
    'python -m harness show v1 --wrong'
    """
    command, *rest = words.split()
    options = [
        f" {option} {word(value)}"
        for option, value in _Begun.given.items()
        if command in TAKING[option] and option not in rest
    ]
    return f"{_Begun.start} {words}{''.join(options)}"


def word(text: str) -> str:
    r"""Return a path or another text as a word of a command, which works when it is copied.

    What a terminal does not show as it is, such as a byte that is no UTF-8, is written in ``$'…'``,
    which bash, zsh, ksh and POSIX 2024 (Shell Command Language, 2.2.4) understand.

    >>> print(word("v1"), word("my results"), word("caf\udce9's"))
    v1 'my results' $'caf\351\'s'
    """
    if text.isprintable():
        return shlex.quote(text)
    shown = []
    for character in text:
        if character in "\\'":
            shown.append(f"\\{character}")
        elif character.isprintable():
            shown.append(character)
        else:
            # A path's bytes that are no UTF-8 are halves of surrogate pairs (PEP 383).
            is_byte = "\udc80" <= character <= "\udcff"
            encoded = character.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
            shown += [f"\\{byte:03o}" for byte in encoded]
    return f"$'{''.join(shown)}'"


def setting(name: str, *, python: str | None = None) -> str:
    """Return how the user names a setting: by its option where a command runs that has one.

    ``python`` is what a caller of the Python API writes, if not the name.

    >>> setting("base_url"), setting("again", python="resume=False")
    ('base_url', 'resume=False')
    """
    return _Begun.option(name) or python or name


def options_by(option: Callable[[str], str | None]) -> None:
    """Name settings by what ``option`` returns for a parameter of the command that is running."""
    _Begun.option = staticmethod(option)


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


@contextmanager
def usual() -> Iterator[None]:
    """Name commands as on any machine, without this one's interpreter and folders.

    It is for what is handed on, such as a page: its readers have other paths.

    >>> begin("/opt/env/bin/python -m harness")
    >>> with usual():
    ...     hint("show v1")
    'python -m harness show v1'
    >>> hint("show v1")
    '/opt/env/bin/python -m harness show v1'
    >>> begin(USUAL)
    """
    start, given = _Begun.start, _Begun.given
    _Begun.start, _Begun.given = USUAL, {}
    try:
        yield
    finally:
        _Begun.start, _Begun.given = start, given


def start_of(typed: Sequence[str], arguments: int) -> str:
    """Return how the command line was started: what was typed, without the last ``arguments``.

    ``typed`` is the whole command line with its interpreter, as `sys.orig_argv` has it.

    >>> start_of([".venv/bin/python", "-m", "harness", "list"], 1)
    '.venv/bin/python -m harness'
    """
    start = list(typed[: len(typed) - arguments])
    if start[-2:] == ["-m", "harness"]:
        return " ".join(map(word, start))
    script = Path(start[-1]) if start else Path()
    if script.name != "harness":
        return USUAL
    found = shutil.which("harness")
    if found and Path(found).resolve() == script.resolve():
        return "harness"
    return word(str(script))
