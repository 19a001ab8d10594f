"""The graders and the judge that are asked beside our grader, and what they said so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.common.progress import Progress, silent
from harness.grading import Verdict
from harness.grading.answers.rules import Equivalence
from harness.grading.compat.audit import Audited, Auditor, OpinionCounts

if TYPE_CHECKING:
    from harness.evaluation.judging.judge import Judge, Question, Reply
    from harness.evaluation.judging.rows import JudgeStage

Row = dict[str, Any]
Asked = Mapping[str, Future[Equivalence]]
"""What each of the other graders will say of one response."""


class SecondOpinions:
    """Asks others about responses that have our verdict. It is a context manager.

    What they say goes into fields of their own. Nothing here makes or changes a verdict.

    Args:
        names: the other graders, see `harness.grading.compat.audit.OPINIONS`.
        workers: their processes; None is half of the CPUs, at most 8.
        judge: is asked about doubtful answers at the end; None asks no judge.
        known: what the judge said before, which it is not asked again.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        *,
        workers: int | None = None,
        judge: Judge | None = None,
        known: Mapping[Question, Reply] | None = None,
    ) -> None:
        self.judge = None if judge is None else _stage(judge, known)
        self._auditor = Auditor(names, workers=workers)
        self.tallies = {name: OpinionCounts() for name in self._auditor.names}
        """What each of the other graders said."""

    def __enter__(self) -> Self:
        self._auditor.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._auditor.__exit__(kind, error, trace)

    def ask(self, response: str, gold: str, *, benchmark: str | None) -> Asked:
        """Ask the other graders about a response."""
        return self._auditor.submit(response, gold, benchmark=benchmark)

    def fields(
        self, identity: str | int | None, gold: str, verdict: Verdict, asked: Asked
    ) -> dict[str, Any]:
        """Wait for the other graders; return the fields that stand beside those of the verdict."""
        if not self.tallies and self.judge is None:
            return {}
        opinions = {name: opinion.result() for name, opinion in asked.items()}
        disputed = False
        for name, opinion in opinions.items():
            audited = Audited(id=identity, gold=gold, verdict=verdict, opinion=opinion)
            disputed |= self.tallies[name].add(audited)
        fields: dict[str, Any] = {"opinions": opinions, "disputed": disputed}
        if self.judge is not None:
            fields |= self.judge.consider(identity, gold, verdict, disputed=disputed)
        return fields

    def with_judge(self, rows: Iterable[Row], *, progress: Progress = silent) -> Iterator[Row]:
        """Yield rows that have our verdicts: at once or, with a judge, when it was asked."""
        yield from rows if self.judge is None else self.judge.rows(rows, progress=progress)


def _stage(judge: Judge, known: Mapping[Question, Reply] | None) -> JudgeStage:
    from harness.evaluation.judging.rows import JudgeStage  # it loads the openai engine

    return JudgeStage(judge, known)
