"""Extraction: which answer a response states, and that no response can make it slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction import MAXIMUM_ANSWER_LENGTH, Extraction, extract

STATED = [
    # boxed
    (r"Adding up, \boxed{17}.", "17", "boxed"),
    (r"First \boxed{3}. Wait, I misread it: \boxed{4}.", "4", "boxed"),
    (r"so \boxed{\frac{\sqrt{3}}{2}} it is", r"\frac{\sqrt{3}}{2}", "boxed"),
    (r"I put it in \boxed{}. Hence the answer is 9.", "9", "answer-is"),
    (r"The answer is 5, that is \boxed{6}", "6", "boxed"),
    # hash
    ("4 * 3 = 12\n#### 12", "12", "hash"),
    ("#### 7\nno, once more\n#### 8", "8", "hash"),
    ("it makes\n#### $1,250", "$1,250", "hash"),
    ("#### 2. Add them up\nThe answer is 11.", "11", "answer-is"),
    ("#### Conclusion\nIt is 13", "13", "last-number"),
    # answer-is
    ("The final answer is $\\frac{7}{3}$. I hope it is correct.", r"\frac{7}{3}", "answer-is"),
    ("The answer is 3. Hmm, no. The answer is 4.", "4", "answer-is"),
    ("**Answer:** 42", "42", "answer-is"),
    ("Final Answer: **42**", "42", "answer-is"),
    ("ANSWER = -3", "-3", "answer-is"),
    (r"The answer is: \(x^2+1\).", "x^2+1", "answer-is"),
    (r"Answer: \[ \sqrt{5} \]", r"\sqrt{5}", "answer-is"),
    ("Answer: $$12$$", "12", "answer-is"),
    ("The answers are $1$, $2$ and $3$.", "1, 2, 3", "answer-is"),
    ("The answer to the second question is therefore 3.5.", "3.5", "answer-is"),
    ("The answer is $18", "$18", "answer-is"),
    ("The answer is 9 and 10.", "9 and 10", "answer-is"),
    ("Final Answer: the largest such $n$ is 34.", "34", "answer-is"),
    ("The answer is 12 apples, as she ate the others.", "12", "answer-is"),
    ("The answer is (2, 5). I checked the answer twice.", "(2, 5)", "answer-is"),
    # last-number
    ("we get 3 + 4 = 7", "7", "last-number"),
    ("that leaves 1,234,567.5 of them", "1,234,567.5", "last-number"),
    ("the temperature is -12 degrees", "-12", "last-number"),
    ("it goes down by 5-3", "3", "last-number"),
    ("a share of 3/4 remains", "3/4", "last-number"),
    ("the ratio becomes $\\frac{3}{8}$", r"\frac{3}{8}", "last-number"),
    ("which is 35%.", "35%", "last-number"),
    ("He pays $18.", "18", "last-number"),
]


@pytest.mark.parametrize(("response", "answer", "rule"), STATED)
def test_the_last_stated_answer_is_found(response: str, answer: str, rule: str) -> None:
    assert extract(response) == Extraction(answer, rule)


@pytest.mark.parametrize(
    "response",
    [
        "",
        "   \n ",
        "I cannot solve this.",
        r"\boxed{}",
        "The answer is",
        "<think>it must be 5, so \\boxed{5}",
        "<think>5</think>",
        "<think>a</think> \\boxed{1} <think> but \\boxed{2}",
    ],
)
def test_no_answer_is_made_up(response: str) -> None:
    assert extract(response) is None


@pytest.mark.parametrize("opening", ["<think>", ""])
def test_only_what_follows_the_thinking_counts(opening: str) -> None:
    response = opening + r"perhaps \boxed{1}? </think> The answer is 2."
    assert extract(response) == Extraction("2", "answer-is")


@pytest.mark.parametrize(
    "response",
    ["so far 3 + 4 = 7", "The answer is 1", "#### 12", "The answer is $\\frac{1", "\\boxed{12"],
)
def test_what_the_cut_runs_through_is_not_stated(response: str) -> None:
    assert extract(response, truncated=True) is None


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is 12. Let me check", "12"),
        ("#### 12\n\nQuestion", "12"),
        (r"\boxed{12}", "12"),
        ("The answer is $12$", "12"),
    ],
)
def test_a_truncated_response_may_have_answered_before_the_cut(response: str, answer: str) -> None:
    found = extract(response, truncated=True)
    assert found is not None
    assert found.answer == answer


def test_an_answer_longer_than_the_limit_is_none() -> None:
    assert extract(r"\boxed{%s}" % ("7" * (MAXIMUM_ANSWER_LENGTH + 1))) is None
    assert extract(r"\boxed{%s}" % ("7" * MAXIMUM_ANSWER_LENGTH)) is not None


HOSTILE = {
    "boxes": r"\boxed{",
    "closed boxes": r"\boxed{1}",
    "box without brace": r"\boxed ",
    "hashes": "#",
    "hash marks": "#### ",
    "hash lines": "####\n",
    "answers": "answer is ",
    "answers without value": "answer ",
    "answers and colons": "answer: answer: $",
    "final answers": "Final Answer: The final answer is $",
    "bold": "answer is **",
    "digits": "1",
    "thousands": "1,111,",
    "fractions": "1/1/",
    "minus signs": "- -",
    "digit and blanks": "1" + " " * 1000,
    "blanks": " ",
    "line breaks": "\n",
    "dollars": "$",
    "parentheses": r"\(",
    "thoughts": "<think>",
    "closed thoughts": "<think></think>",
    "braces": "{",
    "backslashes": "\\",
    "words": "a",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_extraction_takes_linear_time(piece: str) -> None:
    response = piece * (1_000_000 // len(piece))
    began = time.process_time()
    extract(response)
    extract("The answer is " + response)
    extract(response, truncated=True)
    # About 0.3 s at worst on a slow machine; anything quadratic takes hours.
    assert time.process_time() - began < 5


@given(st.text(alphabet="answer is#$\\boxed{}()[]*.,:/-%0123456789\n<think>", max_size=300))
def test_every_text_is_read_without_an_error_and_the_answer_is_bounded(response: str) -> None:
    for truncated in (False, True):
        found = extract(response, truncated=truncated)
        assert found is None or 0 < len(found.answer) <= MAXIMUM_ANSWER_LENGTH


@given(st.integers(), st.sampled_from(["\\boxed{%d}", "\n#### %d\n", "The answer is %d.", "= %d"]))
def test_an_integer_is_read_back(value: int, form: str) -> None:
    found = extract("Let us see. " + form % value)
    assert found is not None
    assert found.answer == str(value)
