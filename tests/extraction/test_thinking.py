"""Tests that a model's thinking never counts as its reply, however it is marked."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import Conventions
from harness.evaluation.grade_sample import Reference, grade_sample_by_rules
from harness.extraction import Extraction, extract
from harness.extraction.thinking import kept_marks, opens_thinking, said
from harness.grading import Outcome, Verdict
from harness.runs.sample import Sample

HARMONY = "<|channel|>analysis<|message|>%s<|end|><|start|>assistant<|channel|>final<|message|>"
MARKED = [
    "<think>%s</think>",
    "<THINK>%s</THINK>",
    "<Think>%s</think>",
    "< think >%s</ think >",
    "<think >\n%s\n< /think>\n",
    "<thinking>%s</thinking>",
    "<thought>%s</thought>",
    "<thoughts>%s</thoughts>",
    "<reason>%s</reason>",
    "<reasoning>%s</reasoning>",
    "<seed:think>%s</seed:think>",
    "<mm:think>%s</mm:think>",
    "<think:7fe2>%s</think:7fe2>",
    "<ifm|think>%s</ifm|think>",
    "<ifm|think_faster>%s</ifm|think_faster>",
    "[THINK]%s[/THINK]",
    "\u25c1think\u25b7%s\u25c1/think\u25b7",
    "<|begin_of_thought|>%s<|end_of_thought|>\n\n<|begin_of_solution|>",
    "<|START_THINKING|>%s<|END_THINKING|>",
    "<|START_THINKING|>%s<|END_THINKING|><|START_RESPONSE|>",
    "<|START_THINKING|>%s<|END_THINKING|><|START_TEXT|>",
    "<|inner_prefix|>%s<|inner_suffix|>",
    "<|channel>thought\n%s\n<channel|>",
    "<|open|>think<|sep|>%s<|close|>think<|sep|><|open|>response<|sep|>",
    "<|content_thinking|>%s<|end_message|><|message_model|><|content_text|>",
    "to=self<|message|>%s<|eom|><|start|>assistant to=user<|message|>",
    HARMONY,
    "<|start|>assistant" + HARMONY,
    "<|channel|>analysis<|message|>%s<|end|><|start|>assistant<|channel|>final "
    "<|constrain|>json<|message|>",
    "<|channel|>commentary<|message|>%s<|end|><|start|>assistant<|channel|>final<|message|>",
]
"""Blocks as models write them, with the thought's place and all that stands before the reply."""
UNMARKED = [
    "analysisWe try. %s So answer.assistantfinal",
    "Here is my thought process: %s\n\nHere is my response:",
    "%s [BEGIN FINAL RESPONSE]",
]
"""Blocks that no mark opens."""
THOUGHTS = [r"\boxed{1}", "The answer is 1.", "<answer>1</answer>", "\n#### 1\n", "1"]


@pytest.mark.parametrize("block", MARKED + UNMARKED)
@pytest.mark.parametrize("thought", THOUGHTS)
def test_no_thinking_leaks(block: str, thought: str) -> None:
    assert extract(block % thought + "It is 2.") == Extraction("2", "last-number")
    assert extract(block % thought) is None


@pytest.mark.parametrize("block", MARKED)
@pytest.mark.parametrize("thought", THOUGHTS)
def test_thinking_that_never_ends_has_no_answer(block: str, thought: str) -> None:
    opening = block.partition("%s")[0]
    assert extract(opening + thought) is None
    assert extract(opening + thought, truncated=True) is None
    assert extract(block % "7?" + r"\boxed{1} " + opening + thought) is None, "opened again"


@pytest.mark.parametrize("block", MARKED)
@pytest.mark.parametrize("thought", THOUGHTS)
def test_the_prompt_may_open_the_thinking(block: str, thought: str) -> None:
    opening, _, rest = block.partition("%s")
    assert opens_thinking("<|user|>What is 1 + 1?<|assistant|>" + opening + "\n")
    assert extract(thought + rest + "It is 2.", thinking_opened=True) == (
        Extraction("2", "last-number")
    )
    assert extract(block % thought + "It is 2.", thinking_opened=True) == (
        Extraction("2", "last-number")
    ), "some models open it once more"
    assert extract(thought, thinking_opened=True) is None
    assert extract(thought, truncated=True, thinking_opened=True) is None


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "<|im_start|>assistant\n",
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "Think between <think> and </think>.<|im_end|>\n<|im_start|>assistant\n",
        "Begin with <think>.<|im_end|>\n<|im_start|>assistant\n",
        "<|start|>assistant",
        "<|START_THINKING|><|END_THINKING|>",
    ],
)
def test_other_prompts_do_not_open_it(prompt: str) -> None:
    assert not opens_thinking(prompt)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("<think>a <think>b</think> c</think> d", " d"),
        ("<think>a <think>b</think> c", " c"),
        ("<think><think>a</think> b", " b"),
        ("<think>a <thought>b</thought> c</think> d", " d"),
        ("<thinking>a </think> b</thinking> c", " c"),
        ("a</think> b", " b"),
        ("a</think> b</think> c", " c"),
        ("a <think>b</think> c", " c"),
        ("<think>a</think>b<think>c</think>d", "b\nd"),
        ("<think>a</think>b<think>c</think>", "b"),
        ("<think></think>b", "b"),
        (HARMONY % "a" + "b<|return|>c", "b"),
        (HARMONY % "a" + "b<|end|><|start|>assistant<|channel|>analysis<|message|>c", "b"),
        (HARMONY % ("a<|end|><|start|>assistant<|channel|>analysis<|message|>b") + "c", "c"),
        (
            "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>"
            "<|END_OF_TURN_TOKEN|>c",
            "b",
        ),
        ("[BEGIN FINAL RESPONSE]\nb\n[END FINAL RESPONSE]\nc", "\nb\n"),
        # no marks
        ("5 < 7 and 8 > 7", "5 < 7 and 8 > 7"),
        ("if a<b then [THIN] and <b>c</b>", "if a<b then [THIN] and <b>c</b>"),
        ("a < b [THINK]c[/THINK]d > e", "d > e"),
        ("analysis of the sum: 5", "analysis of the sum: 5"),
        ("Here is my thought process: 2 + 3 = 5.", "Here is my thought process: 2 + 3 = 5."),
        ("We use <|message|> as a token", "We use <|message|> as a token"),
    ],
)
def test_what_is_said(response: str, text: str) -> None:
    found = said(response)
    assert found is not None
    assert found.text == text


@pytest.mark.parametrize(
    "response",
    ["<think>a<|im_end|></think>b", HARMONY.partition("<|start|>")[0] % "a", "analysisWe try 5."],
)
def test_nothing_is_said(response: str) -> None:
    assert said(response) is None


@pytest.mark.parametrize("truncated", [True, False, None])
def test_a_turn_that_ended_was_not_cut_off(truncated: bool | None) -> None:
    cut = "The answer is 5"
    assert extract(f"<think>7</think>{cut}<|im_end|>x", truncated=truncated) is not None
    assert (extract(f"<think>7</think>{cut}", truncated=truncated) is None) == (truncated is True)


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (r"so \boxed{5}, but wait", Outcome.TRUNCATED),
        (r"so \boxed{5}</think>\boxed{6}", Outcome.WRONG),
    ],
)
def test_a_sample_is_graded_by_whether_its_prompt_opened_the_thinking(
    response: str, outcome: Outcome
) -> None:
    sample = Sample(
        problem_id="p", index=0, response=response, finish_reason="length", seed=0, prompt_sum=""
    )
    opened = Reference("5", Conventions(), thinking_opened=True)
    graded = grade_sample_by_rules(sample, opened, read=str)
    assert isinstance(graded, Verdict)
    assert graded.outcome is outcome


PIECES = st.sampled_from(
    [
        *("<think>", "</think>", "<thought>", "</thought>", "[THINK]", "[/THINK]", "<", "[", "x"),
        *("<|channel|>", "analysis", "final", "<|message|>", "<|end|>", "<|im_end|>", "to=self"),
        *("<|START_RESPONSE|>", "\u25c1think\u25b7", "\u25c1/think\u25b7", "assistantfinal", "\n"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.booleans())
def test_a_closed_block_never_counts(before: str, opened: bool) -> None:
    """Whatever stands before, the words inside a block that is opened and closed are not said."""
    found = said(before + "<think>hidden</think>shown", opened=opened)
    assert found is None or "hidden" not in found.text


@pytest.mark.parametrize(
    "piece",
    ["<", "<think>", "<think></think>x", "</think>", "<|channel|>", "to=self<|message|>", "< ",
     "<|open|> ", "[THINK", "<|channel|>final", "\u25c1think\u25b7", "<a", "analysisA"],
)  # fmt: skip
def test_the_time_is_linear(piece: str) -> None:
    began = time.process_time()
    said(piece * (400_000 // len(piece)))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("special", "kept"),
    [
        (["<|im_start|>", "<|im_end|>", "<|endoftext|>"], []),
        (["<|end|>", "<|start|>", "<|message|>", "<|START_RESPONSE|>"], []),
        (["<s>", "</s>", "[INST]", "[THINK]", "[/THINK]"], ["[THINK]", "[/THINK]"]),
        (["<think>", "</think>", "<eos>"], ["<think>", "</think>"]),
        (
            ["<|return|>", "<|call|>", "<|start|>", "<|channel|>", "<|message|>", "<|end|>"],
            ["<|start|>", "<|channel|>", "<|message|>", "<|end|>"],
        ),
        (
            ["<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>",
             "<|END_OF_TURN_TOKEN|>"],
            ["<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>"],
        ),
        (
            ["<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>"],
            ["<|open|>", "<|close|>", "<|sep|>"],
        ),
    ],
)  # fmt: skip
def test_only_the_marks_of_thinking_are_kept(special: list[str], kept: list[str]) -> None:
    assert kept_marks(special) == frozenset(kept)
