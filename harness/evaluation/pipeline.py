"""Turns a plan into a complete run: requests -> samples -> verdicts -> scores.

It draws the samples that are not in the run's folder yet, and grades while the engine works.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import product

from benchmarks import Problem, UserError
from benchmarks.hints import setting
from harness.common.progress import Progress, silent
from harness.common.text import counted, printable
from harness.engines import ENGINES, Completion, Engine, Request
from harness.evaluation.drawing import Opener, draw, open_engine, overflow_sample, sample_of
from harness.evaluation.live_grading import LiveGrading
from harness.evaluation.plan import Plan
from harness.grading import Grader, Outcome
from harness.runs.completion import finish_run
from harness.runs.folder import RunFolder
from harness.runs.graded import Graded
from harness.runs.record import Phases, Run, Usage
from harness.runs.sample import Sample, SampleKey
from harness.runs.samples_table import load_writer

GO_ON = "what it finished is stored, and the same command goes on from there"


def evaluate(
    plan: Plan,
    folder: RunFolder,
    *,
    grader: Grader,
    progress: Progress = silent,
    engine: Engine | None = None,
    opener: Opener | None = None,
    lengths: Mapping[str, float] | None = None,
) -> Run:
    """Draw the samples that the folder does not hold yet, grade all of them, and end the run.

    Args:
        plan: what is evaluated.
        folder: the run's folder, open; it may hold samples already.
        grader: gives the verdicts.
        progress: is told how far the run is.
        engine: an open engine, which the caller closes. Without it one is opened if there are
            samples to draw, and closed at the end.
        opener: opens that engine; see `Engine.launch`.
        lengths: the tokens that a response is expected to have, by problem id. They decide the
            order of the requests and nothing else.

    Raises:
        UserError: the engine failed, or a file cannot be written. What was drawn stays in the
            folder, and the next call goes on from there.
    """
    if folder.run.status == "complete":
        anew = setting("again", python="resume=False")
        progress.say(f"already complete: {folder.path} ({anew} draws it anew)")
        return folder.run
    if folder.samples:
        progress.say(_kept(folder))
    with closing(LiveGrading(plan, folder, grader, progress)) as grading:
        for sample in folder.samples.values():
            grading.grade(sample)
        queue = _Queue(plan, folder, lengths or {})
        _draw_missing(queue, plan, folder, grading, progress, engine, opener)
        progress.stage("grading the last responses")
        return _complete(plan, folder, grading)


def _kept(folder: RunFolder) -> str:
    """Say what an earlier attempt left."""
    lines = folder.samples.torn
    torn = f", {lines} torn line(s) passed over" if lines else ""
    return f"going on with {folder.path}: {counted(len(folder.samples), 'sample')} kept{torn}"


class _Queue:
    """The requests whose samples are not in the journal yet.

    They are made one by one as they are asked for, so that a million are never in memory.
    """

    def __init__(self, plan: Plan, folder: RunFolder, lengths: Mapping[str, float]) -> None:
        self._plan, self._stored, self._lengths = plan, folder.samples, lengths

    def without_room(self) -> Iterator[Request]:
        """Yield the missing requests whose prompts leave no room for a response."""
        if all(map(self._plan.room, self._plan.prompts.values())):
            return iter(())  # the usual case is decided without making a million requests
        return (request for request in self._missing() if request.max_tokens == 0)

    def to_ask(self) -> Iterator[Request]:
        """Yield the missing requests that an engine can answer."""
        return (request for request in self._missing() if request.max_tokens > 0)

    def _missing(self) -> Iterator[Request]:
        requests = self._plan.requests(self._lengths)
        if not self._stored:  # nothing to leave out
            return requests
        return (request for request in requests if request.key not in self._stored)


def _draw_missing(
    queue: _Queue,
    plan: Plan,
    folder: RunFolder,
    grading: LiveGrading,
    progress: Progress,
    engine: Engine | None,
    opener: Opener | None,
) -> None:
    """Draw the missing samples into the journal, and add to the record what that took."""

    def keep(sample: Sample) -> None:
        folder.append(sample)
        grading.submit(sample)

    for request in queue.without_room():
        keep(overflow_sample(request))
    if next(queue.to_ask(), None) is None:
        return
    started = time.monotonic()
    opened = None
    if engine is None:
        progress.stage(f"starting the {plan.spec.engine.name} engine")
        if ENGINES[plan.spec.engine.name].slow_to_open:
            # Now, while the engine is read from the disk: later they would take its processors.
            grading.warm_up()
            threading.Thread(target=load_writer, name="imports").start()
        opened = engine = open_engine(plan, opener)
    spent = _Spent(engine, start=time.monotonic() - started)
    progress.stage("generating")
    progress.advance(len(folder.samples), plan.samples, note="samples")
    try:
        with closing(draw(engine, queue.to_ask(), advice=GO_ON)) as answers:
            for answered in answers:
                began = time.perf_counter()
                spent.count(answered.completion)
                keep(sample_of(*answered))
                progress.advance(len(folder.samples), plan.samples, note=spent.pace())
                spent.handle += time.perf_counter() - began
    except BaseException:
        with suppress(UserError):  # where the disk is full, that is what must be said
            folder.update(spent.added_to(folder.run))
        raise
    else:
        folder.update(spent.added_to(folder.run))
    finally:
        if opened is not None:
            progress.stage("stopping the engine")
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
        """Count one completion; a prompt that leaves no room took nothing."""
        if completion.finish_reason == "overflow":
            return
        self._samples += 1
        self._prompt_tokens += completion.prompt_tokens or 0
        self._completion_tokens += completion.completion_tokens or 0

    def pace(self) -> str:
        """Return the units of the progress, and how many tokens a second the engine makes."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        tokens = self._completion_tokens
        return f"samples, {tokens / seconds:,.0f} tokens/s" if tokens else "samples"

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


def _complete(plan: Plan, folder: RunFolder, grading: LiveGrading) -> Run:
    began = time.monotonic()
    grading.finish()
    _require_a_response(plan, folder, grading)
    graded = {
        name: _graded(problems, plan.spec.sampling.samples_for(name), folder, grading)
        for name, problems in plan.problems.items()
    }
    spent = Phases(prepare=plan.seconds, finish=time.monotonic() - began)
    return finish_run(folder, graded, spent)


def _require_a_response(plan: Plan, folder: RunFolder, grading: LiveGrading) -> None:
    """Refuse to score a run whose every request failed: that would be no score of the model.

    The run stays incomplete, so that the same command asks again.
    """
    failed: list[SampleKey] = []
    for key in folder.samples:
        outcome = grading.verdict(key).outcome
        if outcome is Outcome.ENGINE_ERROR:
            failed.append(key)
        elif outcome is not Outcome.OVERFLOW:
            return
    if failed:
        said = printable(folder.samples[failed[-1]].error or "no reason", limit=400)
        raise UserError(
            f"the {plan.spec.engine.name} engine failed on every request, {len(failed):,} in all, "
            f"the last time with: {said}; so there is nothing to score, and the run in "
            f"{folder.path} stays incomplete. When the cause is mended, the same command asks again"
        )


def _graded(
    problems: Iterable[Problem], count: int, folder: RunFolder, grading: LiveGrading
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
