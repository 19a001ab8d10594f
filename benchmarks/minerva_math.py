r"""Minerva's OCWCourses: 272 problems of undergraduate science and mathematics.

The questions were collected by Lewkowycz et al. from MIT OpenCourseWare (solid
state chemistry, astronomy, differential equations, dynamics, relativity, …) to
test Minerva. Golds are what the solution boxes: numbers often in e-notation,
units often outside the box, expressions and equations too.

Confused with: the tasks that other harnesses call ``minerva_math``, which are
Hendrycks' MATH (5,000 problems) asked with Minerva's prompt.

Licence: none is stated for the set; it is a supplement of the paper. The
courses themselves are published by MIT OpenCourseWare under CC BY-NC-SA 4.0.
Paper: Lewkowycz et al. 2022, "Solving Quantitative Reasoning Problems with
Language Models", arXiv:2206.14858.

A row's shape (content invented)::

    {"problem": "A cart of mass $2$ … Find its speed in $\\mathrm{m/s}$.",
     "solution": "By conservation … $v=\\boxed{1.5}$ m/s.",
     "type": "Carts and Springs (0.001 Fall 1999)",
     "idx": 7}
"""

from benchmarks.benchmark import Benchmark, Problem, Row, Split
from benchmarks.boxed import boxed_gold
from benchmarks.source import evaluation_kits


def _to_problem(row: Row) -> Problem:
    return Problem(
        id=f"minerva_math/{row['idx']}",
        question=row["problem"],
        answer=boxed_gold(row["solution"]),
        meta={"type": row["type"]},
    )


BENCHMARK = Benchmark(
    name="minerva_math",
    about="undergraduate science from MIT OpenCourseWare (OCWCourses); not Hendrycks' MATH",
    licence="none stated; courses by MIT OpenCourseWare, CC BY-NC-SA 4.0",
    paper="arXiv:2206.14858",
    test=Split(
        rows=272,
        sha256="0e656b430d3a0a1dab6aa853f453ba3805e28e2cabe4fc72486a897cc09d8ba2",
        urls=evaluation_kits("minerva_math"),
    ),
    to_problem=_to_problem,
)
