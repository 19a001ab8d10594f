"""Second opinions on pairs, from other graders, and the count of what they pair.

They inform and never decide: where they differ from our verdict, one of the two
is wrong, and a person may look which. They are asked in worker processes of
their own, with the same limits; one that fails on a pair has no opinion of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from harness.grading.answers.rules import Equivalence
from harness.grading.grader import default_workers
from harness.grading.verdict import Verdict
from harness.grading.workers.pool import WorkerPool

OPINIONS = ("math-verify", "qwen-compat")
"""The graders that can be asked, by name."""
SHOWN = 20
"""How many disputes of one opinion are kept to be shown; all of them are counted."""
KEEPS_UNITS = frozenset({"minerva_math", "carp_en"})
"""The benchmarks in which the Qwen2.5-Math kit leaves units in place."""


class Auditor:
    """Asks other graders for their opinion; a context manager."""

    def __init__(self, names: Sequence[str], *, workers: int | None = None) -> None:
        """Ask the graders called ``names``; no process is started before the first pair."""
        unknown = set(names) - set(OPINIONS)
        if unknown:
            raise ValueError(f"no second opinion is called {sorted(unknown)}, only {OPINIONS}")
        self.names = tuple(dict.fromkeys(names))
        self._pool = WorkerPool(workers or default_workers())

    def submit(
        self, response: str, gold: str, *, benchmark: str | None = None
    ) -> dict[str, Future[Equivalence]]:
        """Return, by grader, what will hold its opinion of a whole response."""
        return {
            name: self._pool.submit(gold, response, method=_method(name, benchmark))
            for name in self.names
        }

    def close(self, *, cancel: bool = False) -> None:
        """End the workers, after the pending pairs or, with ``cancel``, at once."""
        self._pool.close(cancel=cancel)

    def __enter__(self) -> Self:
        """Return the auditor itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; pending pairs are dropped if an error is on its way out."""
        self.close(cancel=error is not None)


def _method(name: str, benchmark: str | None) -> str:
    keeps_units = name == "qwen-compat" and benchmark in KEEPS_UNITS
    return "qwen-compat-with-units" if keeps_units else name


def differs(verdict: Verdict, opinion: Equivalence) -> bool:
    """Say whether an opinion disputes our verdict; a grader that failed disputes nothing.

    >>> from harness.grading.verdict import Outcome
    >>> differs(Verdict(outcome=Outcome.NO_ANSWER), Equivalence.EQUAL)
    True
    """
    decided = opinion in (Equivalence.EQUAL, Equivalence.DIFFERENT)
    return decided and verdict.correct != (opinion is Equivalence.EQUAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One pair, with what another grader says of it."""

    id: str | int | None
    gold: str
    verdict: Verdict
    opinion: Equivalence


@dataclass(slots=True)
class Tally:
    """What one other grader said of all pairs."""

    opinions: Counter[Equivalence] = field(default_factory=Counter)
    disputed: int = 0
    first: list[Audited] = field(default_factory=list)
    """The first `SHOWN` disputes, so that a tally of any number of pairs stays small."""

    def add(self, pair: Audited) -> bool:
        """Count one pair and say whether its verdict is disputed; most are not."""
        self.opinions[pair.opinion] += 1
        disputed = differs(pair.verdict, pair.opinion)
        if disputed:
            self.disputed += 1
            if len(self.first) < SHOWN:
                self.first.append(pair)
        return disputed
