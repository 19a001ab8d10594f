"""From saved files to a stored run, in memory that does not grow with the responses.

The files are read twice: once to match and grade, keeping verdicts alone, and
once to store. What matches no problem but brings its own gold is graded against
that gold and reported apart: it is a score of nothing that others share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from benchmarks import BENCHMARKS, Conventions, Problem, UserError
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
"""How many responses may be under way before the oldest is waited for."""


class Placed(NamedTuple):
    """A response at its place: the problem that it answers, and which sample of it this is."""

    file: SavedFile
    response: SavedResponse
    benchmark: str
    problem: Problem
    sample: Sample
    ours: bool
    """Whether the problem is a benchmark's, and its gold not the file's own."""


class Repeated(NamedTuple):
    """A response that an earlier row had already, here with another verdict of theirs."""

    response: SavedResponse
    key: SampleKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A response of no known problem, and without a gold of its own."""

    place: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Scored:
    """What the files came to. Responses are not held, only what was said of them."""

    responses: int = 0
    graded: dict[str, list[Graded]] = field(default_factory=dict)
    """By benchmark, in its problems' order."""
    foreign: tuple[Score, ...] = ()
    """Scores against the files' own golds, a file at a time."""
    comparison: VerdictComparison = field(default_factory=VerdictComparison)
    unmatched: list[Unmatched] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    """Benchmarks whose problems could not be read, so that nothing could match them."""


def score_files(files: Sequence[SavedFile], index: ProblemIndex, grader: Grader) -> Scored:
    """Match and grade every response of the files.

    Raises:
        UserError: two responses claim to be the same sample.
    """
    result = Scored()
    verdicts: dict[SampleKey, tuple[Placed, Verdict]] = {}
    waiting: deque[tuple[Placed, Verdict | Future[Verdict]]] = deque()
    repeated: list[Repeated] = []
    for entry in place_all(files, index, result):
        if isinstance(entry, Repeated):
            repeated.append(entry)
            continue
        waiting.append((entry, _begin(entry, grader)))
        if len(waiting) >= WINDOW:
            _end(*waiting.popleft(), verdicts, result)
    while waiting:
        _end(*waiting.popleft(), verdicts, result)
    for again in repeated:
        placed, verdict = verdicts[again.key]
        result.comparison.add(placed.benchmark, _row(placed, verdict), again.response)
    _sort(verdicts.values(), index, result)
    result.faults = index.faults
    return result


def place_all(
    files: Sequence[SavedFile], index: ProblemIndex, result: Scored
) -> Iterator[Placed | Repeated]:
    """Yield every response that has a problem; what has none is noted in ``result``."""
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
    """Finds each response's problem and gives it its number among that problem's samples."""

    def __init__(self, index: ProblemIndex) -> None:
        self._index = index
        self._taken: dict[str, set[int]] = {}
        self._seen: dict[tuple[str, int], SampleKey] = {}

    def begin(self) -> None:
        """Begin another file, whose rows repeat none of the file before."""
        self._seen = {}

    def place(
        self, file: SavedFile, row: SavedRow, number: int, response: SavedResponse
    ) -> Placed | Repeated | Unmatched:
        """Return a response's place, or why it has none."""
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
                f"{row.place}: a second response that is sample {index} of {problem.id}; "
                "score the files one at a time, or leave out the index"
            )
        taken.add(index)
        return Sample(
            problem_id=problem.id,
            index=index,
            # A lone surrogate is no text that any file could hold.
            response=response.response.encode("utf-8", "replace").decode("utf-8"),
            finish_reason=response.finish_reason,
            seed=response.seed,
            prompt_sum=response.prompt_sum,
            prompt_tokens=response.prompt_tokens,
            completion_tokens=response.completion_tokens,
            error=response.error,
        )


def _why(response: SavedResponse) -> str:
    if response.question or response.prompt:
        return "its question is no known problem's, or several problems', and it brings no gold"
    if response.problem_id is not None:
        return f"no problem is called '{response.problem_id}', and it brings no gold"
    return "it says neither its problem nor its question, and brings no gold"


def _foreign(file: SavedFile, row: SavedRow, response: SavedResponse) -> Match:
    """Return a problem of the file's own: its gold is all that is known of it."""
    benchmark = f"file:{file.path.stem}"
    gold = (response.gold or "").rpartition("####")[2].strip()
    name = response.problem_id or response.repeats or f"row {row.number}"
    return Match(benchmark, Problem(id=f"{benchmark}/{name}", question="", answer=gold))


def _begin(placed: Placed, grader: Grader) -> Verdict | Future[Verdict]:
    conventions = Conventions()
    if placed.ours:
        conventions = BENCHMARKS[placed.benchmark].conventions_for(placed.problem)
    asked = Reference(placed.problem.answer, conventions)
    return grade_sample(placed.sample, asked, read=placed.file.read, grader=grader)


def _end(
    placed: Placed,
    judged: Verdict | Future[Verdict],
    verdicts: dict[SampleKey, tuple[Placed, Verdict]],
    result: Scored,
) -> None:
    verdict = judged if isinstance(judged, Verdict) else judged.result()
    result.comparison.add(placed.benchmark, _row(placed, verdict), placed.response)
    light = placed._replace(
        sample=msgspec.structs.replace(placed.sample, response=""),
        response=SavedResponse(response=""),
    )
    verdicts[placed.sample.key] = light, verdict


def _row(placed: Placed, verdict: Verdict) -> Graded:
    return Graded(problem=placed.problem, sample=placed.sample, verdict=verdict)


def _sort(entries: Iterable[tuple[Placed, Verdict]], index: ProblemIndex, result: Scored) -> None:
    """Put the verdicts in the order of a run: benchmark, problem, sample."""
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
    """Score responses against the golds of their own file."""
    ordered = sorted(rows, key=lambda row: row.sample.key)
    return score(name, [problem_verdicts(name, problem) for problem in by_problem(ordered)])
