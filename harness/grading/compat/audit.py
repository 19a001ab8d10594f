"""Second opinions on pairs, from other graders, and how often they dispute our verdicts.

Opinions inform and never decide: where one differs from our verdict, one of the
two is wrong, and a person can look which. The other graders run in worker
processes of their own, with the same limits as ours. A grader that fails on a
pair has no opinion on it.
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
"""The names of the graders that can be asked."""
SHOWN = 20
"""How many disputes are kept per grader, to be shown; all disputes are counted."""
KEEPS_UNITS = frozenset({"minerva_math", "carp_en"})
"""The benchmarks whose units the Qwen2.5-Math kit leaves in place."""


class Auditor:
    """Asks other graders for their opinions. It is a context manager."""

    def __init__(self, names: Sequence[str], *, workers: int | None = None) -> None:
        """Prepare to ask the graders called ``names``; the first pair starts the first process."""
        unknown = set(names) - set(OPINIONS)
        if unknown:
            raise ValueError(f"unknown second opinions {sorted(unknown)}; there are {OPINIONS}")
        self.names = tuple(dict.fromkeys(names))
        self._pool = WorkerPool(workers or default_workers())

    def submit(
        self, response: str, gold: str, *, benchmark: str | None = None
    ) -> dict[str, Future[Equivalence]]:
        """Ask every grader about a whole response; return the futures by grader.

        ``benchmark`` is the name of the problem's benchmark, since the Qwen kit's rules depend on
        it.
        """
        return {
            name: self._pool.submit(gold, response, method=_method(name, benchmark))
            for name in self.names
        }

    def close(self, *, cancel: bool = False) -> None:
        """End the workers: when the pending pairs are done or, with ``cancel``, at once."""
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
        """Close the auditor; after an exception, pending pairs are dropped."""
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
    """One pair, with our verdict and another grader's opinion."""

    id: str | int | None
    gold: str
    verdict: Verdict
    """Our verdict."""
    opinion: Equivalence
    """The other grader's opinion."""


@dataclass(slots=True)
class OpinionCounts:
    """The opinions of one other grader on all pairs, counted."""

    opinions: Counter[Equivalence] = field(default_factory=Counter)
    """How many pairs got each opinion."""
    disputed: int = 0
    """How many of our verdicts the grader disputes."""
    first: list[Audited] = field(default_factory=list)
    """The first `SHOWN` disputes. The others are only counted, so that memory stays bounded."""

    def add(self, pair: Audited) -> bool:
        """Count one pair, and say whether the opinion disputes our verdict."""
        self.opinions[pair.opinion] += 1
        disputed = differs(pair.verdict, pair.opinion)
        if disputed:
            self.disputed += 1
            if len(self.first) < SHOWN:
                self.first.append(pair)
        return disputed
