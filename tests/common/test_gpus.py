"""Which GPUs a process may use: CUDA_VISIBLE_DEVICES is read as CUDA reads it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.common import gpus
from harness.common.environment import hardware
from harness.common.gpus import Gpu, chosen, count_visible, has_nvcc, usable_gpus, visible_gpus

BIG = Gpu(memory=140 << 30, capability=(9, 0), uuid="GPU-ab12", name="NVIDIA Big")
SMALL = Gpu(memory=24 << 30, capability=(7, 5), uuid="GPU-cd34", name="NVIDIA Small")


@pytest.mark.parametrize("nothing", ["", "-1", "NoDevFiles", "none", "void", "-1,0", ",0", "0,0"])
def test_what_names_no_gpu_is_none(nothing: str) -> None:
    """Docker's runtime writes some of these where a container was given no GPU."""
    assert count_visible(nothing, [BIG, SMALL]) == 0
    assert count_visible(nothing, None) == 0


@pytest.mark.parametrize(
    ("visible", "places"),
    [
        (None, [0, 1]),
        ("1", [1]),
        (" 1 , 0 ", [1, 0]),
        ("0,", [0]),
        ("0,-1,1", [0]),
        ("0,7,1", [0]),
        ("GPU-cd", [1]),
        ("GPU-cd34,GPU-ab12", [1, 0]),
        ("GPU-ef", []),
        ("GPU-", []),
        ("MIG-1f", [1]),
    ],
)
def test_the_gpus_that_are_named(visible: str | None, places: list[int]) -> None:
    assert chosen(visible, [BIG, SMALL]) == places
    assert count_visible(visible, [BIG, SMALL]) == len(places)


@pytest.mark.parametrize(("visible", "count"), [("0,1,3", 3), ("GPU-ab12,GPU-cd34", 2), (None, 0)])
def test_without_nvidias_library_what_is_named_is_counted(visible: str | None, count: int) -> None:
    assert count_visible(visible, None) == count


def test_a_machine_without_a_driver_has_no_gpu_whatever_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_driver() -> None:
        raise OSError("NVML Shared Library Not Found")

    monkeypatch.setitem(
        sys.modules, "pynvml", SimpleNamespace(NVMLError=OSError, nvmlInit=no_driver)
    )
    monkeypatch.setenv(gpus.VARIABLE, "0,1")
    assert visible_gpus() == 0
    assert usable_gpus() == []


def test_the_driver_is_asked_for_every_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [BIG, SMALL]
    driver = SimpleNamespace(
        NVMLError=OSError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(found),
        nvmlDeviceGetHandleByIndex=lambda place: found[place],
        nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(total=gpu.memory),
        nvmlDeviceGetCudaComputeCapability=lambda gpu: list(gpu.capability),
        nvmlDeviceGetUUID=lambda gpu: gpu.uuid,
        nvmlDeviceGetName=lambda gpu: gpu.name,
    )
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.setenv(gpus.VARIABLE, "1")
    assert usable_gpus() == [SMALL]
    assert hardware()["gpus"] == ["NVIDIA Small"], "a run names the GPUs that it may use"
    monkeypatch.delenv(gpus.VARIABLE)
    assert usable_gpus() == found
    assert visible_gpus() == 2


def test_nvcc_is_looked_for_where_flashinfer_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvcc = tmp_path / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.touch(mode=0o755)
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(gpus, "CUDA_FOLDER", tmp_path / "none")
    assert not has_nvcc()
    monkeypatch.setattr(gpus, "CUDA_FOLDER", tmp_path)
    assert has_nvcc()
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "none"))
    assert not has_nvcc(), "a variable that names another folder counts alone"
    monkeypatch.delenv("CUDA_HOME")
    monkeypatch.setattr(gpus, "CUDA_FOLDER", tmp_path / "none")
    monkeypatch.setenv("PATH", str(nvcc.parent))
    assert has_nvcc()
