"""The memory that this process may use: the machine's, or less where its control group has less.

A container's limit is that of a control group, which `psutil` does not look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows the control groups: version 2 itself, or version 1 below ``memory``."""
OWN = Path("/proc/self/cgroup")
"""Which groups this process is in: ``number:controllers:path``; version 2 has no controllers."""


def total_memory() -> int:
    """Return the memory that this process may fill, in bytes."""
    limits = [limit for limit, _ in _limits()]
    return min([psutil.virtual_memory().total, *limits])


def available_memory() -> int:
    """Return the memory that this process may fill now, in bytes, beside what is in use."""
    left = [max(0, limit - used) for limit, used in _limits()]
    return min([psutil.virtual_memory().available, *left])


def _limits() -> Iterator[tuple[int, int]]:
    """Yield the limit of each control group above this process, and what counts against it.

    The names of the files are those of Linux's manuals "Control Group v2" and "Memory Resource
    Controller". Pages of files that were not used lately are given back when memory is short, and
    so do not count.
    """
    for folder in _groups():
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            most, now = _number(folder / limit), _number(folder / used)
            if most is not None and now is not None:
                yield most, max(0, now - _reclaimable(folder))


def _groups() -> Iterator[Path]:
    try:
        lines = OWN.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        root = CGROUPS / "memory" if controllers else CGROUPS
        inside = Path(path.lstrip("/"))
        # In a container the path may be the one outside of it, which is not there.
        yield from (root / above for above in (inside, *inside.parents))


def _reclaimable(folder: Path) -> int:
    try:
        lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    counts = dict(line.split(maxsplit=1) for line in lines if " " in line)
    found = counts.get("total_inactive_file", counts.get("inactive_file", "0"))
    return int(found) if found.isdecimal() else 0


def _number(file: Path) -> int | None:
    """Return the number in a file; None where it is not there or says ``max``."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdecimal() else None
