"""Published results as data: counts and printed percentages that have to agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import STANDARD, UserError
from harness.analysis.compare import compare
from harness.runs.catalogue import Catalogue
from harness.runs.published import PublishedScore, read_published


def write(results: Path, name: str, *rows: dict[str, Any]) -> None:
    folder = results / "published"
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"schema_version": 1, "title": "a paper", "results": list(rows)}
    (folder / name).write_text(json.dumps(fields), encoding="utf-8")


def row(name: str = "theirs", **fields: Any) -> dict[str, Any]:
    return {"name": name, "scores": {"math500": {"problems": 500, "accuracy": "84.2"}}, **fields}


def test_the_rows_of_the_openseek_report_are_its_counts(shipped: Path) -> None:
    ((path, source),) = read_published(shipped)
    assert path.name == "openseek.json"
    v1, v4 = source.results
    assert tuple(v1.scores) == tuple(v4.scores) == STANDARD
    assert [score.correct for score in v1.scores.values()] == [13, 346, 8, 32, 78, 0]
    assert [score.correct for score in v4.scores.values()] == [15, 439, 5, 34, 119, 1]
    averages = [Catalogue(shipped).find(r.name).average for r in source.results]
    assert averages == [pytest.approx(0.11892, abs=5e-6), pytest.approx(0.13911, abs=5e-6)]


def test_a_percentage_without_a_count_is_enough(tmp_path: Path) -> None:
    write(tmp_path, "paper.json", row(settings={"temperature": 0.6}))
    (result,) = Catalogue(tmp_path).list_results()
    assert result.scores["math500"].correct is None
    assert result.scores["math500"].accuracy == pytest.approx(0.842)
    assert result.scores["math500"].samples == 500
    assert result.settings == {"temperature": "0.6"}


def test_an_interval_counts_problems_and_not_samples() -> None:
    few = PublishedScore(problems=30, accuracy="20.0")
    many = PublishedScore(problems=30, samples=1920, accuracy="20.0")
    assert few.share == many.share == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ({"problems": 40, "correct": 8, "accuracy": "12.5"}, "12.5 is printed"),
        ({"problems": 40, "correct": 41}, "41 of 40"),
        ({"problems": 40}, "neither 'correct' nor 'accuracy'"),
        ({"problems": 40, "accuracy": "120"}, "not a percentage"),
        ({"problems": 40, "accuracy": "nan"}, "not a number"),
        ({"problems": 30, "samples": 100, "accuracy": "20"}, "not the same number"),
        ({"problems": 0, "correct": 0}, "problems"),
        ({"problems": 40, "correct": 8, "p_value": 1}, "p_value"),
    ],
)
def test_scores_that_cannot_be_are_refused_by_file_and_field(
    score: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write(tmp_path, "paper.json", row(scores={"amc23": score}))
    with pytest.raises(UserError, match=rf"paper\.json.*{message}"):
        read_published(tmp_path)


def test_a_printed_average_has_to_be_that_of_the_scores(tmp_path: Path) -> None:
    write(tmp_path, "paper.json", row(average="90.1"))
    with pytest.raises(UserError, match=r"90\.1 is printed, but the other numbers give 84\.2"):
        read_published(tmp_path)


def test_a_name_is_one_result(tmp_path: Path) -> None:
    write(tmp_path, "one.json", row())
    write(tmp_path, "other.json", row())
    with pytest.raises(UserError, match=r"called 'theirs'.*one\.json.*other\.json"):
        read_published(tmp_path)


def test_a_torn_file_is_told(tmp_path: Path) -> None:
    write(tmp_path, "one.json", row())
    (tmp_path / "published" / "one.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"one\.json cannot be read"):
        Catalogue(tmp_path).list_results()


@pytest.mark.parametrize(
    ("score", "whole"),
    [
        ({"problems": 30, "accuracy": "21.7"}, False),
        ({"problems": 30, "accuracy": "23.3"}, True),
        ({"problems": 272, "accuracy": "4.77"}, True),  # 13 of them, cut off
        ({"problems": 30, "samples": 1920, "accuracy": "21.7"}, True),
        ({"problems": 40, "correct": 8}, True),
        ({"problems": 3, "accuracy": "50"}, False),
    ],
)
def test_whether_a_percentage_is_a_count(score: dict[str, Any], whole: bool) -> None:
    assert PublishedScore(**score).is_whole is whole


def test_a_percentage_that_is_no_count_is_not_compared_as_one(tmp_path: Path) -> None:
    rows = [
        row(name, scores={"aime24": {"problems": 30, "accuracy": accuracy}})
        for name, accuracy in (("one", "10.0"), ("other", "21.7"))
    ]
    write(tmp_path, "paper.json", *rows)
    found = compare(*(Catalogue(tmp_path).find(name) for name in ("one", "other")))
    assert "counted once" in found.rows[0].difference.test
    (note,) = [note for note in found.notes if "21.7 %" in note]
    assert note.startswith("other: aime24: no number of 30 correct samples is 21.7 %")
