"""The stored runs and the published results under a results folder: lists them and finds one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from benchmarks.registry import suggest
from harness.common.schema import differences
from harness.runs.file_names import RECORD, RUNS, earlier_version_folder, version_folder
from harness.runs.published import Published, read_published
from harness.runs.record import Run, read_run
from harness.runs.results import PUBLISHED_ID, Result, of_published, of_run

SHORTEST_PREFIX = 6
"""Characters that the beginning of an id must have; a shorter text is a misspelt name."""

MOST_BEGUN = 10
"""The most names that a message lists because they begin as the text that was asked for."""

StoredRun = tuple[Path, Run]
"""A run's folder and its record."""


class Catalogue:
    """What is stored under one results folder.

    Every file is read when it is first needed, once, and kept. So a catalogue shows what was
    stored then; `same_as` alone looks at the disk each time.
    """

    def __init__(self, results: Path) -> None:
        self.results = results
        self.root = results / RUNS
        """The folder in which each version's folder holds its runs."""

    @cached_property
    def runs(self) -> list[StoredRun]:
        """Every stored run, oldest first, incomplete ones included.

        Raises:
            UserError: a record cannot be read.
        """
        # A name that begins with a dot: the run is being created, or was killed while it was.
        records = [path for path in self.root.glob(f"*/*/{RECORD}") if path.parent.name[0] != "."]
        found = [(path.parent, _read_listed(path)) for path in records]
        return sorted(found, key=lambda stored: (stored[1].created, stored[1].id))

    @cached_property
    def sources(self) -> list[tuple[Path, Published]]:
        """Every file of published results, with its content.

        Raises:
            UserError: a file cannot be read, or two results have the same name.
        """
        return read_published(self.results)

    @cached_property
    def published(self) -> dict[str, Result]:
        """The published results by name."""
        return {
            row.name: of_published(source, row)
            for _, source in self.sources
            for row in source.results
        }

    def list_results(self) -> list[Result]:
        """Return every complete run, oldest first, and then every published result."""
        return [*(of_run(*stored) for stored in self._complete), *self.published.values()]

    def find(self, asked: str, *, complete: bool = True) -> Result:
        """Find a run by its folder, name, tag or id, or a published result by its name.

        Of several runs with a name or tag the newest is found. A complete run and a published
        result are preferred to a run that is not complete.

        Args:
            asked: the folder, name or tag; an id or fingerprint, or how it begins; or
                ``published:`` and a published result's name, where a run has that name too.
            complete: whether a run that is not complete is refused.

        Raises:
            UserError: nothing matches, several runs do, or the run is not complete.
        """
        stored = _in_folder(asked)
        if stored is None:
            stored = _named(self._complete, asked)
            name = asked.removeprefix(PUBLISHED_ID)
            if name in self.published and (stored is None or name != asked):
                return self.published[name]
            # Any run's name comes before a tag: a tag of several names is refused.
            stored = stored or _named(self.runs, asked)
            stored = stored or _search(self._complete, asked) or _search(self.runs, asked)
        if stored is None:
            names = [*(run.name for _, run in self.runs), *self.published]
            kind = "run or published result" if self.published else "run"
            raise WrongValueError(_unknown(f"{kind} under {self.results}", asked, names))
        path, run = stored
        if complete and run.status != "complete":
            raise UserError(
                f"{run.name} ({run.id}) is not complete: finish it with the command that began it"
            )
        return of_run(path, run)

    def group(self, asked: str) -> list[str]:
        """Return the names in a list with commas; one alone if something has just this name.

        Commas can be in the name of a run, of a folder or of a published result.

        Raises:
            WrongValueError: there is nothing between two commas.
        """
        if (
            "," not in asked
            or _in_folder(asked)
            or asked.removeprefix(PUBLISHED_ID) in self.published
        ):
            return [asked]
        if any(asked == run.name or asked in run.tags for _, run in self.runs):
            return [asked]
        names = [name.strip() for name in asked.split(",")]
        if not all(names):
            raise WrongValueError(
                f"'{asked}': expected names of runs with commas between them and no space after a "
                "comma, such as v1-seed1,v1-seed2"
            )
        return names

    def find_run(self, asked: str) -> StoredRun:
        """Find a stored run by its folder, name, tag or id, whether or not it is complete.

        Raises:
            UserError: nothing matches, or several runs do.
        """
        stored = _in_folder(asked) or _search(self.runs, asked)
        if stored is None:
            names = [run.name for _, run in self.runs]
            raise WrongValueError(_unknown(f"run under {self.root}", asked, names))
        return stored

    def same_as(self, run: Run) -> Path | None:
        """Return the newest folder of the same name and identity, finished or not, or None.

        Graders that give the same verdicts count as the same one.
        """
        same = run.identity.fingerprints
        folders = {version_folder(run.name), earlier_version_folder(run.name)}
        named = [
            path
            for folder in folders
            for digits in {fingerprint[:8] for fingerprint in same}
            for path in (self.root / folder).glob(f"*-{digits}")
        ]
        for path in sorted(named, key=lambda path: path.name, reverse=True):
            if not (path / RECORD).is_file():
                continue
            stored = read_run(path / RECORD)
            # Several names share an earlier folder.
            if stored.fingerprint in same and stored.name == run.name:
                return path
        return None

    @property
    def _complete(self) -> list[StoredRun]:
        return [stored for stored in self.runs if stored[1].status == "complete"]


def _unknown(noun: str, asked: str, known: list[str]) -> str:
    """Return the message that nothing is called so, and what may have been meant."""
    parts = [part.strip() for part in asked.split(",")]
    if "," in asked and all(parts) and all(part in known for part in parts):
        return (
            f"'{asked}' names {len(parts)} runs with commas between them, and one is expected "
            "here: such groups, the trainings of a recipe, are for `diff`, `report` and "
            "compare_recipes; elsewhere name each run by itself"
        )
    begun = list(dict.fromkeys(name for name in known if name.startswith(asked)))
    if asked and len(begun) > 1:
        listed = ", ".join(begun[:MOST_BEGUN]) + ", …" * (len(begun) > MOST_BEGUN)
        return (
            f"no {noun} is called '{asked}'; {len(begun)} names begin so: {listed}. Give one of "
            "them, or, to `diff` and `report`, several trainings of one recipe with commas between "
            f"them and no spaces: {','.join(begun[:2])}"
        )
    return suggest(noun, asked, known)


def _read_listed(path: Path) -> Run:
    try:
        return read_run(path)
    except UserError as error:
        raise UserError(
            f"{error}; mend it, or move {path.parent} away, and the other runs can be used again"
        ) from error


def _in_folder(asked: str) -> StoredRun | None:
    """Return the run in the folder of this name; None if there is none."""
    folder = Path(asked)
    try:
        found = (folder / RECORD).is_file()
    except (OSError, ValueError):  # longer than a path may be, or with a null character
        return None
    return (folder, read_run(folder / RECORD)) if found else None


def _named(runs: Sequence[StoredRun], asked: str) -> StoredRun | None:
    """Return the last run with this name."""
    return next((stored for stored in reversed(runs) if stored[1].name == asked), None)


def _search(runs: Sequence[StoredRun], asked: str) -> StoredRun | None:
    """Return the last run with this name, else with this tag, else the one with this id.

    Raises:
        UserError: runs of several names have this tag, or the ids or fingerprints of several runs
            begin in this way.
    """
    if named := _named(runs, asked):
        return named
    tagged = [stored for stored in runs if asked in stored[1].tags]
    names = sorted({run.name for _, run in tagged})
    if len(names) > 1:
        raise WrongValueError(
            f"no run is called '{asked}'; it is the tag of {len(names)} names: "
            f"{', '.join(names[:10])}{', …' if len(names) > 10 else ''}; give one of them"
        )
    if tagged:
        return tagged[-1]
    begun = [stored for stored in runs if _begins(stored[1], asked)]
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
    sides = [stored.identity.comparable, run.identity.comparable]
    if sides[0].grader != sides[1].grader:
        recorded = (stored.identity, run.identity)
        sides = [one.model_copy(update={"grader": one.shown_grader}) for one in recorded]
    changed = differences(*sides)
    raise UserError(
        f"{path} holds another run, and its samples would not be comparable; "
        f"stored -> asked: {'; '.join(changed)}. Leave out "
        f"{setting('resume')} to begin a new run."
    )
