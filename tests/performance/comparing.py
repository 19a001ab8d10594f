"""How long it takes to compare, rank, tabulate, show and report stored runs of full size.

    python tests/performance/comparing.py [-o tests/performance/latest.json]

Twenty runs over as many problems as the six benchmarks have, 2,836, with 16 samples each, made by
`eval --engine replay` from made responses, and the published table. Each command is timed from
the start of its process to its end, as a user waits for it; the report of two runs has every one of
their 90,752 responses in it. All twenty are ranked; the other commands have two of them.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase

import click
from made import MADE, output_of, plug, write_responses
from measuring import REPOSITORY, output_option, publish, say
from startup import seconds

from benchmarks import BENCHMARKS
from benchmarks.source import load_problems

EACH = 16
RUNS = 7
RANKED = 20


def store_runs(folder: Path, names: Sequence[str], *, first: int = 0) -> int:
    """Store runs of full size, each a little better, and return how many samples each has.

    Only the seed and the chance of a right answer differ; ``first`` is the first run's number.
    """
    problems = [problem for name in MADE for problem in load_problems(BENCHMARKS[name])]
    for seed, name in enumerate(names, first):
        right = 0.45 + seed / 50
        responses = folder / f"{name}.jsonl"
        write_responses(responses, problems, EACH, seed=seed, right=right)
        command = [
            *(sys.executable, "-m", "harness", "eval", "--name", name, "--engine", "replay"),
            *("--responses", responses.name, "--benchmarks", ",".join(MADE)),
            *("--temperature", "1", "--n", str(EACH)),
        ]
        output_of(command, folder)
        responses.unlink()
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
    names = ascii_lowercase[:RANKED]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = store_runs(folder, names[:2])
        say(f"stored two runs of {samples} samples")
        figures = {
            "diff_seconds": median_seconds(["diff", "a", "b"], folder),
            "diff_margin_seconds": median_seconds(["diff", "a", "b", "--margin", "1"], folder),
            "diff_published_seconds": median_seconds(
                ["diff", "openseek-v1", "openseek-v4"], REPOSITORY
            ),
            "table_seconds": median_seconds(["table"], folder),
            "show_seconds": median_seconds(["show", "a"], folder),
            "report_seconds": median_seconds(["report", "a", "b"], folder, runs=1),
            "report_megabytes": round((folder / "report.html").stat().st_size / 1e6, 1),
        }
        store_runs(folder, names[2:], first=2)
        say(f"stored {RANKED - 2} more")
        figures["rank_seconds"] = median_seconds(["rank", *names], folder, runs=3)
    publish("comparing", figures, {"samples_a_run": samples, "ranked_runs": RANKED}, output)


if __name__ == "__main__":
    main()
