r"""AIME 2024: the 30 problems of the two American Invitational Mathematics Examinations.

Every answer is an integer from 0 to 999. The contest writes it with three
digits and so do the rows ("073"); the gold here is the number, 73.

Confused with: AIME 2022-2024, the 90 problems from which these were taken
(they are its 61st to 90th), and AIME 2025.

Licence: the problems are © Mathematical Association of America; no licence is
stated with the rows, which come from AI-MO/aimo-validation-aime on Hugging
Face. There is no paper; with 30 problems one problem is 3.3 points.

A row's shape (content invented; ``problem`` repeats ``question``)::

    {"id": 7, "problem": "Find $70+3$.", "solution": "It is $\\boxed{073}$.",
     "answer": "073", "url": "https://…/2024_AIME_I_Problems/Problem_0",
     "question": "Find $70+3$."}
"""

from benchmarks.benchmark import Benchmark, Conventions, Problem, Row, Split
from benchmarks.source import evaluation_kits


def _to_problem(row: Row) -> Problem:
    answer = int(row["answer"])
    if not 0 <= answer <= 999:
        raise ValueError(f"an AIME answer lies between 0 and 999, not {answer}")
    return Problem(
        id=f"aime24/{row['id']}",
        question=row["question"],
        answer=str(answer),
        meta={"url": row["url"]},
    )


BENCHMARK = Benchmark(
    name="aime24",
    about="AIME I and II of 2024, integers from 0 to 999; not the 90 problems of 2022 to 2024",
    licence="problems © Mathematical Association of America",
    paper="none; https://huggingface.co/datasets/AI-MO/aimo-validation-aime",
    response_tokens=770,
    test=Split(
        rows=30,
        sha256="af2b8bd2aa911b6333ad0df32f3ca05c7ae8ed10f1731f4372c8ae26990bf7ac",
        size=156_944,
        urls=evaluation_kits("aime24"),
    ),
    to_problem=_to_problem,
    # A contest's answer sheet takes three digits: "1" is not "100%" there.
    conventions=Conventions(percent_as_fraction=False),
)
