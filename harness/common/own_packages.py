"""Does Python import our own packages, or others of the same names that stand before them?

`python -m harness` puts the current folder first on the path of imports, and a folder called
`benchmarks` or `trainers` is nothing rare. It need not even hold Python: a bare folder is a package
to Python, and stands before one that is installed to be edited. This imports nothing of ours.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds our packages."""
NAMES = ("benchmarks", "trainers")
"""Our packages beside `harness`, which is found: it is what runs."""


def leave_current_folder() -> None:
    """Take the current folder off the path of imports, unless our packages are imported from it.

    As for the command `harness`, what a user imports is then what is installed, or what PYTHONPATH
    names.
    """
    first = Path(sys.path[0]) if sys.path and not sys.flags.safe_path else None
    if first is not None and first == Path.cwd() != ROOT:
        del sys.path[0]


@cache
def require_own_packages() -> None:
    """Refuse to import other packages in place of ours.

    Raises:
        ImportError: one paragraph, which names the other package and says what to do.
    """
    for name in NAMES:
        found = find_spec(name)
        places = [*(found.submodule_search_locations or ())] if found is not None else []
        if not any(Path(place).resolve() == ROOT / name for place in places):
            there = places[0] if places else getattr(found, "origin", None) or "nowhere"
            raise ImportError(
                f"the package '{name}' is found in {there}, and not beside the harness in {ROOT}: "
                "another one of that name stands before it on Python's path; work in another "
                "folder, rename that one, or take its folder out of PYTHONPATH"
            )
