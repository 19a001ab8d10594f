"""The plan of a run: everything that decides its numbers, settled before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS, Problem, Shot, WrongValueError
from benchmarks.hints import setting
from benchmarks.source import (
    conventions_sum,
    load_problems,
    load_shots,
    problems_sum,
    require_file,
)
from harness.common.environment import installed_versions
from harness.common.secrets import secrets_in
from harness.common.text import printable
from harness.engines import ENGINES, Engine, Request
from harness.evaluation.grade_sample import Reference
from harness.extraction.thinking import opens_thinking
from harness.grading import grader_version
from harness.models.checkpoint import Checkpoint, open_checkpoint
from harness.models.lineage import lineage_bytes
from harness.prompts.rendering import Prompt, choose_shots, prompts_sum, render_conversations
from harness.prompts.styles import Style, find_prompt_style
from harness.runs.identity import (
    THINKING_OPENED,
    BenchmarkIdentity,
    EngineIdentity,
    Identity,
)
from harness.runs.record import Run
from harness.runs.sample import SampleKey, sample_seed
from harness.runs.spec import EngineSpec, EvalSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything an evaluation will ask, settled before the engine is opened."""

    spec: EvalSpec
    identity: Identity
    engine: type[Engine]
    """What kind of engine draws the samples."""
    checkpoint: Checkpoint | None
    style: Style
    problems: dict[str, list[Problem]]
    """By benchmark, in the order they are asked."""
    prompts: dict[str, Prompt]
    """By problem id."""
    seconds: float
    """Spent on preparing."""

    def requests(self, lengths: Mapping[str, float] | None = None) -> Iterator[Request]:
        """Yield one request a sample: the longest expected first, whatever its benchmark.

        So the last responses are short ones, and the engine has none to wait for alone. A
        problem's samples stand side by side, to share its prefix. ``lengths`` are the expected
        tokens of a response, by problem id. A prompt that leaves no room has a request with no
        tokens to draw.
        """
        sampling = self.spec.sampling
        for benchmark, problem in self._longest_first(lengths or {}):
            prompt = self.prompts[problem.id]
            room = self.room(prompt)
            for index in range(sampling.samples_for(benchmark)):
                yield Request(
                    key=SampleKey(problem.id, index),
                    prompt=prompt,
                    max_tokens=room,
                    seed=sample_seed(sampling.seed, problem.id, index),
                )

    def _longest_first(self, lengths: Mapping[str, float]) -> list[tuple[str, Problem]]:
        pairs = [(name, problem) for name, asked in self.problems.items() for problem in asked]

        def expected(pair: tuple[str, Problem]) -> float:
            return lengths.get(pair[1].id, BENCHMARKS[pair[0]].response_tokens)

        return sorted(pairs, key=expected, reverse=True)  # stable: equals stay as they come

    def room(self, prompt: Prompt) -> int:
        """Return how many tokens a response to ``prompt`` may have; 0 if there is no room."""
        limit = self.spec.sampling.max_tokens
        if self.checkpoint is None or prompt.token_ids is None:
            return limit
        return max(0, min(limit, self.checkpoint.context_length - len(prompt.token_ids)))

    def asked(self) -> dict[str, Reference]:
        """Return what each problem's samples are graded against, by problem id."""
        return {
            problem.id: Reference(
                problem.answer,
                BENCHMARKS[name].conventions_for(problem),
                thinking_opened=self.identity.thinking_opened,
            )
            for name, problems in self.problems.items()
            for problem in problems
        }

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
            (len(p.token_ids or ()) + self.room(p) for p in self.prompts.values() if self.room(p)),
            default=1,
        )

    @property
    def lineage(self) -> bytes | None:
        """The checkpoint's own account of its training, if it has one."""
        return None if self.checkpoint is None else lineage_bytes(self.checkpoint.path)

    def new_run(self, name: str, tags: Sequence[str] = ()) -> Run:
        """Return the record that this plan's run begins with."""
        return Run.begin(
            self.spec,
            self.identity,
            name=name,
            tags=tuple(dict.fromkeys(tags)),
            packages=installed_versions(self.engine.packages),
        )


def prepare(
    spec: EvalSpec, *, data_dir: Path | None = None, engine: type[Engine] | None = None
) -> Plan:
    """Load problems and tokenizer, render every prompt, and take the sums.

    ``engine`` is the kind of engine where it is not the one that is registered under the spec's
    name, as that of an engine which the caller has opened.

    Raises:
        UserError: anything the run needs is missing or not as pinned.
    """
    began = time.monotonic()
    style = find_prompt_style(spec.prompt.style)
    engine = engine or ENGINES[spec.engine.name]
    engine.require_recorded(spec.engine)
    for name in secrets_in(spec.prompt.template_args):
        raise WrongValueError(
            f"{setting('template_args')} {printable(name)}: this holds a secret, and the variables "
            "of the chat template are stored in the run's record; leave it out"
        )
    benchmarks = {name: BENCHMARKS[name] for name in spec.benchmarks}
    # The model before the data: a mistyped path is told before anything is downloaded.
    checkpoint = _open_checkpoint(spec) if engine.needs_checkpoint else None
    problems = {
        name: load_problems(benchmark, data_dir=data_dir, limit=spec.limit)
        for name, benchmark in benchmarks.items()
    }
    counts = spec.sampling.samples_for
    samples = {one.id: counts(name) for name, asked in problems.items() for one in asked}
    engine.require_able(spec.engine, samples)
    prompts = _render(spec, style, problems, checkpoint, data_dir, engine)
    return Plan(
        spec=spec,
        identity=_identity(spec, engine, checkpoint, problems, prompts),
        engine=engine,
        checkpoint=checkpoint,
        style=style,
        problems=problems,
        prompts=prompts,
        seconds=time.monotonic() - began,
    )


def require_files(spec: EvalSpec, *, data_dir: Path | None = None) -> None:
    """Refuse a benchmark without its file before an engine and a model take their seconds.

    Raises:
        UserError: a folder of data is named, and a file that the run needs is not in it.
    """
    for name in spec.benchmarks:
        benchmark = BENCHMARKS[name]
        require_file(benchmark, data_dir=data_dir)
        if spec.prompt.shots and benchmark.train is not None:
            require_file(benchmark, "train", data_dir=data_dir)


def _open_checkpoint(spec: EvalSpec) -> Checkpoint:
    return open_checkpoint(
        spec.model,
        revision=spec.revision,
        trust_model=spec.engine.trusts("model"),
        trust_tokenizer=spec.engine.trusts("tokenizer"),
        allow_pickle=spec.engine.allow_pickle,
        max_model_len=spec.engine.max_model_len,
    )


def _render(
    spec: EvalSpec,
    style: Style,
    problems: dict[str, list[Problem]],
    checkpoint: Checkpoint | None,
    data_dir: Path | None,
    engine: type[Engine],
) -> dict[str, Prompt]:
    """Return the prompt of each problem by its id, those of all benchmarks rendered at once."""
    conversations = {
        problem.id: style.messages(problem.question, shots)
        for name, asked in problems.items()
        for shots in [_shots(spec, name, data_dir)]
        for problem in asked
    }
    prompts = render_conversations(
        style,
        list(conversations.values()),
        tokenizer=checkpoint.tokenizer if checkpoint else None,
        template_args=spec.prompt.template_args,
        as_messages=engine.sends_messages,
    )
    return dict(zip(conversations, prompts, strict=True))


def _shots(spec: EvalSpec, name: str, data_dir: Path | None) -> list[Shot]:
    """Return the worked examples that stand before each question of a benchmark."""
    if not spec.prompt.shots:
        return []
    pool = load_shots(BENCHMARKS[name], data_dir=data_dir)
    return choose_shots(pool, spec.prompt.shots, seed=spec.sampling.seed, benchmark=name)


def _identity(
    spec: EvalSpec,
    engine: type[Engine],
    checkpoint: Checkpoint | None,
    problems: dict[str, list[Problem]],
    prompts: dict[str, Prompt],
) -> Identity:
    return Identity(
        model=checkpoint.files if checkpoint else engine.model_identity(spec.model),
        benchmarks={
            name: BenchmarkIdentity(
                problems=len(asked),
                sum=problems_sum(asked),
                samples=spec.sampling.samples_for(name),
                conventions=conventions_sum(BENCHMARKS[name], asked),
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
            settings={
                **_engine_settings(spec.engine, engine),
                **_reading_settings(checkpoint, prompts.values()),
            },
        ),
        grader=grader_version(),
    )


def _engine_settings(spec: EngineSpec, engine: type[Engine]) -> dict[str, Any]:
    settings = engine.settings(spec)
    if spec.deterministic and (kept := engine.determinism(spec)):
        settings["deterministic"] = kept  # left out where it is not asked for: older runs stay
    return settings


def _reading_settings(checkpoint: Checkpoint | None, prompts: Iterable[Prompt]) -> dict[str, Any]:
    """Return how thinking is told from the reply, where it needs more than the response's text.

    Nothing is in it for most models, so that their older runs keep their identities.
    """
    settings: dict[str, Any] = {}
    if checkpoint is None:
        return settings
    if checkpoint.special.kept:
        settings["kept_special_tokens"] = list(checkpoint.special.kept.values())
    if any(opens_thinking(prompt.text) for prompt in prompts):
        settings[THINKING_OPENED] = True
    return settings
