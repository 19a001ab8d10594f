"""How a published row becomes a problem, on invented rows of the published shapes."""

import os
import subprocess
import sys

import pytest

from benchmarks import BENCHMARKS, STANDARD, Conventions, Shot, UserError
from benchmarks.source import load_problems

ROWS = {
    "minerva_math": {
        "problem": "How fast is a cart?",
        "solution": r"First $\boxed{3}$, so $v=\boxed{1.5e3}$ m/s.",
        "type": "Carts (0.001 Fall 1999)",
        "idx": 7,
    },
    "gsm8k": {
        "question": "How many pears are in 300 boxes of 4?",
        "answer": "It is 300*4 = <<300*4=1200>>1200.\n#### 1,200",
        "idx": 7,
    },
    "amc23": {
        "id": 7,
        "problem": "What is $2+3$? ",
        "answer": 5.0,
        "url": "https://example.org/7",
        "question": "What is $2+3$? ",
    },
    "olympiadbench": {
        "id": 7,
        "subfield": "Algebra",
        "context": None,
        "question": "Solve $x^2=4$.",
        "solution": ["Take roots."],
        "final_answer": ["$-2$,$2$"],
        "is_multiple_answer": True,
        "unit": None,
        "answer_type": "Numerical",
        "error": None,
    },
    "math500": {
        "problem": "What is half of a half?",
        "solution": r"It is $\boxed{\frac{1}{4}}$.",
        "answer": r"\frac{1}{4}",
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": "test/prealgebra/7.json",
    },
    "aime24": {
        "id": 7,
        "problem": "Find $70+3$.",
        "solution": r"It is $\boxed{073}$.",
        "answer": "073",
        "url": "https://example.org/7",
        "question": "Find $70+3$.",
    },
}
EXPECTED = {
    "minerva_math": ("minerva_math/7", "How fast is a cart?", "1.5e3"),
    "gsm8k": ("gsm8k/7", "How many pears are in 300 boxes of 4?", "1,200"),
    "amc23": ("amc23/7", "What is $2+3$?", "5"),
    "olympiadbench": ("olympiadbench/7", "Solve $x^2=4$.", "-2,2"),
    "math500": ("math500/prealgebra/7", "What is half of a half?", r"\frac{1}{4}"),
    "aime24": ("aime24/7", "Find $70+3$.", "73"),
}
COUNTS = {
    "minerva_math": 272,
    "gsm8k": 1319,
    "amc23": 40,
    "olympiadbench": 675,
    "math500": 500,
    "aime24": 30,
}


def problem_of(name, **changes):
    return BENCHMARKS[name].to_problem({**ROWS[name], **changes})


@pytest.mark.parametrize("name", STANDARD)
def test_a_row_becomes_a_problem(name):
    problem = problem_of(name)
    assert (problem.id, problem.question, problem.answer) == EXPECTED[name]


@pytest.mark.parametrize("name", STANDARD)
def test_a_benchmark_is_named_as_it_is_registered_and_pinned(name):
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    assert benchmark.test.rows == COUNTS[name]
    assert len(benchmark.test.sha256) == 64
    assert all(url.endswith(f"/{name}/test.jsonl") for url in benchmark.test.urls)
    assert benchmark.about
    assert benchmark.licence
    assert benchmark.paper


def test_meta_keeps_what_the_source_says_besides():
    assert problem_of("minerva_math").meta == {"course": "Carts (0.001 Fall 1999)"}
    assert problem_of("math500").meta == {"subject": "Prealgebra", "level": 1}
    assert problem_of("olympiadbench", unit="km").meta["unit"] == "km"
    assert problem_of("olympiadbench").meta["is_multiple_answer"] is True


@pytest.mark.parametrize(("published", "answer"), [(27.0, "27"), (-1.0, "-1"), (0.5, "0.5")])
def test_a_float_of_amc23_is_written_as_a_person_would(published, answer):
    assert problem_of("amc23", answer=published).answer == answer


def test_aime24_refuses_an_answer_the_contest_cannot_have():
    assert problem_of("aime24", answer="000").answer == "0"
    with pytest.raises(ValueError, match="0 and 999"):
        problem_of("aime24", answer="1000")


def test_olympiadbench_puts_the_context_first_and_takes_dollar_signs_out():
    row = problem_of("olympiadbench", context="Let $a>0$.", final_answer=[r"$\frac{1}{2}$."])
    assert row.question == "Let $a>0$.\n\nSolve $x^2=4$."
    assert row.answer == r"\frac{1}{2}."
    assert problem_of("olympiadbench", final_answer=[r"\$5"]).answer == r"\$5"


@pytest.mark.parametrize("name", ["aime24", "amc23", "gsm8k"])
def test_a_benchmark_of_numbers_reads_no_percentage_as_a_fraction(name):
    assert BENCHMARKS[name].conventions == Conventions(percent_as_fraction=False)


@pytest.mark.parametrize("name", ["math500", "olympiadbench", "demo"])
def test_a_benchmark_of_exact_golds_has_no_tolerance(name):
    assert BENCHMARKS[name].conventions == Conventions()


def test_minerva_math_allows_one_per_cent():
    conventions = BENCHMARKS["minerva_math"].conventions
    assert (conventions.relative_tolerance, conventions.absolute_tolerance) == (0.01, 0)


@pytest.mark.parametrize(
    ("error", "tolerance"),
    [("1e-1", 0.1), (0.5, 0.5), ("1e-2,1e-3", 0.001), (" 1e-2 , ", 0.01), ("0", 0.0)],
)
def test_olympiadbench_takes_the_tolerance_of_the_row(error, tolerance):
    problem = problem_of("olympiadbench", error=error)
    assert problem.conventions == Conventions(absolute_tolerance=tolerance)
    assert BENCHMARKS["olympiadbench"].conventions_for(problem) is problem.conventions


@pytest.mark.parametrize("error", [None, "", " ", ","])
def test_olympiadbench_without_a_tolerance_is_exact(error):
    assert problem_of("olympiadbench", error=error).conventions is None


@pytest.mark.parametrize("error", ["-1", "nan", "inf", "some", "1e-2,x"])
def test_olympiadbench_refuses_what_is_no_tolerance(error):
    with pytest.raises(ValueError, match=r"tolerance|float"):
        problem_of("olympiadbench", error=error)


def test_a_gsm8k_shot_has_no_calculator_marks():
    benchmark = BENCHMARKS["gsm8k"]
    assert benchmark.to_shot is not None
    assert benchmark.to_shot(ROWS["gsm8k"]) == Shot(
        question="How many pears are in 300 boxes of 4?",
        solution="It is 300*4 = 1200.",
        answer="1,200",
    )


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'aime24'"):
        BENCHMARKS["aime2024"]


def test_importing_benchmarks_imports_nothing_heavy():
    heavy = "{'datasets', 'pandas', 'torch', 'numpy', 'pyarrow', 'aiohttp', 'harness'}"
    code = f"import sys, benchmarks; print({heavy} & set(sys.modules), list(benchmarks.BENCHMARKS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("set()")
    assert "'demo'" in done.stdout


@pytest.mark.skipif("HARNESS_DATA" not in os.environ, reason="HARNESS_DATA names no folder")
@pytest.mark.parametrize("name", STANDARD)
def test_the_published_file_loads(name):
    problems = load_problems(BENCHMARKS[name])
    assert len(problems) == len({problem.id for problem in problems}) == COUNTS[name]
