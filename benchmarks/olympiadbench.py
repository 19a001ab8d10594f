r"""OlympiadBench's English, text-only, open-ended competition mathematics: 675 problems.

One of the parts of a bilingual, multimodal set of more than 8,000 olympiad
problems, the one called ``OE_TO_maths_en_COMP`` there. Golds are
numbers, expressions, tuples and intervals; 94 problems have several answers,
given in one string separated by commas. The dollar signs around and within a
gold are marks of the text, not of the answer, and are taken out. A ``unit`` is
asked for by the question and is not part of the gold; ``error`` is the
tolerance that the authors allow.

Confused with: the whole of OlympiadBench (Chinese, physics, images, proofs),
and Omni-MATH or "OlympicArena".

Licence: Apache-2.0, as its authors publish it (Hothan/OlympiadBench). Paper:
He et al. 2024, "OlympiadBench: A Challenging Benchmark for Promoting AGI with
Olympiad-Level Bilingual Multimodal Scientific Problems", arXiv:2402.14008.

A row's shape (content invented)::

    {"id": 7, "subfield": "Algebra", "context": null, "question": "Solve $x^2=4$.",
     "solution": ["Take roots …"], "final_answer": ["$-2$,$2$"],
     "is_multiple_answer": true, "unit": null, "answer_type": "Numerical", "error": null}
"""

import math
import re

from benchmarks.benchmark import Benchmark, Conventions, Problem, Row, Split
from benchmarks.source import evaluation_kits

_DOLLAR = re.compile(r"(?<!\\)\$")
_META = ("subfield", "is_multiple_answer", "unit", "answer_type", "error")


def _to_problem(row: Row) -> Problem:
    parts = [row["context"], row["question"]]
    return Problem(
        id=f"olympiadbench/{row['id']}",
        question="\n\n".join(part.strip() for part in parts if part),
        answer=_DOLLAR.sub("", row["final_answer"][0]).strip(),
        meta={key: row[key] for key in _META},
        conventions=_tolerated(row["error"]),
    )


def _tolerated(error: str | float | None) -> Conventions | None:
    """Read the tolerance of one row: absolute, in the gold's own unit; None where there is none.

    Some rows of the larger set give one for each of several answers, separated by commas.
    A problem has a single tolerance here, so the strictest counts.
    """
    parts = [part for part in str(error or "").split(",") if part.strip()]
    if not parts:
        return None
    tolerances = [float(part) for part in parts]
    if not all(0 <= tolerance < math.inf for tolerance in tolerances):
        raise ValueError(f"a tolerance is a number from 0 on, not {error!r}")
    return Conventions(absolute_tolerance=min(tolerances))


BENCHMARK = Benchmark(
    name="olympiadbench",
    about="OlympiadBench's English text-only open-ended mathematics; not the whole of it",
    licence="Apache-2.0",
    paper="arXiv:2402.14008",
    response_tokens=670,
    test=Split(
        rows=675,
        sha256="bb8c1e38a16ea9eacb77530315a674d883f267fbff79183effc53681b4fcc416",
        size=1_493_870,
        urls=evaluation_kits("olympiadbench"),
    ),
    to_problem=_to_problem,
    groups=("subfield",),
    # Exact but where a row states its `error`. The authors' judge takes 1e-8 by default, which
    # makes up for its floating point; the comparison here is exact. Golds such as "8 \%" are
    # proportions, and are asked for as such.
    conventions=Conventions(),
)
