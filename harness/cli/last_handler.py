"""What is said of an error that no other code expected: one paragraph, and where the rest is.

A traceback on the terminal helps nobody who did not write the code, and hides what was asked. So
it goes to a file, and the person is told what happened, whose fault it is, and what to do.
"""

from __future__ import annotations

import errno
import os
import platform
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress

from harness.common.environment import harness_version
from harness.common.text import one_line, printable

FAULT = 70
"""The exit code for a fault of the harness itself (``EX_SOFTWARE`` in sysexits.h)."""
UNREAD = 128 + signal.SIGPIPE
"""The exit code where nobody reads the output any more, which a shell gives other programs, too."""
OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO}
)
"""Errors of the system that say by themselves what is to be mended."""
OF_A_PATH = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP,
     errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENXIO, errno.ESTALE}
)  # fmt: skip
"""Errors of the system that are about the path which they name."""


def told(error: BaseException, asked: Sequence[str]) -> tuple[str, int]:
    """Return the paragraph and the exit code for an error that nobody expected.

    Args:
        error: the error.
        asked: the words of the command line, of which the file gets only the options' names:
            their values may be secret. No environment variable is written anywhere.
    """
    if isinstance(error, BrokenPipeError) and reader_has_gone():
        return "", UNREAD
    if isinstance(error, OSError) and (reason := _system_error(error)):
        return f"`{_command(asked)}` could not go on: {reason}", 1
    what = one_line(f"{type(error).__name__}: {error}", limit=300)
    return (
        f"`{_command(asked)}` ended by a fault of the harness, not of yours: {what}. "
        f"{_kept(error, asked)}",
        FAULT,
    )


def _system_error(error: OSError) -> str:
    """Return what the system refused, if it is for the user to mend; else an empty text."""
    reason = error.strerror or str(error)
    if error.errno in OF_THE_MACHINE:
        where = f" ({_path(error)})" if error.filename is not None else ""
        return f"{reason}{where}; make room, and give the same command again"
    if error.errno in OF_A_PATH and isinstance(error.filename, str | bytes | os.PathLike):
        return f"{_path(error)}: {reason}; mend that path, or name another"
    return ""


def _path(error: OSError) -> str:
    return printable(os.fsdecode(error.filename), limit=200)


def _command(asked: Sequence[str]) -> str:
    """Return the command's name, and no value that stands beside it.

    >>> _command(["data", "build", "--output=x"]), _command(["table"]), _command([])
    ('harness data build', 'harness table', 'harness')
    """
    from harness.cli import COMMANDS

    parts = [*asked[:1]] if asked and asked[0] in COMMANDS else []
    if parts == ["data"] and asked[1:2] and asked[1] in ("fetch", "verify", "build"):
        parts.append(asked[1])
    return " ".join(["harness", *parts])


def _kept(error: BaseException, asked: Sequence[str]) -> str:
    """Write the traceback to a new file of the temporary folder, and say where it is."""
    options = [word.partition("=")[0] for word in asked if word.startswith("--")]
    content = "".join(
        [
            f"harness {harness_version()}, Python {platform.python_version()}, {sys.platform}\n",
            f"{_command(asked)} {' '.join(options)}\n\n",
            *traceback.format_exception(error),
        ]
    )
    try:
        descriptor, path = tempfile.mkstemp(prefix="harness-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(content)
    except OSError as refused:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" It came from {last[0].filename}, line {last[0].lineno}." if last else ""
        return f"Its traceback could not be written ({refused.strerror or refused}).{where}"
    return f"Its traceback is in {path}: please report it, with what was asked."


def reader_has_gone() -> bool:
    """Say whether nobody reads what is printed any more, as after ``… | head``.

    Both streams are then replaced by nothing, since Python would write to them as it ends.
    """
    gone = False
    for stream in (sys.stdout, sys.stderr):
        with suppress(
            OSError, ValueError, AttributeError
        ):  # a stream without a descriptor, or none
            waiting = select.poll()
            waiting.register(stream.fileno(), select.POLLOUT)
            if any(event & select.POLLERR for _, event in waiting.poll(0)):
                gone = True
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)
    return gone
