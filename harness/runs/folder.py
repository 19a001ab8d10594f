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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Self

from benchmarks import UserError
from harness.common.files import new_folder, remove_abandoned, replacing, write_atomically
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
            with _wrap_os_error(f"{path} cannot be opened for writing"):
                remove_abandoned(path)  # parts of files, of an attempt that was killed
            self.run = read_run(path / RECORD)
            self.samples = Journal(path / JOURNAL)
            """The stored samples; each is read from the disk when it is asked for."""
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
        with _wrap_os_error(f"the run cannot be stored in {path}"):
            remove_abandoned(path.parent)
            # The record is there before the folder has its name: no folder is ever without one.
            with new_folder(path) as partial:
                (partial / RECORD).write_text(run.to_json(), encoding="utf-8")
                if lineage is not None:
                    (partial / LINEAGE).write_bytes(lineage)
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
        schema = _parquet_schema()
        with (
            _wrap_os_error(f"{path} cannot be written; the journal beside it is intact"),
            replacing(path) as partial,
            partial.open("wb") as sink,  # pyarrow takes no path that is not UTF-8
            pq.ParquetWriter(sink, schema, compression="zstd") as writer,
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

    def write_verdicts(self, content: bytes) -> None:
        """Write the file of verdicts."""
        path = self.path / VERDICTS
        with _wrap_os_error(f"{path} cannot be written; the journal beside it is intact"):
            write_atomically(path, content)

    def update(self, run: Run) -> None:
        """Replace the record."""
        path = self.path / RECORD
        with _wrap_os_error(f"{path} cannot be written; the journal beside it is intact"):
            write_atomically(path, run.to_json())
        self.run = run

    def close(self) -> None:
        """Flush the journal to the disk and let another process have the folder."""
        try:
            with _wrap_os_error(f"{self.path / JOURNAL} cannot be flushed to the disk"):
                self.samples.close()
        finally:
            self._lock.close()


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
    with _wrap_os_error(f"{path} cannot be opened for writing"):
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
        with _wrap_os_error(f"{path} cannot be opened for writing"):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
    except UserError:
        with suppress(OSError):  # it tries once more to write
            file.close()
        raise
    return file


@contextmanager
def _wrap_os_error(what: str) -> Iterator[None]:
    """Raise an `OSError` as a UserError that begins with ``what``: what was not stored."""
    try:
        yield
    except OSError as error:
        raise _failed(what, error) from error


def _failed(what: str, error: OSError) -> UserError:
    return UserError(f"{what}: {error.strerror or error}")
