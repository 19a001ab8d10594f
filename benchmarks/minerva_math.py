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

from benchmarks.benchmark import Benchmark, Conventions, Problem, Row, Split
from benchmarks.boxed import boxed_gold
from benchmarks.source import evaluation_kits


def _to_problem(row: Row) -> Problem:
    return Problem(
        id=f"minerva_math/{row['idx']}",
        question=row["problem"],
        answer=boxed_gold(row["solution"]),
        meta={"course": row["type"]},
    )


_OCW_CONVENTIONS = Conventions(relative_tolerance=0.01)
"""Golds are physical quantities rounded to two to four digits, from constants that are
rounded too ("6.62e-34", "3e8"), so a right calculation rarely hits them exactly. One per
cent is the threshold of the numeric comparison that is published for this set: Minerva's
(Lewkowycz et al. 2022, appendix), as `numeric_equality(n1, n2, threshold=0.01)` in
https://github.com/EleutherAI/lm-evaluation-harness/blob/1fda6f69a159b0968949e3588b97d168ac329329/lm_eval/tasks/ocw_courses.py
and in DeepSeek-Math's evaluation/eval/ocwcourses_eval_utils.py. Both apply it to values near
zero alone and leave all others to numpy's 1e-5, under which few of the golds can be hit;
Qwen2.5-Math (evaluation/grader.py), whose file this is, uses 1e-4. Scores under those are
lower. Two integers or closed forms stay exact: the tolerance is for decimals."""


BENCHMARK = Benchmark(
    name="minerva_math",
    about="undergraduate science from MIT OpenCourseWare (OCWCourses); not Hendrycks' MATH",
    licence="none stated; courses by MIT OpenCourseWare, CC BY-NC-SA 4.0",
    paper="arXiv:2206.14858",
    response_tokens=600,
    test=Split(
        rows=272,
        sha256="0e656b430d3a0a1dab6aa853f453ba3805e28e2cabe4fc72486a897cc09d8ba2",
        size=247_267,
        urls=evaluation_kits("minerva_math"),
    ),
    to_problem=_to_problem,
    groups=("course",),
    conventions=_OCW_CONVENTIONS,
)
