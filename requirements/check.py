"""Check that the GPU build can run on this machine, before gigabytes are downloaded for it.

usage: check.py [--headers FOLDER] [--toolkit FOLDER]

Every finding is one paragraph on stderr. What the build cannot run without ends with exit code 1;
anything else is a warning. `install.sh` calls this, with the Python that makes the environment.
It may also be called alone: it needs no package, and downloads and changes nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

DRIVER = 580
"""The oldest branch of NVIDIA's driver that can run the build.

The wheel of torch 2.11.0 on PyPI, which vllm 0.24.0 requires, is built for CUDA 13: its metadata
require cuda-toolkit==13.0.2, nvidia-cudnn-cu13 and others of 13. Table 1 of
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html says that
CUDA 13.x needs a driver from 580 on.
"""


def driver() -> str | None:
    """The driver's version as nvidia-smi tells it, such as 580.65.06; None if it tells none."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.match(r"\d+[\d.]*", told)  # a line for each GPU; all have the same driver
    return version.group() if version else None


def old_driver(version: str | None) -> str | None:
    """Say that the driver is too old, if it is."""
    if version is None or int(version.partition(".")[0]) >= DRIVER:
        return None
    return (
        f"The GPU build needs version {DRIVER} or newer of NVIDIA's driver, because its torch is "
        f"built for CUDA 13. nvidia-smi reports version {version}. Update the driver, or install "
        "the CPU build: make ACCELERATOR=cpu setup"
    )


def unknown_driver(version: str | None) -> str | None:
    """Say that the driver could not be checked, if so, as where an image is built without a GPU."""
    if version is not None:
        return None
    return (
        f"The GPU build needs version {DRIVER} or newer of NVIDIA's driver, and nvidia-smi does "
        "not tell which one this machine has. Check it where the GPU is: nvidia-smi"
    )


def no_headers(folder: Path) -> str | None:
    """Say that Python's headers are missing, if they are.

    triton 3.6.0, which torch 2.11.0 requires, compiles C code that includes Python.h before its
    first kernel (triton/backends/nvidia/driver.c; the folder is from triton/runtime/build.py).
    """
    if (folder / "Python.h").exists():
        return None
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        "The GPU build needs the headers of Python, because Triton compiles code for every GPU "
        f"with them, and there is no {folder / 'Python.h'}. Install them (on Debian and Ubuntu: "
        f"apt install python{version}-dev; on Fedora and Red Hat: dnf install "
        f"python{version}-devel), or name a Python that has them: make PYTHON=path/to/python setup"
    )


def no_compiler(toolkit: Path) -> str | None:
    """Say that nvcc is missing, if it is.

    vllm 0.24.0 draws with top-p when it starts (_dummy_sampler_run in
    vllm/v1/worker/gpu_model_runner.py), with FlashInfer's sampler unless
    VLLM_USE_FLASHINFER_SAMPLER is 0 (vllm/v1/sample/ops/topk_topp_sampler.py). The
    flashinfer-python 0.6.12 that it requires compiles this sampler with nvcc
    (flashinfer/jit/sampling.py), and looks for nvcc as this function does (get_cuda_path in
    flashinfer/jit/cpp_ext.py). Without nvcc, vLLM does not start
    (https://github.com/vllm-project/vllm/issues/49497). So evaluations and trainings set that
    variable to 0. Attention is FlashInfer's, too, on Blackwell GPUs of compute capability 10
    (_get_backend_priorities in vllm/platforms/cuda.py); without nvcc they take Triton's there.
    DeepGEMM, for weights in FP8, also calls nvcc
    (https://github.com/vllm-project/vllm/pull/49051). verl 0.9.1 never does.
    """
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if not named and shutil.which("nvcc"):
        return None
    folder = Path(named or toolkit) / "bin"
    if (folder / "nvcc").exists():
        return None
    found = f"there is none in {folder}" + ("" if named else " or on the PATH")
    return (
        "For weights in FP8, vLLM compiles code with CUDA's compiler nvcc when it starts, and "
        f"{found}. For these, install the CUDA toolkit 13, and name its folder in CUDA_HOME. "
        "Otherwise nvcc is not needed: VLLM_USE_FLASHINFER_SAMPLER is set to 0, unless you set it, "
        "and attention takes Triton's kernels on Blackwell GPUs"
    )


def main() -> None:
    """Print what is found, and end with 1 if the build cannot run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    # Debian's Python has another scheme outside an environment, which Triton does not use either.
    headers = Path(sysconfig.get_path("include", "posix_prefix"))
    parser.add_argument("--headers", type=Path, default=headers, help="folder of Python.h")
    parser.add_argument(
        "--toolkit", type=Path, default="/usr/local/cuda", help="where CUDA is by default"
    )
    options = parser.parse_args()
    version = driver()
    errors = [*filter(None, [old_driver(version), no_headers(options.headers)])]
    warnings = [*filter(None, [unknown_driver(version), no_compiler(options.toolkit)])]
    for text in [*(f"Warning: {text}" for text in warnings), *errors]:
        sys.stderr.write(f"{text}.\n")
    if errors:
        sys.exit("Nothing was installed. To install without these checks: make SKIP_CHECKS=1 setup")


if __name__ == "__main__":
    main()
