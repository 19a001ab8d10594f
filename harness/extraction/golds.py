r"""Read the gold in what a data set publishes as its answer.

The one decision here: a mark in the gold shows which part of it is the answer, as in a response.
"""

from __future__ import annotations

from benchmarks.boxed import last_boxed
from harness.extraction.languages import with_ascii_digits


def gold_in(text: str) -> str:
    r"""Return the last box's content, or what follows the last ``####``, or else the whole text.

    GSM8K publishes the whole solution as its answer: see
    https://github.com/openai/grade-school-math.

    >>> gold_in("2 * 6 = <<2*6=12>>12\n#### 12"), gold_in(r"so \boxed{7}"), gold_in("x + 1")
    ('12', '7', 'x + 1')
    """
    marked = last_boxed(text) or text.rpartition("####")[2].strip() or text
    return with_ascii_digits(marked)
