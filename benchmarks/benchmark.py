"""What a benchmark is: pinned rows, and how a row becomes a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One published row, as its JSON object says it."""
Meta = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """What a benchmark accepts beside exactly its gold; the default is mathematics alone."""

    relative_tolerance: float = 0.0
    """How far a number may be from the gold, relative to it, if either is written as a
    decimal. Two integers, fractions or closed forms are compared exactly whatever this says."""
    absolute_tolerance: float = 0.0
    """The same in the gold's own unit; the larger of both counts."""
    percent_as_fraction: bool = True
    """Whether ``50\\%`` and ``0.5`` (or ``1/2``) are the same answer. That ``50\\%`` and
    ``50`` are is not asked: the sign is a unit, which questions often name already."""


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
    """What else the source says of it: subject, level, unit, …"""
    conventions: Conventions | None = None
    """What the source allows for this problem alone, instead of the benchmark's conventions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A worked example from a train split, shown before the question in few-shot prompts."""

    question: str
    solution: str
    """The reasoning, without the final answer's marker."""
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One file of rows (JSON lines), pinned by its sum wherever it comes from."""

    rows: int
    sha256: str
    """Of the whole file's bytes."""
    urls: tuple[str, ...] = ()
    """Addresses of the same bytes at pinned commits, tried in order."""
    generate: Callable[[], Iterable[Row]] | None = None
    """Makes the rows instead, for a benchmark that is generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A named, pinned list of problems."""

    name: str
    """By which it is asked for; its problems' ids begin with it."""
    about: str
    """One line: what it is, and what its name is confused with."""
    licence: str
    """The licence of its problems."""
    paper: str
    """Where it was published."""
    test: Split
    """The rows that are evaluated."""
    to_problem: Callable[[Row], Problem]
    """How a row of the test split becomes a problem."""
    conventions: Conventions = Conventions()
    """What it accepts beside exactly the gold."""
    groups: tuple[str, ...] = ()
    """Keys of a problem's ``meta`` by which accuracy is counted apart: subject, level, …"""
    response_tokens: int = 500
    """Length of a typical response (those given are a 0.5B instruction model's means): the
    longest are asked first where no stored run knows better. No number depends on it."""
    train: Split | None = None
    """Further rows, for worked examples and for training."""
    to_shot: Callable[[Row], Shot] | None = None
    """How a row of the train split becomes a worked example."""

    def conventions_for(self, problem: Problem) -> Conventions:
        """Return what counts as a right answer to one of this benchmark's problems."""
        return problem.conventions or self.conventions
