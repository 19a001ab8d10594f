"""A container's limit counts, and the machine's memory where there is none."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from harness.common import memory

GIB = 2**30


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is taken for that of the control groups."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "OWN", tmp_path / "own")
    return tmp_path


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"memory.{name}").write_text(f"{content}\n", encoding="utf-8")


def test_without_control_groups_it_is_the_machines(groups: Path) -> None:
    assert memory.total_memory() == psutil.virtual_memory().total
    assert 0 < memory.available_memory() <= psutil.virtual_memory().total


def test_the_tightest_group_above_the_process_counts(groups: Path) -> None:
    (groups / "own").write_text("0::/pod/box\n", encoding="utf-8")
    write(groups / "cgroup/pod", max=GIB, current=GIB // 2, stat="inactive_file 0")
    write(groups / "cgroup/pod/box", max="max", current=GIB // 4)
    assert memory.total_memory() == GIB
    assert memory.available_memory() == GIB // 2


def test_pages_that_can_be_given_back_do_not_count(groups: Path) -> None:
    (groups / "own").write_text("0::/\n", encoding="utf-8")
    write(groups / "cgroup", max=GIB, current=GIB, stat=f"anon 1\ninactive_file {GIB // 4}")
    assert memory.available_memory() == GIB // 4


def test_the_older_control_groups_are_read_too(groups: Path) -> None:
    (groups / "own").write_text("5:cpu,cpuacct:/x\n4:memory:/y\n0::/\n", encoding="utf-8")
    write(groups / "cgroup/memory/y", limit_in_bytes=GIB, usage_in_bytes=GIB // 2)
    write(groups / "cgroup/memory/x", limit_in_bytes=1, usage_in_bytes=1)
    assert memory.total_memory() == GIB
    assert memory.available_memory() == GIB // 2


def test_a_group_in_whose_container_the_process_is_may_show_only_its_root(groups: Path) -> None:
    (groups / "own").write_text("4:memory:/docker/abc\n", encoding="utf-8")
    write(groups / "cgroup/memory", limit_in_bytes=GIB, usage_in_bytes=0)
    assert memory.total_memory() == GIB


@pytest.mark.parametrize("content", ["", "\n::", "memory", "0::/../../etc\n", "\x00:\x00:\x00"])
def test_what_cannot_be_read_sets_no_limit(content: str, groups: Path) -> None:
    (groups / "own").write_text(content, encoding="utf-8")
    write(groups / "cgroup", max="-1", current="many", stat="nothing")
    assert memory.total_memory() == psutil.virtual_memory().total
