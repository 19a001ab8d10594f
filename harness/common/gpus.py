"""The NVIDIA GPUs that this process may use, and their compiler, without starting CUDA in it.

NVIDIA's driver is asked, not torch: CUDA must not start in this process before the engine forks.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import psutil

VARIABLE = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process may use; without it, it may use all."""
CUDA_FOLDER = Path("/usr/local/cuda")
"""Where the CUDA toolkit is if no variable names another folder."""
_NUMBER = re.compile(r"\+?\d+")


class Gpu(NamedTuple):
    """One GPU, as NVIDIA's driver describes it."""

    memory: int
    """Its whole memory, in bytes."""
    capability: tuple[int, int]
    """Its compute capability, such as (9, 0)."""
    uuid: str
    """Its name in CUDA_VISIBLE_DEVICES, such as ``GPU-5f3c…``."""
    name: str = ""
    """The model's name, such as ``NVIDIA H100 80GB HBM3``."""


def visible_gpus() -> int:
    """Return how many GPUs this process may use.

    Where NVIDIA's library for Python is not installed, what CUDA_VISIBLE_DEVICES names is counted.
    """
    return count_visible(os.environ.get(VARIABLE), _installed())


def can_be_counted() -> bool:
    """Say whether NVIDIA's library for Python is installed, by which its driver is asked."""
    return find_spec("pynvml") is not None


def usable_gpus() -> list[Gpu]:
    """Return the GPUs that this process may use; none where the driver cannot be asked."""
    installed = _installed() or []
    return [installed[place] for place in chosen(os.environ.get(VARIABLE), installed)]


def lacks_compiler() -> bool:
    """Say whether vLLM would compile kernels of attention here with a compiler that is not there.

    On a GPU of compute capability 10 (data-centre Blackwell) it takes FlashInfer's kernels before
    any other (`_get_backend_priorities` in platforms/cuda.py, alike in vLLM 0.24.0 and 0.30.0), and
    FlashInfer compiles them with CUDA's nvcc when it starts.
    """
    return any(gpu.capability[0] == 10 for gpu in usable_gpus()) and not has_nvcc()


def has_nvcc() -> bool:
    """Say whether CUDA's compiler is where FlashInfer looks for it.

    The places are those of `get_cuda_path` in flashinfer/jit/cpp_ext.py of flashinfer-python
    0.6.12, which vllm 0.24.0 requires.
    """
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if not named and shutil.which("nvcc"):
        return True
    return (Path(named or CUDA_FOLDER) / "bin" / "nvcc").exists()


def count_visible(variable: str | None, installed: Sequence[Gpu] | None) -> int:
    """Return how many GPUs the variable leaves of those installed; None is an unknown number."""
    if installed is None:
        return len(named_devices(variable)) if variable is not None else 0
    return len(chosen(variable, installed))


def chosen(variable: str | None, installed: Sequence[Gpu]) -> list[int]:
    """Return the places, among the installed GPUs, of those that the variable names.

    A part of a GPU (MIG) is taken for one of the smallest GPU, since it does not say of which.
    """
    if variable is None:
        return list(range(len(installed)))
    places: list[int] = []
    for name in named_devices(variable):
        place = _place(name, installed)
        if place is None:  # CUDA ignores it and what follows
            break
        places.append(place)
    return places


def named_devices(variable: str) -> list[str]:
    """Return what CUDA_VISIBLE_DEVICES names: numbers, or the beginnings of GPUs' identifiers.

    As CUDA reads it (its programming guide, "CUDA Environment Variables", and
    `_parse_visible_devices` in torch/cuda/__init__.py): the first name that is of no device ends
    the list, and a name that is there twice empties it.

    >>> named_devices("0, 2,-1,3"), named_devices("NoDevFiles"), named_devices("0,0")
    (['0', '2'], [], [])
    """
    names: list[str] = []
    for part in variable.split(","):
        number = _NUMBER.match(part.strip())
        name = str(int(number.group())) if number else part.strip()
        if number is None and not name.startswith(("GPU-", "MIG-")):
            break
        if name in names:
            return []
        names.append(name)
    return names


def _place(name: str, installed: Sequence[Gpu]) -> int | None:
    if name.isdecimal():
        return int(name) if int(name) < len(installed) else None
    if name.startswith("MIG-"):
        sizes = [gpu.memory for gpu in installed]
        return sizes.index(min(sizes)) if sizes else None
    found = [place for place, gpu in enumerate(installed) if gpu.uuid.startswith(name)]
    return found[0] if len(found) == 1 else None


def _installed() -> list[Gpu] | None:
    """Return the GPUs of this machine; None where NVIDIA's library for Python is not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
            return [
                Gpu(
                    memory=_memory(pynvml, handle),
                    capability=tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
                    uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
                    name=str(pynvml.nvmlDeviceGetName(handle)),
                )
                for handle in handles
            ]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return []


def _memory(pynvml: Any, handle: Any) -> int:
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError:  # it has no memory of its own, and shares the machine's
        return psutil.virtual_memory().total
