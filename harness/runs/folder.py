"""A run's folder, written so that a kill at any moment loses at most the line being written.

    results/runs/<name>/<UTC time>-<fingerprint8>/
      run.json          the record; replaced atomically
      samples.jsonl     the journal: one line a finished sample, appended as it finishes
      samples.parquet   the same with verdicts, written once at the end
      verdicts.jsonl    one row a problem, without responses; what is compared
      lineage.json      how the checkpoint was trained, if it says so

The journal holds what the engine said and nothing else: verdicts can be made again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Self

from benchmarks import UserError
from harness.models.lineage import LINEAGE
from harness.runs.file_names import JOURNAL, LOCK, PARQUET, RECORD, version_folder
from harness.runs.journal import Journal, read_journal
from harness.runs.record import Run, new_run_id, read_run
from harness.runs.sample import Sample
from harness.runs.samples_table import _parquet_schema
from harness.runs.verdicts import VERDICTS


class RunFolder:
    """An open run folder, held by this process alone until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _lock(path)
        try:
            self.run = read_run(path / RECORD)
            self.samples = Journal(path / JOURNAL)
            """Those that are stored, read from the disk where they are asked for."""
        except BaseException:
            self._lock.close()
            raise

    @classmethod
    def create(cls, root: Path, run: Run, *, lineage: bytes | None = None) -> Self:
        """Make the folder of a new run under ``root`` and open it.

        ``lineage`` is the checkpoint's own file, kept as it is.
        """
        run = _with_unused_id(root, run)
        path = root / version_folder(run.name) / run.id
        # The record is there before the folder has its name: no folder is ever without one.
        unborn = path.with_name(f".{path.name}.{os.getpid()}")
        with _told(f"the run cannot be stored in {path}"):
            _sweep(path.parent)
            unborn.mkdir(parents=True)
            _write(unborn / RECORD, run.to_json().encode())
            if lineage is not None:
                _write(unborn / LINEAGE, lineage)
            unborn.rename(path)
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, sample: Sample) -> None:
        """Write one finished sample to the journal; from here on it survives a kill."""
        try:
            self.samples.append(sample)
        except OSError as error:
            what = f"the sample of {sample.problem_id} cannot be stored; earlier ones are intact"
            raise _failed(what, error) from error

    def write_parquet(self, batches: Iterable[dict[str, list[object]]]) -> None:
        """Write the final table of samples and verdicts, one batch of rows at a time."""
        from concurrent.futures import Future, ThreadPoolExecutor

        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path / PARQUET
        partial = path.with_suffix(".partial")
        schema = _parquet_schema()
        with _told(f"{path} cannot be written; the journal beside it is intact"):
            with (
                pq.ParquetWriter(partial, schema, compression="zstd") as writer,
                ThreadPoolExecutor(max_workers=1) as compressor,  # while the next batch is made
            ):
                written: Future[None] | None = None
                for columns in batches:
                    table = pa.table(columns, schema=schema)
                    if written is not None:
                        written.result()
                    written = compressor.submit(writer.write_table, table)
                if written is not None:
                    written.result()
            partial.rename(path)

    def write_verdicts(self, content: bytes) -> None:
        """Write the file of verdicts."""
        path = self.path / VERDICTS
        with _told(f"{path} cannot be written; the journal beside it is intact"):
            _write(path, content)

    def update(self, run: Run) -> None:
        """Replace the record."""
        with _told(f"{self.path / RECORD} cannot be written; the journal beside it is intact"):
            _write(self.path / RECORD, run.to_json().encode())
        self.run = run

    def close(self) -> None:
        """Flush the journal to the disk and let another process have the folder."""
        try:
            with _told(f"{self.path / JOURNAL} cannot be flushed to the disk"):
                self.samples.close()
        finally:
            self._lock.close()


def _sweep(folder: Path) -> None:
    """Remove what beginnings left that were killed before their folder had its name."""
    for unborn in folder.glob(".*.[0-9]*"):
        try:
            os.kill(int(unborn.suffix[1:]), 0)
        except ProcessLookupError:
            shutil.rmtree(unborn, ignore_errors=True)
        except (ValueError, PermissionError):
            continue


def _with_unused_id(root: Path, run: Run) -> Run:
    """Return the run, its second moved on if another of its fingerprint began in the same one."""
    moment = run.created
    while (root / version_folder(run.name) / run.id).exists():
        moment += timedelta(seconds=1)
        run = run.model_copy(update={"id": new_run_id(run.fingerprint, moment)})
    return run


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the samples in a run's folder, which another process may be writing."""
    return read_journal(path / JOURNAL)


def _lock(path: Path) -> IO[str]:
    """Take the folder's lock, which the kernel frees when this process ends in any way."""
    with _told(f"{path} cannot be opened for writing"):
        file = (path / LOCK).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise UserError(
            f"{path} is in use by another process (pid {holder}); wait for it, or stop it first"
        ) from None
    try:
        with _told(f"{path} cannot be opened for writing"):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
    except UserError:
        with suppress(OSError):  # it tries once more to write
            file.close()
        raise
    return file


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn a failing disk into one line that says what was not stored."""
    try:
        yield
    except OSError as error:
        raise _failed(what, error) from error


def _failed(what: str, error: OSError) -> UserError:
    return UserError(f"{what}: {error.strerror or error}")
