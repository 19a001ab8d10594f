"""How long the light commands take from start to exit, as a user waits for them.

python tests/performance/startup.py
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "help_seconds": ["--help"],
    "eval_help_seconds": ["eval", "--help"],
    "list_seconds": ["list"],
    "table_seconds": ["table", "--json"],
}
RUNS = 7


def seconds(arguments: list[str], folder: str | Path) -> float:
    """Return the wall time of one command in a fresh process, which may keep compiled modules."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
    )
    return time.perf_counter() - began


def main() -> None:
    """Print the median of several runs of each command, after one that is not counted."""
    medians = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in COMMANDS.items():
            measured = [seconds(arguments, folder) for _ in range(RUNS + 1)][1:]
            medians[name] = round(statistics.median(measured), 3)
    print(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
