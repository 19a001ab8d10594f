"""`score`: other harnesses' generations become a run, and nothing of them is lost in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from saved_rows import (
    WRONG,
    Row,
    demo_problems,
    lighteval_row,
    lm_eval_row,
    old_lighteval_row,
    qwen_row,
    right,
    write_lines,
    write_table,
)

from benchmarks import UserError, WrongValueError
from harness.analysis.summary import summary_of
from harness.api import compare, load_run
from harness.cli import cli
from harness.cli import score as score_command
from harness.importers import FORMATS, open_saved
from harness.reporting.html.comparing import compare_with_first
from harness.reporting.html.facts import labelled
from harness.reporting.html.overview import overview
from harness.reporting.text.comparison import comparison_fields
from harness.reporting.text.run_details import summary_blocks
from harness.reporting.text.runs import runs_table
from harness.runs.sample_rows import SampleFilter, sample_rows
from harness.runs.samples_table import read_parquet

FIRST, SECOND, THIRD = demo_problems(3)


def score(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    """Run the command on files of demo problems and return what it says as JSON."""
    text = printed(tmp_path, *arguments, "--json")
    found: dict[str, Any] = json.loads(text)
    return found


def printed(tmp_path: Path, *arguments: object) -> str:
    asked = [*map(str, arguments), "--results", str(tmp_path / "results"), "--benchmark", "demo"]
    result = CliRunner().invoke(cli, ["score", *asked], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def verdicts(path: str) -> list[tuple[str, int, str]]:
    import pyarrow.parquet as pq

    rows = pq.read_table(Path(path) / "samples.parquet").to_pylist()
    return [(row["problem_id"], row["index"], row["outcome"]) for row in rows]


def as_qwen(path: Path) -> Path:
    rows = [
        qwen_row(SECOND, [right(SECOND), WRONG], [True, True]),
        qwen_row(FIRST, [right(FIRST), WRONG], [False, False]),
    ]
    return write_lines(path / "saved.jsonl", rows)


def as_plain(path: Path) -> Path:
    rows = [
        {"problem_id": problem.id, "response": response, "outcome": outcome}
        for problem, response, outcome in (
            (SECOND, right(SECOND), "correct"),
            (SECOND, WRONG, "correct"),
            (FIRST, right(FIRST), "wrong"),
            (FIRST, WRONG, "wrong"),
        )
    ]
    return write_lines(path / "saved.jsonl", rows)


def test_a_file_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    file = as_qwen(tmp_path)
    (tmp_path / "link.jsonl").symlink_to(file)
    for second in (file, tmp_path / "link.jsonl"):
        asked = [str(file), str(second), "--results", str(tmp_path / "results")]
        result = CliRunner().invoke(cli, ["score", *asked])
        assert isinstance(result.exception, WrongValueError)
        assert "would count twice" in str(result.exception)


@pytest.mark.parametrize("write", [as_qwen, as_plain])
def test_responses_are_matched_graded_and_compared(write: Any, tmp_path: Path) -> None:
    done = score(tmp_path, write(tmp_path), "--name", "theirs")
    assert verdicts(done["path"]) == [
        (FIRST.id, 0, "correct"),
        (FIRST.id, 1, "wrong"),
        (SECOND.id, 0, "correct"),
        (SECOND.id, 1, "wrong"),
    ]
    (counts,) = done["agreement"]
    told = {key: counts[key] for key in ("both_correct", "neither", "only_ours", "only_theirs")}
    assert told == {"both_correct": 1, "neither": 1, "only_ours": 1, "only_theirs": 1}
    differing = [(row["problem_id"], row["index"], row["theirs"]) for row in done["differences"]]
    assert differing == [(SECOND.id, 1, True), (FIRST.id, 0, False)]
    assert done["run"]["scores"][0]["accuracy"] == 0.5
    assert done["run"]["saved"]["problems_of"] == {"demo": 200}
    assert done["run"]["identity"]["engine"]["name"].startswith("saved:")


def test_an_lm_eval_file_with_two_filters_has_each_response_once(tmp_path: Path) -> None:
    rows = [lm_eval_row(FIRST, right(FIRST), which="strict-match", score=0.0),
            lm_eval_row(SECOND, WRONG, which="strict-match", score=0.0),
            lm_eval_row(FIRST, right(FIRST), which="flexible-extract", score=1.0),
            lm_eval_row(SECOND, WRONG, which="flexible-extract", score=1.0)]  # fmt: skip
    done = score(tmp_path, write_lines(tmp_path / "samples_gsm8k.jsonl", rows))
    assert verdicts(done["path"]) == [(FIRST.id, 0, "correct"), (SECOND.id, 0, "wrong")]
    told = {row["judge"]: (row["only_ours"], row["only_theirs"]) for row in done["agreement"]}
    assert told == {"exact_match, strict-match": (1, 0), "exact_match, flexible-extract": (0, 1)}


LIGHTEVAL = {
    "doc": [lighteval_row(FIRST, [right(FIRST)], 1.0), lighteval_row(SECOND, [WRONG], 1.0)],
    "__doc__": [
        lighteval_row(FIRST, [right(FIRST)], 1.0, marks="__"),
        lighteval_row(SECOND, [WRONG], 1.0, marks="__"),
    ],
    "old": [
        old_lighteval_row(FIRST, right(FIRST), 1.0, as_text=False),
        old_lighteval_row(SECOND, WRONG, 1.0, as_text=False),
    ],
    "old, as text": [
        old_lighteval_row(FIRST, right(FIRST), 1.0, as_text=True),
        old_lighteval_row(SECOND, WRONG, 1.0, as_text=True),
    ],
}


@pytest.mark.parametrize("kind", LIGHTEVAL)
def test_lightevals_details_are_read_in_all_their_spellings(kind: str, tmp_path: Path) -> None:
    done = score(tmp_path, write_table(tmp_path / "details.parquet", LIGHTEVAL[kind]))
    assert verdicts(done["path"]) == [(FIRST.id, 0, "correct"), (SECOND.id, 0, "wrong")]
    (counts,) = done["agreement"]
    assert (counts["judge"], counts["both_correct"], counts["only_theirs"]) == (
        "extractive_match", 1, 1,
    )  # fmt: skip
    assert done["run"]["scores"][0]["mean_response_tokens"] in (3.0, 4.0)


def test_a_verdict_over_several_responses_is_a_verdict_of_none(tmp_path: Path) -> None:
    rows = [lighteval_row(FIRST, [right(FIRST), WRONG], 1.0)]
    done = score(tmp_path, write_table(tmp_path / "details.parquet", rows))
    assert done["agreement"][0]["unjudged"] == 2
    assert done["differences"] == []


def test_what_cannot_be_used_is_counted_and_told(tmp_path: Path) -> None:
    stranger = {"problem_id": "nowhere/1", "response": "\\boxed{1}"}
    rows: list[Row | str] = [
        {"problem_id": FIRST.id, "response": right(FIRST)},
        stranger,
        {"problem_id": SECOND.id},
        {"problem_id": SECOND.id, "response": 7},
        "{torn",
        "[1]",
    ]
    saved = write_lines(tmp_path / "saved.jsonl", rows)
    done = score(tmp_path, saved)
    assert [row["place"][-5:] for row in done["unreadable"]] == ["row 3", "row 4", "row 5", "row 6"]
    assert [row["place"][-5:] for row in done["unmatched"]] == ["row 2"]
    assert done["run"]["saved"]["unmatched"] == 1
    assert done["run"]["saved"]["unreadable"] == 4
    assert done["run"]["scores"][0]["samples"] == 1
    text = printed(tmp_path, saved)
    assert "1 response matched no problem and got no score" in text
    assert "4 rows could not be read" in text
    assert "demo: 1 of 200 problems: not a full score" in text


def test_a_row_is_never_matched_by_its_place(tmp_path: Path) -> None:
    other = qwen_row(FIRST, [WRONG], [False], question="Another question, of no benchmark.")
    done = score(
        tmp_path, write_lines(tmp_path / "t.jsonl", [other, qwen_row(SECOND, [WRONG], [True])])
    )
    assert verdicts(done["path"]) == [(SECOND.id, 0, "wrong")]


def test_golds_of_the_files_own_are_graded_apart_and_not_stored(tmp_path: Path) -> None:
    rows = [
        qwen_row(FIRST, ["\\boxed{5}"], [True], question="An unheard question?", gt="5"),
        qwen_row(FIRST, ["\\boxed{6}"], [True], question="And another one?", gt="5"),
    ]
    done = score(tmp_path, write_lines(tmp_path / "mine.jsonl", rows))
    assert done["run"] is None
    (own,) = done["own_golds"]
    assert (own["benchmark"], own["correct"], own["samples"]) == ("file:mine", 1, 2)
    assert [row["problem_id"] for row in done["differences"]] == ["file:mine/row 2"]
    assert not (tmp_path / "results").exists()


def test_the_same_files_again_are_the_same_run(tmp_path: Path) -> None:
    saved = as_plain(tmp_path)
    assert score(tmp_path, saved)["path"] == score(tmp_path, saved)["path"]


def test_a_run_of_ours_keeps_its_prompt_style_and_its_truncations(tmp_path: Path) -> None:
    rows = [
        {"problem_id": FIRST.id, "response": f"so it is {FIRST.answer}", "truncated": True},
        {"problem_id": SECOND.id, "response": f"so it is {SECOND.answer}", "truncated": False},
        {"problem_id": THIRD.id, "response": "", "finish_reason": "overflow"},
    ]
    done = score(tmp_path, write_lines(tmp_path / "saved.jsonl", rows), "--name", "first")
    assert [outcome for _, _, outcome in verdicts(done["path"])] == [
        "truncated", "correct", "overflow",
    ]  # fmt: skip
    record = Path(done["path"]) / "run.json"
    fields = json.loads(record.read_text(encoding="utf-8"))
    fields["spec"]["prompt"]["style"] = "plain"
    record.write_text(json.dumps(fields), encoding="utf-8")
    again = score(tmp_path, done["path"], "--name", "second")
    assert verdicts(again["path"]) == verdicts(done["path"])
    assert again["run"]["spec"]["prompt"]["style"] == "plain"
    from_table = score(tmp_path, Path(done["path"]) / "samples.parquet", "--name", "third")
    assert from_table["agreement"][0]["both_correct"] == 1
    assert from_table["agreement"][0]["neither"] == 2


UNSAID = {
    "plain": lambda path, said: write_lines(
        path / "saved.jsonl", [{"problem_id": FIRST.id, "response": said}]
    ),
    "qwen": lambda path, said: write_lines(path / "saved.jsonl", [qwen_row(FIRST, [said], [True])]),
    "lm-eval": lambda path, said: write_lines(
        path / "saved.jsonl", [lm_eval_row(FIRST, said, which="strict-match", score=1.0)]
    ),
    "lighteval": lambda path, said: write_table(
        path / "saved.parquet", [lighteval_row(FIRST, [said], 1.0)]
    ),
}
"""Files of one response each, of which no file says how it ended."""


@pytest.mark.parametrize("kind", UNSAID)
def test_how_a_response_ended_is_unknown_unless_the_file_says_it(kind: str, tmp_path: Path) -> None:
    done = score(tmp_path, UNSAID[kind](tmp_path, f"so it is {FIRST.answer}"), "--name", "a run")
    (row,) = read_parquet(Path(done["path"]))
    assert (row["finish_reason"], row["outcome"]) == ("unknown", "no answer")
    (found,) = done["run"]["scores"]
    assert (found["outcomes"], found["at_limit"]) == ({"no answer": 1}, None)
    assert done["run"]["identity"]["engine"]["settings"]["unknown_ends"] == 1


@pytest.mark.parametrize("said", ["#### {}", "The answer is {}", "So \\boxed{{{}}}"])
def test_a_statement_at_an_unknown_end_counts(said: str, tmp_path: Path) -> None:
    done = score(tmp_path, UNSAID["plain"](tmp_path, said.format(FIRST.answer)))
    assert [outcome for *_, outcome in verdicts(done["path"])] == ["correct"]


@pytest.mark.parametrize(
    ("stated", "reason", "at_limit"),
    [
        ({"finish_reason": "stop"}, "stop", 0),
        ({"finish_reason": "eos_token"}, "stop", 0),
        ({"truncated": False}, "stop", 0),
        ({"finish_reason": "max_tokens"}, "length", 1),
        ({"truncated": True}, "length", 1),
        ({"finish_reason": "content_filter"}, "unknown", None),
        ({"finish_reason": None, "truncated": "no"}, "unknown", None),
        ({"finish_reason": ["stop"]}, "unknown", None),
    ],
)
def test_how_a_response_ended_is_what_the_file_says(
    stated: dict[str, Any], reason: str, at_limit: int | None, tmp_path: Path
) -> None:
    rows = [{"problem_id": FIRST.id, "response": right(FIRST), **stated}]
    done = score(tmp_path, write_lines(tmp_path / "saved.jsonl", rows))
    assert [row["finish_reason"] for row in read_parquet(Path(done["path"]))] == [reason]
    assert done["run"]["scores"][0]["at_limit"] == at_limit
    assert ("unknown_ends" in done["run"]["identity"]["engine"]["settings"]) == (at_limit is None)


def test_nowhere_is_a_count_of_truncations_that_nobody_counted(tmp_path: Path) -> None:
    silent = "I cannot say."
    rows: list[Row | str] = [
        {"problem_id": FIRST.id, "response": right(FIRST)},
        {"problem_id": SECOND.id, "response": silent},
    ]
    known: list[Row | str] = [
        {"problem_id": FIRST.id, "response": right(FIRST), "truncated": False},
        {"problem_id": SECOND.id, "response": silent, "truncated": True},
    ]
    printed_first = printed(tmp_path, write_lines(tmp_path / "u.jsonl", rows), "--name", "u")
    printed(tmp_path, write_lines(tmp_path / "k.jsonl", known), "--name", "k")
    results = tmp_path / "results"
    unknown, counted = load_run("u", results=results), load_run("k", results=results)
    note = "the files do not say of every response whether the token limit cut it off"
    for text in (printed_first, str(unknown), runs_table([unknown], "text")):
        assert note in text
    (line,) = [line for line in str(unknown).splitlines() if line.startswith("demo  ")]
    assert line.split()[-2:] == ["-", "1"]
    assert note not in str(counted)
    (summary,) = summary_of(unknown) or ()
    assert (summary.ends_known, summary.highest) == (False, None)
    blocks = "\n".join(summary_blocks([summary, *(summary_of(counted) or ())]))
    (row, other) = [line.split() for line in blocks.splitlines() if line.startswith("demo ")]
    assert row[-5:] == ["-", "-", "50.0", "–", "?"]
    assert other[-5:] == ["1", "0", "50.0", "–", "100.0"]
    found = compare(unknown, counted, allow_mismatch=True)
    (line,) = [line for line in str(found).splitlines() if "0 / 0" in line]
    told = ["-", "->", "50.0", "%", "-", "->", "0.0", "%", "-", "->", "0.0", "%", "-"]
    assert line.split()[4:] == told, "at token limit, looping, no answer, mean tokens"
    assert comparison_fields(found)["benchmarks"][0]["a"]["at_limit"] is None
    assert comparison_fields(found)["benchmarks"][0]["a"]["no_answer"] is None
    versions = labelled([unknown, counted])
    page = overview(versions, compare_with_first(versions, anyway=True), "now").outcomes
    assert page is not None
    cells = [row[page.heads.index("truncated")].text for row in page.rows]
    assert cells == ["–", "1"]
    shown = [dict(row) for row in sample_rows(unknown, SampleFilter(wrong=True))]
    assert [row["finish_reason"] for row in shown] == ["unknown"]


def test_some_known_truncations_are_the_fewest_that_there_are(tmp_path: Path) -> None:
    rows = [
        {"problem_id": FIRST.id, "response": "I think", "truncated": True},
        {"problem_id": SECOND.id, "response": "I think"},
    ]
    text = printed(tmp_path, write_lines(tmp_path / "saved.jsonl", rows))
    (line,) = [line for line in text.splitlines() if line.startswith("demo ")]
    assert line.split()[-3:] == ["≥1", "-", "1"]


def test_two_files_that_are_called_the_same_are_two(tmp_path: Path) -> None:
    files = []
    for seed, gold in (("0", "5"), ("1", "6")):
        (tmp_path / seed / "out").mkdir(parents=True)
        rows = [
            qwen_row(SECOND, [right(SECOND)], [True]),
            qwen_row(FIRST, ["\\boxed{5}"], [True], question="An unheard question?", gt=gold),
        ]
        files.append(write_lines(tmp_path / seed / "out" / "saved.jsonl", rows))
    done = score(tmp_path, *files)
    assert list(done["run"]["saved"]["files"]) == ["out/saved.jsonl", "out/saved.jsonl (2)"]
    assert [(own["benchmark"], own["correct"]) for own in done["own_golds"]] == [
        ("file:saved", 1), ("file:saved (2)", 0),
    ]  # fmt: skip


def test_two_responses_for_one_sample_are_refused(tmp_path: Path) -> None:
    rows = [{"problem_id": FIRST.id, "index": 0, "response": text} for text in ("a", "b")]
    with pytest.raises(UserError, match=r"row 2: this is a second response with index 0"):
        printed(tmp_path, write_lines(tmp_path / "saved.jsonl", rows))


@pytest.mark.parametrize("index", [2, 999_999])
def test_an_index_beyond_the_responses_is_refused(index: int, tmp_path: Path) -> None:
    rows = [{"problem_id": p.id, "response": "a", "index": index} for p in (FIRST, SECOND)]
    with pytest.raises(UserError, match=f"has the index {index:,}.* 2 responses in all; leave out"):
        printed(tmp_path, write_lines(tmp_path / "saved.jsonl", rows))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("index", [-1, 1_000_000, 2_000_000, 2**70, 0.5, True, "0"])
def test_an_index_that_no_sample_has_is_an_unreadable_row(index: object, tmp_path: Path) -> None:
    rows = [{"problem_id": p.id, "response": "a"} for p in (FIRST, SECOND)]
    done = score(
        tmp_path, write_lines(tmp_path / "saved.jsonl", [*rows, {**rows[0], "index": index}])
    )
    assert [row["reason"] for row in done["unreadable"]] == [
        '"index" is not the number of a sample, from 0 to 999,999'
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows"),
        ('{"prompt": "x", "completion": "y"}\n', "unknown format .with 'prompt', 'completion'."),
        ('[\n{"doc": 1}\n]\n', "turned into lines"),
        ("\x00\x01", "first row is not JSON"),
    ],
)
def test_the_error_for_an_unknown_file_names_every_format(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "saved.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as told:
        open_saved(path)
    assert all(name in str(told.value) for name in FORMATS)


def test_a_format_that_is_asked_for_is_the_only_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected this format: lm-eval"):
        open_saved(as_qwen(tmp_path), "lm-eval")
    assert tuple(FORMATS) == score_command.FORMATS


def test_nothing_to_score_is_an_error_that_says_why(tmp_path: Path) -> None:
    rows = [{"problem_id": "nowhere/1", "response": "x"}]
    with pytest.raises(UserError, match="no problem is called 'nowhere/1'"):
        printed(tmp_path, write_lines(tmp_path / "saved.jsonl", rows))


def test_hostile_rows_are_disarmed(tmp_path: Path) -> None:
    hostile = "\x1b[2J\u202e\\boxed{\x1b[31m7}"
    rows = [
        qwen_row(FIRST, [hostile], [True], pred=["\x1b[2J"]),
        qwen_row(SECOND, ["\ud800 \\boxed{1}"], [True]),
        {"code": [hostile], "gt": None, "question": "\x1b[2J"},
    ]
    text = printed(tmp_path, write_lines(tmp_path / "saved.jsonl", rows))
    assert not {"\x1b", "\u202e"} & set(text)
    assert "\\x1b[2J" in text
