"""How long it takes to compare, tabulate, show and report stored runs of full size.

    python tests/performance/comparing.py [-o tests/performance/latest.json]

Two runs over as many problems as the six benchmarks have, 2,836, with 16 samples each, made by
`eval --engine replay` from made responses, and the published table. Each command is timed from
the start of its process to its end, as a user waits for it; the report has every one of the
90,752 responses in it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import click
from made import MADE, output_of, plug, write_responses
from measuring import REPOSITORY, output_option, publish, say
from startup import seconds

from benchmarks import BENCHMARKS
from benchmarks.source import load_problems

EACH = 16
RUNS = 7


def store_runs(folder: Path) -> int:
    """Store two runs of full size, one a little better, and return how many samples each has."""
    problems = [problem for name in MADE for problem in load_problems(BENCHMARKS[name])]
    for seed, (name, right) in enumerate((("a", 0.45), ("b", 0.47))):
        responses = folder / f"{name}.jsonl"
        write_responses(responses, problems, EACH, seed=seed, right=right)
        command = [
            *(sys.executable, "-m", "harness", "eval", "--name", name, "--engine", "replay"),
            *("--responses", responses.name, "--benchmarks", ",".join(MADE)),
            *("--temperature", "1", "--n", str(EACH)),
        ]
        output_of(command, folder)
    return EACH * len(problems)


def median_seconds(arguments: list[str], folder: Path, runs: int = RUNS) -> float:
    """Return the median of several runs of a command, after one that is not counted."""
    measured = [seconds(arguments, folder) for _ in range(runs + 1)][1:]
    return round(statistics.median(measured), 3)


@click.command()
@output_option
def main(output: Path | None) -> None:
    """Print the seconds of each command, and the report's size."""
    plug()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = store_runs(folder)
        say(f"stored two runs of {samples} samples")
        figures = {
            "diff_seconds": median_seconds(["diff", "a", "b"], folder),
            "diff_published_seconds": median_seconds(
                ["diff", "openseek-v1", "openseek-v4"], REPOSITORY
            ),
            "table_seconds": median_seconds(["table"], folder),
            "show_seconds": median_seconds(["show", "a"], folder),
            "report_seconds": median_seconds(["report", "a", "b"], folder, runs=1),
            "report_megabytes": round((folder / "report.html").stat().st_size / 1e6, 1),
        }
    publish("comparing", figures, {"samples_a_run": samples}, output)


if __name__ == "__main__":
    main()
