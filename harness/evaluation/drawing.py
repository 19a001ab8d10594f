"""Asks an engine, and makes samples of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

from benchmarks import UserError
from harness.engines import ENGINES, Completion, Engine, EngineSetup, Request
from harness.evaluation.plan import Plan
from harness.runs.sample import Sample

Opener = Callable[[EngineSetup], Engine]


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
