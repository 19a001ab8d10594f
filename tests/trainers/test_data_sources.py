"""Where training questions come from: benchmarks, the Hugging Face hub, and what is neither."""

from __future__ import annotations

import hashlib
import json

import datasets
import pytest

from benchmarks import Benchmark, Shot, Split, UserError
from benchmarks.source import canonical_lines
from trainers.data.sources import open_source, rows_sum

COMMIT = "a" * 40
ROWS = [
    {"prompt": f"Invented {n}?", "reasoning": "So.", "answer": f"{n}</s>", "kind": n}
    for n in range(1500)
]


@pytest.fixture
def hub(monkeypatch):
    """What the hub was asked for; it has one data set."""
    asked = []

    def load_dataset(name, **settings):
        asked.append((name, settings))
        if name != "some/one":
            raise ConnectionError("no such host\nand a long trace")
        info = datasets.DatasetInfo(
            download_checksums={f"hf://datasets/some/one@{COMMIT}/data/train.parquet": {}}
        )
        return datasets.Dataset.from_list(ROWS, info=info)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_a_hugging_face_data_set_is_read_in_order_and_pinned(hub):
    source = open_source("some/one", split="train", revision="v1")
    assert hub == [("some/one", {"split": "train", "revision": "v1"})]
    found = list(source.rows())
    assert [row.row for row in found] == list(range(1, 1501))
    wanted = [{k: row[k] for k in ("prompt", "reasoning", "answer")} for row in ROWS]
    assert [dict(row.values) for row in found] == wanted
    card = source.card
    assert (card.kind, card.split, card.revision, card.commit) == (
        "hugging-face", "train", "v1", COMMIT,
    )  # fmt: skip
    assert card.sha256 == rows_sum(wanted)
    assert list(source.rows()) == found


def test_the_sum_of_a_data_set_is_its_rows_and_not_how_they_are_stored(hub, monkeypatch):
    first = open_source("some/one").card.sha256
    changed = [{**ROWS[0], "answer": "other"}, *ROWS[1:]]
    for rows, same in ((ROWS, True), (changed, False), (ROWS[::-1], False)):
        dataset = datasets.Dataset.from_list(rows)
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, d=dataset, **__: d)
        assert (open_source("some/one").card.sha256 == first) is same


def test_a_failed_download_is_one_paragraph(hub):
    with pytest.raises(UserError) as told:
        open_source("notbadai/math_reasoning", revision=COMMIT)
    message = str(told.value)
    assert "\n" not in message
    assert "notbadai/math_reasoning: no such file or folder here" in message
    assert f"split 'train' at {COMMIT}: no such host; check the name" in message


def test_a_data_set_of_several_splits_is_not_guessed_at(hub, monkeypatch):
    several = datasets.DatasetDict({"a": datasets.Dataset.from_list(ROWS[:2])})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: several)
    with pytest.raises(UserError, match="is not a single split"):
        open_source("some/one", split="a+b")


@pytest.mark.parametrize(
    "name",
    ["./some/one", "/nowhere/rows.jsonl", "rows.jsonl", "folder/rows.parquet", "gsm8", "~/x"],
)
def test_what_looks_like_a_path_is_not_asked_of_the_hub(name, hub):
    with pytest.raises(UserError, match=r"there is no such file; a source is .*gsm8k, demo"):
        open_source(name)
    assert not hub


def test_a_split_or_revision_of_what_has_none_is_refused(tmp_path):
    for settings in ({"split": "test"}, {"revision": "v1"}):
        for name in ("demo", str(tmp_path)):
            with pytest.raises(UserError, match="leave both out"):
                open_source(name, **settings)


def test_a_folder_says_what_is_wrong_with_it(tmp_path):
    with pytest.raises(UserError, match=r"there is no file of \.jsonl, \.json, \.parquet"):
        open_source(str(tmp_path))
    (tmp_path / "train.jsonl").write_text("{}\n")
    (tmp_path / "train.parquet").write_bytes(b"")
    with pytest.raises(UserError, match=r"several kinds \(\.jsonl, \.parquet\)"):
        open_source(str(tmp_path))
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="a file of training data ends in"):
        open_source(str(tmp_path / "notes.txt"))


def test_a_folder_is_identified_by_its_files(tmp_path):
    (tmp_path / "b.jsonl").write_text('{"prompt": "second"}\n')
    (tmp_path / "a.jsonl").write_text('{"prompt": "first"}\n')
    source = open_source(str(tmp_path))
    assert [(row.file, row.row, row.values) for row in source.rows()] == [
        ("a.jsonl", 1, {"prompt": "first"}),
        ("b.jsonl", 1, {"prompt": "second"}),
    ]
    (tmp_path / "b.jsonl").rename(tmp_path / "0.jsonl")
    assert open_source(str(tmp_path)).card.sha256 != source.card.sha256


def toy(answers):
    rows = [{"q": f"Invented {n}?", "s": "So.", "a": answer} for n, answer in enumerate(answers)]
    split = Split(
        rows=len(rows),
        sha256=hashlib.sha256(canonical_lines(rows)).hexdigest(),
        generate=lambda: rows,
    )
    return Benchmark(
        name="toy",
        about="a toy",
        licence="none",
        paper="none",
        test=split,
        train=split,
        to_problem=lambda row: row,
        to_shot=lambda row: Shot(question=row["q"], solution=row["s"], answer=row["a"]),
    )


def test_a_benchmark_gives_its_train_split_with_plain_numbers(monkeypatch):
    benchmark = toy(["1,200", "-12,345.5", "(1,200)", "7"])
    monkeypatch.setattr("trainers.data.sources.BENCHMARKS", {"toy": benchmark})
    source = open_source("toy")
    assert [row.values["answer"] for row in source.rows()] == ["1200", "-12345.5", "(1,200)", "7"]
    assert source.card.sha256 == benchmark.train.sha256


def test_gsm8k_is_read_from_a_local_folder(tmp_path, monkeypatch):
    from dataclasses import replace

    from benchmarks.gsm8k import BENCHMARK

    row = {"question": "Invented?", "answer": "He has 2*600 = <<2*600=1200>>1200.\n#### 1,200"}
    content = (json.dumps(row) + "\n").encode()
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k/train.jsonl").write_bytes(content)
    split = Split(rows=1, sha256=hashlib.sha256(content).hexdigest())
    toys = {"gsm8k": replace(BENCHMARK, train=split)}
    monkeypatch.setattr("trainers.data.sources.BENCHMARKS", toys)
    [found] = open_source("gsm8k", data_dir=tmp_path).rows()
    assert found.values == {
        "prompt": "Invented?",
        "reasoning": "He has 2*600 = 1200.",
        "answer": "1200",
    }
