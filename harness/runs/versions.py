"""The package versions that a run records."""

from __future__ import annotations

import platform

from harness.common.environment import installed_versions
from harness.grading.version import grader_version, sources_sum

RECORDED = (
    "torch", "transformers", "tokenizers", "datasets", "pyarrow",
    "math-verify", "latex2sympy2_extended", "sympy",
)  # fmt: skip


def recorded_versions() -> dict[str, str]:
    """Return the versions that every run records, Python's and the grader's included."""
    return {
        "python": platform.python_version(),
        **grader_versions(),
        **installed_versions(RECORDED),
    }


def grader_versions() -> dict[str, str]:
    """Return the grader's version, and the checksum of its sources, which decides nothing."""
    return {"grader": grader_version(), "grader sources": sources_sum()}
