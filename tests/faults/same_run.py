"""What a disturbed run must have in common with the undisturbed one: everything but the time."""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from harness.runs.catalogue import Catalogue
from harness.runs.file_names import JOURNAL, LOCK, PARQUET
from harness.runs.record import Run
from harness.runs.sample import Sample, SampleKey
from harness.runs.verdicts import VERDICTS


def differences(results: Path, undisturbed: Path) -> list[str]:
    """Return in what the run under one results folder is not the run under another."""
    (whole_path, whole), ours = _only_run(undisturbed), Catalogue(results).runs
    if len(ours) != 1:
        return [f"{len(ours)} runs instead of one"]
    ((path, run),) = ours
    found = [*_of_records(run, whole), *_leftovers(results, path)]
    if (path / VERDICTS).read_bytes() != (whole_path / VERDICTS).read_bytes():
        found.append(f"{VERDICTS} differs")
    return [*found, *_of_journals(path, whole_path), *_of_tables(path, whole_path)]


def _only_run(results: Path) -> tuple[Path, Run]:
    (found,) = Catalogue(results).runs
    return found


def _of_records(run: Run, whole: Run) -> Iterator[str]:
    for field in ("status", "fingerprint", "scores", "average", "verdicts_sum"):
        ours, theirs = getattr(run, field), getattr(whole, field)
        if ours != theirs:
            yield f"{field} {ours} instead of {theirs}"


def _leftovers(results: Path, path: Path) -> Iterator[str]:
    for kind in ("*.partial", "runs/*/.*"):
        yield from (f"{left.name} is left" for left in results.rglob(kind) if left.name != LOCK)
    with (path / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield "the folder is still locked"


def _of_journals(path: Path, whole_path: Path) -> Iterator[str]:
    ours, theirs = stored_samples(path), stored_samples(whole_path)
    twice = [key for key, count in Counter(sample.key for sample in ours).items() if count > 1]
    yield from (f"{key} was drawn twice" for key in twice)
    by_key: dict[SampleKey, Sample] = {sample.key: sample for sample in ours}
    for sample in theirs:
        if by_key.pop(sample.key, None) != sample:
            yield f"sample {sample.key} is missing or differs"
    yield from (f"sample {key} is one too many" for key in by_key)


def stored_samples(path: Path) -> list[Sample]:
    """Return every line of a run's journal; each must be a sample."""
    return [Sample.from_json(line) for line in (path / JOURNAL).read_bytes().splitlines()]


def _of_tables(path: Path, whole_path: Path) -> Iterator[str]:
    ours, theirs = _rows(path), _rows(whole_path)
    if len({key for key, _ in ours}) != len(ours):
        yield f"{PARQUET} has a sample twice"
    if ours != theirs:
        yield f"{PARQUET} differs"


def _rows(path: Path) -> list[tuple[tuple[str, int], dict[str, Any]]]:
    rows = pq.read_table(path / PARQUET).to_pylist()
    return sorted((((row["problem_id"], row["index"]), row) for row in rows), key=lambda r: r[0])
