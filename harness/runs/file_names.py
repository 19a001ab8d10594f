"""The names of files and folders under a results folder."""

from __future__ import annotations

from harness.common.files import SUM_MARK, file_name

RUNS = "runs"
"""The folder of the stored runs."""
RECORD, JOURNAL, PARQUET, LOCK = "run.json", "samples.jsonl", "samples.parquet", ".lock"


def opinions_file(judge_sum: str) -> str:
    """Return the name of the file with what a judge said of a run; no score is made of it."""
    return f"opinions-{judge_sum}.jsonl"


def version_folder(name: str) -> str:
    """Return the name of the folder that holds the runs of the version called ``name``."""
    return file_name(name, unnamed="model")


def earlier_version_folder(name: str) -> str:
    """Return the folder of ``name`` as it was before a name that it changes had a sum in it.

    Several names share such a folder, so whoever looks into it has to compare the runs' own names.
    """
    return version_folder(name).partition(SUM_MARK)[0]
