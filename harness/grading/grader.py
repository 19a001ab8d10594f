"""The grader that evaluation and training rewards share: extraction, cheap rules, workers.

The caller's thread extracts the answer and applies the cheap rules. Only a pair that the rules
cannot decide goes to a worker process. Every failure has an outcome of its own, so that it never
looks like a wrong answer.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import msgspec

from benchmarks import Conventions
from benchmarks.boxed import last_boxed
from harness.extraction import extract
from harness.extraction.golds import gold_in
from harness.extraction.languages import with_ascii_digits
from harness.grading.answers import rules
from harness.grading.answers.rules import MATHEMATICS, Equivalence
from harness.grading.remembered import Memory, remembered
from harness.grading.verdict import Outcome, Verdict
from harness.grading.workers.pool import TIME_LIMIT, WorkerPool

SYMBOLIC_RULE = "math-verify"
"""The rule's name in a verdict that a worker decided."""
ROOM_FOR_DECISIONS = 64 << 20
"""How many bytes the pairs of gold and answer may take that are remembered with what the rules
decided about them: about a hundred thousand usual pairs."""
ROOM_FOR_COMPARISONS = 32 << 20
"""How many bytes the pairs may take that are remembered with what a worker decided."""
_NO_ANSWER = Verdict(outcome=Outcome.NO_ANSWER)
_TRUNCATED = Verdict(outcome=Outcome.TRUNCATED)
FAILED_RULE = "failed"
"""The rule's name in a verdict on a response for which extraction or a rule raised an error."""
_LOG = logging.getLogger(__name__)

_OUTCOMES = {
    Equivalence.EQUAL: Outcome.CORRECT,
    Equivalence.DIFFERENT: Outcome.WRONG,
    Equivalence.UNPARSABLE: Outcome.UNPARSABLE,
    Equivalence.TIMEOUT: Outcome.GRADER_TIMEOUT,
    Equivalence.ERROR: Outcome.GRADER_ERROR,
}


def default_workers() -> int:
    """Return how many workers to start: half of this process's processors, from 1 to 8."""
    return max(1, min(8, len(os.sched_getaffinity(0)) // 2))


class Undecided(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pair that the rules cannot decide, so that a worker has to compare it."""

    gold: str
    answer: str
    """The candidate that was extracted from the response."""
    extraction: str | None
    """The extraction rule that found the candidate; None if the caller gave the candidate."""


def grade_by_rules(
    response: str,
    gold: str,
    *,
    truncated: bool | None = False,
    conventions: Conventions = MATHEMATICS,
    thinking_opened: bool = False,
) -> Verdict | Undecided:
    """Grade one response by extraction and rules alone.

    That takes microseconds, and about half a second at most: extraction is linear in the text, and
    the rules count their steps (see `harness.grading.answers.effort`).

    ``truncated`` says whether the token limit cut the response off; None if nobody knows.
    ``thinking_opened`` says that the prompt ends in an open thinking block.
    Returns `Undecided` if the rules cannot tell whether the answer equals the gold. Whatever goes
    wrong is a grader error of this response alone.
    """
    try:
        found = extract(response, truncated=truncated, thinking_opened=thinking_opened)
    except Exception:  # noqa: BLE001 - one odd response must not end a run of thousands
        return _failed(None, None)
    if found is None:
        return _TRUNCATED if truncated else _NO_ANSWER
    return _by_rules(found.answer, gold, found.rule, conventions)


class Grader:
    """Grades responses against golds. It is thread-safe and a context manager.

    >>> with Grader() as grader:
    ...     grader.grade("So the answer is 0.5.", gold="1/2").outcome.value
    'correct'
    """

    def __init__(self, *, workers: int | None = None, time_limit: float = TIME_LIMIT) -> None:
        """Make a grader. Its first process starts with the first undecided pair or with `warm_up`.

        ``workers`` is the most processes at once, `default_workers` if None. ``time_limit`` is
        what one comparison in a worker may take, in seconds of CPU time.
        """
        self._pool = WorkerPool(workers or default_workers(), time_limit=time_limit)
        self._pairs = _PairMemory(self._pool)

    def submit(
        self,
        response: str,
        gold: str,
        *,
        truncated: bool = False,
        conventions: Conventions = MATHEMATICS,
    ) -> Future[Verdict]:
        """Start to grade one response; the future is done already unless a worker is needed."""
        graded = grade_by_rules(response, gold, truncated=truncated, conventions=conventions)
        return _future(self.grade_undecided(graded))

    def grade_undecided(self, graded: Verdict | Undecided) -> Verdict | Future[Verdict]:
        """Return a verdict as it is; give an undecided pair to a worker and return a future."""
        if isinstance(graded, Verdict):
            return graded
        answer, extraction = graded.answer, graded.extraction
        return _then(
            self._pairs.submit(graded.gold, answer),
            lambda result: _verdict(result, answer, extraction, SYMBOLIC_RULE),
        )

    def submit_answer(
        self, answer: str, gold: str, *, conventions: Conventions = MATHEMATICS
    ) -> Future[Verdict]:
        """Start to grade a candidate that was extracted already."""
        if not answer.strip():
            return _done(_NO_ANSWER)
        answer = with_ascii_digits(last_boxed(answer) or answer)
        return _future(self.grade_undecided(_by_rules(answer, gold, None, conventions)))

    def grade(
        self,
        response: str,
        gold: str,
        *,
        truncated: bool = False,
        conventions: Conventions = MATHEMATICS,
    ) -> Verdict:
        """Grade one response and wait for the verdict."""
        return self.submit(response, gold, truncated=truncated, conventions=conventions).result()

    def grade_answer(
        self, answer: str, gold: str, *, conventions: Conventions = MATHEMATICS
    ) -> Verdict:
        """Grade an extracted candidate and wait for the verdict."""
        return self.submit_answer(answer, gold, conventions=conventions).result()

    def warm_up(self) -> None:
        """Start a first worker in the background, so that the first undecided pair is not late."""
        self._pool.warm_up()

    def close(self, *, cancel: bool = False) -> None:
        """End the workers: when the pending pairs are done or, with ``cancel``, at once."""
        self._pool.close(cancel=cancel)

    def __enter__(self) -> Self:
        """Return the grader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the grader; after an exception, pending pairs are dropped."""
        self.close(cancel=error is not None)


def _by_rules(
    answer: str, gold: str, extraction_rule: str | None, conventions: Conventions
) -> Verdict | Undecided:
    try:
        return _decide(answer, gold, extraction_rule, conventions)
    except Exception:  # noqa: BLE001 - one odd answer must not end a run of thousands
        return _failed(answer, extraction_rule)  # and is not remembered: it may go well next time


def _failed(answer: str | None, extraction_rule: str | None) -> Verdict:
    """Return the verdict for the error that is being handled."""
    _LOG.debug("extraction or a rule failed", exc_info=True)
    return Verdict(
        outcome=Outcome.GRADER_ERROR,
        extracted=answer,
        extraction=extraction_rule,
        rule=FAILED_RULE,
    )


# The samples of one problem repeat the same few answers.
@remembered(
    room=ROOM_FOR_DECISIONS,
    size=lambda answer, gold, *_: 500 + 4 * (len(answer) + len(gold)),
)
def _decide(
    answer: str, gold: str, extraction_rule: str | None, conventions: Conventions
) -> Verdict | Undecided:
    gold = gold_in(gold)
    decision = rules.decide(gold, answer, conventions)
    if decision is None:
        return Undecided(gold=gold, answer=answer, extraction=extraction_rule)
    return _verdict(decision.equivalence, answer, extraction_rule, decision.rule)


class _PairMemory:
    """Sends equal pairs to the pool only once, even while the first is still being compared."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._futures = Memory[tuple[str, str], Future[Equivalence]](ROOM_FOR_COMPARISONS)

    def submit(self, gold: str, answer: str) -> Future[Equivalence]:
        if self._process != os.getpid():  # a forked child inherits the lock, which may be held
            self._begin()
        with self._lock:
            future = self._futures.get((gold, answer))
            if future is None or (future.done() and future.exception()):
                future = self._pool.submit(gold, answer)
                size = 2_000 + 4 * (len(gold) + len(answer))
                self._futures.keep((gold, answer), future, size)
        return future


def _verdict(
    equivalence: Equivalence, answer: str, extraction_rule: str | None, rule: str
) -> Verdict:
    outcome = _OUTCOMES[equivalence]
    return Verdict(outcome=outcome, extracted=answer, extraction=extraction_rule, rule=rule)


def _future(verdict: Verdict | Future[Verdict]) -> Future[Verdict]:
    return verdict if isinstance(verdict, Future) else _done(verdict)


def _done(verdict: Verdict) -> Future[Verdict]:
    future: Future[Verdict] = Future()
    future.set_result(verdict)
    return future


def _then(
    source: Future[Equivalence], convert: Callable[[Equivalence], Verdict]
) -> Future[Verdict]:
    """Return a future that holds the converted result, or the same exception."""
    target: Future[Verdict] = Future()
    target.set_running_or_notify_cancel()  # a running future cannot be cancelled

    def pass_on(done: Future[Equivalence]) -> None:
        error = done.exception()
        if error is not None:
            target.set_exception(error)
        else:
            target.set_result(convert(done.result()))

    source.add_done_callback(pass_on)
    return target
