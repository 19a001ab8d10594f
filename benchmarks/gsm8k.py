r"""GSM8K: 1,319 test problems of grade-school arithmetic in words.

Written by crowd workers for Cobbe et al.; the gold follows ``####`` at the end
of the worked solution and is a whole number, with thousands separators
("2,125") and twice a minus sign. The train split (7,473 problems) gives the
worked examples of few-shot prompts; its calculator marks ``<<3*4=12>>`` are
taken out, since no calculator is attached here.

Confused with: GSM8K-Platinum (the same problems with their labels revised),
the "socratic" configuration, and GSM-Symbolic.

Licence: MIT. Paper: Cobbe et al. 2021, "Training Verifiers to Solve Math Word
Problems", arXiv:2110.14168.

A row's shape (content invented; rows of the train split have no ``idx``)::

    {"question": "Ada packs 3 boxes of 4 pears. How many pears is that?",
     "answer": "She packs 3*4 = <<3*4=12>>12 pears.\n#### 12",
     "idx": 7}
"""

import re

from benchmarks.benchmark import Benchmark, Conventions, Problem, Row, Shot, Split
from benchmarks.source import evaluation_kits

_CALCULATOR_MARK = re.compile(r"<<[^<>]*>>")


def without_calculator_marks(solution: str) -> str:
    """Return a solution of the train split without its calculator marks.

    >>> without_calculator_marks("3*4 = <<3*4=12>>12 pears")
    '3*4 = 12 pears'
    """
    return _CALCULATOR_MARK.sub("", solution)


def _to_problem(row: Row) -> Problem:
    _, answer = row["answer"].split("####")
    return Problem(id=f"gsm8k/{row['idx']}", question=row["question"], answer=answer.strip())


def _to_shot(row: Row) -> Shot:
    solution, answer = row["answer"].split("####")
    return Shot(
        question=row["question"],
        solution=without_calculator_marks(solution).strip(),
        answer=answer.strip(),
    )


BENCHMARK = Benchmark(
    name="gsm8k",
    about="grade-school word problems; not GSM8K-Platinum, whose labels are revised",
    licence="MIT",
    paper="arXiv:2110.14168",
    response_tokens=300,
    test=Split(
        rows=1319,
        sha256="9f098df7ff4522078d6ccec27a5c38a454790fdb51131bedfaa0e490070d5394",
        size=761_421,
        urls=evaluation_kits("gsm8k"),
    ),
    to_problem=_to_problem,
    # Whole numbers, compared as Cobbe et al. do: equal or not. Where a percentage is asked for
    # the gold is in percent ("24"), so "24%" is right and a bare 0.24 is not.
    conventions=Conventions(percent_as_fraction=False),
    train=Split(
        rows=7473,
        sha256="17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
        size=4_166_206,
        urls=(
            "https://raw.githubusercontent.com/openai/grade-school-math/"
            "3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/train.jsonl",
        ),
    ),
    to_shot=_to_shot,
)
