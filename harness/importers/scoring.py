"""Match and grade the responses of saved files without keeping them all in memory.

The files are read twice: once to match and grade, when only verdicts are kept, and once to
store the responses. A response that matches no problem but has a gold in its file is graded
against that gold. Such scores are reported apart, because no other run can be compared with them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from benchmarks import BENCHMARKS, Conventions, Problem, UserError
from harness.common.text import counted, printable
from harness.evaluation.grade_sample import Reference, grade_sample
from harness.grading import Grader, Verdict
from harness.importers.agreement import VerdictComparison
from harness.importers.base import SavedResponse
from harness.importers.files import SavedFile, SavedRow, Unreadable
from harness.importers.matching import Match, ProblemIndex
from harness.runs.graded import Graded, by_problem
from harness.runs.record import Score
from harness.runs.sample import Sample, SampleKey
from harness.runs.scores import score
from harness.runs.verdicts import problem_verdicts

WINDOW = 512
"""The most responses that are being graded at once; then the oldest is waited for."""


class Placed(NamedTuple):
    """A response with the problem that it answers and its number among that problem's samples."""

    file: SavedFile
    response: SavedResponse
    benchmark: str
    problem: Problem
    sample: Sample
    ours: bool
    """Whether the problem and its gold come from a benchmark, and not from the file."""


class Repeated(NamedTuple):
    """A response that an earlier row already had; this row only adds another verdict on it."""

    response: SavedResponse
    key: SampleKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A response that matches no known problem and has no gold in its file."""

    place: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Scored:
    """The verdicts on all responses of the files, without the responses' texts."""

    responses: int = 0
    """The number of responses that were read."""
    graded: dict[str, list[Graded]] = field(default_factory=dict)
    """Benchmark to its graded samples, in the order of its problems."""
    foreign: tuple[Score, ...] = ()
    """One score for each file that has responses which are graded against its own golds."""
    comparison: VerdictComparison = field(default_factory=VerdictComparison)
    unmatched: list[Unmatched] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    """The benchmarks whose problems could not be read, and why."""


def score_files(files: Sequence[SavedFile], index: ProblemIndex, grader: Grader) -> Scored:
    """Match and grade every response of the files.

    Raises:
        UserError: two responses claim to be the same sample, or one a number that cannot be.
    """
    result = Scored()
    verdicts: dict[SampleKey, tuple[Placed, Verdict]] = {}
    waiting: deque[tuple[Placed, Verdict | Future[Verdict]]] = deque()
    repeated: list[Repeated] = []
    for entry in place_all(files, index, result):
        if isinstance(entry, Repeated):
            repeated.append(entry)
            continue
        waiting.append((entry, _submit(entry, grader)))
        if len(waiting) >= WINDOW:
            _collect(*waiting.popleft(), verdicts, result)
    while waiting:
        _collect(*waiting.popleft(), verdicts, result)
    for again in repeated:
        placed, verdict = verdicts[again.key]
        result.comparison.add(placed.benchmark, _row(placed, verdict), again.response)
    _require_possible(verdicts, result.responses)
    _sort(verdicts.values(), index, result)
    result.faults = index.faults
    return result


def _require_possible(keys: Iterable[SampleKey], responses: int) -> None:
    """Refuse a sample whose number says that its problem has more samples than there are responses.

    The run would be stored as one of that many samples for each problem.
    """
    last = max(keys, key=lambda key: key.index, default=None)
    if last is not None and last.index >= responses:
        raise UserError(
            f"a response to {printable(last.problem_id, limit=80)} has the index {last.index:,}, "
            f"as if the problem had so many samples, and the files have "
            f"{counted(responses, 'response')} in all; leave out the index, and the responses to a "
            "problem are numbered as they come"
        )


def place_all(
    files: Sequence[SavedFile], index: ProblemIndex, result: Scored
) -> Iterator[Placed | Repeated]:
    """Yield every response that has a problem; the other rows are added to ``result``."""
    placer = _Placer(index)
    for file in files:
        placer.begin()
        for row in file.rows():
            if isinstance(row, Unreadable):
                result.unreadable.append(row)
                continue
            for number, response in enumerate(row.responses):
                result.responses += 1
                entry = placer.place(file, row, number, response)
                if isinstance(entry, Unmatched):
                    result.unmatched.append(entry)
                else:
                    yield entry


class _Placer:
    """Finds each response's problem, and numbers the responses to the same problem."""

    def __init__(self, index: ProblemIndex) -> None:
        self._index = index
        self._taken: dict[str, set[int]] = {}
        self._seen: dict[tuple[str, int], SampleKey] = {}

    def begin(self) -> None:
        """Begin another file; its rows do not repeat rows of the file before."""
        self._seen = {}

    def place(
        self, file: SavedFile, row: SavedRow, number: int, response: SavedResponse
    ) -> Placed | Repeated | Unmatched:
        """Return a response with its problem and number, or why it has no problem."""
        earlier = None if response.repeats is None else self._seen.get((response.repeats, number))
        if earlier is not None:
            return Repeated(replace(response, response="", question=None, prompt=None), earlier)
        match = self._index.find(response, str(file.path))
        if match is None and response.gold is None:
            return Unmatched(place=row.place, reason=_why(response))
        benchmark, problem = match or _foreign(file, row, response)
        sample = self._sample(row, problem, response)
        if response.repeats is not None:
            self._seen[response.repeats, number] = sample.key
        return Placed(file, response, benchmark, problem, sample, match is not None)

    def _sample(self, row: SavedRow, problem: Problem, response: SavedResponse) -> Sample:
        taken = self._taken.setdefault(problem.id, set())
        index = len(taken) if response.index is None else response.index
        if index in taken:
            raise UserError(
                f"{row.place}: this is a second response with index {index} to {problem.id}; "
                "score the files one at a time, or leave out the index"
            )
        taken.add(index)
        return Sample(
            problem_id=problem.id,
            index=index,
            # A lone surrogate cannot be written to a UTF-8 file.
            response=response.response.encode("utf-8", "replace").decode("utf-8"),
            finish_reason=response.finish_reason,
            seed=response.seed,
            prompt_sum=response.prompt_sum,
            prompt_tokens=response.prompt_tokens,
            completion_tokens=response.completion_tokens,
            error=response.error,
            reasoning=response.reasoning or msgspec.UNSET,
            reasoning_tokens=response.reasoning_tokens or msgspec.UNSET,
        )


def _why(response: SavedResponse) -> str:
    if response.question or response.prompt:
        return "its question matches no known problem, or several, and it has no gold"
    if response.problem_id is not None:
        return f"no problem is called '{response.problem_id}', and it has no gold"
    return "it states neither its problem nor its question, and it has no gold"


def _foreign(file: SavedFile, row: SavedRow, response: SavedResponse) -> Match:
    """Return a problem made from the row itself; only its gold is known."""
    benchmark = f"file:{file.label}"
    gold = (response.gold or "").rpartition("####")[2].strip()
    name = response.problem_id or response.repeats or f"row {row.number}"
    return Match(benchmark, Problem(id=f"{benchmark}/{name}", question="", answer=gold))


def _submit(placed: Placed, grader: Grader) -> Verdict | Future[Verdict]:
    conventions = Conventions()
    if placed.ours:
        conventions = BENCHMARKS[placed.benchmark].conventions_for(placed.problem)
    reference = Reference(placed.problem.answer, conventions)
    return grade_sample(placed.sample, reference, read=placed.file.read, grader=grader)


def _collect(
    placed: Placed,
    judged: Verdict | Future[Verdict],
    verdicts: dict[SampleKey, tuple[Placed, Verdict]],
    result: Scored,
) -> None:
    verdict = judged if isinstance(judged, Verdict) else judged.result()
    result.comparison.add(placed.benchmark, _row(placed, verdict), placed.response)
    without_text = placed._replace(
        sample=msgspec.structs.replace(placed.sample, response=""),
        response=SavedResponse(response=""),
    )
    verdicts[placed.sample.key] = without_text, verdict


def _row(placed: Placed, verdict: Verdict) -> Graded:
    return Graded(problem=placed.problem, sample=placed.sample, verdict=verdict)


def _sort(entries: Iterable[tuple[Placed, Verdict]], index: ProblemIndex, result: Scored) -> None:
    """Put the verdicts into the order of a run, by benchmark, problem and sample."""
    foreign: dict[str, list[Graded]] = {}
    ours: dict[str, list[Graded]] = {}
    for placed, verdict in entries:
        group = ours if placed.ours else foreign
        group.setdefault(placed.benchmark, []).append(_row(placed, verdict))
    for name in (name for name in index.names if name in ours):
        order = {problem.id: number for number, problem in enumerate(index.problems(name))}
        result.graded[name] = sorted(
            ours[name], key=lambda row: (order[row.problem.id], row.sample.index)
        )
    result.foreign = tuple(_foreign_score(name, rows) for name, rows in foreign.items())


def _foreign_score(name: str, rows: Iterable[Graded]) -> Score:
    """Return the score of the responses that are graded against the golds of their own file."""
    ordered = sorted(rows, key=lambda row: row.sample.key)
    return score(name, [problem_verdicts(name, problem) for problem in by_problem(ordered)])
