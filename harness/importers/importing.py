"""Import saved generations: open the files, match and grade the responses, store a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from benchmarks import BENCHMARKS, UserError, WrongValueError
from benchmarks.hints import hint, setting
from harness.common.text import counted, printable, told_apart
from harness.grading import Grader
from harness.importers.files import SavedFile, open_saved
from harness.importers.matching import ProblemIndex
from harness.importers.scoring import Scored, score_files
from harness.importers.storing import Source, store_scored
from harness.runs.catalogue import Catalogue
from harness.runs.record import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The result of an import."""

    scored: Scored
    """The verdicts and scores, and the rows that could not be used."""
    source: Source
    """The files, and the name of their run."""
    stored: tuple[Path, Run] | None
    """The run's folder and record; None if no response answers a problem of a known benchmark."""


def import_files(
    files: Sequence[Path],
    *,
    catalogue: Catalogue,
    name: str | None = None,
    benchmarks: Sequence[str] = (),
    format_: str | None = None,
    data_dir: Path | None = None,
) -> Imported:
    """Grade the responses in files, and store those that answer known problems as a run.

    Args:
        files: the files, all of one run.
        catalogue: the stored runs, to which the new one is added.
        name: the run's name; by default the name of the first file.
        benchmarks: the benchmarks whose problems the responses may answer; by default all.
        format_: the files' format; by default it is recognised by their first rows.
        data_dir: the folder that the benchmarks' files are read from.

    Raises:
        UserError: no file is named, one is named twice, a file cannot be read, or nothing in the
            files could be scored.
    """
    if not files:
        raise UserError("no file of generations is named; name at least one")
    opened = _labelled([open_saved(file, format_) for file in files])
    _refuse_twice([file.path for file in opened])
    names = [BENCHMARKS[one].name for one in dict.fromkeys(benchmarks)] or list(BENCHMARKS)
    index = ProblemIndex(names, data_dir)
    with Grader() as grader:
        scored = score_files(opened, index, grader)
    source = Source(name=name or _default_name(files[0]), files=opened, index=index)
    stored = store_scored(scored, source, catalogue) if scored.graded else None
    if stored is None and not scored.foreign:
        raise UserError(_nothing_scored(scored))
    return Imported(scored=scored, source=source, stored=stored)


def _refuse_twice(files: Sequence[Path]) -> None:
    """Refuse a file that is named twice, whose responses would count as further samples."""
    for first, second in combinations(files, 2):
        if first.samefile(second):
            raise WrongValueError(
                f"{second} is the same file as {first}, and its responses would count twice; "
                "name it once"
            )


def _labelled(files: Sequence[SavedFile]) -> list[SavedFile]:
    labels = told_apart(file.label for file in files)
    return [replace(file, label=label) for file, label in zip(files, labels, strict=True)]


def _default_name(file: Path) -> str:
    return file.resolve().stem if file.is_file() else file.resolve().parent.name


def _nothing_scored(scored: Scored) -> str:
    rows = len(scored.unreadable)
    text = (
        f"nothing could be scored: {counted(scored.responses, 'response')} read, none of which "
        f"answers a known problem, and {counted(rows, 'row')} could not be read"
    )
    unused = [f"{row.place}: {row.reason}" for row in scored.unmatched]
    unused += [f"{row.place}: {row.reason}" for row in scored.unreadable]
    first = f"; the first is {printable(unused[0])}" if unused else ""
    return f"{text}{first}{''.join(f'; {line}' for line in unread_benchmarks(scored))}"


def unread_benchmarks(scored: Scored) -> list[str]:
    """Return a line that names the benchmarks whose problems could not be read, if any."""
    if not scored.faults:
        return []
    names = ", ".join(scored.faults)
    return [
        f"the problems of {names} could not be read, so no response could match them; download "
        f"them with {hint('data fetch')}, or name their folder ({setting('data_dir')})"
    ]
