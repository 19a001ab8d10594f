"""Grade responses against published answers; every response gets exactly one outcome.

>>> from harness.grading import grade
>>> grade("The answer is 1,000.", gold="1000").correct
True

Importing this package is cheap. The rules are loaded when one of the names below is first used,
since code that only reads stored verdicts needs none of them, and only worker processes load sympy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.grading.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from harness.grading.grader import Grader, Undecided, grade_by_rules
    from harness.grading.shared import grade, shared_grader
    from harness.grading.version import grader_version

__all__ = [
    "Grader",
    "Outcome",
    "Undecided",
    "Verdict",
    "grade",
    "grade_by_rules",
    "grader_version",
    "shared_grader",
]


_HOMES = {"grade": "shared", "shared_grader": "shared", "grader_version": "version"}
"""The module that defines a name, for names that `grader` does not define."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'grader')}"), name)
