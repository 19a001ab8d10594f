"""Several runs on the problems that all of them answered, as rows of one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import UserError
from harness.common.text import counted
from harness.runs.results import Result
from harness.runs.verdicts import ProblemVerdicts

if TYPE_CHECKING:
    from harness.stats.many import Floats

Rows = Mapping[str, Sequence[ProblemVerdicts]]
"""By benchmark, the verdicts of the problems that are compared, in the order of their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Runs and their verdicts on the same problems, benchmark by benchmark."""

    results: tuple[Result, ...]
    rows: tuple[Rows, ...]
    """The verdicts of each run."""
    notes: tuple[str, ...]
    """What is left out."""

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The names of the benchmarks that are compared."""
        return tuple(self.rows[0])

    @property
    def problems(self) -> int:
        """How many problems are compared."""
        return sum(map(len, self.rows[0].values()))

    @property
    def accuracies(self) -> Floats:
        """The accuracy of each run (rows) on each problem (columns)."""
        import numpy as np

        return np.array(
            [[row.accuracy for part in rows.values() for row in part] for rows in self.rows]
        )

    @property
    def strata(self) -> list[int]:
        """The number of each problem's benchmark."""
        return [number for number, rows in enumerate(self.rows[0].values()) for _ in rows]

    @property
    def weights(self) -> list[float]:
        """The weight of each problem in the average, the plain mean of the benchmarks' means."""
        parts = self.rows[0].values()
        return [1 / len(part) / len(parts) for part in parts for _ in part]

    @property
    def equal_samples(self) -> bool:
        """Whether every run has as many samples of each problem as the others.

        Only then is a difference between two equally good runs as likely as its negative.
        """
        counts = {
            tuple(row.samples for part in rows.values() for row in part) for rows in self.rows
        }
        return len(counts) == 1


def align(results: Sequence[Result]) -> Aligned | None:
    """Return the verdicts of the problems that all results have; None if one has only counts.

    Raises:
        UserError: they share no benchmark or no problem.
    """
    verdicts = [result.verdicts for result in results]
    known = [rows for rows in verdicts if rows is not None]
    if len(known) < len(results):
        return None
    names = [name for name in sorted(known[0]) if all(name in rows for rows in known)]
    if not names:
        raise UserError(f"{_listed(results)} share no benchmark")
    found: list[dict[str, list[ProblemVerdicts]]] = [{} for _ in results]
    notes = []
    for name in names:
        tables = [{(row.problem_id, row.sum): row for row in rows[name]} for rows in known]
        shared = sorted(set.intersection(*map(set, tables)))
        if not shared:
            notes.append(f"{name}: no problem is in all runs, so it is left out")
            continue
        asked = len(set.union(*map(set, tables)))
        if asked > len(shared):
            notes.append(
                f"{name}: the {counted(len(shared), 'problem')} in all runs; "
                f"{asked - len(shared)} left out"
            )
        for rows, table in zip(found, tables, strict=True):
            rows[name] = [table[key] for key in shared]
    if not found[0]:
        raise UserError(f"{_listed(results)} share no problem of {', '.join(names)}")
    return Aligned(results=tuple(results), rows=tuple(found), notes=tuple(notes))


def _listed(results: Sequence[Result]) -> str:
    names = [result.name for result in results]
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
