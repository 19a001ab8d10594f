"""Where results are kept and benchmark files are read from, unless a caller says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

RESULTS_VARIABLE = "HARNESS_RESULTS"
"""The environment variable that names the folder of results."""
DATA_VARIABLE = "HARNESS_DATA"
"""The environment variable that names a folder of benchmark files."""
DEFAULT_RESULTS = Path("results")
"""The folder of results where neither a caller nor the environment names one."""


def results_folder(given: str | Path | None = None) -> Path:
    """Return the folder of results: the given one, the environment's, or ``results``."""
    return Path(given or os.environ.get(RESULTS_VARIABLE) or DEFAULT_RESULTS)


def data_folder(given: str | Path | None = None) -> Path | None:
    """Return the folder of benchmark files: the given one, the environment's, or none."""
    named = given or os.environ.get(DATA_VARIABLE)
    return Path(named) if named else None
