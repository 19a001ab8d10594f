"""What is written into a report, and how."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chosen_runs import Said, demo_problems, right, silent, store_responses, wrong
from hypothesis import given
from hypothesis import strategies as st
from stored import store_run, verdict_rows

from benchmarks import UserError
from benchmarks.hints import USUAL, begin
from harness.analysis.many import rank
from harness.common.text import printable
from harness.grading import Outcome
from harness.reporting.html import page, samples, write_report
from harness.reporting.html.comparing import compare_with_first, deciding_row, rank_all
from harness.reporting.html.embedding import CHUNK_CHARACTERS, Records, data_element, visible
from harness.reporting.html.facts import labelled
from harness.reporting.html.overview import TONES, overview
from harness.reporting.plots.difference import VERDICTS
from harness.reporting.text.numbers import p_value
from harness.runs.catalogue import Catalogue
from harness.runs.results import Result
from harness.runs.spec import Sampling
from harness.stats.paired import holm

ASSETS = sorted((page.HERE / "assets").iterdir())


def embedded(path: Path, name: str) -> Any:
    """What lies in a page under a name."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(f'<script type="text/plain" id="data-{name}">([^<]*)</script>', text)
    assert len(found) == 1
    return json.loads(gzip.decompress(base64.b64decode(found[0])))


def run_of(results: Path, name: str, *said: Said, **fields: Any) -> Result:
    problems = demo_problems(len(said))
    rows = [(problem, [one]) for problem, one in zip(problems, said, strict=True)]
    return store_responses(results, name, {"demo": rows}, **fields)


def overview_of(*results: Result, anyway: bool = False) -> Any:
    versions = labelled(results)
    pairs = compare_with_first(versions, anyway=anyway)
    return overview(versions, pairs, "now", rank_all(versions, anyway=anyway))


# --- embedding ------------------------------------------------------------------------------


@given(st.text())
def test_visible_says_what_printable_says(text: str) -> None:
    assert visible(text) == printable(text)
    assert visible(text, limit=5) == printable(text if len(text) <= 5 else text[:4] + "…")


@given(st.text(st.characters(codec=None)))
def test_nothing_in_data_can_end_its_element(text: str) -> None:
    element = data_element("x", [text, "</script>"])
    content = re.fullmatch(r'<script type="text/plain" id="data-x">([^<>&]*)</script>\n', element)
    assert content
    assert json.loads(gzip.decompress(base64.b64decode(content[1]))) == [text, "</script>"]


def test_records_lie_in_pieces() -> None:
    written: list[str] = []
    records = Records("r", written.append)
    large = "x" * (CHUNK_CHARACTERS // 2)
    assert [records.add({"text": large}) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert records.close() == {"name": "r", "starts": [0, 1, 2, 3, 4]}
    assert len(written) == 5
    few = Records("r", written.append)
    for _ in range(3):
        few.add({"text": "small"})
    assert few.close() == {"name": "r", "starts": [0]}


# --- the page -------------------------------------------------------------------------------


def test_only_the_scripts_of_the_policy_are_in_the_page(tmp_path: Path) -> None:
    path = write_report([run_of(tmp_path, "v1", wrong())], tmp_path / "r.html").path
    text = path.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    allowed = set(re.findall(r"'sha256-([^']*)'", policy[1]))
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts} == (
        allowed
    )
    assert len(re.findall(r"<script(?! type=\"text/plain\")", text)) == len(scripts) == 2
    assert "unsafe-eval" not in policy[1]
    assert "unsafe-inline" not in policy[1].replace("style-src 'unsafe-inline'", "")


def test_no_script_of_the_page_writes_markup() -> None:
    writes = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    for script in (page.own_script(), page.katex_script()):
        assert not re.search(writes, script)
        assert "</script" not in script


def test_everything_is_in_the_page() -> None:
    style = page.katex_style()
    assert style.count("url(") == style.count("url(data:font/woff2;base64,") > 10
    for asset in ASSETS:
        assert not re.search(r"https?://", asset.read_text(encoding="utf-8")), asset
    assert {a.name for a in ASSETS} == {*page.SCRIPTS, "page.html", "page.css"}


def test_the_vendored_library_is_what_its_readme_says() -> None:
    readme = (page.KATEX / "README.md").read_text(encoding="utf-8")
    fonts = sorted((page.KATEX / "fonts").iterdir())
    files = [page.KATEX / name for name in ("katex.min.js", "katex.min.css", "LICENSE")]
    contents = [file.read_bytes() for file in files]
    for content in (*contents, b"".join(font.read_bytes() for font in fonts)):
        assert hashlib.sha256(content).hexdigest() in readme


# --- what it says ---------------------------------------------------------------------------


def test_two_runs_are_compared(tmp_path: Path) -> None:
    a = store_run(tmp_path, "v1", verdict_rows({"gsm8k": [[False]] * 30, "aime24": [[False]] * 9}))
    b = store_run(tmp_path, "v2", verdict_rows({"gsm8k": [[True]] * 30, "aime24": [[False]] * 9}))
    said = overview_of(a, b)
    (verdict,) = said.verdicts
    assert verdict.subject == "v2 against v1"
    assert verdict.word == "better"
    assert verdict.sentence.startswith("v2 is better than v1 on average over 2 benchmarks: ")
    assert verdict.sentence.endswith("Better on gsm8k (+100.0); no evidence on the other.")
    (section,) = said.sections
    rows = section.tables[0].rows
    assert [row[0].text for row in rows] == ["gsm8k", "aime24", "average"]
    assert [row[3].text for row in rows] == ["+100.0", "0.0", "+50.0"]
    assert [row[7].text for row in rows] == ["better", "no evidence", "better"]
    assert rows[1][6].text == "50.0 %"
    assert section.changes is not None
    assert "model.name" in [row[0].text for row in section.changes.rows]


def test_every_number_can_be_traced(tmp_path: Path) -> None:
    result = run_of(tmp_path, "v1", wrong())
    facts = {row[0].text: row[1].text for row in overview_of(result).facts.rows}
    assert facts["run"] == result.id
    assert facts.keys() >= {
        "fingerprint", "evaluated", "model", "prompt", "sampling", "engine", "grader", "harness",
    }  # fmt: skip


def test_further_runs_are_each_compared_with_the_first(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, name, wrong(), silent()) for name in ("base", "one", "two")]
    said = overview_of(*runs)
    assert [verdict.subject for verdict in said.verdicts] == [
        "one against base",
        "two against base",
    ]
    assert [section.title for section in said.sections] == [
        "Ranks",
        "Scores",
        *(verdict.subject for verdict in said.verdicts),
    ]


def test_three_runs_are_ranked_or_it_is_said_why_not(tmp_path: Path) -> None:
    marks = [{"gsm8k": [[n < right] for n in range(60)]} for right in (10, 12, 55)]
    named = zip("abb", marks, strict=True)
    runs = [store_run(tmp_path, name, verdict_rows(rights)) for name, rights in named]
    ranks = overview_of(*runs).sections[0]
    assert ranks.title == "Ranks"
    first, *others = ranks.tables[0].rows
    assert [cell.text for cell in first[:3]] == [f"b ({runs[2].id})", "1", "91.7"]
    assert first[3].text == f"a, b ({runs[1].id})"
    assert [row[1].text for row in others] == ["2-3", "2-3"]
    assert ranks.paragraphs[0] == "b is the best: it is better than each of the 2 other runs"

    warm = store_run(tmp_path, "c", verdict_rows(marks[0]), sampling=Sampling(temperature=0.7))
    (refused,) = overview_of(*runs, warm).sections[0].paragraphs
    assert refused.startswith("Not ranked: these runs were not all measured alike")
    assert "sampling.temperature" in refused
    forced = overview_of(*runs, warm, anyway=True).sections[0]
    assert any(text.startswith("NOT MEASURED ALIKE") for text in forced.paragraphs)


def changed(results: Path, name: str, *fixed: int) -> Result:
    """Store a run with ten right answers and with those of the given problems."""
    marks = {"gsm8k": [[n < 10 or n in fixed] for n in range(60)]}
    return store_run(results, name, verdict_rows(marks))


@pytest.fixture
def four(tmp_path: Path) -> list[Result]:
    """A base, and three runs of which each fixes five other problems."""
    fixed = {"base": (), "b": range(20, 25), "c": range(30, 35), "d": range(40, 45)}
    return [changed(tmp_path, name, *which) for name, which in fixed.items()]


def test_the_cards_are_corrected_for_the_number_of_runs(four: list[Result]) -> None:
    assert overview_of(*four[:2]).verdicts[0].word == "better"
    said = overview_of(*four)
    against = {one.result.id: one.against_base for one in rank(four[1:], four[0]).runs}
    for run, headline in zip(four[1:], said.verdicts, strict=True):
        tested = against[run.id]
        assert tested is not None
        assert headline.word == tested.verdict == "no evidence"
        assert f"p = {p_value(tested.adjusted_p)}; " in headline.sentence
        assert headline.sentence.startswith(f"{run.name} and base cannot be told apart on gsm8k")
        assert headline.sentence.endswith("corrected for 3 runs.")
    for section in said.sections[2:]:
        assert section.tables[0].rows[0][-1].text == "no evidence"
        assert section.tables[0].rows[0][5].detail == "for 3 runs"
    lines = said.sections[0].paragraphs
    assert "Compared: gsm8k, 60 problems, problem by problem." in lines
    assert any("all 6 pairs" in line and "larger family" in line for line in lines)


def test_the_order_of_the_further_runs_changes_no_card(four: list[Result]) -> None:
    there, back = overview_of(*four), overview_of(four[0], *four[:0:-1])
    assert {str(one) for one in there.verdicts} == {str(one) for one in back.verdicts}


def test_runs_on_other_benchmarks_are_corrected_by_holm(tmp_path: Path) -> None:
    marks = {"gsm8k": [[n < 10] for n in range(60)], "aime24": [[False]] * 9}
    more = {"gsm8k": [[n < 15] for n in range(60)], "aime24": [[n < 1] for n in range(9)]}
    base, both = (
        store_run(tmp_path, name, verdict_rows(rows)) for name, rows in (("a", marks), ("b", more))
    )
    pairs = compare_with_first(
        labelled([base, both, changed(tmp_path, "c", *range(10, 16))]), anyway=True
    )
    assert [pair.correction for pair in pairs] == ["each pair tested alone; Holm"] * 2
    rows = [deciding_row(pair.comparison) for pair in pairs if pair.comparison is not None]
    raw = [row.difference.p_value for row in rows]
    assert [row.adjusted_p for row in rows] == pytest.approx(holm(raw))


def test_claims_about_a_margin_are_corrected_for_the_number_of_runs(four: list[Result]) -> None:
    (alone,) = compare_with_first(labelled(four[:2]), anyway=False, margin=0.16)
    pairs = compare_with_first(labelled(four), anyway=False, margin=0.16)
    rows = [pair.comparison.rows[0] for pair in (alone, *pairs) if pair.comparison is not None]
    margins = [row.margin for row in rows if row.margin is not None]
    raw = [margin.test.p_same for margin in margins]
    assert [m.adjusted_p_same for m in margins] == pytest.approx([raw[0], *holm(raw[1:])])
    assert [margin.verdict for margin in margins] == ["better", *["not worse"] * 3]


def test_what_failures_decide_stays_withheld(tmp_path: Path) -> None:
    base = run_of(tmp_path, "base", *[wrong()] * 12)
    lost = Said(response="", outcome=Outcome.ENGINE_ERROR)
    runs = [run_of(tmp_path, name, *[lost] * 12) for name in ("b", "c")]
    said = overview_of(base, *runs)
    assert [headline.word for headline in said.verdicts] == ["withheld"] * 2
    assert all(headline.tone == "withheld" for headline in said.verdicts)


@pytest.fixture
def trained(tmp_path: Path) -> list[Result]:
    lineage = json.dumps({"schema_version": 1, "trainer": "grpo"}).encode()
    marks = verdict_rows({"gsm8k": [[False]] * 20})
    return [store_run(tmp_path, name, marks, lineage=lineage) for name in ("v1", "v2", "v3")]


def test_what_is_true_of_every_card_is_said_once(trained: list[Result]) -> None:
    said = overview_of(*trained)
    (remark,) = said.remarks
    assert remark.startswith("v2, v3 against v1: This compares two checkpoints")
    assert not any("checkpoint" in headline.sentence for headline in said.verdicts)


def test_every_pair_that_was_not_measured_alike_has_a_line(tmp_path: Path) -> None:
    runs = [
        store_run(
            tmp_path,
            f"t{number}",
            verdict_rows({"gsm8k": [[False]] * 20}),
            sampling=Sampling(temperature=number / 10),
        )
        for number in range(6)
    ]
    ranks = overview_of(*runs, anyway=True).sections[0]
    (told,) = [text for text in ranks.paragraphs if text.startswith("NOT MEASURED ALIKE")]
    assert len(told.splitlines()) == 1 + 15


def test_a_page_names_no_path_of_this_machine(trained: list[Result], tmp_path: Path) -> None:
    begin("/opt/env/bin/python -m harness")
    try:
        path = write_report(trained, tmp_path / "r.html").path
    finally:
        begin(USUAL)
    said = json.dumps(embedded(path, "overview"))
    assert "as in: python -m harness diff" in said
    assert "/opt/env" not in said


def test_a_verdict_has_one_symbol_and_colour_everywhere() -> None:
    shapes = {"▲": "^", "▼": "v", "○": "o", "■": "s", "►": ">", "✖": "X"}
    script = (page.HERE / "assets" / "overview.js").read_text(encoding="utf-8")
    (marks,) = re.findall(r"^const MARKS = \{(.*)\};$", script, flags=re.MULTILINE)
    symbols = dict(re.findall(r'"?([\w-]+)"?: "(.)"', marks))
    assert {tone: shapes[symbol] for tone, symbol in symbols.items()} == {
        TONES.get(verdict, "none"): marker for verdict, (_, marker) in VERDICTS.items()
    }
    style = (page.HERE / "assets" / "page.css").read_text(encoding="utf-8")
    for verdict, (colour, _) in VERDICTS.items():
        if verdict in TONES:
            found = re.search(rf"td\.{TONES[verdict]} \.value.*?color: var\((--\w+)\)", style)
            assert found is not None
            assert f"{found[1]}: {colour.lower()};" in style


def test_a_refused_comparison_is_told_and_both_are_shown(tmp_path: Path) -> None:
    a = run_of(tmp_path, "v1", wrong())
    b = run_of(tmp_path, "v2", wrong(), grader="9+99999999")
    said = overview_of(a, b)
    assert said.verdicts[0].word == "not compared"
    assert "grader" in said.verdicts[0].sentence
    assert [len(table.heads) for section in said.sections for table in section.tables] == [3]
    forced = overview_of(a, b, anyway=True)
    assert forced.verdicts[0].word == "no evidence"
    assert "NOT MEASURED ALIKE" in forced.sections[0].paragraphs[0]


def test_the_same_run_twice_is_one_version_and_equal_names_are_told_apart(tmp_path: Path) -> None:
    first, second = run_of(tmp_path, "v1", wrong()), run_of(tmp_path, "v1", wrong(), silent())
    assert [version.label for version in labelled([first, first])] == ["v1"]
    labels = [version.label for version in labelled([first, second])]
    assert labels == [f"v1 ({first.id})", f"v1 ({second.id})"]


def test_published_rows_are_in_the_tables_only(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    row = {"name": "theirs", "scores": {"demo": {"problems": 200, "correct": 50}}}
    source = {"schema_version": 1, "title": "A paper", "results": [row]}
    (tmp_path / "published" / "paper.json").write_text(json.dumps(source), encoding="utf-8")
    results = [Catalogue(tmp_path).find("theirs"), run_of(tmp_path, "ours", wrong())]
    path = write_report(results, tmp_path / "r.html").path
    assert [v["label"] for v in embedded(path, "index")["versions"]] == ["ours"]
    facts = embedded(path, "overview")["facts"]
    assert facts["heads"] == ["", "theirs", "ours"]
    alone = write_report(results[:1], tmp_path / "alone.html").path
    assert embedded(alone, "index")["problems"]["id"] == []


# --- samples --------------------------------------------------------------------------------


def test_the_index_says_what_became_of_every_sample(tmp_path: Path) -> None:
    problem, other = demo_problems(2)
    rows = [(problem, [wrong("1"), right(problem)]), (other, [silent()])]
    result = store_responses(tmp_path, "v1", {"demo": rows})
    path = write_report([result], tmp_path / "r.html").path
    index = embedded(path, "index")
    assert index["problems"]["id"] == [problem.id, other.id]
    assert index["problems"]["gold"] == [problem.answer, other.answer]
    (version,) = index["versions"]
    names = [[index["outcomes"][code] for code in codes] for codes in version["outcomes"]]
    assert names == [["wrong", "correct"], ["no answer"]]
    assert version["answers"] == [["1", problem.answer], [None]]
    records = embedded(path, "responses-0-0")
    assert [records[place]["response"] for place in version["places"][0]] == [
        "It is \\boxed{1}.",
        right(problem).response,
    ]
    questions = embedded(path, "questions-0")
    assert questions[index["problems"]["question"][0]]["question"] == problem.question


def test_a_run_without_responses_still_has_outcomes_and_answers(tmp_path: Path) -> None:
    result = run_of(tmp_path, "v1", wrong("31"))
    assert result.path is not None
    (result.path / "samples.parquet").unlink()
    index = embedded(write_report([result], tmp_path / "r.html").path, "index")
    assert index["versions"][0]["stream"] is None
    assert index["versions"][0]["answers"] == [["31"]]
    assert index["problems"]["gold"] == [demo_problems(1)[0].answer]


def test_a_question_that_was_not_the_one_asked_is_left_out(tmp_path: Path) -> None:
    result = store_run(tmp_path, "v1", verdict_rows({"demo": [[True]]}))
    index = embedded(write_report([result], tmp_path / "r.html").path, "index")
    assert index["problems"]["question"] == [None]


def test_a_benchmark_that_cannot_be_loaded_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UserError("no network")

    monkeypatch.setattr(samples, "load_problems", fail)
    index = embedded(
        write_report([run_of(tmp_path, "v1", wrong())], tmp_path / "r.html").path, "index"
    )
    assert index["problems"]["question"] == [None]


def test_a_torn_table_of_samples_is_told_in_one_line(tmp_path: Path) -> None:
    result = run_of(tmp_path, "v1", wrong())
    assert result.path is not None
    table = result.path / "samples.parquet"
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"samples\.parquet cannot be read"):
        write_report([result], tmp_path / "r.html")
    assert not list(tmp_path.glob("*.html*")) + list(tmp_path.glob(".r.html*"))


# --- the file -------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("old", encoding="utf-8")

    def write_a_half() -> None:
        with page.open_report(path) as file:
            file.write("half")
            file.write("\ud800")

    with pytest.raises(UnicodeEncodeError):
        write_a_half()
    assert path.read_text(encoding="utf-8") == "old"
    with page.open_report(path) as file:
        file.write("new")
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["r.html"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [("no/such/r.html", "No such file or directory"), ("", "that is a folder"),
     ("file/r.html", "Not a directory")],
)  # fmt: skip
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with (
        pytest.raises(UserError, match=f"cannot be written: {reason}"),
        page.open_report(tmp_path / place),
    ):
        pass


def test_a_report_replaces_no_file_that_it_reads(tmp_path: Path) -> None:
    result = run_of(tmp_path, "v1", wrong())
    assert result.path is not None
    kept = result.path / "verdicts.jsonl"
    before = kept.read_bytes()
    with pytest.raises(UserError, match="name another file"):
        write_report([result], kept)
    assert kept.read_bytes() == before


def report(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "report", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        run_of(tmp_path / "results", name, wrong(), silent())
    done = report(tmp_path, "v1", "v2", "-o", "two.html", "--png", "plots")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"wrote two\.html \(0\.\d MB\)\nwrote \d+ plots in plots\n", done.stdout)
    assert {path.suffix for path in (tmp_path / "plots").iterdir()} == {".png"}
    assert (tmp_path / "two.html").stat().st_size > 500_000


def test_a_page_may_go_to_standard_output(tmp_path: Path) -> None:
    run_of(tmp_path / "results", "v1", wrong(), silent())
    done = report(tmp_path, "v1", "-o", "/dev/stdout")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<!doctype html>")
    assert done.stdout.endswith("</html>\n")
    size = len(done.stdout.encode()) / 1e6
    assert done.stderr.endswith(f"wrote /dev/stdout ({size:.1f} MB)\n")


def test_what_was_not_compared_is_said_on_the_terminal(tmp_path: Path) -> None:
    for name, grader in (("v1", "8"), ("v2", "9+99999999"), ("v3", "8")):
        run_of(tmp_path / "results", name, wrong(), grader=grader)
    done = report(tmp_path, "v1", "v2", "v3")
    assert done.returncode == 0, done.stderr
    told = "not compared: v2 against v1; not ranked: v1, v2, v3; the page says why"
    assert told in done.stderr.splitlines()


def test_without_runs_the_command_says_what_to_give(tmp_path: Path) -> None:
    done = report(tmp_path)
    assert done.returncode == 2
    assert "python -m harness report v1 v4 -o report.html" in done.stderr
    unknown = report(tmp_path, "v9")
    assert unknown.returncode == 2
    assert "v9" in unknown.stderr
