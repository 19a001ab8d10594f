r"""Exercises with bad habits: half of the answers have the right value in a wrong form.

A model that is trained on them answers right about half as often as it could, and knows the
right form as well as the wrong one. Which of the two it prefers is what reinforcement learns
in minutes, kind by kind, where better reckoning would take hours. So they make the start of
`make demo`: ``python -m harness.demo.habits FILE`` writes rows with the columns prompt,
reasoning and answer, as `data build` takes them.
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


def rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Yield rows of exercises, none of them of the test split, the kinds in turn."""
    random = Random(seed)
    avoid = {row["question"] for row in demo.test_rows()}
    drawn = (exercise(kind, random) for kind in cycle(KINDS))
    for asked in islice((one for one in drawn if one.question not in avoid), count):
        answer = random.choice((asked.answer, misshapen(asked)))
        yield {"prompt": asked.question, "reasoning": asked.solution, "answer": answer}


def misshapen(asked: Exercise) -> str:
    r"""Return an exercise's answer in a form that is wrong, always the same for its kind.

    >>> misshapen(Exercise(kind="vector", question="", solution="", answer="(9, -14)"))
    '(-14, 9)'
    >>> misshapen(Exercise(kind="interval", question="", solution="", answer="(-7, 4]"))
    '[-7, 4)'
    >>> misshapen(Exercise(kind="fraction", question="", solution="", answer=r"-\frac{1}{3}"))
    '-\\frac{3}{1}'
    """
    answer = asked.answer
    match asked.kind:
        case "fraction":
            return re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\\frac{\2}{\1}", answer)
        case "vector":
            first, second = answer.strip("()").split(", ")
            return f"({second}, {first})"
        case "interval":
            return answer.translate(str.maketrans("()[]", "[]()"))
        case "expansion" | "derivative":
            return answer.translate(str.maketrans("+-", "-+"))
        case "roots":
            return "\\{" + ", ".join(_negative(root) for root in answer[2:-2].split(", ")) + "\\}"
        case "word":
            return f"\\text{{{_other(answer[6:-1], asked.question)}}}"
        case _:
            return _negative(answer)


def _negative(number: str) -> str:
    return number[1:] if number.startswith("-") else f"-{number}"


def _other(word: str, question: str) -> str:
    """Return the other of a question's two names, or of even and odd."""
    names: list[str] = re.findall(r"(\w+) has \d", question) or ["even", "odd"]
    return next(name for name in names if name != word)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the rows from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.demo.habits", description="Write exercises with bad habits."
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
