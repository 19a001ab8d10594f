"""Several boxes: parts of one answer, or one attempt after another."""

import time

import pytest

from benchmarks.box_lists import LONGEST_SEPARATOR, are_listed, is_remark, name_before
from benchmarks.boxed import last_box, last_boxed

ONE_ANSWER = [
    (r"$x=\boxed{4}$ or $x=\boxed{9}$", "x=4, x=9"),
    (r"\[ u = \boxed{-1}, \quad v = \boxed{6} \]", "u=-1, v=6"),
    (r"The tank holds \(\boxed{40}\) litres and the can holds \(\boxed{7}\) litres.", "40, 7"),
    (r"Mode: \boxed{4}; range: \boxed{5}", "4, 5"),
    (r"either \boxed{11} or \boxed{12}", "11, 12"),
    (r"\boxed{2} metres long, \boxed{3} metres wide and \boxed{4} metres high", "2, 3, 4"),
    ("(a) $\\boxed{8}$\n(b) $\\boxed{9}$", "8, 9"),
    ("**Part (a):** It is $\\boxed{8}$ cm.\n**Part (b):** It is $\\boxed{9}$ cm.", "8, 9"),
    ("- $r = \\boxed{2}$\n- $s = \\boxed{5}$", "r=2, s=5"),
    # a name inside of a box stays, and is not written twice
    (r"$a=\boxed{a=3}$ and $b=\boxed{b=4}$", "a=3, b=4"),
]
THE_LATER = [
    (r"The roots are \boxed{2} and \boxed{7}, so their sum is \boxed{9}.", "9"),
    (r"\boxed{12}, wait, \boxed{13}", "13"),
    (r"We get $p=\boxed{2}$ and hence $q=\boxed{6}$.", "6"),
    (r"First I thought \boxed{2}, and now \boxed{3}", "3"),
    (r"\boxed{\frac{6}{4}} or, in simplest form, \boxed{\frac{3}{2}}", r"\frac{3}{2}"),
    (r"$\boxed{\frac{1}{4}} = \boxed{0.25}$", "0.25"),
    (r"\boxed{5} and 5+3=\boxed{8}", "8"),
    (r"Step 1 gives \boxed{5}, step 2 gives \boxed{8}", "8"),
    ("It is \\boxed{5}.\n\nAnd the other one is \\boxed{8}", "8"),
    (r"\boxed{5} " + "and more " * 30 + r"\boxed{8}", "8"),
]
THE_EARLIER = [
    (r"\boxed{\frac{1}{3}} (about \boxed{0.333})", r"\frac{1}{3}"),
    (r"$\boxed{\pi} \approx \boxed{3.14}$", r"\pi"),
    (r"$\boxed{0.5}$ (or $\boxed{50\%}$)", "0.5"),
]


@pytest.mark.parametrize(("text", "expected"), ONE_ANSWER + THE_LATER + THE_EARLIER)
def test_what_several_boxes_state(text, expected):
    assert last_boxed(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\framebox{5}", "5"),
        (r"\framebox[2cm]{5}", "5"),
        (r"\boxed[1,2]", "[1,2]"),
        ("it is boxed{5}", "5"),
        ("it is \x08oxed{5}", "5"),  # JSON reads the backslash and the b as a backspace
        (r"unboxed{5}", None),
        # the brace was forgotten, and the formula closes
        (r"so $\boxed{\frac{1}{2}$ is it", r"\frac{1}{2}"),
        (r"\(\boxed{x^{2}\) and \boxed{}", "x^{2}"),
        (r"so $\boxed{\frac{1}{2", None),
        (r"so $\boxed{\frac{1}{$", None),
        (r"so \boxed{5$", None),
    ],
)
def test_spellings_of_a_box(text, expected):
    assert last_boxed(text) == expected


def test_where_the_last_box_stands():
    text = r"It is \boxed{1}, \boxed{23}."
    box = last_box(text)
    assert box is not None
    assert box.content == "1, 23"
    assert text[box.start : box.end + 1] == r"\boxed{23}"
    assert last_box("none") is None


@pytest.mark.parametrize(
    "piece", ["and ", "\n- ", "(a) ", "x = ", "\\text{a} = ", "(ab", ", ", "= "]
)
def test_the_time_for_what_stands_between_is_bounded(piece):
    between = piece * (1_000_000 // len(piece))
    began = time.process_time()
    for text in (between, between[: LONGEST_SEPARATOR - 1]):
        are_listed(text)
        is_remark(text)
        name_before(text)
    assert time.process_time() - began < 1
