"""Tests of full and read-only disks: one clear line, no sample is lost, and the run goes on.

The command line is run on real disks. A full disk is a small tmpfs, where this user may mount
one. Everywhere else it is a limit on the size of files, which the kernel enforces in the same way.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from replayed import write_responses
from same_run import differences

from harness.runs.file_names import JOURNAL, PARQUET, RECORD
from harness.runs.sample import Sample
from harness.runs.verdicts import VERDICTS

pytestmark = pytest.mark.slow

Done = subprocess.CompletedProcess[str]

PROBLEMS = 12
PAGE = 4096
"""The size of a tmpfs page in bytes, by which its files grow."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation of saved responses by the command line, and its undisturbed run."""

    arguments: tuple[str, ...]
    whole: Path

    def into(self, results: Path, *, largest: int | None = None) -> Done:
        """Evaluate into a folder; ``largest`` is how many bytes a file may have."""
        command = [sys.executable, "-m", "harness", "eval", *self.arguments]
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest or 0, largest or 0))
        return subprocess.run(
            [*command, "--results", str(results)],
            check=False,
            capture_output=True,
            text=True,
            preexec_fn=limit if largest is not None else None,
        )


def make_evaluation(folder: Path, *, n: int) -> Evaluation:
    responses = write_responses(folder / "saved.jsonl", limit=PROBLEMS, n=n)
    made = Evaluation(
        whole=folder / "whole",
        arguments=(
            *("--model", "replayed", "--engine", "replay", "--responses", str(responses)),
            *("--benchmarks", "demo", "--limit", str(PROBLEMS)),
            *("--n", str(n), "--temperature", "1"),
        ),
    )
    done = made.into(made.whole)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    return make_evaluation(tmp_path, n=3)


def clear_error(done: Done) -> str:
    """Return the one line that says what failed. Only progress may be printed besides."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
    assert len(told) == 1, done.stderr
    assert done.stderr.rstrip().endswith(told[0])
    assert not done.stdout
    return told[0]


def journal(results: Path) -> bytes:
    return b"".join(path.read_bytes() for path in results.glob(f"runs/*/*/{JOURNAL}"))


def is_begun_by(journaled: bytes, earlier: bytes) -> bool:
    """Say whether no earlier sample was lost, and check that every line is a sample."""
    keys = [Sample.from_json(line).key for line in journaled.splitlines()]
    assert len(keys) == len(set(keys))
    return journaled.startswith(earlier)


def until_complete(attempt: Callable[[int], Done], results: Path, *, says: str) -> list[str]:
    """Add space step by step until the run is complete; return the messages on the way.

    A line begins with the number of samples that were stored by then.
    """
    told: list[str] = []
    for room in range(100):
        stored = journal(results)
        done = attempt(room)
        assert is_begun_by(journal(results), stored)
        if done.returncode == 0:
            return told
        line = clear_error(done)
        assert says in line
        assert str(results) in line or "sample of demo/" in line
        told.append(f"{len(journal(results).splitlines())} {line}")
    raise AssertionError(f"not complete after all that room: {told[-1]}")


PLACES = {
    "run cannot be stored": "creation",
    "opened for writing": "lock",
    "sample of": JOURNAL,
    **{f"/{name} cannot": name for name in (PARQUET, VERDICTS, RECORD)},
}
"""The words of a message for each place where the disk can be full."""


def full_at(told: list[str]) -> set[str]:
    """Return the places that the lines name; every line must name exactly one."""
    places = [{PLACES[words] for words in PLACES if words in line} for line in told]
    assert all(places), told
    return set().union(*places)


@pytest.mark.parametrize(("n", "where"), [(1, PARQUET), (3, JOURNAL)])
def test_files_that_may_not_grow_are_told_and_the_run_goes_on(
    tmp_path: Path, n: int, where: str
) -> None:
    """With few samples the table is the largest file, and with many the journal."""
    evaluation, results = make_evaluation(tmp_path, n=n), tmp_path / "limited"
    told = until_complete(
        lambda room: evaluation.into(results, largest=room * 1024), results, says="File too large"
    )
    assert full_at(told) >= {"creation", where}
    assert not differences(results, evaluation.whole)


def test_a_full_disk_is_told_wherever_it_fills_up(evaluation: Evaluation, tmp_path: Path) -> None:
    """The disk becomes full when the run is created, in the journal, and in each other file."""
    with mounted(tmp_path / "disk", size=100 * PAGE) as disk:
        filler = disk / "filler"
        filler.write_bytes(b"0" * (_free(disk)))

        def attempt(room: int) -> Done:
            os.truncate(filler, filler.stat().st_size - PAGE * min(room, 1))
            return evaluation.into(disk)

        told = until_complete(attempt, disk, says="No space left on device")
        assert full_at(told) >= {"creation", PARQUET, VERDICTS}
        assert any(0 < int(line.split()[0]) < PROBLEMS * 3 for line in told), told
        filler.unlink()
        assert not differences(disk, evaluation.whole)


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


@contextmanager
def mounted(folder: Path, *, size: int) -> Iterator[Path]:
    """A disk of this many bytes; the test is skipped if this user may not mount one."""
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "none", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only for this user by its mode, which has no effect for root."""
    if os.geteuid() == 0:
        _mount("--bind", str(folder), str(folder))
        try:
            _mount("-o", "remount,ro,bind", str(folder))
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    modes = {path: path.stat().st_mode for path in [folder, *folder.rglob("*")]}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_a_read_only_results_folder_is_told(evaluation: Evaluation, tmp_path: Path) -> None:
    results = tmp_path / "locked"
    results.mkdir()
    with read_only(results):
        told = clear_error(evaluation.into(results))
    assert str(results) in told
    assert "Read-only file system" in told or "Permission denied" in told
    assert evaluation.into(results).returncode == 0
    assert not differences(results, evaluation.whole)


def test_a_results_folder_that_became_read_only_keeps_its_samples(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    results = tmp_path / "locked"
    most = len(journal(evaluation.whole)) // 2
    clear_error(evaluation.into(results, largest=most))
    stored = journal(results)
    assert stored
    with read_only(results):
        assert str(results) in clear_error(evaluation.into(results))
        assert journal(results) == stored
    assert evaluation.into(results).returncode == 0
    assert is_begun_by(journal(results), stored)
    assert not differences(results, evaluation.whole)


def test_a_finished_run_can_be_read_where_nothing_can_be_written(evaluation: Evaluation) -> None:
    with read_only(evaluation.whole):
        for command in ("show", "table"):
            asked = [sys.executable, "-m", "harness", command]
            asked += [
                *(["replayed"] if command == "show" else []),
                "--results",
                str(evaluation.whole),
            ]
            done = subprocess.run(asked, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert "replayed" in done.stdout


@pytest.mark.parametrize("name", ["", "runs", "runs/replayed"])
def test_a_file_where_a_folder_should_be_is_told(
    evaluation: Evaluation, tmp_path: Path, name: str
) -> None:
    results = tmp_path / "results"
    (results / name).parent.mkdir(parents=True, exist_ok=True)
    (results / name).write_text("a note", encoding="utf-8")
    done = evaluation.into(results)
    if done.returncode == 2:  # refused as an argument
        assert str(results) in done.stderr
        assert "Traceback" not in done.stderr
    else:
        assert str(results / name) in clear_error(done)
    assert (results / name).read_text(encoding="utf-8") == "a note"
