"""How long it takes to compare, tabulate and show stored runs of full size, as a user waits for it.

PYTHONPATH=tests/helpers python tests/performance/comparing.py [-o tests/performance/latest.json]

Two runs over the six benchmarks' 2,836 problems with 16 samples each, and the published table.
"""

from __future__ import annotations

import json
import platform
import random
import statistics
import tempfile
from pathlib import Path

import click
from startup import seconds
from stored import store_run, verdict_rows

from benchmarks import BENCHMARKS, STANDARD
from harness.environment import hardware

REPOSITORY = Path(__file__).parent.parent.parent
SAMPLES = 16
RUNS = 7
TARGETS = {"diff_published_seconds": 1.0, "diff_seconds": 1.0}


def two_runs(results: Path) -> int:
    """Store two runs of full size and return how many samples each has."""
    draw = random.Random(0)
    for name, gain in (("a", 0.0), ("b", 0.02)):
        marks = {}
        for benchmark in STANDARD:
            hard = [draw.betavariate(0.3, 0.7) for _ in range(BENCHMARKS[benchmark].test.rows)]
            marks[benchmark] = [[draw.random() < p + gain for _ in range(SAMPLES)] for p in hard]
        store_run(results, name, verdict_rows(marks))
    return SAMPLES * sum(BENCHMARKS[benchmark].test.rows for benchmark in STANDARD)


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Merge the keys into this.")
def main(output: Path | None) -> None:
    """Print the median of several runs of each command, after one that is not counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = two_runs(folder / "results")
        commands = {
            "diff_published_seconds": (["diff", "openseek-v1", "openseek-v4"], REPOSITORY),
            "diff_seconds": (["diff", "a", "b"], folder),
            "table_seconds": (["table"], folder),
            "show_seconds": (["show", "a"], folder),
        }
        measured = {
            key: round(statistics.median([seconds(*command) for _ in range(RUNS + 1)][1:]), 3)
            for key, command in commands.items()
        }
    for key, target in TARGETS.items():
        missed = "" if measured[key] <= target else ", MISSED"
        click.echo(f"{key} {measured[key]} (target {target:g}{missed})", err=True)
    machine = {**hardware(), "system": platform.platform()}
    result = {**measured, "comparing": {"samples_a_run": samples, "hardware": machine}}
    click.echo(json.dumps(result, indent=2))
    if output:
        held = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
        text = json.dumps({**held, **result}, indent=2, ensure_ascii=False)
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
