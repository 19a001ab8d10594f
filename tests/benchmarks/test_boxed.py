"""The one reader of boxes, for golds and responses alike."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.boxed import boxed_gold, last_boxed

CASES = [
    (r"\boxed{5}", "5"),
    (r"\fbox{5}", "5"),
    (r"\boxed{ 5 }", "5"),
    (r"\boxed {5}", "5"),
    ("\\boxed\n{5}", "5"),
    (r"\boxed{1} then \boxed{2}", "2"),
    (r"\boxed{1} then \fbox{2}", "2"),
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    # nested boxes: the one that begins last
    (r"\boxed{x = \boxed{2}}", "2"),
    # a box that never closes is passed over
    (r"\boxed{3} and \boxed{4", "3"),
    (r"\boxed{3} and \boxed{\frac{1}{2}", "3"),
    (r"\boxed{4", None),
    # escaped braces are text; the brace after a line break is not
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"\boxed{\{1, 2}", r"\{1, 2"),
    (r"\boxed{a\\{b}}", r"a\\{b}"),
    (r"\boxed{a\\{b}", None),
    (r"\left\} \boxed{1}", "1"),
    # text that was escaped twice
    (r"\\boxed{7}", "7"),
    (r"x \\\boxed{7}", "7"),
    # without braces
    (r"$\boxed 5$ is it", "5"),
    (r"\(\boxed 5\) is it", "5"),
    ("\\boxed 5\nNext line.", "5"),
    (r"$\boxed\frac12$", r"\frac12"),
    (r"\boxed5", "5"),
    (r"\boxed 4 or \boxed 5", "5"),
    # boxes that say nothing, and prose about the command
    (r"\boxed{5}, inside \boxed{}", "5"),
    (r"\boxed{}", None),
    (r"\boxed{5}, as \boxed asks", "5"),
    (r"\boxed{5} (in `\boxed`).", "5"),
    (r"\boxedtext{5}", None),
    (r"no box at all: {5}", None),
    ("", None),
    ("\\", None),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_the_last_balanced_box_is_read(text, expected):
    assert last_boxed(text) == expected


def test_a_gold_without_a_box_is_an_error():
    assert boxed_gold(r"so \boxed{5}.") == "5"
    with pytest.raises(ValueError, match="no closed box"):
        boxed_gold("so 5.")


_PIECES = st.sampled_from(
    ["{", "}", "\\", "\\{", "\\}", "\\boxed{", "\\fbox{", "1", " ", "$", "\n"]
)
_TEXTS = st.lists(_PIECES, max_size=30).map("".join)
_BALANCED = st.recursive(
    st.text("abc12+-\\,. ", max_size=5).map(lambda text: text.replace("\\", r"\\")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join), inner.map(lambda t: "{" + t + "}")
    ),
    max_leaves=8,
).map(lambda text: f"1{text}".strip())


@given(_TEXTS)
def test_what_is_read_was_written_and_is_not_empty(text):
    found = last_boxed(text)
    assert found is None or (found in text and found == found.strip() != "")


@given(_TEXTS, _BALANCED)
def test_a_closed_box_at_the_end_is_always_read(before, content):
    # A blank keeps a backslash that ends `before` away from the box's own.
    assert last_boxed(f"{before} \\boxed{{{content}}}") == content


@given(_TEXTS)
def test_text_without_commands_after_the_box_changes_nothing(text):
    after = text.replace("boxed", "").replace("fbox", "")
    assert last_boxed("\\boxed{42}" + after) == "42"


@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "{",
        "}",
        "\\",
        "\\\\",
        "\\boxed ",
        "\\boxed",
        "\\boxed{}",
        "\\boxed ,",
        " ",
        "\\{",
    ],
)
def test_hostile_text_takes_linear_time(piece):
    text = "\\boxed" + piece * (2_000_000 // len(piece))
    start = time.process_time()
    last_boxed(text)
    # Two megabytes take about half a second; anything quadratic would take hours.
    assert time.process_time() - start < 20
