"""The types of a benchmark: pinned rows, and functions that turn a row into a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One published row, as its JSON object has it."""
Meta = Mapping[str, str | int | float | bool | None]
"""Further facts about a problem by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """What a benchmark accepts in addition to its exact gold.

    The default accepts only mathematical equality.
    """

    relative_tolerance: float = 0.0
    """How far a number may be from the gold, relative to the gold, if either is written as a
    decimal. Two integers, fractions or closed forms are always compared exactly."""
    absolute_tolerance: float = 0.0
    """How far a number may be from the gold in the gold's own unit. The larger tolerance counts."""
    percent_as_fraction: bool = True
    """Whether ``50\\%`` and ``0.5`` (or ``1/2``) are the same answer. ``50\\%`` and ``50`` always
    are: the percent sign is a unit, which the question often names already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question with its published answer."""

    id: str
    """``<benchmark>/<published id>``; unique over all benchmarks."""
    question: str
    """The question as published."""
    answer: str
    """The gold answer as published, without its box or marker."""
    meta: Meta = field(default_factory=dict)
    """Further facts from the source: subject, level, unit, …"""
    conventions: Conventions | None = None
    """The conventions of this problem, if the source gives it some of its own; else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A worked example from a train split, which few-shot prompts show before the question."""

    question: str
    solution: str
    """The reasoning, without the final answer's marker."""
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One file of rows (JSON lines), pinned by its checksum wherever it comes from."""

    rows: int
    """The number of rows."""
    sha256: str
    """The sha256 of the file's bytes, in hex."""
    size: int = 64 << 20
    """The file's size in bytes, or at least as many: no more are ever downloaded."""
    urls: tuple[str, ...] = ()
    """Addresses of the same bytes at pinned commits, which are tried in order."""
    generate: Callable[[], Iterable[Row]] | None = None
    """Generates the rows of a benchmark that has no file; else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A named, pinned list of problems."""

    name: str
    """The name by which users ask for it. The ids of its problems begin with it."""
    about: str
    """One line: what it is, and what its name may be confused with."""
    licence: str
    """The licence of its problems."""
    paper: str
    """Where it was published."""
    test: Split
    """The rows that are evaluated."""
    to_problem: Callable[[Row], Problem]
    """Turns a row of the test split into a problem."""
    conventions: Conventions = Conventions()
    """What is accepted in addition to the exact gold."""
    groups: tuple[str, ...] = ()
    """Keys of a problem's ``meta`` by which accuracy is also reported: subject, level, …"""
    response_tokens: int = 500
    """The number of tokens of a typical response. The benchmarks here have the means of a 0.5B
    instruction model. Problems with long responses are asked first, if no stored run has better
    numbers. No result depends on it."""
    train: Split | None = None
    """Further rows, for worked examples and for training; None if there are none."""
    to_shot: Callable[[Row], Shot] | None = None
    """Turns a row of the train split into a worked example."""

    def conventions_for(self, problem: Problem) -> Conventions:
        """Return the conventions for a problem: its own, or else the benchmark's."""
        return problem.conventions or self.conventions
