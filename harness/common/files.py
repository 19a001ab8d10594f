"""Files and folders that are there whole or not at all, and checksums.

Everything is first written under a hidden name beside the path, flushed to the disk, and
then renamed. A process that is killed in between leaves the old content in place.

A symbolic link stays, and what it leads to is replaced at its own place. Who may read what is
replaced stays, too. A pipe or a device cannot be replaced by a file, so it is written straight
into.

Nothing here turns an `OSError` into a `benchmarks.UserError`: only the caller knows what
was lost and what the user can do about it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from benchmarks.errors import WrongValueError

MOST_LINKS = 40
"""How many symbolic links Linux follows in a path before it gives up (path_resolution(7))."""
LONGEST_NAME = 100
"""The most characters of a name that are in the name of its file."""
SUM_MARK = "~"
"""What stands before the sum in the name of a file; no name keeps it."""
WRITING = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
NEW_FILE = 0o666
"""The permissions of a new file, of which the umask takes some away (open(2))."""
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")
_PARTIAL = re.compile(r"\..+\.(?P<pid>\d+)\.partial")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Give a file new content; a text is written in UTF-8.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file, which takes the place of ``path`` if nothing goes wrong::

        with replacing(path) as file:
            file.writelines(lines)

    A pipe, a terminal or a device like it, and what ``/dev/stdout`` stands for, are opened
    themselves.

    Raises:
        OSError: the file cannot be written; what was there before is still there. Or ``path`` is
            a folder, a disk or a socket.
    """
    straight = _open_irreplaceable(path)
    if straight is not None:
        with straight:
            yield straight
        return
    place = Path(os.path.realpath(path))
    partial = _beside(place, "partial")
    mode = _permissions(place)
    try:
        # It has its permissions from the first byte on: it may hold what others must not read.
        descriptor = os.open(partial, WRITING, NEW_FILE if mode is None else mode)
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:  # the umask may have taken some away
                os.fchmod(descriptor, mode)
            yield file
        _flush(partial)
        partial.replace(place)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def refuse_overwriting(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write where one of the files that are read lies, whatever path leads to it.

    A pipe or a terminal may be both read and written.

    Raises:
        WrongValueError: ``output`` is one of the inputs.
    """
    for path in inputs:
        with suppress(OSError):  # there is no such file, which whoever reads or writes it tells
            if path.is_file() and output.samefile(path):
                raise WrongValueError(
                    f"{output}: it is read as {path} and would be replaced by what is written; "
                    "name another file to write"
                )


def reader_left(error: OSError, path: Path) -> bool:
    """Say whether a write failed since nobody reads this process's output, as in ``… | head``.

    That is no fault of the file that was named, ``/dev/stdout``.
    """
    return isinstance(error, BrokenPipeError) and own_descriptor(path) in (1, 2)


def own_descriptor(path: Path) -> int | None:
    """Return which open file of this process a path stands for: 1 for ``/dev/stdout``, else None.

    Linux's ``/dev/stdout`` and ``/dev/fd/1`` lead to ``/proc/self/fd/1`` (proc(5)). To open that
    path would begin a file anew that the shell had opened to append to it.
    """
    own = os.path.realpath("/proc/self/fd")
    for _ in range(MOST_LINKS):
        if path.name.isdecimal() and os.path.realpath(path.parent) == own:
            return int(path.name)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return None


def _open_irreplaceable(path: Path) -> IO[bytes] | None:
    """Open what is there and is no file; None if there is a file, or nothing yet.

    Raises:
        OSError: it cannot be opened, or is nothing that a file's content can be written into.
    """
    if (descriptor := own_descriptor(path)) is not None:
        return os.fdopen(os.dup(descriptor), "wb")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:  # or a link that leads to no file yet
        return None
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(0, "that is a folder; name a file in it")
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return path.open("wb")
    raise OSError(0, "that is a disk or a socket; name a file, a pipe or a terminal")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder, which is renamed to ``path`` if nothing goes wrong.

    Raises:
        OSError: the folder cannot be written, or ``path`` is there already and is not empty.
    """
    path = Path(os.path.realpath(path))
    partial = _beside(path, "partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        for file in partial.rglob("*"):
            if file.is_file() and not file.is_symlink():
                _flush(file)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder, which takes the place of ``path`` if nothing goes wrong.

    Two renames cannot be one step: whoever is killed between them leaves the old folder under
    the hidden name ``.NAME.PID.previous`` and no folder at ``path``.

    Raises:
        OSError: the folder cannot be written; what was there before is still there.
    """
    path = Path(os.path.realpath(path))
    previous = _beside(path, "previous")
    try:
        with new_folder(path) as partial:
            yield partial
            if path.exists():
                partial.chmod(stat.S_IMODE(path.stat().st_mode))
                path.rename(previous)
    except BaseException:
        if previous.exists():
            previous.rename(path)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what was being written in ``folder`` by processes that no longer run."""
    for path in folder.glob(".*.partial"):
        match = _PARTIAL.fullmatch(path.name)
        if match is None or _is_running(int(match["pid"])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def file_name(name: str, *, unnamed: str) -> str:
    r"""Return a name for a file or folder that says what ``name`` does; no two names share one.

    Where something of the name had to go, twelve digits of its sha256 stand at the end, after a
    character that no name keeps. ``unnamed`` stands for a name of which nothing is left.

    >>> file_name("v4-t0.7", unnamed="model")
    'v4-t0.7'
    >>> file_name("a b", unnamed="model"), file_name("a/b", unnamed="model")
    ('a-b~c8687a08aa5d', 'a-b~c14cddc033f6')
    """
    kept = _UNUSUAL.sub("-", name)[:LONGEST_NAME].strip(".-") or unnamed
    if kept == name:
        return kept
    # A name may hold half of a surrogate pair: a path whose bytes are no UTF-8.
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kept}{SUM_MARK}{digest[:12]}"


def file_sum(path: Path) -> str:
    """Return a file's sha256 in hex.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _permissions(path: Path) -> int | None:
    """Return who may read, write and run a file, as the last nine bits of its mode; None if new."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def _beside(path: Path, kind: str) -> Path:
    """Return a hidden name beside ``path`` that no other process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.{kind}")


def _flush(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
