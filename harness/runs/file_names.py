"""The names of files and folders under a results folder."""

from __future__ import annotations

import re

RUNS = "runs"
"""The folder of the stored runs."""
RECORD, JOURNAL, PARQUET, LOCK = "run.json", "samples.jsonl", "samples.parquet", ".lock"


def version_folder(name: str) -> str:
    """Return the name of the folder that holds the runs of the version called ``name``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:100].strip(".-") or "model"
