"""Saved generations into a stored run: files are opened, matched, graded and stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import BENCHMARKS, UserError
from harness.common.text import counted, printable
from harness.grading import Grader
from harness.importers.files import open_saved
from harness.importers.matching import ProblemIndex
from harness.importers.scoring import Scored, score_files
from harness.importers.storing import Source, store_scored
from harness.runs.catalogue import Catalogue
from harness.runs.record import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of the files."""

    scored: Scored
    """What every response came to."""
    source: Source
    """The files, and the name of their run."""
    stored: tuple[Path, Run] | None
    """The run's folder and record; None if no response is to a known benchmark's problem."""


def import_files(
    files: Sequence[Path],
    *,
    catalogue: Catalogue,
    name: str | None = None,
    benchmarks: Sequence[str] = (),
    format_: str | None = None,
    data_dir: Path | None = None,
) -> Imported:
    """Grade the responses in files, and store those to known problems as a run.

    Args:
        files: the files, all of one run.
        catalogue: the stored runs, to which the new one is added.
        name: the run's name; without it the first file's.
        benchmarks: where the problems are looked for; everywhere if none is named.
        format_: the files' format; without it their first rows tell.
        data_dir: where the benchmarks' files are read from.

    Raises:
        UserError: no file is named, a file cannot be read, or nothing in the files could be scored.
    """
    if not files:
        raise UserError("no file of generations is named; name at least one")
    opened = [open_saved(file, format_) for file in files]
    names = [BENCHMARKS[one].name for one in dict.fromkeys(benchmarks)] or list(BENCHMARKS)
    index = ProblemIndex(names, data_dir)
    with Grader() as grader:
        scored = score_files(opened, index, grader)
    source = Source(name=name or _default_name(files[0]), files=opened, index=index)
    stored = store_scored(scored, source, catalogue) if scored.graded else None
    if stored is None and not scored.foreign:
        raise UserError(_nothing(scored))
    return Imported(scored=scored, source=source, stored=stored)


def _default_name(file: Path) -> str:
    return file.resolve().stem if file.is_file() else file.resolve().parent.name


def _nothing(scored: Scored) -> str:
    rows = len(scored.unreadable)
    text = (
        f"nothing could be scored: of {counted(scored.responses, 'response')} none is to a known "
        f"problem, and {counted(rows, 'row')} could not be read"
    )
    unused = [f"{row.place}: {row.reason}" for row in scored.unmatched]
    unused += [f"{row.place}: {row.reason}" for row in scored.unreadable]
    first = f"; the first: {printable(unused[0])}" if unused else ""
    return f"{text}{first}{''.join(f'; {line}' for line in unread_benchmarks(scored))}"


def unread_benchmarks(scored: Scored) -> list[str]:
    """Return a line that names the benchmarks whose problems could not be read, if any."""
    if not scored.faults:
        return []
    names = ", ".join(scored.faults)
    return [
        f"the problems of {names} could not be read, so nothing could match them: "
        f"python -m harness data fetch, or name their folder (data_dir, or --data)"
    ]
