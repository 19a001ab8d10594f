"""Checks a benchmark's published answers: each must be accepted when it is given back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import Benchmark, Conventions, Problem, UserError
from benchmarks.errata import errata_for
from harness.common.progress import Progress, silent

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.grading import Grader, Verdict


_RESPONSE = r"Therefore the answer is $\boxed{%s}$, as was asked."


_TYPESET = r"\displaystyle %s"
"""A gold must also be accepted so typeset that the grader has to read it: that a text is
identical to itself says nothing of whether it can be understood."""


class Check(StrEnum):
    """What is proved of every gold; the values head the columns."""

    PUBLISHED = "as published"
    """Its own grader accepts it as it stands."""
    BOXED = "boxed"
    """A response that boxes it is right."""
    FOUND = "found again"
    """What is read from that box is the gold itself."""
    TYPESET = "typeset"
    """It is accepted in another spelling too."""
    APART = "neighbour refused"
    """The gold of the next problem of another value is a wrong answer to this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedGold:
    """A gold of which something that verifying proves is not so."""

    id: str
    check: Check
    reason: str
    known: bool
    """Whether the gold is a published erratum, of which this is no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What verifying one benchmark found."""

    benchmark: str
    declared: int
    """How many rows the benchmark says it has."""
    sha256: str
    """The pinned sum, which the rows had unless there is a fault."""
    passed: Mapping[Check, int] = field(default_factory=dict)
    """By check, of how many golds it holds."""
    failed: tuple[FailedGold, ...] = ()
    fault: str | None = None
    """Why the problems could not be loaded: the rows, their sum, an id or an empty field."""

    @property
    def good(self) -> bool:
        """Whether the benchmark is all that it declares."""
        return self.fault is None and all(gold.known for gold in self.failed)


def verify(
    benchmarks: Sequence[Benchmark],
    *,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> list[Report]:
    """Check that benchmarks are what they declare."""
    from harness.grading import Grader

    with Grader(workers=2) as grader:
        return [examine(benchmark, data_dir, grader, progress) for benchmark in benchmarks]


def examine(
    benchmark: Benchmark,
    data_dir: Path | None,
    grader: Grader,
    progress: Progress = silent,
) -> Report:
    """Load one benchmark and grade its golds."""
    from benchmarks.source import load_problems

    name, test = benchmark.name, benchmark.test
    progress.stage(name)
    try:
        problems = load_problems(benchmark, data_dir=data_dir)
    except UserError as fault:
        return Report(benchmark=name, declared=test.rows, sha256=test.sha256, fault=str(fault))
    trials = [_trial(grader, benchmark, problems, place) for place in range(len(problems))]
    failed: list[FailedGold] = []
    for done, trial in enumerate(trials, 1):
        failed.extend(trial.faults())
        progress.advance(done, len(problems), note="golds")
    lost = Counter(gold.check for gold in failed)
    return Report(
        benchmark=name,
        declared=test.rows,
        sha256=test.sha256,
        passed={check: len(problems) - lost[check] for check in Check},
        failed=tuple(failed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One gold under examination, its verdicts perhaps still to come."""

    problem: Problem
    accepting: Mapping[Check, Future[Verdict]]
    neighbour: str | None
    refusing: Future[Verdict] | None
    erratum: bool

    def faults(self) -> Iterator[FailedGold]:
        """Wait for the verdicts and yield what does not hold."""
        gold = self.problem.answer
        for check, future in self.accepting.items():
            if not (verdict := future.result()).correct:
                yield self._fault(check, _refused(gold, verdict))
        found = _found_again(gold)
        if found != gold.strip():
            yield self._fault(Check.FOUND, f"gold {gold!r} read from its box as {found!r}")
        if self.refusing and (verdict := self.refusing.result()).correct:
            reason = f"gold {gold!r} taken for its neighbour {self.neighbour!r} by {verdict.rule}"
            yield self._fault(Check.APART, reason)

    def _fault(self, check: Check, reason: str) -> FailedGold:
        return FailedGold(id=self.problem.id, check=check, reason=reason, known=self.erratum)


def _trial(grader: Grader, benchmark: Benchmark, problems: Sequence[Problem], place: int) -> _Trial:
    problem = problems[place]
    errata = {erratum.problem_id for erratum in errata_for(benchmark.name)}
    gold, conventions = problem.answer, benchmark.conventions_for(problem)
    boxed, typeset = _RESPONSE % gold, _TYPESET % gold
    neighbour = _neighbour(problems, place, conventions)
    return _Trial(
        problem=problem,
        accepting={
            Check.PUBLISHED: grader.submit_answer(gold, gold, conventions=conventions),
            Check.BOXED: grader.submit(boxed, gold, conventions=conventions),
            Check.TYPESET: grader.submit_answer(typeset, gold, conventions=conventions),
        },
        neighbour=neighbour,
        erratum=problem.id in errata,
        refusing=grader.submit_answer(neighbour, gold, conventions=conventions)
        if neighbour
        else None,
    )


def _found_again(gold: str) -> str | None:
    from harness.extraction import extract

    found = extract(_RESPONSE % gold)
    return found.answer if found else None


def _refused(gold: str, verdict: Verdict) -> str:
    read = "" if verdict.extracted in (None, gold) else f", read as {verdict.extracted!r}"
    rule = f" by {verdict.rule}" if verdict.rule else ""
    return f"gold {gold!r} graded {verdict.outcome.value}{rule}{read}"


def _neighbour(problems: Sequence[Problem], place: int, conventions: Conventions) -> str | None:
    """Return the next gold, in a circle, that is another answer; None if all are the same."""
    gold = problems[place].answer
    following = (problems[(place + step) % len(problems)] for step in range(1, len(problems)))
    others = (problem.answer for problem in following)
    return next((other for other in others if not _same(gold, other, conventions)), None)


def _same(gold: str, other: str, conventions: Conventions) -> bool:
    """Say whether two golds are the same text, or numbers that the benchmark does not tell apart.

    Read here and not by the grader, which is what is on trial.
    """
    if gold.strip() == other.strip():
        return True
    wanted, given = plain_value(gold), plain_value(other)
    if wanted is None or given is None:
        return False
    relative = Fraction(conventions.relative_tolerance) * abs(wanted)
    return abs(wanted - given) <= max(relative, Fraction(conventions.absolute_tolerance))


_NUMBER = re.compile(r"[-+]?[0-9]{1,30}(?:\.[0-9]{0,30})?(?:e[-+]?[0-9]{1,2})?|-?[0-9]+/[0-9]+")


_NAME = re.compile(r"^[A-Za-z] ?= ?")


_LATEX_FRACTION = re.compile(r"(-?)\\frac\{([0-9]{1,30})\}\{([0-9]{1,30})\}")


def plain_value(text: str) -> Fraction | None:
    r"""Return the exact value of a plain number, perhaps under a name; None of anything else.

    >>> plain_value("1,500") == plain_value("1.5e3"), plain_value(r"x=-\frac{1}{2}")
    (True, Fraction(-1, 2))
    """
    plain = _LATEX_FRACTION.sub(r"\1\2/\3", _NAME.sub("", text.strip())).replace(",", "")
    if len(plain) > 80 or not _NUMBER.fullmatch(plain):
        return None
    try:
        return Fraction(plain)
    except ZeroDivisionError:
        return None
