"""How many prompts verl leaves out because they are too long. It says so in its log alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

# What `verl.utils.dataset.rl_dataset.RLHFDataset` prints in 0.9.1: the rows that it read, those
# that it took of them where there is a most, and after its filter those that are left. Ray puts the
# process's name before it.
_ROWS = re.compile(
    rb"\b(?:(filter )?dataset len: ([0-9]{1,12})|selected ([0-9]{1,12}) random samples out of \d+)"
    rb"\r?$",
    re.MULTILINE,
)
_BEGINNING = 16 << 20
"""Bytes of the log that are read: the data are loaded before anything else is done."""


class LeftOut(NamedTuple):
    """What one split lost."""

    rows: int
    left_out: int


def left_out(log: Path) -> list[LeftOut]:
    """Return what each split lost, in the order in which verl loads them: train, then test.

    A split that is not filtered, or not yet, is not among them.
    """
    try:
        with log.open("rb") as file:
            content = file.read(_BEGINNING)
    except OSError:
        return []
    found, rows = [], None
    for filtered, number, taken in _ROWS.findall(content):
        if not filtered:
            rows = int(number or taken)
        elif rows is not None:
            found.append(LeftOut(rows, rows - int(number)))
            rows = None
    return found


def told(log: Path) -> list[str]:
    """Return a line for each split that lost rows."""
    return [
        f"verl leaves out {lost.left_out:,} of {lost.rows:,} {what} prompts, which are longer than "
        "data.max_prompt_length"
        for what, lost in zip(("training", "test"), left_out(log), strict=False)
        if lost.left_out
    ]
