"""Six benchmarks of the real ones' sizes that anybody can make, and saved responses to them.

The six of the usual table must be downloaded, and a measurement must run anywhere: so their
problems are the demo's kinds of exercise, drawn afresh, as many as the real benchmark has.
Reach them as any other package's benchmarks are reached: `plug()` here, `environment()` for a
command.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import click

from benchmarks import BENCHMARKS, STANDARD, Benchmark, Problem, Split
from benchmarks.benchmark import Row
from benchmarks.demo_problems import exercises
from benchmarks.source import canonical_lines

HERE = Path(__file__).parent
PLUGINS = HERE / "plugins"
PREFIX = "made-"
MADE = tuple(PREFIX + name for name in STANDARD)
SEED = 3
WORDS = (
    "first we add what is given and divide the sum by two so that the rest is "
    "smaller than before then all of it is taken together once more"
).split()


def plug() -> None:
    """Make the six known to this process; a command needs `environment` instead."""
    sys.path.append(str(PLUGINS))


def environment() -> dict[str, str]:
    """Return the environment of a command that knows the six, and may keep compiled modules."""
    path = [str(HERE), str(PLUGINS), os.environ.get("PYTHONPATH", "")]
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def output_of(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command in a folder and return what it prints; raise what it says if it fails."""
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment(), **variables},
    )
    if done.returncode != 0:
        raise click.ClickException(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


@cache
def rows(name: str) -> tuple[Row, ...]:
    """Generate the problems that stand for those of the benchmark called ``name``, once.

    Real ones are only read, so that to make these again is no part of what is measured.
    """
    before = sum(BENCHMARKS[other].test.rows for other in STANDARD[: STANDARD.index(name)])
    drawn = islice(exercises(SEED), before, before + BENCHMARKS[name].test.rows)
    return tuple(
        {"id": number, "question": exercise.question, "answer": exercise.answer}
        for number, exercise in enumerate(drawn)
    )


def problem(name: str, row: Row) -> Problem:
    """Turn a row into a problem; its number is where it stands among the benchmark's."""
    return Problem(id=f"{PREFIX}{name}/{row['id']}", question=row["question"], answer=row["answer"])


@cache
def make(name: str) -> Benchmark:
    """Return the benchmark that stands for the one called ``name``."""
    return Benchmark(
        name=PREFIX + name,
        about=f"as many generated problems as {name} has; for measuring time",
        licence="Apache-2.0",
        paper="",
        response_tokens=BENCHMARKS[name].response_tokens,
        test=Split(
            rows=BENCHMARKS[name].test.rows,
            sha256=hashlib.sha256(canonical_lines(rows(name))).hexdigest(),
            generate=partial(rows, name),
        ),
        to_problem=partial(problem, name),
    )


def __getattr__(attribute: str) -> Benchmark:
    """Make a benchmark when its entry point is loaded, which names it as `made:GSM8K`.

    To make one, the real one is looked up, and with the first look-up the entry points are read for
    good. At import, that would be before `plug` has been called.
    """
    for name in STANDARD:
        if attribute == name.upper():
            return make(name)
    raise AttributeError(attribute)


# --- saved responses ------------------------------------------------------------------------


def write_responses(
    path: Path, problems: Iterable[Problem], each: int, *, seed: int = 0, right: float = 0.45
) -> None:
    """Write ``each`` responses to every problem, which the `replay` engine reads.

    Some fifty to a hundred words with an answer: ``right`` of them right on average, but some
    problems are far easier than others; one in twenty an answer for the symbolic rules, one in
    twenty without an answer, one in ten cut off, the others wrong.
    """
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for asked in problems:
            chance = draw.betavariate(right, 1 - right)
            for index in range(each):
                row = {"problem_id": asked.id, "index": index, **response(asked, chance, draw)}
                file.write(json.dumps(row) + "\n")


def response(asked: Problem, chance: float, draw: random.Random) -> dict[str, Any]:
    """Make up one response to a problem, right with a chance of ``chance``."""
    said = " ".join(draw.choices(WORDS, k=draw.randint(50, 100)))
    symbolic = f"\\frac{{{draw.randint(1, 30)}}}{{{draw.randint(2, 30)}}}"
    wrong = draw.randint(-200, 999)
    cut, silent, odd = 0.1, 0.15, 0.2  # where each of the rarer kinds ends
    kind = draw.random()
    if kind < cut:
        return _row(said + " and", "length")
    if kind < silent:
        return _row(said + " And that is all.", "stop")
    if kind < odd:
        return _row(f"{said} Hence $\\boxed{{{symbolic}}}$.", "stop")
    answer = asked.answer if draw.random() < chance else str(wrong)
    return _row(f"{said} The answer is \\boxed{{{answer}}}.", "stop")


def _row(text: str, reason: str) -> dict[str, Any]:
    return {"response": text, "finish_reason": reason, "completion_tokens": len(text) // 4}
