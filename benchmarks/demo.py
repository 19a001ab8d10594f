"""The demo benchmark: generated problems with answers of several kinds.

It needs no download, so that evaluation, training and comparison can be tried on
any machine. The test split is drawn first, and the train split leaves out its
questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from benchmarks.benchmark import Benchmark, Conventions, Problem, Row, Shot, Split
from benchmarks.demo_problems import Exercise, exercises

TEST_ROWS, TRAIN_ROWS = 200, 2_000
TEST_SEED, TRAIN_SEED = 1, 2


def test_rows() -> Iterator[Row]:
    """Generate the test split. The kinds take turns, so that its first rows have all of them."""
    for number, exercise in enumerate(islice(exercises(TEST_SEED), TEST_ROWS), 1):
        yield _row(f"test-{number:04d}", exercise)


def train_rows() -> Iterator[Row]:
    """Generate the train split, without the questions of the test split."""
    asked = [row["question"] for row in test_rows()]
    for number, exercise in enumerate(islice(exercises(TRAIN_SEED, avoid=asked), TRAIN_ROWS), 1):
        yield _row(f"train-{number:04d}", exercise)


def to_problem(row: Row) -> Problem:
    """Turn a row of either split into a problem."""
    return Problem(
        id=f"demo/{row['id']}",
        question=row["question"],
        answer=row["answer"],
        meta={"kind": row["kind"]},
    )


def to_shot(row: Row) -> Shot:
    """Turn a row into a worked example."""
    return Shot(question=row["question"], solution=row["solution"], answer=row["answer"])


def _row(name: str, exercise: Exercise) -> Row:
    return {
        "id": name,
        "question": exercise.question,
        "solution": exercise.solution,
        "answer": exercise.answer,
        "kind": exercise.kind,
    }


BENCHMARK = Benchmark(
    name="demo",
    about="200 generated problems of twelve kinds; for trying the harness, not for publishing",
    licence="Apache-2.0",
    paper="",
    response_tokens=30,
    test=Split(
        rows=TEST_ROWS,
        sha256="bb92a5d3684c4fe1a5586bc3605a799a996589f7e359efcc67c318c2261b2044",
        generate=test_rows,
    ),
    train=Split(
        rows=TRAIN_ROWS,
        sha256="5f0555276f95c9fe2b3c4a32e2e250ead7e71ea0b672c2c6ee4b0d5ae869dbae",
        generate=train_rows,
    ),
    to_problem=to_problem,
    # All answers are exact, also the decimals.
    conventions=Conventions(),
    groups=("kind",),
    to_shot=to_shot,
)
