"""Which training questions are a benchmark's; all questions here are invented."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import BENCHMARKS, Benchmark, Problem, Split, UserError
from benchmarks.source import load_shots
from trainers.data import build
from trainers.data.contamination import Contamination, Match, ngrams

LONG = (
    "Ada packs seven small boxes of pears, each of them holding twelve; then she sells $5 - 2$ "
    "boxes to Ben. How many pears are left?"
)
SHORT = "Expand $(x + 2)(x - 3)$."
OTHER = "Gita walks three times around a lake whose shore is as long as nine fields together, why?"


def problems(**questions):
    return [
        Problem(id=f"toy/{name}", question=question, answer="1")
        for name, question in questions.items()
    ]


TOY = problems(long=LONG, short=SHORT, other=OTHER)


def found(question, n=13):
    return Contamination({"toy": TOY}, n).check(question)


def test_a_question_that_is_a_problem_is_found_with_all_of_its_ngrams():
    count = len(ngrams(LONG, 13))
    assert found(LONG) == [Match(benchmark="toy", problem="toy/long", shared=count, of=count)]


def test_case_and_punctuation_hide_nothing():
    hidden = LONG.upper().replace(",", " ").replace(";", ":").replace("HOW", "\n\n**HOW**")
    [match] = found(f"PLEASE SOLVE: {hidden} Thanks.")
    assert match.shared == match.of


def test_thirteen_words_in_a_row_are_an_overlap_and_twelve_are_none():
    words = LONG.split()
    assert [match.shared for match in found("Once " + " ".join(words[:13]) + " more")] == [1]
    assert not found("Once " + " ".join(words[:12]) + " more")
    assert [match.problem for match in found("Once " + " ".join(words[:5]), n=5)] == ["toy/long"]


def test_a_short_question_is_compared_whole_and_by_its_signs():
    assert [match.problem for match in found("expand (x+2)(x-3)")] == ["toy/short"]
    assert not found("Expand $(x - 2)(x - 3)$.")
    assert not found(SHORT + " Then find the value of it where x is the root of two and so on.")
    assert not found("?!")


def test_a_long_question_that_differs_in_a_sign_is_another():
    before, sign, after = LONG.partition("5 - 2")
    assert sign
    [match] = found(before + "5 + 2" + after)
    assert 0 < match.shared < match.of


@given(st.text(alphabet="ab 1-+\\{}$.,=", max_size=60), st.text(max_size=20), st.integers(1, 5))
def test_every_question_with_words_meets_itself_and_longer_ones_that_hold_it(text, rest, n):
    contamination = Contamination({"toy": problems(it=text)}, n)
    has_words = any(character.isalnum() for character in text)
    assert bool(contamination.check(text)) == has_words
    whole = ngrams(text, n)
    if has_words and not whole[0].startswith("="):
        assert contamination.check(f"{rest} . {text} . {rest}")
        assert contamination.summary()["toy"].met == 1


def test_the_summary_counts_rows_and_problems():
    contamination = Contamination({"toy": TOY, "empty": []}, 13)
    words = OTHER.split()
    for question in (LONG, LONG, " ".join(words[:14]), "Something else altogether?"):
        contamination.check(question)
    toy = contamination.summary()["toy"]
    assert (toy.problems, toy.met, toy.whole, toy.rows) == (3, 2, 1, 3)
    assert contamination.summary()["empty"].rows == 0


# --- in a build -----------------------------------------------------------------------------


def unavailable():
    raise UserError("toy/test cannot be fetched; run `data fetch`")


def benchmark(*, fails=False):
    def to_problem(row):
        return Problem(id=f"toy/{row['id']}", question=row["question"], answer="1")

    def generate():
        return unavailable() if fails else [{"id": p.id[4:], "question": p.question} for p in TOY]

    pinned = "" if fails else _sum(generate())
    return Benchmark(
        name="toy",
        about="a toy",
        licence="none",
        paper="none",
        test=Split(rows=3, sha256=pinned, generate=generate),
        to_problem=to_problem,
    )


def _sum(rows):
    import hashlib

    from benchmarks.source import canonical_lines

    return hashlib.sha256(canonical_lines(rows)).hexdigest()


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A source of forty rows, of which rows 5 and 30 are a benchmark's."""
    toys = {"toy": benchmark(), "lost": benchmark(fails=True)}
    monkeypatch.setattr("trainers.data.contamination.BENCHMARKS", toys)
    rows = [
        {"prompt": f"Invented {n}?", "reasoning": "So.", "answer": str(n)} for n in range(1, 41)
    ]
    rows[4]["prompt"], rows[29]["prompt"] = LONG, SHORT
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("style", ["gsm8k", "boxed"])
def test_contaminated_rows_are_named_where_they_are_and_without_their_text(style, path, tmp_path):
    said = []
    data = build(path, style, tmp_path / "out", report=said.append)
    assert (data.card.rows.contaminated, data.card.rows.dropped, data.card.rows.kept) == (2, 0, 40)
    assert data.card.overlap["toy"].rows == 2
    assert data.card.unchecked == ("lost",)
    assert any("for contamination, their problems cannot be loaded: lost;" in line for line in said)
    assert "**Not checked**, because their problems could not be loaded: lost." in (
        data.folder / "CARD.md"
    ).read_text(encoding="utf-8")
    listed = read(data.folder / "contaminated.jsonl")
    assert [(m["row"], m["problem"], m["shared"] == m["of"]) for m in listed] == [
        (5, "toy/long", True),
        (30, "toy/short", True),
    ]
    for match, question in zip(listed, (LONG, SHORT), strict=True):
        row = read(data.folder / f"{match['split']}.jsonl")[match["index"]]
        assert row["prompt"][0]["content"].startswith(question)
        assert question not in json.dumps(match)


def test_contaminated_rows_are_left_out_where_that_is_asked_for(path, tmp_path):
    data = build(path, "boxed", tmp_path / "out", drop_contaminated=True)
    assert (data.card.rows.contaminated, data.card.rows.dropped, data.card.rows.kept) == (2, 2, 38)
    assert all(m["split"] is m["index"] is None for m in read(data.folder / "contaminated.jsonl"))
    rows = [*read(data.folder / "train.jsonl"), *read(data.folder / "test.jsonl")]
    asked = {row["prompt"][0]["content"].removesuffix(data.style.ask("")) for row in rows}
    assert len(asked) == 38
    assert not {LONG, SHORT} & asked


def test_a_benchmark_that_was_not_to_be_had_makes_another_build(path, tmp_path, monkeypatch):
    build(path, "boxed", tmp_path / "out")
    toys = {"toy": benchmark(), "lost": benchmark()}
    monkeypatch.setattr("trainers.data.contamination.BENCHMARKS", toys)
    with pytest.raises(UserError, match=r"holds another build \(benchmarks\.lost"):
        build(path, "boxed", tmp_path / "out")


def test_the_demo_train_split_holds_none_of_its_test_problems():
    from benchmarks.source import load_problems

    demo = BENCHMARKS["demo"]
    contamination = Contamination({"demo": load_problems(demo)}, 13)
    for shot in load_shots(demo):
        contamination.check(shot.question)
    assert contamination.summary()["demo"].met == 0
