"""What a benchmark is: pinned rows, and how a row becomes a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One published row, as its JSON object says it."""
Meta = Mapping[str, str | int | float | bool | None]


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
    about: str
    """One line: what it is, and what its name is confused with."""
    licence: str
    paper: str
    test: Split
    to_problem: Callable[[Row], Problem]
    train: Split | None = None
    to_shot: Callable[[Row], Shot] | None = None
    """How a row of the train split becomes a worked example."""
