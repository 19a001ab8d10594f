"""The benchmarks: a registry of problems with their answers, pinned by checksums.

Importing this package imports no benchmark and nothing heavy. A benchmark's module
is imported when its name is looked up, and `datasets` when a file is downloaded.
"""

from collections.abc import Callable

from benchmarks.benchmark import Benchmark, Conventions, Problem, Shot, Split
from benchmarks.errors import UserError, WrongValueError
from benchmarks.registry import Registry, no_instance_of

__all__ = [
    "BENCHMARKS",
    "STANDARD",
    "Benchmark",
    "Conventions",
    "Problem",
    "Shot",
    "Split",
    "UserError",
    "WrongValueError",
]

STANDARD = ("minerva_math", "gsm8k", "amc23", "olympiadbench", "math500", "aime24")
"""The six benchmarks of the published table, in its order. Their unweighted mean is the average."""

BENCHMARKS: Registry[Benchmark] = Registry(
    "benchmark",
    group="harness.benchmarks",
    builtin={name: f"benchmarks.{name}:BENCHMARK" for name in (*STANDARD, "demo")},
    fault=no_instance_of(Benchmark, about=str, test=Split, to_problem=Callable),
)
"""Every benchmark by name: the standard six, the built-in `demo`, and those of other packages."""
