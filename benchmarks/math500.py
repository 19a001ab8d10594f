r"""MATH-500: 500 problems of Hendrycks' MATH test set, in seven subjects and five levels.

Chosen uniformly at random by Lightman et al., who moved the other 4,500 test
problems into training. The gold is what the solution boxes last; in all 500
rows it equals the ``answer`` beside it.

Confused with: MATH itself (5,000 test problems), whose scores are close but
not the same, and with other subsets of 500.

Licence: MIT (both MATH and PRM800K, which published the split). Papers:
Hendrycks et al. 2021, "Measuring Mathematical Problem Solving With the MATH
Dataset", arXiv:2103.03874; the subset is from Lightman et al. 2023, "Let's
Verify Step by Step", arXiv:2305.20050.

A row's shape (content invented)::

    {"problem": "What is half of $\\frac{1}{2}$?",
     "solution": "It is $\\boxed{\\frac{1}{4}}$.", "answer": "\\frac{1}{4}",
     "subject": "Prealgebra", "level": 1, "unique_id": "test/prealgebra/0.json"}
"""

from benchmarks.benchmark import Benchmark, Conventions, Problem, Row, Split
from benchmarks.boxed import boxed_gold
from benchmarks.source import openseek


def _to_problem(row: Row) -> Problem:
    published = row["unique_id"].removeprefix("test/").removesuffix(".json")
    return Problem(
        id=f"math500/{published}",
        question=row["problem"],
        answer=boxed_gold(row["solution"]),
        meta={"subject": row["subject"], "level": row["level"]},
    )


BENCHMARK = Benchmark(
    name="math500",
    about="500 problems of Hendrycks' MATH test set, as PRM800K drew them; not all 5,000",
    licence="MIT",
    paper="arXiv:2103.03874; the subset: arXiv:2305.20050",
    response_tokens=490,
    test=Split(
        rows=500,
        sha256="35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132",
        size=446_564,
        urls=(openseek("math500"),),
    ),
    to_problem=_to_problem,
    groups=("subject", "level"),
    # Golds are exact, also where they are decimals. Both "10\%" and "\frac{1}{10}" occur for
    # a proportion, and MATH's own comparison drops the sign: a percentage is its fraction.
    conventions=Conventions(),
)
