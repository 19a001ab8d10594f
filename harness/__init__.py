"""An evaluation-first harness for mathematical reasoning.

Everything that is public is a name of this package, and is imported when it is first used::

    from harness import compare, evaluate

    run = evaluate("out/v4", benchmarks=["gsm8k"], name="v4")
    print(compare("v1", run))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks import Benchmark, UserError
    from harness.api import (
        compare,
        evaluate,
        grade,
        import_generations,
        list_runs,
        load_run,
        regrade,
        train,
        write_report,
    )
    from harness.engines import Engine
    from harness.grading import Outcome, Verdict
    from harness.reporting.comparison import Comparison
    from harness.reporting.result import Result, Samples
    from harness.runs.record import Run, Score
    from harness.runs.spec import EngineSpec, EvalSpec, PromptSpec, Sampling
    from trainers import Trainer

__all__ = [
    "Benchmark",
    "Comparison",
    "Engine",
    "EngineSpec",
    "EvalSpec",
    "Outcome",
    "PromptSpec",
    "Result",
    "Run",
    "Samples",
    "Sampling",
    "Score",
    "Trainer",
    "UserError",
    "Verdict",
    "compare",
    "evaluate",
    "grade",
    "import_generations",
    "list_runs",
    "load_run",
    "regrade",
    "train",
    "write_report",
]

_HOMES = {
    "benchmarks": "Benchmark UserError",
    "harness.engines": "Engine",
    "harness.grading": "Outcome Verdict",
    "harness.reporting.comparison": "Comparison",
    "harness.reporting.result": "Result Samples",
    "harness.runs.record": "Run Score",
    "harness.runs.spec": "EngineSpec EvalSpec PromptSpec Sampling",
    "trainers": "Trainer",
}
"""Module to the public names that it defines; all others are functions of `harness.api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = (module for module, names in _HOMES.items() if name in names.split())
    return getattr(import_module(next(homes, "harness.api")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
