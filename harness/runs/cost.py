"""What a run took: time, tokens, money. Pure functions from a record to values.

A value that a record does not hold is None, never zero. Where a record covers only a part of
the run, its values are marked as lower bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from harness.grading.verdict import Outcome
from harness.runs.record import Phases, Run, Usage
from harness.runs.spec import Server

PRICED = 1_000_000
"""A price is for this many tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTimes:
    """A run's `Phases`, in seconds; None where the record lacks one."""

    prepare: float | None = None
    engine_start: float | None = None
    generate: float | None = None
    handle: float | None = None
    """The part of ``generate`` that went into storing and grading."""
    finish: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run took for the samples that it drew itself; None is what nobody knows."""

    drawn: int | None = None
    """Samples; those that were adopted from another run, or left no room, took nothing."""
    prompt_tokens: int | None = None
    """Each request's whole prompt, though an engine may have computed a shared one once."""
    completion_tokens: int | None = None
    events: Mapping[str, int] | None = None
    """What else the engine counted: retries, restarts, …; empty if there was nothing."""
    wall_seconds: float | None = None
    """The time of all phases; starting Python and closing the engine belong to none."""
    phases: PhaseTimes = PhaseTimes()
    tokens_per_second: float | None = None
    """Completion tokens by seconds of ``generate``; prompt tokens are not in it."""
    samples_per_second: float | None = None
    """Samples by seconds of ``generate``."""
    engine_busy: float | None = None
    """The part of the wall time in which the run had nothing to do but wait for the engine.

    (generate - handle) / wall. What is missing to 1 is preparing, starting, storing, grading by
    rules as far as this process does it itself, and finishing. Grading workers run beside the
    engine; the time for which they are waited for is the finish's. An engine with a process of its
    own computes during ``handle`` too, so the true share may be greater. This value does
    not say how full the batches were, or what the engine waited for, such as a rate limit.
    """
    money: float | None = None
    """By the prices that the run's spec gives, in their currency; see `price`."""
    at_least: bool = False
    """Whether samples, tokens, events, time and money cover only a part of the run."""
    notes: tuple[str, ...] = ()
    """Why something is not known, or covers only a part."""


def cost_of(run: Run) -> Cost:
    """Return what a run took, as far as its record tells.

    An attempt that was killed leaves its samples, and neither its time nor its tokens: a run
    that has more samples than its record counts is marked as one of which a part is known.
    """
    if (undrawn := _undrawn(run)) is not None:
        return Cost(notes=(undrawn,))
    expected = _samples_drawn(run)
    uncounted = run.usage.samples == 0 and run.phases.generate > 0
    counted = run.usage.samples > 0 or (expected == 0 and not uncounted)
    cost = Cost(
        wall_seconds=wall_seconds(run.phases) or None,
        phases=_phase_times(run, counted=counted, uncounted=uncounted),
        at_least=expected is None or (run.usage.samples < expected and not uncounted),
        notes=tuple(_notes(run, expected, uncounted=uncounted)),
    )
    return _with_usage(cost, run) if counted else cost


def wall_seconds(phases: Phases) -> float:
    """Return the wall time of all phases; ``handle`` is a part of ``generate``.

    >>> wall_seconds(Phases(prepare=1, engine_start=2, generate=10, handle=3, finish=0.5))
    13.5
    """
    return phases.prepare + phases.engine_start + phases.generate + phases.finish


def price(
    server: Server, *, prompt_tokens: int | None, completion_tokens: int | None
) -> float | None:
    """Return what tokens cost; None if nothing has a price, or it is not known how much has.

    Tokens without a price are free.

    >>> price(Server(completion_price=0.6), prompt_tokens=None, completion_tokens=500_000)
    0.3
    """
    pairs = ((prompt_tokens, server.prompt_price), (completion_tokens, server.completion_price))
    priced = [(tokens, each) for tokens, each in pairs if each is not None]
    known = [tokens * each / PRICED for tokens, each in priced if tokens is not None]
    return sum(known) if known and len(known) == len(priced) else None


def money(amount: float) -> str:
    """Return an amount to the hundredth; a small one with two digits, so that it is not zero.

    >>> money(1234.5), money(0.00312)
    ('1,234.50', '0.0031')
    """
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.2g}"


def _undrawn(run: Run) -> str | None:
    """Say why a run's record knows nothing of the drawing of its samples; None if it does."""
    if run.saved is not None:
        return "the samples were read from files, which do not say what they cost"
    if run.regraded_from is not None:
        return f"the samples are those of {run.regraded_from}, graded again: see what it cost"
    return None


def _samples_drawn(run: Run) -> int | None:
    """Return how many samples a run has drawn itself; None if it is not complete."""
    if run.status != "complete":
        return None
    samples = sum(score.samples for score in run.scores)
    without_room = sum(score.outcomes.get(Outcome.OVERFLOW, 0) for score in run.scores)
    return max(0, samples - without_room - sum(run.reused.values()))


def _phase_times(run: Run, *, counted: bool, uncounted: bool) -> PhaseTimes:
    """Return the phases that were recorded: zero is what a phase is before it was."""
    phases, complete = run.phases, run.status == "complete"
    drawn = counted or uncounted
    return PhaseTimes(
        prepare=phases.prepare if complete else None,
        engine_start=phases.engine_start if drawn else None,
        generate=phases.generate if drawn else None,
        handle=phases.handle if counted else None,
        finish=phases.finish if complete else None,
    )


def _with_usage(cost: Cost, run: Run) -> Cost:
    usage, phases = run.usage, run.phases
    prompt_tokens = _tokens(usage.prompt_tokens, usage)
    completion_tokens = _tokens(usage.completion_tokens, usage)
    drawn = usage.samples > 0 and phases.generate > 0
    return replace(
        cost,
        drawn=usage.samples,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        events=dict(usage.events),
        tokens_per_second=completion_tokens / phases.generate
        if drawn and completion_tokens is not None
        else None,
        samples_per_second=usage.samples / phases.generate if drawn else None,
        # Before its end a run has not recorded all of its wall time.
        engine_busy=(phases.generate - phases.handle) / wall_seconds(phases)
        if drawn and run.status == "complete"
        else None,
        money=price(
            run.spec.engine.server, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
        ),
    )


def _tokens(tokens: int, usage: Usage) -> int | None:
    """Return a count of tokens; None where there are samples and the engine counted nothing."""
    return tokens if tokens or not usage.samples else None


def _notes(run: Run, expected: int | None, *, uncounted: bool) -> Iterator[str]:
    server = run.spec.engine.server
    if expected is None:
        yield "the run is not complete: this is what its attempts recorded so far"
    elif uncounted:
        yield "recorded before tokens were counted; an attempt that was killed is not in the time"
    elif run.usage.samples < expected:
        yield (
            f"of {run.usage.samples:,} of {expected:,} samples drawn: attempts that were killed "
            "left no record of what they took"
        )
    if run.reused:
        count = sum(run.reused.values())
        yield f"{count:,} samples are not in it: adopted from {', '.join(run.reused)}"
    if run.usage.samples and (server.prompt_price is None) != (server.completion_price is None):
        kind = "prompt" if server.prompt_price is None else "completion"
        yield f"no price of {kind} tokens was given: they count as free"
