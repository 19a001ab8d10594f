"""The one pipeline: a plan's requests -> samples -> verdicts -> a complete run.

It draws what the run's folder still owes, and grades while the engine works.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Protocol

from benchmarks import Problem, UserError
from harness.engines import ENGINES, Completion, Engine, EngineSetup, Request
from harness.grading import Grader, Outcome, Verdict, settled
from harness.plan import Asked, Plan
from harness.record import Phases, Run
from harness.sample import Sample, SampleKey
from harness.scores import Graded, average, parquet_columns, score
from harness.store import RunFolder
from harness.verdicts import problem_verdicts, to_lines


class Watcher(Protocol):
    """Who is told what happens; the command line's progress, or nobody."""

    def stage(self, text: str) -> None:
        """Say what is being waited for."""

    def stored(self, sample: Sample) -> None:
        """A new sample is in the journal."""

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        """A sample, old or new, has its verdict. Called from any thread."""


def evaluate(
    plan: Plan, folder: RunFolder, *, grader: Grader, watcher: Watcher, engine: Engine | None = None
) -> Run:
    """Draw what the folder still owes, grade everything, and complete the run.

    The engine is opened only if something is owed; an ``engine`` given by the
    caller stays the caller's to close.
    """
    if folder.run.status == "complete":
        return folder.run
    grading = _Grading(plan, grader, watcher)
    for sample in folder.samples.values():
        grading.submit(sample)
    owed = [request for request in plan.requests() if request.key not in folder.samples]
    if owed:
        _draw(plan, owed, folder, grading, watcher, engine)
    return _complete(plan, folder, grading, watcher)


def _draw(
    plan: Plan,
    owed: list[Request],
    folder: RunFolder,
    grading: _Grading,
    watcher: Watcher,
    engine: Engine | None,
) -> None:
    """Draw the owed samples into the journal, and add what it took to the record."""
    started = time.monotonic()
    askable = [request for request in owed if request.max_tokens > 0]
    opened = None
    if askable and engine is None:
        watcher.stage(f"starting the {plan.spec.engine.name} engine")
        opened = engine = open_engine(plan)
    began = time.monotonic()
    watcher.stage("generating")
    try:
        for sample in _samples(owed, askable, engine):
            folder.append(sample)
            watcher.stored(sample)
            grading.submit(sample)
    finally:
        spent = Phases(engine_start=began - started, generate=time.monotonic() - began)
        folder.update(folder.run.model_copy(update={"phases": folder.run.phases.plus(spent)}))
        if opened is not None:
            watcher.stage("stopping the engine")
            opened.close()


def open_engine(plan: Plan) -> Engine:
    """Open the engine that a plan asks for; it may take minutes."""
    return ENGINES[plan.spec.engine.name](
        EngineSetup(
            spec=plan.spec.engine,
            sampling=plan.spec.sampling,
            checkpoint=plan.checkpoint,
            longest=plan.longest,
        )
    )


def _samples(
    owed: list[Request], askable: list[Request], engine: Engine | None
) -> Iterator[Sample]:
    for request in owed:
        if request.max_tokens == 0:
            yield _overflow(request)
    if engine is None:
        return
    asked = {request.key: request for request in askable}
    for completion in _completions(engine, askable):
        yield _sample(completion, asked[completion.key])


def _completions(engine: Engine, requests: list[Request]) -> Iterator[Completion]:
    """Ask the engine; whatever it raises means that it is lost, and nothing else is."""
    try:
        yield from engine.generate(requests)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the engine failed: {type(error).__name__}: {error}; what it finished is stored, "
            "and the same command goes on from there"
        ) from error


def _overflow(request: Request) -> Sample:
    return Sample(
        problem_id=request.key.problem_id,
        index=request.key.index,
        response="",
        finish_reason="overflow",
        seed=request.seed,
        prompt_sum=request.prompt.sum,
        prompt_tokens=len(request.prompt.token_ids or ()),
        completion_tokens=0,
    )


def _sample(completion: Completion, request: Request) -> Sample:
    return Sample(
        problem_id=completion.key.problem_id,
        index=completion.key.index,
        # A lone surrogate is no text that any file could hold.
        response=completion.text.encode("utf-8", "replace").decode("utf-8"),
        finish_reason=completion.finish_reason,
        seed=request.seed,
        prompt_sum=request.prompt.sum,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        error=completion.error,
    )


class _Grading:
    """The verdicts under way; the engine never waits for them."""

    def __init__(self, plan: Plan, grader: Grader, watcher: Watcher) -> None:
        self._style, self._asked = plan.style, plan.asked()
        self._grader, self._watcher = grader, watcher
        self._verdicts: dict[SampleKey, Future[Verdict]] = {}

    def submit(self, sample: Sample) -> None:
        future = self._grade(sample)
        self._verdicts[sample.key] = future
        future.add_done_callback(lambda done: self._tell(sample.key, done))

    def _tell(self, key: SampleKey, done: Future[Verdict]) -> None:
        if done.exception() is None:  # an exception is raised where the verdict is asked for
            self._watcher.graded(key, done.result())

    def _grade(self, sample: Sample) -> Future[Verdict]:
        asked = self._asked[sample.problem_id]
        return grade_sample(sample, asked, read=self._style.read, grader=self._grader)

    def verdict(self, key: SampleKey) -> Verdict:
        return self._verdicts[key].result()


def grade_sample(
    sample: Sample, asked: Asked, *, read: Callable[[str], str], grader: Grader
) -> Future[Verdict]:
    """Grade what counts of one sample's response; ``read`` is its prompt style's."""
    if sample.finish_reason == "overflow":
        return settled(Outcome.OVERFLOW)
    if sample.finish_reason == "error":
        return settled(Outcome.ENGINE_ERROR)
    said = read(sample.response)
    cut = sample.finish_reason == "length" and said == sample.response
    return grader.submit(said, asked.gold, truncated=cut, conventions=asked.conventions)


def _complete(plan: Plan, folder: RunFolder, grading: _Grading, watcher: Watcher) -> Run:
    began = time.monotonic()
    watcher.stage("grading the last responses")
    graded = {
        name: list(_graded(problems, plan.spec.sampling.samples_for(name), folder, grading))
        for name, problems in plan.problems.items()
    }
    folder.write_parquet(parquet_columns({name: rows}) for name, rows in graded.items())
    spent = Phases(prepare=plan.seconds, finish=time.monotonic() - began)
    return declare_complete(folder, graded, spent)


def declare_complete(
    folder: RunFolder, graded: Mapping[str, Sequence[Graded]], spent: Phases
) -> Run:
    """Score a run whose table is written; store its verdicts, and its record as complete."""
    scores = tuple(score(name, rows) for name, rows in graded.items())
    verdicts = to_lines(
        row for name, rows in graded.items() for row in problem_verdicts(name, rows)
    )
    folder.write_verdicts(verdicts)
    run = folder.run.model_copy(
        update={
            "status": "complete",
            "finished": datetime.now(UTC),
            "phases": folder.run.phases.plus(spent),
            "scores": scores,
            "average": average(scores),
            "verdicts_sum": hashlib.sha256(verdicts).hexdigest(),
        }
    )
    folder.update(run)
    return run


def _graded(
    problems: Iterable[Problem], count: int, folder: RunFolder, grading: _Grading
) -> Iterator[Graded]:
    for problem in problems:
        for index in range(count):
            key = SampleKey(problem.id, index)
            if key not in folder.samples:
                raise UserError(
                    f"{folder.path}: the engine returned no sample {index} of {problem.id}; "
                    "run the same command again to draw it"
                )
            yield Graded(problem=problem, sample=folder.samples[key], verdict=grading.verdict(key))
