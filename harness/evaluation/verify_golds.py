"""Check a benchmark's published answers: the grader must accept each one as its own answer."""

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
"""A gold in another typesetting, which the grader accepts only if it can read the gold.

Identical texts are accepted unread, so they do not show whether the gold can be read."""


class Check(StrEnum):
    """What is checked of every gold; the values are the headings of the columns."""

    PUBLISHED = "as published"
    """The grader accepts the gold exactly as published."""
    BOXED = "boxed"
    """A response that has the gold in a box is correct."""
    FOUND = "found again"
    """The answer that is extracted from that box is the gold, unchanged."""
    TYPESET = "typeset"
    """The grader accepts the gold in another typesetting."""
    APART = "neighbour refused"
    """The grader refuses the next gold of another value as an answer to this problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedGold:
    """A gold that failed a check."""

    id: str
    check: Check
    reason: str
    known: bool
    """Whether the gold is a known erratum, so that the failure is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What verifying one benchmark found."""

    benchmark: str
    declared: int
    """The number of rows that the benchmark declares."""
    sha256: str
    """The pinned checksum; the rows have it unless there is a fault."""
    passed: Mapping[Check, int] = field(default_factory=dict)
    """Check to the number of golds that pass it."""
    failed: tuple[FailedGold, ...] = ()
    fault: str | None = None
    """Why the problems could not be loaded, such as a wrong checksum or an empty field."""

    @property
    def good(self) -> bool:
        """Whether the problems were loaded and no gold failed, except for known errata."""
        return self.fault is None and all(gold.known for gold in self.failed)


def verify(
    benchmarks: Sequence[Benchmark],
    *,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> list[Report]:
    """Check each benchmark's rows and golds, and return one report for each."""
    from harness.grading import Grader

    with Grader(workers=2) as grader:
        return [examine(benchmark, data_dir, grader, progress) for benchmark in benchmarks]


def examine(
    benchmark: Benchmark,
    data_dir: Path | None,
    grader: Grader,
    progress: Progress = silent,
) -> Report:
    """Load one benchmark and check its golds; problems that cannot be loaded are a fault."""
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
    """The checks of one gold; the grader may still be working on some of their verdicts."""

    problem: Problem
    accepting: Mapping[Check, Future[Verdict]]
    neighbour: str | None
    refusing: Future[Verdict] | None
    erratum: bool

    def faults(self) -> Iterator[FailedGold]:
        """Wait for the verdicts and yield the checks that failed."""
        gold = self.problem.answer
        for check, future in self.accepting.items():
            if not (verdict := future.result()).correct:
                yield self._fault(check, _refused(gold, verdict))
        found = _found_again(gold)
        if found != gold.strip():
            reason = f"gold {gold!r} is extracted from its box as {found!r}"
            yield self._fault(Check.FOUND, reason)
        if self.refusing and (verdict := self.refusing.result()).correct:
            reason = (
                f"the next gold {self.neighbour!r} is accepted for gold {gold!r} by {verdict.rule}"
            )
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
    return f"gold {gold!r} is graded {verdict.outcome.value}{rule}{read}"


def _neighbour(problems: Sequence[Problem], place: int, conventions: Conventions) -> str | None:
    """Return the next gold with another value, from the first again after the last, or None."""
    gold = problems[place].answer
    following = (problems[(place + step) % len(problems)] for step in range(1, len(problems)))
    others = (problem.answer for problem in following)
    return next((other for other in others if not _same(gold, other, conventions)), None)


def _same(gold: str, other: str, conventions: Conventions) -> bool:
    """Return whether two golds are the same text, or numbers within the benchmark's tolerance.

    The numbers are read here and not by the grader, because the grader is what is checked.
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
    r"""Return the exact value of a plain number, which may follow ``x=``; None for other texts.

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
