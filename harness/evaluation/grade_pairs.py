"""Grades pairs of gold and response from a file of JSON lines, of any size."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from benchmarks import BENCHMARKS, Conventions
from benchmarks.bounded_json import bounded_lines, parse_json
from benchmarks.errors import UserError
from harness.common.progress import Progress, silent
from harness.common.text import one_line
from harness.evaluation.second_opinions import Asked, SecondOpinions
from harness.grading import Grader, Verdict
from harness.grading.answers.rules import MATHEMATICS

if TYPE_CHECKING:
    from concurrent.futures import Future

    from harness.evaluation.judging.judge import Judge


WINDOW = 512
"""How many rows may be under way before the oldest is waited for."""


WINDOW_BYTES = 32 << 20
"""How many bytes of rows may be."""


MAXIMUM_LINE = 8 << 20
"""A longer line is no pair of a response and its gold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One row to grade."""

    id: str | int | None
    gold: str
    response: str
    truncated: bool = False
    benchmark: str | None = None
    conventions: Conventions = MATHEMATICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A row that is under way."""

    size: int
    """How many bytes it holds."""
    end: Callable[[], dict[str, Any]]
    """Waits for it, and makes the row."""


class PairGrader:
    """The grader and the other graders that are asked beside it, and what they said so far.

    Args:
        opinions: the other graders, see `harness.grading.compat.audit.OPINIONS`.
        workers: processes for symbolic comparison; None is half of the CPUs, at most 8.
        judge: is asked about doubtful pairs when all rows are graded; None asks no judge.
    """

    def __init__(
        self,
        *,
        opinions: Sequence[str] = (),
        workers: int | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._grader = Grader(workers=workers)
        self.second = SecondOpinions(opinions, workers=workers, judge=judge)
        """What the others said."""
        self._open = ExitStack()
        self.counts: Counter[str] = Counter()
        """Rows by outcome; ``error`` counts those that cannot be graded."""

    def __enter__(self) -> Self:
        self._open.enter_context(self._grader)
        self._open.enter_context(self.second)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def rows(
        self, lines: IO[bytes], *, size: int = 0, progress: Progress = silent
    ) -> Iterator[dict[str, Any]]:
        """Yield the verdict of each line of a file of pairs, and count it.

        ``size`` is that of the file in bytes; ``progress`` is told how much of it was read.
        """
        graded = self._counted(verdict_rows(lines, self, size=size, progress=progress))
        yield from self.second.with_judge(graded, progress=progress)

    def _counted(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            self.counts["error" if "error" in row else row["outcome"]] += 1
            yield row

    def begin(self, pair: Pair) -> Callable[[], dict[str, Any]]:
        """Hand the pair to everybody; return what waits for them and makes the row."""
        verdict = self._grader.submit(
            pair.response, pair.gold, truncated=pair.truncated, conventions=pair.conventions
        )
        asked = self.second.ask(pair.response, pair.gold, benchmark=pair.benchmark)
        return partial(self._end, pair.id, pair.gold, verdict, asked)

    def _end(
        self, identity: str | int | None, gold: str, verdict: Future[Verdict], asked: Asked
    ) -> dict[str, Any]:
        given = verdict.result()
        beside = self.second.fields(identity, gold, given, asked)
        return {"id": identity, **_verdict_fields(given), **beside}


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
    return {
        "correct": verdict.correct,
        "outcome": verdict.outcome.value,
        "extracted": verdict.extracted,
        "extraction": verdict.extraction,
        "rule": verdict.rule,
    }


def verdict_rows(
    lines: IO[bytes], grader: PairGrader, *, size: int = 0, progress: Progress = silent
) -> Iterator[dict[str, Any]]:
    """Yield one output row for each non-empty line, in order, with few rows under way.

    ``size`` is that of the file in bytes, for the progress.
    """
    progress.stage("grading")
    yield from in_order(_begun(lines, grader, size, progress))


def in_order(begun: Iterable[Begun]) -> Iterator[dict[str, Any]]:
    """Wait for each row that was begun and yield it, in order, with few of them under way."""
    waiting: deque[Begun] = deque()
    under_way = 0
    for one in begun:
        waiting.append(one)
        under_way += one.size
        while len(waiting) >= WINDOW or under_way > WINDOW_BYTES:
            oldest = waiting.popleft()
            under_way -= oldest.size
            yield oldest.end()
    for one in waiting:
        yield one.end()


def _begun(lines: IO[bytes], grader: PairGrader, size: int, progress: Progress) -> Iterator[Begun]:
    read = 0
    for number, (line, length) in enumerate(bounded_lines(lines, MAXIMUM_LINE), 1):
        if line is None or line.strip():
            yield Begun(size=length, end=_begin(number, line, grader))
        read += length
        progress.advance(read // 1000, size // 1000 or None, note="kB")


def _begin(number: int, line: bytes | None, grader: PairGrader) -> Callable[[], dict[str, Any]]:
    try:
        if line is None:
            raise ValueError(f"longer than {MAXIMUM_LINE >> 20} MiB")
        return grader.begin(read_pair(line))
    except ValueError as error:
        row = {"line": number, "error": str(error)}
        return lambda: row


def read_pair(line: bytes) -> Pair:
    """Read one row; raises ValueError with what is wrong with it.

    >>> read_pair(b'{"id": 1, "gold": "4"}')
    Traceback (most recent call last):
    ValueError: "response" is missing
    """
    try:
        row = parse_json(line)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for name in ("gold", "response"):
        if name not in row:
            raise ValueError(f'"{name}" is missing')
        if not isinstance(row[name], str):
            raise ValueError(f'"{name}" is not a string')
    if not row["gold"].strip():
        raise ValueError('"gold" is empty, so that no response could be right or wrong')
    identity, truncated = row.get("id"), row.get("truncated", False)
    benchmark = row.get("benchmark")
    if not isinstance(identity, str | int | None):
        raise ValueError('"id" is neither a string nor an integer')
    if not isinstance(truncated, bool):
        raise ValueError('"truncated" is neither true nor false')
    return Pair(
        id=identity,
        gold=row["gold"],
        response=row["response"],
        truncated=truncated,
        benchmark=benchmark,
        conventions=_conventions(benchmark),
    )


def _conventions(benchmark: object) -> Conventions:
    """Return what counts in the benchmark of that name; raises ValueError if there is none."""
    if benchmark is None:
        return MATHEMATICS
    if not isinstance(benchmark, str):
        raise ValueError('"benchmark" is not a string')
    try:
        return BENCHMARKS[benchmark].conventions
    except UserError as error:
        raise ValueError(one_line(str(error), limit=300)) from error
