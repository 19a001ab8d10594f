"""The one pipeline: a plan's requests -> samples -> verdicts -> a complete run.

It draws what the run's folder still owes, and grades while the engine works.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Protocol

from benchmarks import Problem, UserError
from harness.engines import ENGINES, Completion, Engine, EngineSetup, Request
from harness.graded import Graded, table_batches
from harness.grading import Grader, Undecided, Verdict
from harness.judging import judge_sample_by_rules
from harness.plan import Plan
from harness.record import Phases, Run, Usage
from harness.sample import Sample, SampleKey
from harness.scores import average, score
from harness.second_judge import BATCH, SecondJudge
from harness.store import RunFolder
from harness.verdicts import ProblemVerdicts, problem_verdicts, to_lines

Opener = Callable[[EngineSetup], Engine]
MANY_SAMPLES = 10_000
"""From here on a second process grades, too; for fewer it is not worth its start."""
LONGEST_KEPT = 1.0
"""Seconds that a sample may wait for others to be graded with."""


class Watcher(Protocol):
    """Who is told what happens; the command line's progress, or nobody."""

    def stage(self, text: str) -> None:
        """Say what is being waited for."""

    def stored(self, sample: Sample) -> None:
        """A new sample is in the journal."""

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        """A sample, old or new, has its verdict. Called from any thread."""


def evaluate(
    plan: Plan,
    folder: RunFolder,
    *,
    grader: Grader,
    watcher: Watcher,
    engine: Engine | None = None,
    opener: Opener | None = None,
    lengths: Mapping[str, float] | None = None,
) -> Run:
    """Draw what the folder still owes, grade everything, and complete the run.

    The engine is opened only if something is owed, by ``opener`` if there is one, see
    `Engine.launch`; an ``engine`` given by the caller stays the caller's to close. ``lengths``
    are the tokens that a response is expected to have, by problem id: they decide the order of
    asking and nothing else.
    """
    if folder.run.status == "complete":
        return folder.run
    with closing(_Grading(plan, folder, grader, watcher)) as grading:
        for sample in folder.samples.values():
            grading.judge(sample)
        queue = _Queue(plan, folder, lengths or {})
        _draw(queue, plan, folder, grading, watcher, engine, opener)
        watcher.stage("grading the last responses")
        return _complete(plan, folder, grading)


class _Queue:
    """What the folder still owes, made as it is asked for: a million requests are never held."""

    def __init__(self, plan: Plan, folder: RunFolder, lengths: Mapping[str, float]) -> None:
        self._plan, self._stored, self._lengths = plan, folder.samples, lengths
        self._asked: dict[SampleKey, Request] = {}

    def owed(self) -> Iterator[Request]:
        requests = self._plan.requests(self._lengths)
        if not self._stored:  # nothing to leave out
            return requests
        return (request for request in requests if request.key not in self._stored)

    def without_room(self) -> Iterator[Request]:
        if all(map(self._plan.room, self._plan.prompts.values())):
            return iter(())  # as nearly always: nobody makes a million requests to find it out
        return (request for request in self.owed() if request.max_tokens == 0)

    def __bool__(self) -> bool:
        """Say whether there is anything to ask an engine."""
        return any(request.max_tokens > 0 for request in self.owed())

    def __iter__(self) -> Iterator[Request]:
        """Yield what is to be asked; each is remembered until it is answered."""
        for request in self.owed():
            if request.max_tokens > 0:
                self._asked[request.key] = request
                yield request

    def answered(self, completion: Completion) -> Request:
        """Return what the completion answers, which must be under way.

        Raises:
            UserError: nobody asked for it, or it is the second of its kind.
        """
        request = self._asked.pop(completion.key, None)
        if request is None:
            raise UserError(
                f"the engine returned sample {completion.key.index} of "
                f"{completion.key.problem_id}, which is not under way: a defect of the engine"
            )
        return request


def _draw(
    queue: _Queue,
    plan: Plan,
    folder: RunFolder,
    grading: _Grading,
    watcher: Watcher,
    engine: Engine | None,
    opener: Opener | None,
) -> None:
    """Draw what is owed into the journal, and add what it took to the record."""

    def keep(sample: Sample) -> None:
        folder.append(sample)
        watcher.stored(sample)
        grading.submit(sample)

    for request in queue.without_room():
        keep(overflow_sample(request))
    if not queue:
        return
    started = time.monotonic()
    opened = None
    if engine is None:
        watcher.stage(f"starting the {plan.spec.engine.name} engine")
        if ENGINES[plan.spec.engine.name].slow_to_open:
            grading.warm_up()
        opened = engine = open_engine(plan, opener)
    spent = _Spent(engine, start=time.monotonic() - started)
    watcher.stage("generating")
    try:
        with closing(_completions(engine, queue)) as completions:
            for completion in completions:
                began = time.perf_counter()
                spent.count(completion)
                keep(sample_of(completion, queue.answered(completion)))
                spent.handle += time.perf_counter() - began
    except BaseException:
        with suppress(UserError):  # where the disk is full, that is what must be said
            folder.update(spent.added_to(folder.run))
        raise
    else:
        folder.update(spent.added_to(folder.run))
    finally:
        if opened is not None:
            watcher.stage("stopping the engine")
            opened.close()


class _Spent:
    """What drawing takes: time, tokens, and what else the engine counts."""

    def __init__(self, engine: Engine, *, start: float) -> None:
        self._engine, self._start = engine, start
        self._events = Counter(engine.counters)
        self._began = time.monotonic()
        self.handle = 0.0
        """Seconds between the engine's completions."""
        self._samples = self._prompt_tokens = self._completion_tokens = 0

    def count(self, completion: Completion) -> None:
        """Count one completion."""
        self._samples += 1
        self._prompt_tokens += completion.prompt_tokens or 0
        self._completion_tokens += completion.completion_tokens or 0

    def added_to(self, run: Run) -> Run:
        """Return the record with all of it added."""
        phases = Phases(
            engine_start=self._start,
            generate=time.monotonic() - self._began,
            handle=self.handle,
        )
        usage = Usage(
            samples=self._samples,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            events=dict(Counter(self._engine.counters) - self._events),
        )
        return run.model_copy(
            update={"phases": run.phases.plus(phases), "usage": run.usage.plus(usage)}
        )


def open_engine(plan: Plan, opener: Opener | None = None) -> Engine:
    """Open the engine that a plan asks for; it may take minutes."""
    return (opener or ENGINES[plan.spec.engine.name])(
        EngineSetup(
            spec=plan.spec.engine,
            sampling=plan.spec.sampling,
            checkpoint=plan.checkpoint,
            longest=plan.longest,
            model_name=plan.spec.model,
            template_args=plan.spec.prompt.template_args,
        )
    )


def _completions(engine: Engine, requests: Iterable[Request]) -> Generator[Completion]:
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


def overflow_sample(request: Request) -> Sample:
    """Return the sample of a prompt that leaves no room for a response."""
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


def sample_of(completion: Completion, request: Request) -> Sample:
    """Return what is stored of an engine's answer to a request."""
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
    """The verdicts of a run, and those under way; the engine never waits for them."""

    def __init__(self, plan: Plan, folder: RunFolder, grader: Grader, watcher: Watcher) -> None:
        self._read, self._asked = plan.style.read, plan.asked()
        self._grader, self._watcher = grader, watcher
        self._journal = folder.samples
        self._second = None
        if plan.samples - len(folder.samples) >= MANY_SAMPLES and len(os.sched_getaffinity(0)) > 1:
            with suppress(OSError):  # then there is one judge, as for fewer samples
                self._second = SecondJudge(folder.samples.path, self._asked, plan.style.name)
        self._batch: list[Sample] = []
        self._batch_begins = self._journal.end
        self._batch_began = time.monotonic()
        self._verdicts: dict[str, list[Verdict | Future[Verdict] | None]] = {
            problem.id: [None] * plan.spec.sampling.samples_for(name)
            for name, problems in plan.problems.items()
            for problem in problems
        }

    def warm_up(self) -> None:
        """Start a worker now, while the engine does: later it would take the processor from it."""
        self._grader.warm_up()

    def submit(self, sample: Sample) -> None:
        """Have the sample graded that was appended to the journal last."""
        if self._second is None:
            self.judge(sample)
            return
        self._batch.append(sample)
        waited = time.monotonic() - self._batch_began
        if len(self._batch) == BATCH or waited > LONGEST_KEPT:
            self._hand_over(self._second)

    def judge(self, sample: Sample) -> None:
        """Grade a sample here and now, as far as it needs no worker."""
        asked = self._asked[sample.problem_id]
        self._note(sample, judge_sample_by_rules(sample, asked, read=self._read))

    def finish(self) -> None:
        """See to it that every sample is with a worker, or has its verdict."""
        if self._second is not None:
            self._hand_over(self._second)
            self._take(self._second, wait=True)

    def close(self) -> None:
        """End the second judge."""
        if self._second is not None:
            self._second.close()

    def _hand_over(self, second: SecondJudge) -> None:
        """Whoever is free judges the batch: the other process, or else this one."""
        self._take(second)
        if self._batch and second.has_room:
            second.ask(self._batch, self._batch_begins, self._journal.end)
        else:
            for sample in self._batch:
                self.judge(sample)
        self._batch = []
        self._batch_begins, self._batch_began = self._journal.end, time.monotonic()

    def _take(self, second: SecondJudge, *, wait: bool = False) -> None:
        for sample, judged in second.answers(wait=wait):
            if judged is None:
                self.judge(sample)
            else:
                self._note(sample, judged)

    def _note(self, sample: Sample, judged: Verdict | Undecided) -> None:
        key, verdict = sample.key, self._grader.settle(judged)
        self._verdicts[key.problem_id][key.index] = verdict
        if isinstance(verdict, Verdict):
            self._watcher.graded(key, verdict)
        else:
            verdict.add_done_callback(lambda done: self._settle(key, done))

    def _settle(self, key: SampleKey, done: Future[Verdict]) -> None:
        if done.exception() is None:  # an exception is raised where the verdict is asked for
            self._verdicts[key.problem_id][key.index] = done.result()
            self._watcher.graded(key, done.result())

    def verdict(self, key: SampleKey) -> Verdict:
        """Return a sample's verdict, waiting for it if need be."""
        verdict = self._verdicts[key.problem_id][key.index]
        if verdict is None:
            raise KeyError(key)
        return verdict if isinstance(verdict, Verdict) else verdict.result()


def _complete(plan: Plan, folder: RunFolder, grading: _Grading) -> Run:
    began = time.monotonic()
    grading.finish()
    verdicts: dict[str, list[ProblemVerdicts]] = {name: [] for name in plan.problems}

    def rows() -> Iterator[tuple[str, Graded]]:
        """Read each problem's responses once, for the table and for the verdicts on it."""
        for name, problems in plan.problems.items():
            count = plan.spec.sampling.samples_for(name)
            for problem in problems:
                graded = list(_graded(problem, count, folder, grading))
                verdicts[name].extend(problem_verdicts(name, graded))
                yield from ((name, row) for row in graded)

    folder.write_parquet(table_batches(rows()))
    spent = Phases(prepare=plan.seconds, finish=time.monotonic() - began)
    return declare_complete(folder, verdicts, spent)


def declare_complete(
    folder: RunFolder, verdicts: Mapping[str, Sequence[ProblemVerdicts]], spent: Phases
) -> Run:
    """Score a run whose table is written; store its verdicts, and its record as complete."""
    scores = tuple(score(name, rows) for name, rows in verdicts.items())
    content = to_lines(row for rows in verdicts.values() for row in rows)
    folder.write_verdicts(content)
    run = folder.run.model_copy(
        update={
            "status": "complete",
            "finished": datetime.now(UTC),
            "phases": folder.run.phases.plus(spent),
            "scores": scores,
            "average": average(scores),
            "verdicts_sum": hashlib.sha256(content).hexdigest(),
        }
    )
    folder.update(run)
    return run


def _graded(problem: Problem, count: int, folder: RunFolder, grading: _Grading) -> Iterator[Graded]:
    for index in range(count):
        key = SampleKey(problem.id, index)
        try:
            sample = folder.samples[key]
        except KeyError:
            raise UserError(
                f"{folder.path}: the engine returned no sample {index} of {problem.id}; "
                "run the same command again to draw it"
            ) from None
        yield Graded(problem=problem, sample=sample, verdict=grading.verdict(key))
