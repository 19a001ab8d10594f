"""Tests of prompts: the model's own template renders them, and they never have two BOS tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import BENCHMARKS, Shot, UserError
from benchmarks.source import load_shots
from harness.models.checkpoint import Checkpoint, open_checkpoint
from harness.prompts import rendering
from harness.prompts.rendering import choose_shots, prompts_sum, render
from harness.prompts.styles import PROMPT_STYLES, find_prompt_style

QUESTION = "What is $1 + 1$?"
SHOT = Shot(question="What is $2 + 2$?", solution="Two and two make four.", answer="4")


@pytest.fixture(scope="module")
def demo() -> Checkpoint:
    return open_checkpoint("demo")


@pytest.mark.parametrize("style", PROMPT_STYLES)
@pytest.mark.parametrize("shots", [[], [SHOT]], ids=["no shots", "one shot"])
def test_no_style_makes_two_bos_tokens(style: str, shots: list[Shot], demo: Checkpoint) -> None:
    (prompt,) = render(PROMPT_STYLES[style], [QUESTION], tokenizer=demo.tokenizer, shots=shots)
    assert prompt.token_ids is not None
    assert prompt.token_ids.count(demo.tokenizer.bos_token_id) == 1
    assert prompt.token_ids[0] == demo.tokenizer.bos_token_id


def test_the_demo_tokenizer_would_make_two_bos_tokens_if_asked_twice(demo: Checkpoint) -> None:
    """Check that the test above can fail: rendering twice does make two BOS tokens here."""
    (prompt,) = render(PROMPT_STYLES["boxed"], [QUESTION], tokenizer=demo.tokenizer)
    again = demo.tokenizer(prompt.text)["input_ids"]
    assert again.count(demo.tokenizer.bos_token_id) == 2


@settings(max_examples=30)  # a template is rendered in a process of its own
@given(question=st.text(min_size=1, max_size=80))
@pytest.mark.parametrize("style", ["boxed", "qwen25-math", "plain"])
def test_the_question_reaches_the_model_as_it_is(
    style: str, demo: Checkpoint, question: str
) -> None:
    (prompt,) = render(PROMPT_STYLES[style], [question], tokenizer=demo.tokenizer)
    assert question in prompt.text


def test_styles_say_what_the_published_runs_said() -> None:
    boxed = "Please reason step by step, and put your final answer within \\boxed{}."
    said = {name: style.messages(QUESTION) for name, style in PROMPT_STYLES.items()}
    assert said["boxed"][-1]["content"] == f"{QUESTION}\n{boxed}"
    assert [turn["content"] for turn in said["openseek-sft"]] == [
        "",
        f"{boxed}\nQuestion:\n{QUESTION}",
    ]
    assert [turn["content"] for turn in said["qwen25-math"]] == [boxed, QUESTION]
    assert said["gsm8k-hash"][-1]["content"] == (
        f'{QUESTION} Let\'s think step by step and output the final answer after "####".'
    )
    assert said["boxed-step"][-1]["content"] == (
        f"{QUESTION} Let's think step by step and output the final answer within \\boxed{{}}."
    )


def test_chatml_styles_ignore_the_models_template(demo: Checkpoint) -> None:
    (prompt,) = render(PROMPT_STYLES["openseek-sft"], [QUESTION], tokenizer=demo.tokenizer)
    assert prompt.text == (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"
        "Please reason step by step, and put your final answer within \\boxed{}.\n"
        f"Question:\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_shot_ends_as_its_style_asks() -> None:
    boxed = PROMPT_STYLES["boxed"].messages(QUESTION, [SHOT])
    hashed = PROMPT_STYLES["gsm8k-hash"].messages(QUESTION, [SHOT])
    assert [turn["role"] for turn in boxed] == ["user", "assistant", "user"]
    assert boxed[1]["content"] == "Two and two make four.\n\\boxed{4}"
    assert hashed[1]["content"] == "Two and two make four.\n#### 4"


def test_a_raw_prompt_reads_like_a_document(demo: Checkpoint) -> None:
    (prompt,) = render(PROMPT_STYLES["plain"], [QUESTION], tokenizer=demo.tokenizer, shots=[SHOT])
    assert prompt.text == (
        f"Question: {SHOT.question}\nAnswer: {SHOT.solution}\n\\boxed{{4}}\n\n"
        f"Question: {QUESTION}\nAnswer:"
    )


def test_a_base_models_next_question_is_not_read() -> None:
    response = " 2\n\\boxed{2}\n\nQuestion: What is 3+3?\nAnswer: \\boxed{6}"
    assert PROMPT_STYLES["plain"].read(response) == " 2\n\\boxed{2}\n"
    assert PROMPT_STYLES["boxed"].read(response) == response


def test_shots_are_the_same_for_a_seed_and_others_for_another() -> None:
    pool = load_shots(BENCHMARKS["demo"])
    drawn = choose_shots(pool, 4, seed=0, benchmark="demo")
    assert drawn == choose_shots(pool, 4, seed=0, benchmark="demo")
    assert drawn != choose_shots(pool, 4, seed=1, benchmark="demo")
    with pytest.raises(UserError, match="has only"):
        choose_shots(pool, len(pool) + 1, seed=0, benchmark="demo")


def test_a_model_without_a_template_is_told_what_to_do(demo: Checkpoint) -> None:
    template, demo.tokenizer.chat_template = demo.tokenizer.chat_template, None
    try:
        with pytest.raises(UserError, match="prompt style plain"):
            render(PROMPT_STYLES["boxed"], [QUESTION], tokenizer=demo.tokenizer)
    finally:
        demo.tokenizer.chat_template = template


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
        ("{{ raise_exception('no system turn') }}", "TemplateError: no system turn"),
        ("{{ messages.nothing.at.all }}", "UndefinedError"),
        ("{% for", "TemplateSyntaxError"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "RecursionError"),
        ("{{ 'x' * 10 ** 7 }}", "ValueError: a text has 10,000,000 bytes"),
        ("{{ ('x' * 10 ** 10) | length }}", "it needs too much memory"),
        ("{{ 9 ** (9 ** 9) }}", r"it took more than \d s"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            r"it took more than \d s",
        ),
    ],
)
def test_a_template_that_fails_or_takes_too_much_is_one_paragraph(
    template: str, said: str, demo: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "PATIENCE", 0.4 if "it took" in said else 20.0)
    monkeypatch.setattr(demo.tokenizer, "chat_template", template)
    with pytest.raises(UserError, match=f"does not render the conversation: {said}"):
        render(PROMPT_STYLES["boxed"], [QUESTION], tokenizer=demo.tokenizer)


def test_a_template_is_rendered_as_transformers_renders_it(demo: Checkpoint) -> None:
    questions = ["a", "\u2028", QUESTION, "ü" * 100_000]
    texts = [p.text for p in render(PROMPT_STYLES["boxed"], questions, tokenizer=demo.tokenizer)]
    turns = [PROMPT_STYLES["boxed"].messages(question) for question in questions]
    assert texts == demo.tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=True
    )


@pytest.mark.parametrize("style", ["boxed", "plain"])
def test_a_question_that_is_no_text_is_refused(style: str, demo: Checkpoint) -> None:
    with pytest.raises(UserError, match=r"half of a surrogate pair.*\\ud800"):
        render(PROMPT_STYLES[style], ["a", "b\ud800"], tokenizer=demo.tokenizer)


def test_an_unknown_style_suggests_one() -> None:
    with pytest.raises(UserError, match="did you mean 'boxed-step'"):
        find_prompt_style("boxed-stpe")


def test_the_sum_of_prompts_sees_order_and_content(demo: Checkpoint) -> None:
    one, two = render(PROMPT_STYLES["boxed"], ["a", "b"], tokenizer=demo.tokenizer)
    assert prompts_sum([one, two]) != prompts_sum([two, one])
    assert prompts_sum([one, two]) == prompts_sum([one, two])
