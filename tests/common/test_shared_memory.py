"""Shared memory that killed processes left goes; what another process has open stays."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import pytest

from harness.common.process_guard import KILL, guard_command
from harness.common.shared_memory import FOLDER, mapped, remove_unused

ROOT = Path(__file__).parents[2]

# One process of a kind that unlinks its own segments, as verl's do; it also opens another's.
OWNER = """
import os, sys, time
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
resource_tracker.register = lambda name, kind: None
mine = SharedMemory(name=sys.argv[1], create=True, size=64)
theirs = SharedMemory(name=sys.argv[2])
print("ready", file=sys.stderr, flush=True)
time.sleep(float(sys.argv[3]))
os._exit(7)
"""


@pytest.fixture
def theirs() -> Iterator[SharedMemory]:
    segment = SharedMemory(name=f"harness-test-{uuid.uuid4().hex}", create=True, size=64)
    yield segment
    segment.close()
    segment.unlink()


@pytest.fixture
def name() -> Iterator[str]:
    made = f"harness-test-{uuid.uuid4().hex}"
    yield made
    (FOLDER / made).unlink(missing_ok=True)


def guarded(name: str, theirs: SharedMemory, *, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", OWNER, name, theirs.name, str(seconds)]
    return subprocess.Popen(
        [*guard_command(), "5", *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip


def until_ready(guard: subprocess.Popen[bytes]) -> None:
    assert guard.stderr is not None
    assert guard.stderr.readline() == b"ready\n"


@pytest.mark.parametrize("gone", [True, False], ids=["the driver is gone", "a stop"])
def test_what_killed_processes_shared_is_removed_and_what_others_have_open_is_not(
    gone: bool, name: str, theirs: SharedMemory
) -> None:
    guard = guarded(name, theirs, seconds=600)
    until_ready(guard)
    assert (FOLDER / name).exists()
    guard.communicate(b"" if gone else KILL)
    assert guard.returncode == 0
    assert not (FOLDER / name).exists()
    assert (FOLDER / theirs.name).exists()


def test_what_is_mapped_is_known_by_its_name(theirs: SharedMemory, tmp_path: Path) -> None:
    ours = FOLDER / theirs.name
    assert ours in mapped([os.getpid()])
    assert ours not in mapped([os.getpid() + 2**22])
    assert remove_unused([ours, FOLDER / "none", tmp_path / "none"]) == []
    assert ours.exists()


def test_a_segment_that_nobody_has_open_is_removed(name: str) -> None:
    segment = SharedMemory(name=name, create=True, size=64)
    resource_tracker.unregister(segment._name, "shared_memory")  # type: ignore[attr-defined]
    segment.close()
    assert remove_unused([FOLDER / name]) == [FOLDER / name]
    assert not (FOLDER / name).exists()
