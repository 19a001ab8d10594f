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
    (r"\boxed 1, \boxed 2", "2"),
    (r"\boxed{1}, \boxed 2", "2"),
    # if the command is escaped twice, so is the content, unless a lone backslash shows otherwise
    (r"\\boxed{\\frac{1}{2}}", r"\frac{1}{2}"),
    (r"\\boxed{\\text{a}}, \\boxed{b}", r"\text{a}, b"),
    (r"\\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    (r"\\boxed{\begin{pmatrix}1\\2\end{pmatrix}}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"\beginboxed{8\sqrt{6}}", r"8\sqrt{6}"),
    # empty boxes, and prose about the command
    (r"\boxed{5}, inside \boxed{}", "5"),
    (r"\boxed{}", None),
    (r"\boxed{5}, as \boxed asks", "5"),
    (r"\boxed{5} (in `\boxed`).", "5"),
    (r"\boxedtext{5}", None),
    (r"no box at all: {5}", None),
    ("", None),
    ("\\", None),
]


LISTS = [
    (r"\boxed{3}, \boxed{5}, \boxed{7}", "3, 5, 7"),
    (r"$\boxed{3}$ and $\boxed{5}$", "3, 5"),
    (r"\(\boxed{1}\) or \(\boxed{-2}\).", "1, -2"),
    (r"**\boxed{1}**, and **\boxed{2}**", "1, 2"),
    (r"$$\boxed{(1,2)} \quad \text{and} \quad \boxed{(2,1)}$$", "(1,2), (2,1)"),
    ("\\[\n\\boxed{2},\\quad \\boxed{x}; \\boxed{3}\n\\]", "2, x, 3"),
    ("\\[\\boxed{1}\\]\n\nand\n\n\\[\\boxed{2}\\]", "1, 2"),
    (r"\boxed{1}\boxed{2}", "1, 2"),
    (r"\boxed{1}、\boxed{2}和\boxed{3}", "1, 2, 3"),
    (r"\boxed{\boxed{3}, \boxed{5}}", "3, 5"),
    # the word for what was counted
    (r"\boxed{1} papers and \boxed{2} bins", "1, 2"),
    (r"\(\boxed{9}\) pigs and \(\boxed{32}\) chickens", "9, 32"),
    # an empty box in a list does not count
    (r"\boxed{1}, \boxed{}, \boxed{2}", "1, 2"),
]

SINGLE = [
    # the same answer once more
    (r"\boxed{5}, \boxed{5}", "5"),
    (r"\boxed{5}. So \boxed{5}", "5"),
    # a retraction
    (r"\boxed{5}. No, \boxed{6}", "6"),
    (r"\boxed{5}, no wait, \boxed{6}", "6"),
    (r"\boxed{5} is wrong and \boxed{6} right", "6"),
    (r"\boxed{3}, \boxed{4}. Correction: \boxed{7}", "7"),
    # only a blank or a line break between the boxes: the second is a new attempt
    (r"\boxed{9} \boxed{42}", "42"),
    ("\\[\\boxed{9}\\]\n\\[\\boxed{42}\\]", "42"),
]


@pytest.mark.parametrize(("text", "expected"), CASES + SINGLE)
def test_the_last_balanced_box_is_read(text, expected):
    assert last_boxed(text) == expected


@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_boxes_that_state_one_answer_together_are_a_list(text, expected):
    assert last_boxed(text) == expected


def test_a_gold_is_the_last_box_alone():
    """MATH boxes one answer in several forms and takes the last one as its answer."""
    assert boxed_gold(r"$\boxed{1\frac{1}{2}},$ or $\boxed{\frac{3}{2}}$") == r"\frac{3}{2}"


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
    written = text.replace("\\\\", "\\") + text
    assert found is None or all(part in written for part in found.split(", "))
    assert found is None or found == found.strip() != ""


@given(_TEXTS, _BALANCED)
def test_a_closed_box_at_the_end_is_always_read(before, content):
    # A blank keeps a backslash that ends `before` away from the box's own.
    assert last_boxed(f"{before} \\boxed{{{content}}}") == content


@given(_TEXTS, _BALANCED)
def test_what_stands_before_a_box_decides_only_what_it_is_listed_with(before, content):
    assert last_boxed(f"{before}\nSo \\boxed{{{content}}}") == content


@given(_BALANCED, _BALANCED)
def test_two_boxes_with_a_comma_between_are_both_read(first, second):
    expected = first if first == second else f"{first}, {second}"
    assert last_boxed(f"\\boxed{{{first}}}, \\boxed{{{second}}}") == expected


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
        "\\boxed{1}",
        "\\boxed{1},",
        "\\boxed{1} a and ",
        "\\boxed{\\boxed{1}}, ",
        "\\boxed{1}\\quad ",
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
