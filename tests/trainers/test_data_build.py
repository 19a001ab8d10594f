"""Training data as the two runs had them: exact columns, order and split; bad rows; the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import UserError
from trainers.data import DataCard, build, is_built, open_data, sft_rows
from trainers.data.reading import SourceRow
from trainers.data.rows import TrainingRow, checked

pytestmark = pytest.mark.slow

INSTRUCTIONS = {
    "gsm8k": 'Let\'s think step by step and output the final answer after "####".',
    "boxed": "Let's think step by step and output the final answer within \\boxed{}.",
}
ANSWERS = (
    "42",
    "1,200",
    "-0.5",
    "\\frac{1}{2}",
    "x^2+1",
    "(0, 1)",
    "5</s>",
    " 7 ",
    "a</s>b",
    "é/ü",
)
STYLES = sorted(INSTRUCTIONS)


@pytest.fixture(autouse=True)
def nothing_to_compare_with(monkeypatch):
    monkeypatch.setattr("trainers.data.contamination.BENCHMARKS", {})


def rows(count=250):
    return [
        {
            "prompt": f'Invented question {number}: what is "x" of \\(x_{number}\\)?\nSay it.',
            "reasoning": f"First {number}.\n\nThen \\boxed{{maybe}} <b>",
            "answer": ANSWERS[number % len(ANSWERS)],
        }
        for number in range(count)
    ]


def source(tmp_path, values, name="rows.jsonl"):
    path = tmp_path / name
    text = "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values)
    path.write_text(text, encoding="utf-8")
    return str(path)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def expected(values, style):
    """Say once more, row by row, what the two runs' data are; only the draws are `datasets`'."""
    import datasets

    numbers = datasets.Dataset.from_dict({"number": range(len(values))})
    if style == "boxed":
        numbers = numbers.shuffle(seed=42)
    parts = numbers.train_test_split(test_size=0.01, seed=42)
    made = {}
    for split in ("train", "test"):
        made[split] = []
        for index, number in enumerate(parts[split]["number"]):
            value = values[number]
            gold = value["answer"][:-4] if value["answer"].endswith("</s>") else value["answer"]
            content = value["prompt"] + " " + INSTRUCTIONS[style]
            row = {
                "prompt": [{"content": content, "role": "user"}],
                "data_source": "openai/gsm8k",
                "ability": "math",
                "reward_model": {"ground_truth": gold, "style": "rule"},
                "extra_info": {
                    "answer": value["reasoning"] + "\n#### " + gold,
                    "index": index,
                    "question": value["prompt"],
                    "split": split,
                },
            }
            if style == "boxed":
                row["data_source"] = "jouw/math"
                row["extra_info"] = {"index": index, "split": split}
                row["reasoning"] = value["reasoning"]
            made[split].append(row)
    return made


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [2, 250])
def test_every_row_is_what_the_two_runs_had(style, count, tmp_path):
    data = build(source(tmp_path, rows(count)), style, tmp_path / "out")
    wanted = expected(rows(count), style)
    for split, path in (("train", data.train), ("test", data.test)):
        assert pyarrow.parquet.read_table(path).to_pylist() == wanted[split]
        assert lines(path.with_suffix(".jsonl")) == wanted[split]
    assert (data.card.rows.train, data.card.rows.test) == tuple(map(len, wanted.values()))
    assert data.card.rows.end_marks_removed == sum(r["answer"][-4:] == "</s>" for r in rows(count))


def test_the_styles_hold_out_different_rows(tmp_path):
    held_out = {
        style: {
            row["reward_model"]["ground_truth"] + row["prompt"][0]["content"][:30]
            for row in lines(build(source(tmp_path, rows()), style, tmp_path / style).folder
                             / "test.jsonl")
        }
        for style in STYLES
    }  # fmt: skip
    assert held_out["gsm8k"] != held_out["boxed"]


def test_the_same_source_gives_the_same_bytes(tmp_path):
    first, second = (build(source(tmp_path, rows()), "boxed", tmp_path / name) for name in "ab")
    assert first.card.files == second.card.files
    assert len(first.card.files) == 6
    assert first.card.sum == second.card.sum
    assert first.card.sum != build(source(tmp_path, rows()), "gsm8k", tmp_path / "c").card.sum


@pytest.mark.parametrize("kind", ["json", "parquet", "folder", "lines called json"])
def test_every_kind_of_file_gives_the_same_rows(kind, tmp_path):
    name = "rows.json" if kind.endswith("json") else f"rows.{kind}"
    path = tmp_path / name
    if kind == "json":
        path.write_text(json.dumps(rows()), encoding="utf-8-sig")
    elif kind == "parquet":
        extra = [{**row, "kind": 1} for row in rows()]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(extra), path)
    elif kind == "folder":
        (path / "deep").mkdir(parents=True)
        source(path, rows()[:100], "a.jsonl")
        source(path / "deep", rows()[100:], "b.jsonl")
        (path / "about.json").write_text("{}")
        (path / ".hidden.jsonl").write_text("{}\n")
    else:
        source(tmp_path, rows(), name)
    made = build(str(path), "boxed", tmp_path / "out")
    usual = build(source(tmp_path, rows()), "boxed", tmp_path / "usual")
    data_files = ("train.parquet", "test.parquet", "train.jsonl", "test.jsonl")
    assert [made.card.files[f] for f in data_files] == [usual.card.files[f] for f in data_files]
    assert made.card.asked.source.sha256 != usual.card.asked.source.sha256 or "lines" in kind


# --- bad rows -------------------------------------------------------------------------------

GOOD = {"prompt": "Invented?", "reasoning": "So.", "answer": "1"}
BAD = [
    ('{"prompt": "torn', "incomplete or not JSON"),
    ("[" * 100_000, "incomplete or not JSON"),
    ('["a", "list"]', "not a JSON object"),
    ({"reasoning": "So.", "answer": "1"}, "prompt is missing or empty"),
    ({**GOOD, "prompt": " \n"}, "prompt is missing or empty"),
    ({**GOOD, "prompt": ["a"]}, "prompt is not text"),
    ({**GOOD, "answer": None}, "answer is missing or empty"),
    ({**GOOD, "answer": " </s>"}, "answer is missing or empty"),
    ({**GOOD, "answer": True}, "answer is not text"),
    ({**GOOD, "answer": float("nan")}, "answer is not a finite number"),
    ({**GOOD, "answer": ["1", "2"]}, "answer is a list of several values"),
    (
        {**GOOD, "answer": "x" * 1001},
        "answer is longer than 1,000 characters, so it is no final answer",
    ),
    (
        {**GOOD, "answer": "notfound"},
        "answer stands for an answer and is none ('proof', 'notfound', 'nan')",
    ),
    ({**GOOD, "reasoning": 1.5}, "reasoning is not text"),
    ({**GOOD, "prompt": "half \ud800"}, "prompt has half a surrogate pair, which is not text"),
]


def test_bad_rows_are_counted_and_listed_and_cost_nothing_else(tmp_path):
    good = rows(20)
    mixed = [*good[:10], *(value for value, _ in BAD), *good[10:]]
    data = build(source(tmp_path, mixed), "boxed", tmp_path / "out")
    listed = lines(data.folder / "bad_rows.jsonl")
    assert [(row["row"], row["reason"]) for row in listed] == [
        (number, reason) for number, (_, reason) in enumerate(BAD, 11)
    ]
    assert not any(row["kept"] for row in listed)
    card = data.card.rows
    assert (card.read, card.unusable, card.kept) == (20 + len(BAD), len(BAD), 20)
    assert card.bad["incomplete or not JSON"] == 2
    assert lines(data.folder / "train.jsonl") == expected(good, "boxed")["train"]


def test_a_line_that_is_no_utf8_costs_only_itself(tmp_path):
    path = Path(source(tmp_path, rows(5)))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b'{"prompt": "\xff"}\n\n')
    card = build(str(path), "boxed", tmp_path / "out").card
    assert card.rows.bad == {"not UTF-8": 1}
    assert card.rows.kept == 5


def test_repeated_and_contradicted_questions_are_kept_and_told(tmp_path):
    same, other = dict(GOOD), {**GOOD, "answer": "2"}
    data = build(source(tmp_path, [*rows(8), GOOD, same, other]), "boxed", tmp_path / "out")
    card = data.card.rows
    assert (card.kept, card.duplicate, card.conflicting) == (11, 1, 1)
    reason = "the question of row 9 of the source with another answer"
    assert lines(data.folder / "bad_rows.jsonl") == [{"row": 11, "reason": reason, "kept": True}]


def test_a_question_held_out_and_trained_on_is_counted(tmp_path):
    data = build(source(tmp_path, [GOOD] * 10), "gsm8k", tmp_path / "out")
    assert (data.card.rows.test, data.card.rows.test_also_in_train) == (1, 1)
    apart = build(source(tmp_path, rows(10)), "gsm8k", tmp_path / "apart")
    assert apart.card.rows.test_also_in_train == 0


def test_only_bad_rows_are_an_error_that_says_why(tmp_path):
    values = [{"prompt": "", "answer": "1"}] * 3
    with pytest.raises(UserError, match=r"0 of 3 rows can be used .3 x prompt is missing or empty"):
        build(source(tmp_path, values), "boxed", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="1 of 1 rows can be used"):
        build(source(tmp_path, [GOOD]), "boxed", tmp_path / "out")


def test_an_array_that_is_torn_is_an_error(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"prompt": "a"')
    with pytest.raises(UserError, match="begins like a JSON array but is not one"):
        build(str(path), "boxed", tmp_path / "out")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"rows.parquet cannot be read"):
        build(str(tmp_path / "rows.parquet"), "boxed", tmp_path / "out")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v, max_size=2)
)


@given(st.dictionaries(st.sampled_from(["prompt", "reasoning", "answer", "x"]), json_values))
def test_whatever_a_row_holds_it_is_a_row_or_a_reason(values):
    row = checked(SourceRow(row=1, values=values))
    if isinstance(row, TrainingRow):
        assert row.prompt.strip()
        assert row.answer.strip()
        if isinstance(values["answer"], str) and values["answer"].endswith("</s>"):
            assert row.had_end_mark
    else:
        assert row


# --- the folder -----------------------------------------------------------------------------


def test_what_was_built_opens_and_what_was_changed_does_not(tmp_path):
    built = build(source(tmp_path, rows(20)), "gsm8k", tmp_path / "deep/out")
    opened = open_data(tmp_path / "deep/out")
    assert opened == built
    assert is_built(opened.folder)
    assert DataCard.model_validate_json((opened.folder / "card.json").read_text()) == opened.card
    for name in opened.card.files:
        path = opened.folder / name
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        with pytest.raises(UserError, match=f"{name} has sha256 .*build it again"):
            open_data(opened.folder)
        path.unlink()
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            open_data(opened.folder)
        path.write_bytes(content)
    open_data(opened.folder)


def test_a_folder_without_a_card_is_no_training_data(tmp_path):
    assert not is_built(tmp_path)
    with pytest.raises(UserError, match="harness data build SOURCE"):
        open_data(tmp_path)
    (tmp_path / "card.json").write_text('{"schema_version": 9}')
    with pytest.raises(UserError, match="is no data card"):
        open_data(tmp_path)


def test_the_same_build_is_found_again_and_another_is_refused(tmp_path):
    first, out = source(tmp_path, rows(20)), tmp_path / "out"
    built = build(first, "boxed", out)
    written = built.train.stat().st_mtime_ns
    moved = source(tmp_path, rows(20), "moved.jsonl")
    assert build(moved, "boxed", out) == built
    assert built.train.stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r"holds another build .style: boxed -> gsm8k"):
        build(first, "gsm8k", out)
    with pytest.raises(UserError, match=r"holds another build .*limit"):
        build(first, "boxed", out, limit=5)
    with pytest.raises(UserError, match=r"holds another build .*source\.sha256"):
        build(source(tmp_path, rows(21)), "boxed", out)
    with pytest.raises(UserError, match="is already built training data"):
        build(str(out), "boxed", tmp_path / "again")


def test_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("precious")
    path = source(tmp_path, rows(5))
    for occupied in (tmp_path / "out", Path(path)):
        with pytest.raises(UserError, match="is there already and is not training data"):
            build(path, "boxed", occupied)
    assert (tmp_path / "out/thesis.tex").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    assert build(path, "boxed", tmp_path / "empty").card.rows.kept == 5


def test_an_interrupted_build_leaves_nothing(tmp_path):
    path = source(tmp_path, rows(20))
    (tmp_path / "in").mkdir()

    def interrupt(line):
        if line.startswith("writing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(path, "boxed", tmp_path / "in/out", report=interrupt)
    assert not list((tmp_path / "in").iterdir())
    assert build(path, "boxed", tmp_path / "in/out").card.rows.kept == 20
    assert [entry.name for entry in (tmp_path / "in").iterdir()] == ["out"]


def test_a_limit_takes_the_first_rows(tmp_path):
    data = build(source(tmp_path, rows(30)), "gsm8k", tmp_path / "out", limit=12)
    assert lines(data.folder / "train.jsonl") == expected(rows(12), "gsm8k")["train"]
    with pytest.raises(UserError, match="leaves no row to hold out"):
        build(source(tmp_path, rows(30)), "gsm8k", tmp_path / "none", limit=1)
    with pytest.raises(UserError, match="an overlap of 0 words is impossible"):
        build(source(tmp_path, rows(30)), "gsm8k", tmp_path / "none", ngram=0)
    with pytest.raises(UserError, match="did you mean 'boxed'"):
        build(source(tmp_path, rows(30)), "boxd", tmp_path / "none")


# --- what a reward can see ------------------------------------------------------------------


def test_the_card_counts_what_each_reward_can_see(tmp_path):
    golds = ["42", "-7", "1,200", "0.5", "\\frac{1}{2}", "x+1", "\\text{Monday}", "(1, 2)"]
    values = [{"prompt": f"Q{n}?", "reasoning": "So.", "answer": g} for n, g in enumerate(golds)]
    path = source(tmp_path, values)
    seen = {
        style: {
            name: (counted.numeric, counted.other)
            for name, counted in build(path, style, tmp_path / style).card.rewards.items()
        }
        for style in STYLES
    }
    # 1,200 is a number, and out of reach of a reward that takes the comma out of the response.
    assert seen["gsm8k"] == {"gsm8k-strict": (3, 0), "hendrycks-boxed": (0, 0), "harness": (4, 4)}
    assert seen["boxed"] == {"gsm8k-strict": (0, 0), "hendrycks-boxed": (4, 4), "harness": (4, 4)}
    card = open_data(tmp_path / "gsm8k").card
    assert card.rows.numeric == 4
    page = (tmp_path / "gsm8k/CARD.md").read_text(encoding="utf-8")
    assert "5 of these 8 answers are out of its reach: that is why v4" in page
    assert "| gsm8k-strict | 3 of 8 (37.5 %) | 3 of 4 (75.0 %) | 0 of 4 (0.0 %) |" in page


def test_the_installed_verl_rewards_what_the_card_says_it_can(tmp_path):
    from verl.utils.reward_score.gsm8k import compute_score

    data = build(source(tmp_path, rows()), "gsm8k", tmp_path / "out")
    earned = sum(
        compute_score(row["extra_info"]["answer"], row["reward_model"]["ground_truth"])
        for split in ("train", "test")
        for row in lines(data.folder / f"{split}.jsonl")
    )
    counted = data.card.rewards["gsm8k-strict"]
    assert 0 < earned == counted.numeric + counted.other


# --- conversations --------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_conversations_are_the_question_and_a_perfect_response(style, tmp_path):
    values = [*rows(30), {**GOOD, "reasoning": None}, {"prompt": "Bare?", "answer": "1"}]
    data = build(source(tmp_path, values), style, tmp_path / "out")
    assert data.card.rows.without_reasoning == 2
    made = sft_rows(data, tmp_path / "sft")
    assert made.rows + made.held_out + made.left_out == 32
    assert made.left_out == 2
    told = [
        row["messages"]
        for path in (made.train, made.test)
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]
    stated = {"gsm8k": "\n#### {}", "boxed": "\n\\boxed{{{}}}"}[style]
    wanted = [
        [
            {"role": "user", "content": f"{row['prompt']} {INSTRUCTIONS[style]}"},
            {
                "role": "assistant",
                "content": row["reasoning"] + stated.format(row["answer"].removesuffix("</s>")),
            },
        ]
        for row in rows(30)
    ]
    assert sorted(map(str, told)) == sorted(map(str, wanted))
    open_data(data.folder)


def test_answers_without_reasoning_are_nothing_to_imitate(tmp_path):
    values = [{"prompt": f"Bare {n}?", "answer": "1"} for n in range(4)]
    data = build(source(tmp_path, values), "boxed", tmp_path / "out")
    with pytest.raises(UserError, match="no row has reasoning"):
        sft_rows(data, tmp_path / "sft")


@pytest.mark.engine
def test_verl_reads_both(tmp_path):
    """verl's own data sets, with the demo model's tokenizer: the prompt whole, the loss on the
    response alone."""
    from omegaconf import OmegaConf
    from transformers import AutoTokenizer
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset
    from verl.utils.dataset.rl_dataset import RLHFDataset

    from harness.demo import MODEL_PATH

    tokenizer = AutoTokenizer.from_pretrained(MODEL_PATH)
    values = [{"prompt": f"{n}+1?", "reasoning": f"{n} and 1.", "answer": "2"} for n in range(30)]
    data = build(source(tmp_path, values), "boxed", tmp_path / "out")
    config = {"filter_overlong_prompts": False, "cache_dir": str(tmp_path / "cache")}
    asked = RLHFDataset(str(data.train), tokenizer, OmegaConf.create(config))
    wanted = expected(values, "boxed")["train"]
    assert [asked[n]["raw_prompt"] for n in range(len(asked))] == [r["prompt"] for r in wanted]
    assert [asked[n]["index"] for n in range(3)] == [0, 1, 2]
    assert asked[0]["reward_model"] == wanted[0]["reward_model"]
    made = sft_rows(data, tmp_path / "sft")
    settings = {"max_length": 512, "pad_mode": "no_padding", "truncation": "error"}
    told = MultiTurnSFTDataset(str(made.train), tokenizer, OmegaConf.create(settings))
    assert len(told) == made.rows
    first = told[0]
    learnt = tokenizer.decode(first["input_ids"][first["loss_mask"].bool()])
    assert wanted[0]["reasoning"] + "\n\\boxed{2}" in learnt
    assert "step by step" not in learnt


def test_a_folder_whose_name_is_not_utf8_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UserError, match=r"its path is not UTF-8"):
        build(source(tmp_path, rows(30)), "boxed", tmp_path / "out\udcff")
    assert not list(tmp_path.glob("out*"))
