"""The package versions that a run records."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from harness.common.environment import installed_versions
from harness.grading import grader_version

RECORDED = (
    "torch", "transformers", "tokenizers", "datasets", "pyarrow",
    "math-verify", "latex2sympy2_extended", "sympy",
)  # fmt: skip


def recorded_versions(engine_packages: Iterable[str]) -> dict[str, str]:
    """Return the versions that a run records, Python's and the grader's included."""
    return {
        "python": platform.python_version(),
        "grader": grader_version(),
        **installed_versions([*engine_packages, *RECORDED]),
    }
