"""Published answers that are doubtful, each with the reason and its source.

Nothing here changes a gold or a score: a benchmark is evaluated as published. The
list says which verdicts to check by hand, and lets a report count them separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from benchmarks.bounded_json import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Erratum:
    """One problem whose gold is doubtful."""

    problem_id: str
    """The problem's id, which begins with the benchmark's name."""
    reason: str
    """What is wrong with the gold or the question, in one line."""
    source: str
    """The address of the source, or ``own check: `` and the argument."""


def errata_for(benchmark_name: str) -> tuple[Erratum, ...]:
    """Return the errata of a benchmark; empty if there are none.

    >>> errata_for("demo")
    ()
    """
    return tuple(
        erratum for erratum in _all_errata() if erratum.problem_id.startswith(f"{benchmark_name}/")
    )


@cache
def _all_errata() -> tuple[Erratum, ...]:
    text = resources.files("benchmarks").joinpath("errata.jsonl").read_text(encoding="utf-8")
    return tuple(Erratum(**parse_json(line)) for line in text.splitlines())
