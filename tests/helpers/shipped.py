"""The repository's own results: the files in git, and no run that a user has added."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = "results"


@cache
def shipped_files() -> tuple[str, ...]:
    """Return the paths of the files, as `results/…`."""
    if not (ROOT / ".git").exists():  # an archive has only the shipped files
        found = (path for path in (ROOT / RESULTS).rglob("*") if path.is_file())
        return tuple(sorted(path.relative_to(ROOT).as_posix() for path in found))
    return tuple(filter(None, _git("ls-files", "-z", RESULTS).split("\0")))


def shipped_runs() -> list[str]:
    """Return the paths of the runs' records, as `results/runs/…/run.json`."""
    return [name for name in shipped_files() if Path(name).match(f"{RESULTS}/runs/*/*/run.json")]


def copy_shipped_results(folder: Path) -> Path:
    """Copy the results into a folder, as git's index has them, and return the copy."""
    if (ROOT / ".git").exists():
        names = "\0".join(shipped_files())
        _git("checkout-index", "-z", "--stdin", f"--prefix={folder}/", said=names)
    else:
        shutil.copytree(ROOT / RESULTS, folder / RESULTS)
    return folder / RESULTS


def _git(*arguments: str, said: str = "") -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, input=said, check=True, capture_output=True, text=True
    )
    return done.stdout
