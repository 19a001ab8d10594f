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
        compare_recipes,
        evaluate,
        grade,
        import_generations,
        list_runs,
        load_run,
        rank,
        regrade,
        train,
        train_seeds,
        write_report,
    )
    from harness.engines import Engine
    from harness.grading import Outcome, Verdict
    from harness.reporting.comparison import Comparison
    from harness.reporting.ranking import Ranking
    from harness.reporting.recipes import RecipeComparison
    from harness.reporting.result import Result, Samples
    from harness.runs.record import Run
    from harness.runs.scores import BenchmarkScore as Score
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
    "Ranking",
    "RecipeComparison",
    "Result",
    "Run",
    "Samples",
    "Sampling",
    "Score",
    "Trainer",
    "UserError",
    "Verdict",
    "compare",
    "compare_recipes",
    "evaluate",
    "grade",
    "import_generations",
    "list_runs",
    "load_run",
    "rank",
    "regrade",
    "train",
    "train_seeds",
    "write_report",
]

_TYPES = {
    "Benchmark": "benchmarks:Benchmark",
    "Comparison": "harness.reporting.comparison:Comparison",
    "Engine": "harness.engines:Engine",
    "EngineSpec": "harness.runs.spec:EngineSpec",
    "EvalSpec": "harness.runs.spec:EvalSpec",
    "Outcome": "harness.grading:Outcome",
    "PromptSpec": "harness.runs.spec:PromptSpec",
    "Ranking": "harness.reporting.ranking:Ranking",
    "RecipeComparison": "harness.reporting.recipes:RecipeComparison",
    "Result": "harness.reporting.result:Result",
    "Run": "harness.runs.record:Run",
    "Samples": "harness.reporting.result:Samples",
    "Sampling": "harness.runs.spec:Sampling",
    "Score": "harness.runs.scores:BenchmarkScore",
    "Trainer": "trainers:Trainer",
    "UserError": "benchmarks:UserError",
    "Verdict": "harness.grading:Verdict",
}
"""Where the public types are defined; every other public name is a function of `harness.api`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from harness.common.own_packages import require_own_packages

    require_own_packages()
    module, attribute = _TYPES.get(name, f"harness.api:{name}").split(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
