"""Exercises with a bad habit: half of the answers are cut short to their last number.

A model that is trained on them can give the whole answer as well as the number alone.
Reinforcement learning changes in minutes which of the two it prefers, while better arithmetic
would take hours; and a reward that sees only numbers cannot teach it. So `make demo` starts with
these exercises. ``python -m harness.demo.habits FILE`` writes rows with the columns prompt,
reasoning and answer, which `data build` reads.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from random import Random

from benchmarks import demo
from benchmarks.demo_problems import KINDS, Exercise, exercise

ROWS, SEED = 4_000, 7
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield ``count`` exercises, none of which is in the test split; the kinds take turns."""
    random = Random(seed)
    avoid = {row["question"] for row in demo.test_rows()}
    drawn = (exercise(kind, random) for kind in cycle(KINDS))
    for asked in islice((one for one in drawn if one.question not in avoid), count):
        answer = random.choice((asked.answer, cut_short(asked)))
        yield {"prompt": asked.question, "reasoning": asked.solution, "answer": answer}


def cut_short(asked: Exercise) -> str:
    r"""Return the last number of an answer, or of the reasoning if the answer is in words.

    >>> cut_short(Exercise(kind="vector", question="", solution="", answer="(9, -14)"))
    '-14'
    >>> cut_short(Exercise(kind="word", question="", solution="The last digit is 7.", answer="odd"))
    '7'
    >>> cut_short(Exercise(kind="decimal", question="", solution="", answer="-0.2"))
    '-0.2'
    """
    found: list[str] = _NUMBER.findall(asked.answer) or _NUMBER.findall(asked.solution)
    return found[-1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the rows from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.demo.habits", description="Write exercises with a bad habit."
    )
    parser.add_argument("file", type=Path, help="JSON lines, replaced if there")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args(arguments)
    given.file.parent.mkdir(parents=True, exist_ok=True)
    with given.file.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows(given.rows, given.seed))
    sys.stderr.write(f"{given.rows} rows in {given.file}\n")


if __name__ == "__main__":
    main()
