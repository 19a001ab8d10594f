r"""AMC 2023: the 40 problems of the AMC 12 A and B of 2023 that end in a number.

The contest is multiple choice; Project Numina kept the problems that can be
asked without their choices, reworded some, and gave each a numeric answer. The
rows say it as a float, 27.0 for 27.

Confused with: the 50 problems of the two contests as they were set, and
AI-MO's own list of 83, which has the contests of 2022 too.

Licence: the problems are © Mathematical Association of America; the list is
drawn from AI-MO/aimo-validation-amc on Hugging Face, published there as
Apache-2.0. There is no paper; with 40 problems one problem is 2.5 points.

A row's shape (content invented; ``problem`` repeats ``question``)::

    {"id": 7, "problem": "What is $2+3$?", "answer": 5.0,
     "url": "https://…/2023_AMC_12A_Problems/Problem_0", "question": "What is $2+3$?"}
"""

from benchmarks.benchmark import Benchmark, Conventions, Problem, Row, Split
from benchmarks.source import evaluation_kits


def _to_problem(row: Row) -> Problem:
    return Problem(
        id=f"amc23/{row['id']}",
        question=row["question"].strip(),
        answer=_plain(float(row["answer"])),
        meta={"url": row["url"]},
    )


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)


BENCHMARK = Benchmark(
    name="amc23",
    about="AMC 12 of 2023 with numeric answers, 40 problems; not the 50 multiple-choice originals",
    licence="problems © Mathematical Association of America; the list Apache-2.0 (AI-MO)",
    paper="none; https://huggingface.co/datasets/AI-MO/aimo-validation-amc",
    response_tokens=550,
    test=Split(
        rows=40,
        sha256="43707e1ca784602d8479de24ee8ce36609dbebc46dd152b0b12a46611aa898a4",
        size=27_631,
        urls=evaluation_kits("amc23"),
    ),
    to_problem=_to_problem,
    # The golds are the numbers of the choices as the contest prints them, none of them rounded;
    # a percentage is asked for in percent, so 0.2 is not another way to say 20.
    conventions=Conventions(percent_as_fraction=False),
)
