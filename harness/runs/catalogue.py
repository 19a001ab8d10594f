"""The stored runs under a results folder: which there are, and which one is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import UserError
from benchmarks.registry import suggest
from harness.common.schema import differences
from harness.runs.file_names import RECORD, version_folder
from harness.runs.record import Run, read_run

SHORTEST_PREFIX = 6
"""Of an id or a fingerprint: a shorter text is rather a name that is misspelt."""


def find_same(root: Path, run: Run) -> Path | None:
    """Return the newest folder of the same name and identity, finished or not, or None.

    A grader that gives the same verdicts makes no other identity.
    """
    same = run.identity.fingerprints
    folder = root / version_folder(run.name)
    named = [path for digits in {f[:8] for f in same} for path in folder.glob(f"*-{digits}")]
    for path in sorted(named, reverse=True):
        if (path / RECORD).is_file() and read_run(path / RECORD).fingerprint in same:
            return path
    return None


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


def require_same(path: Path, run: Run) -> None:
    """Refuse to go on with a folder whose run is another one; say what differs."""
    stored = read_run(path / RECORD)
    if stored.fingerprint in run.identity.fingerprints:
        return
    changed = differences(stored.identity.comparable, run.identity.comparable)
    raise UserError(
        f"{path} holds another run, and its samples would not be comparable; "
        f"stored -> asked: {'; '.join(changed)}. Leave out --resume to begin a new run."
    )
