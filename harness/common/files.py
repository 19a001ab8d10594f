"""Files and folders that are there whole or not at all, and checksums.

Everything is first written under a hidden name beside the path, flushed to the disk, and
then renamed. A process that is killed in between leaves the old content in place.

Nothing here turns an `OSError` into a `benchmarks.UserError`: only the caller knows what
was lost and what the user can do about it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PARTIAL = re.compile(r"\..+\.(?P<pid>\d+)\.partial")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Give a file new content; a text is written in UTF-8.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a new file, which takes the place of ``path`` if nothing goes wrong.

    The caller makes the file and closes it::

        with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(lines)

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    if path.is_dir():
        raise IsADirectoryError(0, "that is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise OSError(0, "that is a device or a pipe, which no file can take the place of")
    partial = _partial(path)
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder, which is renamed to ``path`` if nothing goes wrong.

    Raises:
        OSError: the folder cannot be written, or ``path`` is there already and is not empty.
    """
    partial = _partial(path)
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
    previous = _beside(path, "previous")
    try:
        with new_folder(path) as partial:
            yield partial
            if path.exists():
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


def file_sum(path: Path) -> str:
    """Return a file's sha256 in hex.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _partial(path: Path) -> Path:
    return _beside(path, "partial")


def _beside(path: Path, kind: str) -> Path:
    """Return a hidden name beside ``path`` that no other process uses."""
    whole = path.absolute()  # `.` and `..` have no name of their own otherwise
    return whole.with_name(f".{whole.name}.{os.getpid()}.{kind}")


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
