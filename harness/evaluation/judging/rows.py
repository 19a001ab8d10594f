"""Put a judge's opinions beside verdicts that are already given.

A judge is asked when every row has its verdict and is counted. Its opinions then go into fields of
their own, and no field of a verdict is written again: that is why nothing that a judge says, or
that an answer makes it say, can change a score.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks import UserError
from harness.common.progress import Progress, silent
from harness.evaluation.judging.judge import Judge, Question, Reply
from harness.evaluation.judging.question import LONGEST, NAME, Opinion
from harness.grading import Outcome, Verdict

Row = dict[str, Any]
UNDECIDED = (Outcome.UNPARSABLE, Outcome.GRADER_TIMEOUT, Outcome.GRADER_ERROR)
"""The outcomes that say nothing about the answer, so that any opinion on it is of use."""
SHOWN = 20
"""How many of the pairs on which the judge differs are kept to be shown; all are counted."""


def why_asked(verdict: Verdict, *, disputed: bool) -> str | None:
    """Return why a judge is asked about a pair; None if it is not.

    >>> why_asked(Verdict(outcome=Outcome.WRONG), disputed=False)
    >>> why_asked(Verdict(outcome=Outcome.WRONG), disputed=True)
    'disputed'
    """
    if verdict.outcome in UNDECIDED:
        return verdict.outcome.value
    return "disputed" if disputed else None


def judge_differs(verdict: Verdict, opinion: Opinion) -> bool:
    """Say whether an opinion is another than our verdict; to be unsure is not."""
    decided = opinion in (Opinion.EQUAL, Opinion.DIFFERENT)
    return decided and verdict.correct != (opinion is Opinion.EQUAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """An answer on which the judge says something else than we do."""

    id: object
    gold: str
    verdict: Verdict
    """Our verdict."""
    opinion: Opinion


@dataclass(slots=True)
class JudgeCounts:
    """What a judge was asked and what it said, counted."""

    rows: int = 0
    """All rows that have a verdict."""
    earlier: int = 0
    """How many of the opinions were given when the judge was asked before."""
    because: Counter[str] = field(default_factory=Counter)
    """How many pairs the judge was asked about, by the reason."""
    not_asked: Counter[str] = field(default_factory=Counter)
    """How many pairs with such a reason it was not asked about, by why not."""
    opinions: Counter[Opinion] = field(default_factory=Counter)
    """How many pairs that it was asked about got each opinion."""
    failures: Counter[str] = field(default_factory=Counter)
    """Why it had no opinion, at most `SHOWN` reasons."""
    served: Counter[str] = field(default_factory=Counter)
    """The models that replied, as the server calls them, at most `SHOWN`."""
    differs: int = 0
    """How many of its opinions are other than our verdict."""
    first: list[Differing] = field(default_factory=list)
    """The first `SHOWN` of these."""

    def add(self, reply: Reply, *, because: str, one: Differing) -> bool:
        """Count one reply, and say whether it is other than our verdict."""
        self.because[because] += 1
        self.opinions[reply.opinion] += 1
        self.earlier += reply.earlier
        _count(self.failures, reply.failure)
        _count(self.served, reply.served)
        differs = judge_differs(one.verdict, reply.opinion)
        if differs:
            self.differs += 1
            if len(self.first) < SHOWN:
                self.first.append(one)
        return differs


def _count(counter: Counter[str], name: str | None) -> None:
    """Count a name that comes from a server, which may send another one each time."""
    if name is not None:
        counter[name if name in counter or len(counter) < SHOWN else "others"] += 1


@contextmanager
def _waiting(rows: Iterable[Row]) -> Iterator[Iterator[Row]]:
    """Write all rows to a temporary file, and yield what reads them again."""
    with tempfile.TemporaryFile() as kept:
        for row in rows:
            with _told():
                kept.write(f"{json.dumps(row)}\n".encode("ascii"))
        with _told():
            kept.seek(0)  # which writes what is buffered
        yield map(json.loads, kept)


@contextmanager
def _told() -> Iterator[None]:
    """Say of an error of the temporary file where it is, and how another place is named."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the graded rows cannot wait in {tempfile.gettempdir()} for the judge: "
            f"{error.strerror or error}; TMPDIR names another folder"
        ) from error


class JudgeStage:
    """Collects what to ask about, asks at the end, and adds the opinions to the rows.

    Args:
        judge: the judge.
        known: what it said before of some of the questions, which are not asked again.
    """

    def __init__(self, judge: Judge, known: Mapping[Question, Reply] | None = None) -> None:
        self.judge = judge
        self.counts = JudgeCounts()
        self._known = dict(known or {})
        self._numbers: dict[Question, int] = {}
        """The questions that are to be asked, each of them once."""

    def consider(
        self, identity: str | int | None, gold: str, verdict: Verdict, *, disputed: bool
    ) -> Row:
        """Take an answer that has its verdict; return the fields by which its row tells of it."""
        self.counts.rows += 1
        because = why_asked(verdict, disputed=disputed)
        if because is None:
            return {}
        reason = _why_never(gold, verdict.extracted)
        if reason is not None or verdict.extracted is None:
            return self._left(because, str(reason))
        question = Question(gold=gold, answer=verdict.extracted)
        if question not in self._known and question not in self._numbers:
            if len(self._numbers) >= self.judge.setup.limit:
                return self._left(because, f"over the limit of {self.judge.setup.limit:,}")
            self._numbers[question] = len(self._numbers)
        shown = identity[:LONGEST] if isinstance(identity, str) else identity
        return {NAME: {"because": because, "gold": gold, "id": shown}}

    def _left(self, because: str, reason: str) -> Row:
        self.counts.not_asked[reason] += 1
        return {NAME: {"because": because, "not asked": reason}}

    def rows(self, graded: Iterable[Row], *, progress: Progress = silent) -> Iterator[Row]:
        """Read all rows, ask the judge, and yield the rows with what it said.

        The rows wait in a temporary file, since there may be more than fit into memory.

        Raises:
            UserError: the temporary file cannot be written.
        """
        with _waiting(graded) as kept:
            asked = list(self._numbers)
            replies = self.judge.ask(asked, progress=progress) if asked else []
            self._known |= zip(asked, replies, strict=True)
            for row in kept:
                told = row.get(NAME, {})
                yield self._beside(row, **told) if "gold" in told else row

    def _beside(self, row: Row, *, because: str, gold: str, id: object) -> Row:  # noqa: A002
        """Return a row with the reply to its question in fields of its own."""
        verdict = Verdict(outcome=Outcome(row["outcome"]), extracted=row["extracted"])
        reply = self._known[Question(gold=gold, answer=row["extracted"])]
        if not reply.asked:
            self.counts.not_asked["the judge was given up"] += 1
            return {**row, NAME: {"because": because, "not asked": reply.failure}}
        one = Differing(id=id, gold=gold, verdict=verdict, opinion=reply.opinion)
        differs = self.counts.add(reply, because=because, one=one)
        told = {
            "because": because,
            "failure": reply.failure,
            "served": reply.served,
            "mark": reply.mark,
            **self.judge.record(),
            "date": reply.date,
        }
        return {
            **row,
            "opinions": {**row["opinions"], NAME: reply.opinion.value},
            "disputed": row["disputed"] or differs,
            NAME: told,
        }


def _why_never(gold: str, answer: str | None) -> str | None:
    """Return why nobody can be asked about an answer; None if a judge can.

    A judge compares two answers. To find one in a whole response is another task, and a response
    could say much more to the judge than an answer can.
    """
    if answer is None:
        return "no answer was extracted"
    if max(len(gold), len(answer)) > LONGEST:
        return f"gold or answer has over {LONGEST:,} characters"
    return None
