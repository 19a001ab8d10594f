"""Asks an engine for completions, and makes samples of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from types import NoneType
from typing import NamedTuple

from msgspec import UNSET

from benchmarks import UserError
from harness.engines import ENGINES, Completion, Engine, EngineSetup, Request
from harness.evaluation.plan import Plan
from harness.runs.sample import Sample, SampleKey

Opener = Callable[[EngineSetup], Engine]


def open_engine(plan: Plan, opener: Opener | None = None) -> Engine:
    """Open the engine that a plan asks for; it may take minutes.

    Raises:
        UserError: it cannot be opened.
    """
    setup = EngineSetup(
        spec=plan.spec.engine,
        sampling=plan.spec.sampling,
        checkpoint=plan.checkpoint,
        longest=plan.longest,
        model_name=plan.spec.model,
        template_args=plan.spec.prompt.template_args,
    )
    name = plan.spec.engine.name
    try:
        return (opener or ENGINES[name])(setup)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the {name} engine cannot be opened: {type(error).__name__}: {error}"
        ) from error


class Answered(NamedTuple):
    """A request and what the engine returned for it."""

    request: Request
    completion: Completion


def draw(
    engine: Engine, requests: Iterable[Request], *, advice: str = ""
) -> Generator[Answered, None, None]:
    """Ask an engine, and yield each request with its completion, in the order of completion.

    Requests are taken from ``requests`` as the engine takes them, and each is held in memory
    until it is answered. An engine that returns too few completions is not noticed here.

    Args:
        engine: answers the requests.
        requests: what is asked, each key once.
        advice: what to do if the engine fails; it ends the error's message.

    Raises:
        UserError: the engine failed, or returned what nobody asked for or what it had
            returned already.
    """
    under_way: dict[SampleKey, Request] = {}

    def remembered() -> Iterator[Request]:
        for request in requests:
            under_way[request.key] = request
            yield request

    with closing(_completions(engine, remembered(), advice)) as completions:
        for completion in completions:
            if fault := _fault(completion):
                raise UserError(f"the engine returned {fault}: a defect of the engine")
            request = under_way.pop(completion.key, None)
            if request is None:
                raise UserError(
                    f"the engine returned sample {completion.key.index} of "
                    f"{completion.key.problem_id}, which is not under way (nobody asked for it, or "
                    "it was returned before): a defect of the engine"
                )
            yield Answered(request, completion)


_KINDS: dict[str, tuple[type, ...]] = {
    "key": (SampleKey,),
    "text": (str,),
    "prompt_tokens": (int, NoneType),
    "completion_tokens": (int, NoneType),
    "error": (str, NoneType),
}
_REASONS = ("stop", "length", "error")


def _fault(completion: object) -> str:
    """Say what an engine returned, if that is no completion; it may be another package's."""
    if not isinstance(completion, Completion):
        return f"an object of type {type(completion).__name__} in place of a Completion"
    for name, kinds in _KINDS.items():
        value = getattr(completion, name)
        if not isinstance(value, kinds):
            return f"a Completion whose {name} is of type {type(value).__name__}"
        if isinstance(value, int) and value < 0:
            return f"a Completion whose {name} is {value}"
    if completion.finish_reason not in _REASONS:
        return f"a Completion whose finish_reason is none of {', '.join(_REASONS)}"
    return ""


def _completions(
    engine: Engine, requests: Iterable[Request], advice: str
) -> Generator[Completion, None, None]:
    """Yield what the engine returns; any error that it raises means that the engine is lost."""
    try:
        yield from engine.generate(requests)
    except UserError:
        raise
    except Exception as error:
        failure = f"the engine failed: {type(error).__name__}: {error}"
        raise UserError(f"{failure}; {advice}" if advice else failure) from error


def overflow_sample(request: Request) -> Sample:
    """Return the sample of a prompt that leaves no room for a response."""
    return Sample(
        problem_id=request.key.problem_id,
        index=request.key.index,
        response="",
        finish_reason="overflow",
        seed=request.seed,
        prompt_sum=request.prompt.checksum,
        prompt_tokens=len(request.prompt.token_ids or ()),
        completion_tokens=0,
    )


def sample_of(request: Request, completion: Completion) -> Sample:
    """Return what is stored of an engine's answer to a request."""
    return Sample(
        problem_id=completion.key.problem_id,
        index=completion.key.index,
        response=_storable(completion.text),
        finish_reason=completion.finish_reason,
        seed=request.seed,
        prompt_sum=request.prompt.checksum,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        error=completion.error,
        reasoning=_storable(completion.reasoning) if completion.reasoning else UNSET,
        reasoning_tokens=completion.reasoning_tokens or UNSET,
    )


def _storable(text: str) -> str:
    """Return a text without lone surrogates, which no file could hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
