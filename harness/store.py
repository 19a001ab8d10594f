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
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Self

from benchmarks import UserError
from benchmarks.registry import suggest
from harness.journal import Journal, read_journal
from harness.lineage import LINEAGE
from harness.record import Run, read_run
from harness.sample import Sample, SampleKey
from harness.spec import differences
from harness.verdicts import VERDICTS

RECORD, JOURNAL, PARQUET, LOCK = "run.json", "samples.jsonl", "samples.parquet", ".lock"

SHORTEST_PREFIX = 6
"""Of an id or a fingerprint: a shorter text is rather a name that is misspelt."""

_TABLED = (
    "problem_id", "index", "response", "finish_reason", "seed",
    "prompt_tokens", "completion_tokens", "error",
)  # fmt: skip
_COLUMNS = {
    "benchmark": "string", "problem_id": "string", "index": "int64", "gold": "string",
    "outcome": "string", "extracted": "string", "extraction": "string", "rule": "string",
    "finish_reason": "string", "prompt_tokens": "int64", "completion_tokens": "int64",
    "seed": "int64", "response": "large_string", "error": "string",
}  # fmt: skip
"""Of the table: names and Arrow types."""


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
        path = root / _folder_name(run.name) / run.id
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


def find_same(root: Path, run: Run) -> Path | None:
    """Return the newest folder of the same name and fingerprint, finished or not, or None."""
    for path in sorted(
        (root / _folder_name(run.name)).glob(f"*-{run.fingerprint[:8]}"), reverse=True
    ):
        if (path / RECORD).is_file() and read_run(path / RECORD).fingerprint == run.fingerprint:
            return path
    return None


def require_same(path: Path, run: Run) -> None:
    """Refuse to go on with a folder whose run is another one; say what differs."""
    stored = read_run(path / RECORD)
    if stored.fingerprint == run.fingerprint:
        return
    changed = differences(stored.identity, run.identity)
    raise UserError(
        f"{path} holds another run, and its samples would not be comparable; "
        f"stored -> asked: {'; '.join(changed)}. Leave out --resume to begin a new run."
    )


def new_run_id(fingerprint: str, now: datetime | None = None) -> str:
    """Return a run's id: UTC time to the second and eight digits of the fingerprint."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{fingerprint[:8]}"


def _with_unused_id(root: Path, run: Run) -> Run:
    """Return the run, its second moved on if another of its fingerprint began in the same one."""
    moment = run.created
    while (root / _folder_name(run.name) / run.id).exists():
        moment += timedelta(seconds=1)
        run = run.model_copy(update={"id": new_run_id(run.fingerprint, moment)})
    return run


def list_runs(root: Path) -> list[tuple[Path, Run]]:
    """Return every stored run under ``root``, oldest first."""
    # A dot begins the folder of a run that was killed before it had a name.
    records = [path for path in root.glob(f"*/*/{RECORD}") if path.parent.name[0] != "."]
    found = [(path.parent, _read_listed(path)) for path in records]
    return sorted(found, key=lambda pair: (pair[1].created, pair[1].id))


def _read_listed(path: Path) -> Run:
    try:
        return read_run(path)
    except UserError as error:
        raise UserError(
            f"{error}; mend it, or move {path.parent} away, and the other runs can be used again"
        ) from error


def find_run(root: Path, asked: str) -> tuple[Path, Run]:
    """Find one run by its folder, its id (or how that begins), or its name or tag (the newest).

    Raises:
        UserError: nothing matches, or an id's beginning matches several.
    """
    folder = Path(asked)
    if (folder / RECORD).is_file():
        return folder, read_run(folder / RECORD)
    runs = list_runs(root)
    found = search(runs, asked)
    if found is None:
        raise UserError(suggest(f"run under {root}", asked, [run.name for _, run in runs]))
    return found


def search(runs: Sequence[tuple[Path, Run]], asked: str) -> tuple[Path, Run] | None:
    """Return the run that is asked for, or None; of several with its name or tag the last.

    Raises:
        UserError: what begins several ids was asked for.
    """
    for known_as in (lambda run: run.name == asked, lambda run: asked in run.tags):
        named = [pair for pair in runs if known_as(pair[1])]
        if named:
            return named[-1]
    begun = [pair for pair in runs if _begins(pair[1], asked)]
    if len(begun) > 1:
        ids = ", ".join(run.id for _, run in begun)
        raise UserError(f"several runs match '{asked}': {ids}")
    return begun[0] if begun else None


def _begins(run: Run, asked: str) -> bool:
    long_enough = len(asked) >= SHORTEST_PREFIX
    return long_enough and (run.id.startswith(asked) or run.fingerprint.startswith(asked))


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the samples in a run's folder, which another process may be writing."""
    return read_journal(path / JOURNAL)


def finished_samples(path: Path) -> dict[SampleKey, Sample]:
    """Return every sample of a complete run, those on which the engine failed included.

    They are in the journal, or, where a run was handed on without it, in the table.

    Raises:
        UserError: neither file is there.
    """
    if not (path / JOURNAL).is_file() and not (path / PARQUET).is_file():
        raise UserError(
            f"{path} has no samples any more (neither {JOURNAL} nor {PARQUET}), "
            "so there is nothing to grade; draw them again: python -m harness eval --spec "
            f"{path / RECORD} --again"
        )
    tabled = {row.key: row for row in map(_tabled, read_parquet(path))}
    journaled = {sample.key: sample for sample in read_journal(path / JOURNAL, failed=True)}
    return {**tabled, **journaled}


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run's table of samples and verdicts; none if it is not there."""
    import pyarrow.parquet as pq

    if (path / PARQUET).is_file():
        try:
            with pq.ParquetFile(path / PARQUET) as file:
                for batch in file.iter_batches(batch_size=512):
                    yield from batch.to_pylist()
        except (OSError, ValueError) as error:  # pyarrow says either of a file that is torn
            raise UserError(
                f"{path / PARQUET} cannot be read ({error}); take it from where it was copied, or "
                "draw the samples again: python -m harness eval --spec "
                f"{path / RECORD} --again"
            ) from error


def _tabled(row: dict[str, Any]) -> Sample:
    # The table does not say which prompt was answered.
    return Sample(prompt_sum="", **{name: row[name] for name in _TABLED})


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


def _folder_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:100].strip(".-") or "model"


def _parquet_schema() -> Any:
    import pyarrow as pa

    return pa.schema([(name, getattr(pa, kind)()) for name, kind in _COLUMNS.items()])
