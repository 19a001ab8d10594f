"""The tables of all results that are kept in git beside them: `TABLE.md` and `table.csv`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import UserError
from benchmarks.hints import hint
from harness.common.files import write_atomically
from harness.reporting.text.runs import runs_table
from harness.runs.catalogue import Catalogue
from harness.runs.results import Result

MARKDOWN, CSV = "TABLE.md", "table.csv"
HEADING = """\
# Results

Made by `python -m harness table --write` from the stored runs and published results beside it.

"""


def kept_tables(catalogue: Catalogue) -> dict[Path, str]:
    """Return each file with what it should hold now: all complete runs that git keeps."""
    results = _without_ignored(catalogue.results, catalogue.list_results())
    return {
        catalogue.results / MARKDOWN: f"{HEADING}{runs_table(results, 'markdown')}\n",
        catalogue.results / CSV: f"{runs_table(results, 'csv')}\n",
    }


def write_tables(tables: Mapping[Path, str]) -> None:
    """Write the files.

    Raises:
        UserError: one cannot be written.
    """
    for path, text in tables.items():
        try:
            write_atomically(path, text)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def require_current(tables: Mapping[Path, str]) -> None:
    """Refuse files that do not hold what they should.

    Raises:
        UserError: one is missing, or was made of other runs.
    """
    stale = [
        str(path)
        for path, text in tables.items()
        if not path.is_file() or path.read_bytes() != text.encode()
    ]
    if stale:
        raise UserError(
            f"not made from the runs that are stored now: {', '.join(stale)}; "
            f"make them anew: {hint('table --write')}"
        )


def _without_ignored(folder: Path, results: Sequence[Result]) -> Sequence[Result]:
    """Leave out runs that git ignores: the tables are kept in git, and such runs are not."""
    paths = {result.id: str(result.path.resolve()) for result in results if result.path}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder.resolve()), "check-ignore", "-z", "--stdin"],
            input="\0".join(paths.values()), capture_output=True, check=False,
            encoding="utf-8", errors="surrogateescape",  # as Python has paths that are not UTF-8
        )  # fmt: skip
    except OSError:  # no git: nothing is ignored
        return results
    ignored = set(done.stdout.split("\0"))
    return [result for result in results if paths.get(result.id) not in ignored]
