"""Which problem a response answers: the text decides, and doubt means none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saved_rows import demo_problems

from benchmarks import BENCHMARKS, Benchmark, Problem, UserError
from benchmarks.source import canonical_lines
from harness.importers.base import SavedResponse
from harness.importers.matching import ProblemIndex, question_key


def index() -> ProblemIndex:
    return ProblemIndex(["demo"])


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> ProblemIndex:
    """A benchmark in which one question occurs twice, and one is the beginning of another."""
    import hashlib
    from dataclasses import replace

    questions = [
        ("a", "What is the value of x here?", "1"),
        ("b", "What is the value of x here?", "2"),
        ("c", "How many stones are there?", "3"),
        ("d", "How many stones are there? And how many apples?", "4"),
        ("e", "What is x?", "5"),
    ]
    rows = [{"id": name, "question": text, "answer": gold} for name, text, gold in questions]
    content = canonical_lines(rows)
    base = BENCHMARKS["demo"]
    split = replace(
        base.test, rows=5, sha256=hashlib.sha256(content).hexdigest(), generate=lambda: rows
    )
    twin: Benchmark = replace(base, test=split, to_problem=to_problem)
    monkeypatch.setattr("harness.importers.matching.BENCHMARKS", {"demo": twin})
    return index()


def to_problem(row: object) -> Problem:
    assert isinstance(row, dict)
    return Problem(id=f"demo/{row['id']}", question=row["question"], answer=row["answer"])


def found(problems: ProblemIndex, **fields: str) -> str | None:
    match = problems.find(SavedResponse(response="", **fields), "file")  # type: ignore[arg-type]
    return match.problem.id if match else None


def test_every_question_is_found_and_in_a_prompt_too() -> None:
    problems = index()
    for problem in demo_problems(200):
        assert found(problems, question=problem.question) == problem.id
        prompt = f"Solve the problem.\n\n{problem.question}\nThink step by step."
        assert found(problems, prompt=prompt) == problem.id


@given(st.lists(st.sampled_from([" ", "\n", "\t", "\u00a0"]), max_size=8))
def test_white_space_does_not_matter(spaces: list[str]) -> None:
    question = "What is $1 + 1$?"
    assert question_key("".join(spaces).join(question.split(" "))) == question_key(question)


def test_equal_questions_are_told_apart_by_the_gold_alone(twins: ProblemIndex) -> None:
    text = "What is the value of x here?"
    assert found(twins, question=text, gold="2") == "demo/b"
    assert found(twins, question=text, gold="3") is None
    assert found(twins, question=text) is None
    assert found(twins, prompt=f"Q: {text}") is None


def test_the_longest_question_in_a_prompt_was_asked(twins: ProblemIndex) -> None:
    longer = "Q: How many stones are there? And how many apples? A:"
    assert found(twins, prompt=longer) == "demo/d"
    assert found(twins, prompt="Q: How many stones are there? A:") == "demo/c"


def test_two_questions_in_a_prompt_are_doubt(twins: ProblemIndex) -> None:
    prompt = "How many stones are there? What is the value of x here?"
    assert found(twins, prompt=prompt) is None


def test_a_short_question_in_a_prompt_proves_nothing(twins: ProblemIndex) -> None:
    assert found(twins, prompt="Q: What is x? A:") is None
    assert found(twins, question="What is x?") == "demo/e"


def test_a_question_is_not_the_beginning_of_a_longer_word(twins: ProblemIndex) -> None:
    assert found(twins, prompt="Somehow How many stones are there?x") is None


def test_a_benchmark_that_cannot_be_read_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    problems = ProblemIndex(["gsm8k"], tmp_path_factory.mktemp("empty"))
    assert found(problems, question="What is the value of x here?") is None
    assert "gsm8k" in problems.faults
    with pytest.raises(UserError, match="gsm8k"):
        found(problems, problem_id="gsm8k/1")
