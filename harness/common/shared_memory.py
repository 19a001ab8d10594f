"""Shared memory that killed processes leave behind, which would stay until the machine restarts.

Python unlinks a segment when its owner ends or, if that is killed, by a process of its own, the
resource tracker. Where both are killed, or the library unlinks it itself (verl's weights, vLLM's
queues between its workers), the file stays in /dev/shm. Nobody's name is on it. So what a process
has open is noted while it lives (proc_pid_maps(5)), and removed once no process has it open.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/dev/shm")  # noqa: S108 - it is no place for files of ours
"""Where Linux keeps shared memory and named semaphores (shm_overview(7))."""


def mapped(processes: Iterable[int]) -> set[Path]:
    """Return the segments that some of the processes, given by their ids, have open."""
    found: set[Path] = set()
    for process in processes:
        with suppress(OSError):  # it has ended, or is another user's
            found.update(_segments(Path(f"/proc/{process}/maps").read_bytes()))
    return found


def remove_unused(segments: Iterable[Path]) -> list[Path]:
    """Remove those of the segments that no process has open, and return them.

    Only this user's are removed: it can be said of no other user's process what it has open.
    """
    ours = [path for path in segments if _is_ours(path)]
    if not ours:
        return []
    open_still = mapped(int(name) for name in os.listdir("/proc") if name.isdecimal())
    removed = [path for path in ours if path not in open_still]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _segments(maps: bytes) -> Iterator[Path]:
    """Yield the segments in a process's memory map; a segment without a name is not there."""
    for line in maps.splitlines():
        _, found, name = line.partition(os.fsencode(FOLDER) + b"/")
        if found and not name.endswith(b" (deleted)"):
            yield FOLDER / os.fsdecode(name)


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:
        return False
