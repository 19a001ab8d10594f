"""The one pipeline: problems -> prompts -> requests -> samples -> verdicts -> run.

`prepare` settles everything that decides the numbers before anything is spent;
`evaluate` draws what the run's folder still owes and grades while the engine works.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from benchmarks import BENCHMARKS, Problem, UserError
from benchmarks.source import load_problems, load_shots, problems_sum
from harness.checkpoint import Checkpoint, open_checkpoint
from harness.engines import ENGINES, Completion, Engine, EngineSetup, Request
from harness.environment import hardware, harness_version, installed_versions, recorded_versions
from harness.grading import Grader, Outcome, Verdict, grader_version
from harness.prompts import Prompt, Style, choose_shots, find_style, prompts_sum, render
from harness.record import Phases, Run
from harness.sample import Sample, SampleKey, sample_seed
from harness.scores import Graded, average, parquet_columns, score
from harness.spec import BenchmarkIdentity, EngineIdentity, EvalSpec, Identity
from harness.store import RunFolder, new_run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything an evaluation will ask, settled before the engine is opened."""

    spec: EvalSpec
    identity: Identity
    checkpoint: Checkpoint | None
    style: Style
    problems: dict[str, list[Problem]]
    """By benchmark, in the order they are asked."""
    prompts: dict[str, Prompt]
    """By problem id."""
    seconds: float
    """Spent on preparing."""

    def requests(self) -> Iterator[Request]:
        """Yield one request a sample, a problem's samples side by side to share its prefix.

        A prompt that leaves no room has a request with no tokens to draw.
        """
        sampling = self.spec.sampling
        for benchmark, problems in self.problems.items():
            for problem in problems:
                prompt = self.prompts[problem.id]
                for index in range(sampling.samples_for(benchmark)):
                    yield Request(
                        key=SampleKey(problem.id, index),
                        prompt=prompt,
                        max_tokens=self._room(prompt),
                        seed=sample_seed(sampling.seed, problem.id, index),
                    )

    def _room(self, prompt: Prompt) -> int:
        limit = self.spec.sampling.max_tokens
        if self.checkpoint is None or prompt.token_ids is None:
            return limit
        return max(0, min(limit, self.checkpoint.context_length - len(prompt.token_ids)))

    @property
    def samples(self) -> int:
        """How many samples the whole run has."""
        return sum(
            len(problems) * self.spec.sampling.samples_for(name)
            for name, problems in self.problems.items()
        )

    @property
    def longest(self) -> int:
        """Prompt and response of the longest request, in tokens."""
        return max(
            (
                len(p.token_ids or ()) + self._room(p)
                for p in self.prompts.values()
                if self._room(p)
            ),
            default=1,
        )

    def new_run(self, name: str) -> Run:
        """Return the record that this plan's run begins with."""
        engine = ENGINES[self.spec.engine.name]
        return Run(
            id=new_run_id(self.identity.fingerprint),
            name=name,
            fingerprint=self.identity.fingerprint,
            identity=self.identity,
            spec=self.spec,
            created=datetime.now(UTC),
            harness_version=harness_version(),
            packages=recorded_versions(engine.packages),
            hardware=hardware(),
        )


class Watcher(Protocol):
    """Who is told what happens; the command line's progress, or nobody."""

    def stage(self, text: str) -> None:
        """Say what is being waited for."""

    def stored(self, sample: Sample) -> None:
        """A new sample is in the journal."""

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        """A sample, old or new, has its verdict. Called from any thread."""


def prepare(spec: EvalSpec, *, data_dir: Path | None = None) -> Plan:
    """Load problems and tokenizer, render every prompt, and take the sums.

    Raises:
        UserError: anything the run needs is missing or not as pinned.
    """
    began = time.monotonic()
    style = find_style(spec.prompt.style)
    engine = ENGINES[spec.engine.name]
    benchmarks = {name: BENCHMARKS[name] for name in spec.benchmarks}
    # The model before the data: a mistyped path is told before anything is downloaded.
    checkpoint = _open_checkpoint(spec) if engine.needs_checkpoint else None
    problems = {
        name: load_problems(benchmark, data_dir=data_dir, limit=spec.limit)
        for name, benchmark in benchmarks.items()
    }
    prompts = {
        problem.id: prompt
        for name, asked in problems.items()
        for problem, prompt in zip(
            asked, _render(spec, style, name, asked, checkpoint, data_dir), strict=True
        )
    }
    return Plan(
        spec=spec,
        identity=_identity(spec, engine, checkpoint, problems, prompts),
        checkpoint=checkpoint,
        style=style,
        problems=problems,
        prompts=prompts,
        seconds=time.monotonic() - began,
    )


def _open_checkpoint(spec: EvalSpec) -> Checkpoint:
    return open_checkpoint(
        spec.model,
        revision=spec.revision,
        trust_model=spec.engine.trusts("model"),
        trust_tokenizer=spec.engine.trusts("tokenizer"),
        max_model_len=spec.engine.max_model_len,
    )


def _render(
    spec: EvalSpec,
    style: Style,
    name: str,
    problems: list[Problem],
    checkpoint: Checkpoint | None,
    data_dir: Path | None,
) -> list[Prompt]:
    shots = []
    if spec.prompt.shots:
        pool = load_shots(BENCHMARKS[name], data_dir=data_dir)
        shots = choose_shots(pool, spec.prompt.shots, seed=spec.sampling.seed, benchmark=name)
    return render(
        style,
        [problem.question for problem in problems],
        tokenizer=checkpoint.tokenizer if checkpoint else None,
        shots=shots,
        template_args=spec.prompt.template_args,
    )


def _identity(
    spec: EvalSpec,
    engine: type[Engine],
    checkpoint: Checkpoint | None,
    problems: dict[str, list[Problem]],
    prompts: dict[str, Prompt],
) -> Identity:
    return Identity(
        model=checkpoint.files if checkpoint else {},
        benchmarks={
            name: BenchmarkIdentity(
                problems=len(asked),
                sum=problems_sum(asked),
                samples=spec.sampling.samples_for(name),
            )
            for name, asked in problems.items()
        },
        prompt=spec.prompt,
        prompts_sum=prompts_sum(prompts.values()),
        stop_token_ids=checkpoint.stop_token_ids if checkpoint else (),
        sampling=spec.sampling,
        engine=EngineIdentity(
            name=spec.engine.name,
            versions=installed_versions(engine.packages),
            settings=engine.settings(spec.engine),
        ),
        grader=grader_version(),
    )


def evaluate(
    plan: Plan, folder: RunFolder, *, grader: Grader, watcher: Watcher, engine: Engine | None = None
) -> Run:
    """Draw what the folder still owes, grade everything, and complete the run.

    The engine is opened only if something is owed; an ``engine`` given by the
    caller stays the caller's to close.
    """
    if folder.run.status == "complete":
        return folder.run
    golds = {problem.id: problem.answer for asked in plan.problems.values() for problem in asked}
    grading = _Grading(plan.style, golds, grader, watcher)
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
            folder.samples[sample.key] = sample
            watcher.stored(sample)
            grading.submit(sample)
    finally:
        if opened is not None:
            opened.close()
        spent = Phases(engine_start=began - started, generate=time.monotonic() - began)
        folder.update(folder.run.model_copy(update={"phases": folder.run.phases.plus(spent)}))


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
    seeds = {request.key: request.seed for request in askable}
    for completion in engine.generate(askable):
        yield _sample(completion, seed=seeds[completion.key])


def _overflow(request: Request) -> Sample:
    return Sample(
        problem_id=request.key.problem_id,
        index=request.key.index,
        response="",
        finish_reason="overflow",
        seed=request.seed,
        prompt_tokens=len(request.prompt.token_ids or ()),
        completion_tokens=0,
    )


def _sample(completion: Completion, *, seed: int) -> Sample:
    return Sample(
        problem_id=completion.key.problem_id,
        index=completion.key.index,
        # A lone surrogate is no text that any file could hold.
        response=completion.text.encode("utf-8", "replace").decode("utf-8"),
        finish_reason=completion.finish_reason,
        seed=seed,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        error=completion.error,
    )


class _Grading:
    """The verdicts under way; the engine never waits for them."""

    def __init__(
        self, style: Style, golds: dict[str, str], grader: Grader, watcher: Watcher
    ) -> None:
        self._style, self._golds = style, golds
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
        if sample.finish_reason == "overflow":
            return _settled(Outcome.OVERFLOW)
        if sample.finish_reason == "error":
            return _settled(Outcome.ENGINE_ERROR)
        said = self._style.read(sample.response)
        cut = sample.finish_reason == "length" and said == sample.response
        return self._grader.submit(said, self._golds[sample.problem_id], truncated=cut)

    def verdict(self, key: SampleKey) -> Verdict:
        return self._verdicts[key].result()


def _settled(outcome: Outcome) -> Future[Verdict]:
    future: Future[Verdict] = Future()
    future.set_result(Verdict(outcome=outcome))
    return future


def _complete(plan: Plan, folder: RunFolder, grading: _Grading, watcher: Watcher) -> Run:
    began = time.monotonic()
    watcher.stage("grading the last responses")
    graded = {
        name: list(_graded(problems, plan.spec.sampling.samples_for(name), folder, grading))
        for name, problems in plan.problems.items()
    }
    scores = tuple(score(name, rows) for name, rows in graded.items())
    folder.write_parquet(parquet_columns(graded))
    spent = Phases(prepare=plan.seconds, finish=time.monotonic() - began)
    run = folder.run.model_copy(
        update={
            "status": "complete",
            "finished": datetime.now(UTC),
            "phases": folder.run.phases.plus(spent),
            "scores": scores,
            "average": average(scores),
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
