"""The installed packages and the hardware, which runs record."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions of ``names`` that are installed, by name."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def harness_version() -> str:
    """Return the installed version of this package, or ``unknown`` in a bare source tree."""
    return installed_versions(["math-harness"]).get("math-harness", "unknown")


def hardware() -> dict[str, Any]:
    """Return this machine's processor, number of cores, memory (in GiB) and names of GPUs.

    The GPUs are those that this process may use: what others hold says nothing about a run.
    """
    import psutil

    from harness.common.gpus import usable_gpus

    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": [gpu.name for gpu in usable_gpus()],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [
                line.partition(":")[2].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
