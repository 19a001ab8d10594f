"""The one pipeline: a plan's requests -> samples -> verdicts -> a complete run.

It draws what the run's folder still owes, and grades while the engine works.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import product

from benchmarks import Problem, UserError
from harness.engines import ENGINES, Completion, Engine, Request
from harness.evaluation.drawing import Opener, _completions, open_engine, overflow_sample, sample_of
from harness.evaluation.live_grading import Watcher, _Grading
from harness.evaluation.plan import Plan
from harness.grading import Grader
from harness.runs.completion import finish_run
from harness.runs.folder import RunFolder
from harness.runs.graded import Graded
from harness.runs.record import Phases, Run, Usage
from harness.runs.sample import Sample, SampleKey


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


def _complete(plan: Plan, folder: RunFolder, grading: _Grading) -> Run:
    began = time.monotonic()
    grading.finish()
    graded = {
        name: _graded(problems, plan.spec.sampling.samples_for(name), folder, grading)
        for name, problems in plan.problems.items()
    }
    spent = Phases(prepare=plan.seconds, finish=time.monotonic() - began)
    return finish_run(folder, graded, spent)


def _graded(
    problems: Iterable[Problem], count: int, folder: RunFolder, grading: _Grading
) -> Iterator[Graded]:
    """Yield every sample with its verdict; each response is read from the disk as it is needed."""
    for problem, index in product(problems, range(count)):
        key = SampleKey(problem.id, index)
        try:
            sample = folder.samples[key]
        except KeyError:
            raise UserError(
                f"{folder.path}: the engine returned no sample {index} of {problem.id}; "
                "run the same command again to draw it"
            ) from None
        yield Graded(problem=problem, sample=sample, verdict=grading.verdict(key))
