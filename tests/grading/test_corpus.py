"""Tests on labelled pairs: our own, each with a reason, and a larger collection if there is one.

A label says what is right by mathematics and common sense, and not what some grader decides.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.grading import Grader, Verdict

HERE = Path(__file__).parent
COLLECTION = os.environ.get("HARNESS_GRADING_CORPUS")
"""A folder with suites.jsonl and negatives.jsonl, collected from public test suites."""
REQUIRED_ACCURACY = 0.98

Row = dict[str, Any]


def rows_of(path: Path) -> Iterator[Row]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


CASES = [case for path in sorted((HERE / "corpus").glob("*.jsonl")) for case in rows_of(path)]
DISPUTED = {row["id"]: row["reason"] for row in rows_of(HERE / "disputed.jsonl")}


def name_of(case: Row) -> str:
    return f"{case['kind']}: {case['gold']} ~ {case.get('answer', case.get('response'))}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_case_is_graded_as_its_reason_says(grader: Grader, case: Row) -> None:
    verdict = (
        grader.grade(case["response"], case["gold"])
        if "response" in case
        else grader.grade_answer(case["answer"], case["gold"])
    )
    assert verdict.correct == case["correct"], f"{case['reason']}: {verdict}"


BOXABLE = [c for c in CASES if "answer" in c and c["answer"].count("{") == c["answer"].count("}")]
"""A box whose brace is missing is closed where its formula ends, and then says more than before."""


def test_a_box_in_a_sentence_changes_no_verdict(grader: Grader) -> None:
    bare = [grader.submit_answer(case["answer"], case["gold"]) for case in BOXABLE]
    boxed = [
        grader.submit(rf"Therefore \boxed{{{case['answer']}}}.", case["gold"]) for case in BOXABLE
    ]
    changed = [
        (case["gold"], case["answer"])
        for case, one, other in zip(BOXABLE, bare, boxed, strict=True)
        if one.result().correct != other.result().correct
    ]
    assert not changed


def test_the_corpus_is_large_and_has_no_case_twice() -> None:
    assert len(CASES) >= 500
    assert [name for name, count in Counter(map(name_of, CASES)).items() if count > 1] == []
    fields = {"gold", "correct", "kind", "reason"}
    for case in CASES:
        assert set(case) - fields in ({"answer"}, {"response"}), case
        assert case["reason"]


def test_every_kind_has_right_answers_and_near_misses() -> None:
    labels = defaultdict(set)
    for case in CASES:
        labels[case["kind"]].add(case["correct"])
    assert [kind for kind, seen in labels.items() if seen != {True, False}] == []


# --- the larger collection ------------------------------------------------------------------

collected = pytest.mark.skipif(
    COLLECTION is None, reason="HARNESS_GRADING_CORPUS names no folder of labelled pairs"
)


def graded(grader: Grader, file: str) -> list[tuple[Row, Verdict]]:
    rows = list(rows_of(Path(COLLECTION or "") / file))
    futures = [
        grader.submit_answer(row["response"], row["gold"])
        if row.get("level") == "pair"
        else grader.submit(row["response"], row["gold"])
        for row in rows
    ]
    return [(row, future.result()) for row, future in zip(rows, futures, strict=True)]


@collected
def test_the_collection_is_graded_as_labelled(grader: Grader) -> None:
    plain = [pair for pair in graded(grader, "suites.jsonl") if not pair[0].get("convention")]
    wrong = [(row["id"], verdict) for row, verdict in plain if row["expected"] != verdict.correct]
    assert 1 - len(wrong) / len(plain) >= REQUIRED_ACCURACY, wrong


@collected
@pytest.mark.parametrize("file", ["suites.jsonl", "negatives.jsonl"])
def test_nothing_wrong_is_accepted(grader: Grader, file: str) -> None:
    accepted = [
        (row["id"], verdict)
        for row, verdict in graded(grader, file)
        if verdict.correct and not row["expected"] and not row.get("convention")
    ]
    assert accepted == []


@collected
def test_a_disputed_label_is_in_the_collection_and_not_ours(grader: Grader) -> None:
    verdicts = {row["id"]: (row["expected"], v) for row, v in graded(grader, "suites.jsonl")}
    agreed = [each for each in DISPUTED if verdicts[each][0] == verdicts[each][1].correct]
    assert agreed == []
