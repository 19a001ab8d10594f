"""Grading: a response against the published answer, with an outcome for everything.

>>> from harness.grading import grade
>>> grade("The answer is 1,000.", gold="1000").correct
True

Importing this costs nothing: sympy is loaded by the worker processes alone.
"""

from harness.grading.grader import Grader, Undecided, grader_version, judge_by_rules
from harness.grading.shared import grade, shared_grader
from harness.grading.verdict import Outcome, Verdict

__all__ = [
    "Grader",
    "Outcome",
    "Undecided",
    "Verdict",
    "grade",
    "grader_version",
    "judge_by_rules",
    "shared_grader",
]
