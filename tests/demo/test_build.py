"""Tests of the demo model's build, and of the checkpoint that was built."""

import json
import re
from dataclasses import replace
from itertools import islice
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from replayed import Recorded
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.demo import BENCHMARK, to_shot
from benchmarks.demo import test_rows as held_out_rows
from benchmarks.demo_problems import KINDS, Exercise, exercise, exercises
from harness.demo import MODEL_PATH
from harness.demo.build import build, checksums
from harness.demo.dialogues import INSTRUCTIONS, Dialogue, draw, write
from harness.demo.drills import drill
from harness.demo.measure import answer_of, is_right, respond
from harness.demo.training import UNSCORED, TrainingPlan, batches, encode, encode_drill, prompt_ids
from harness.prompts.rendering import render
from harness.prompts.styles import PROMPT_STYLES

TINY = TrainingPlan(
    steps=2, drills=1, warmup=1, batch=4, bucket=1, hidden=64, layers=1, feed_forward=64
)
RECORD = json.loads((MODEL_PATH / "build.json").read_text())


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(MODEL_PATH)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(MODEL_PATH)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    progress = Recorded()
    record = build(folder, TINY, progress=progress, measured=2)
    return folder, record, progress


def asked(row) -> Exercise:
    return Exercise(**{key: row[key] for key in ("kind", "question", "solution", "answer")})


# The shipped checkpoint


def test_the_checkpoint_is_under_five_megabytes():
    assert sum(path.stat().st_size for path in MODEL_PATH.iterdir()) < 5_000_000


def test_the_recorded_sums_are_those_of_the_files():
    assert RECORD["files"] == checksums(MODEL_PATH)
    assert {"model.safetensors", "tokenizer.json", "MODEL_CARD.md"} <= set(RECORD["files"])


def test_it_was_measured_on_the_test_split_as_it_is_now():
    assert RECORD["test_sha256"] == BENCHMARK.test.sha256
    assert RECORD["greedy"]["boxed"]["of"] == BENCHMARK.test.rows


def test_it_was_made_with_the_settings_that_are_now_the_defaults():
    assert TrainingPlan(**RECORD["plan"]) == TrainingPlan()


def test_greedy_is_right_on_a_part_and_sampling_on_more():
    greedy, sampled = RECORD["greedy"]["boxed"], RECORD["sampled_boxed"]
    assert 0.3 <= greedy["correct"] / greedy["of"] <= 0.6
    assert sampled["any"]["correct"] / sampled["any"]["of"] > greedy["correct"] / greedy["of"] + 0.1


def test_every_style_of_prompt_is_understood():
    assert set(RECORD["greedy"]) == set(PROMPT_STYLES)
    assert all(share["correct"] / share["of"] > 0.25 for share in RECORD["greedy"].values())


def test_the_model_loads_as_bfloat16(model):
    assert model.dtype == torch.bfloat16
    assert model.num_parameters() == RECORD["parameters"]


@pytest.fixture(scope="module")
def measured(model, tokenizer):
    """By style, the responses to the first problems: in one batch, which takes hardly longer."""
    rows = list(islice(held_out_rows(), len(KINDS)))
    texts = [write(style, asked(row)) for style in INSTRUCTIONS for row in rows]
    responses = respond(model, tokenizer, texts)
    return rows, {style: list(islice(responses, len(rows))) for style in INSTRUCTIONS}


@pytest.mark.slow
@pytest.mark.parametrize("style", list(INSTRUCTIONS))
def test_the_model_answers_as_it_was_measured(measured, style):
    rows, by_style = measured
    responses = by_style[style]
    right = sum(is_right(text, row["answer"]) for text, row in zip(responses, rows, strict=True))
    marker = "#### " if style == "gsm8k-hash" else "\\boxed{"
    assert 2 <= right < len(rows)
    assert sum(marker in text for text in responses) >= 11


# The tokenizer


@given(text=st.text())
def test_any_text_survives_the_tokenizer(text, tokenizer):
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_digits_are_single_tokens(tokenizer):
    tokens = tokenizer.tokenize("12345 + 6")
    assert [token for token in tokens if token.isdigit()] == list("123456")


def test_there_is_one_bos_in_text_and_in_a_rendered_template(tokenizer):
    turns = [{"role": "user", "content": "2 + 3?"}]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    bos = tokenizer.bos_token_id
    assert tokenizer.encode("2 + 3?").count(bos) == 1
    assert tokenizer.encode(rendered, add_special_tokens=False).count(bos) == 1
    assert tokenizer.encode(rendered).count(bos) == 2  # the trap that the harness must avoid


def test_the_template_is_chatml(tokenizer):
    turns = [
        {"role": "system", "content": ""},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert rendered == (
        "<|bos|><|im_start|>system\n<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
        "<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n"
    )


# The training texts


@pytest.mark.parametrize("shots", [0, 1, 2])
@pytest.mark.parametrize("style", list(PROMPT_STYLES))
def test_training_asks_in_the_very_tokens_of_the_harness(tokenizer, style, shots):
    rows = list(islice(held_out_rows(), shots + 1))
    told = write(style, asked(rows[0]), shots=[asked(row) for row in rows[1:]])
    examples = [to_shot(row) for row in rows[1:]]
    (prompt,) = render(
        PROMPT_STYLES[style], [rows[0]["question"]], tokenizer=tokenizer, shots=examples
    )
    expected = [i for i in prompt.token_ids if i != tokenizer.bos_token_id]
    assert [i for i in prompt_ids(tokenizer, told) if i != tokenizer.bos_token_id] == expected


@given(seed=st.integers(0, 2**32))
def test_no_question_to_avoid_is_ever_drawn(seed):
    questions = frozenset(drawn.question for drawn in islice(exercises(seed), 36))
    text = draw(Random(seed), avoid=questions)
    given = text.raw + "".join(turn["content"] for turn in text.messages)
    assert not any(question in given for question in questions)


def test_only_the_response_and_its_end_are_scored(tokenizer):
    plan = replace(TINY, drills=0)
    ids, labels = next(batches(tokenizer, plan, avoid=frozenset()))
    for row, label in zip(ids, labels, strict=True):
        scored = label != UNSCORED
        response = tokenizer.decode(row[scored])
        assert torch.equal(row[scored], label[scored])
        assert response.endswith(tokenizer.eos_token)
        assert answer_of(response.removesuffix(tokenizer.eos_token))
        assert "<|im_start|>" not in response


@given(seed=st.integers(0, 2**32), kind=st.sampled_from(list(KINDS)))
def test_the_response_that_is_taught_is_right(seed, kind, tokenizer):
    drawn = exercise(kind, Random(seed))
    for style in INSTRUCTIONS:
        text = write(style, drawn)
        assert is_right(text.response, drawn.answer)
        assert len(encode(tokenizer, text).ids) < 300


def test_only_what_follows_from_an_equation_is_scored_in_a_drill(tokenizer):
    equations = drill(Random(1))
    text = encode_drill(tokenizer, equations)
    scored = [label for label in text.labels if label != UNSCORED]
    assert tokenizer.decode(scored) == "".join(result for _, result in equations)
    assert tokenizer.decode(text.ids) == "<|bos|>" + "".join(a + b for a, b in equations)


@given(seed=st.integers(0, 2**32))
def test_the_equations_of_a_drill_are_true(seed):
    for given_part, result in drill(Random(seed)):
        for line in (given_part + result).replace("\\cdot", "*").splitlines():
            assert re.fullmatch(r"[\d\s()+*-]+ = -?\d+\.", line)
            assert eval(line.removesuffix(".").replace("=", "=="))


def test_a_text_without_turns_begins_with_one_bos(tokenizer):
    ids = prompt_ids(tokenizer, Dialogue(raw="Question: 1?\nAnswer:"))
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(ids[0]) == 1


# The build


def test_a_tiny_build_leaves_a_whole_checkpoint(tiny):
    folder, record, progress = tiny
    assert progress.stages == ["training"]
    assert progress.counts[""][:2] == (TINY.steps, TINY.steps)
    assert json.loads((folder / "build.json").read_text()) == record
    assert record["files"] == checksums(folder)
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() == record["parameters"]
    assert record["sampled_boxed"]["each"]["of"] == 16


def test_the_same_seed_makes_the_same_weights(tiny, tmp_path):
    _, record, _ = tiny
    again = build(tmp_path, TINY, measured=0)
    for name in ("model.safetensors", "tokenizer.json"):
        assert again["files"][name] == record["files"][name]
