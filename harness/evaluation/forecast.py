"""What an evaluation will cost and what it could show, said before anything is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from benchmarks import UserError
from harness.evaluation.plan import Plan
from harness.grading.version import comparable_version
from harness.runs.cost import price
from harness.runs.record import Run
from harness.runs.results import Result, of_run
from harness.runs.spec import EvalSpec
from harness.runs.verdicts import ProblemVerdicts
from harness.stats.power import ASSUMED, LEVEL, POWER, Shares, minimum_detectable, shares


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPair:
    """Two stored runs of different models, and how a sample's variance splits between them."""

    a: str
    """The id of one run."""
    b: str
    """The id of the other."""
    shares: Shares


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkForecast:
    """One benchmark of a run that has not begun."""

    benchmark: str
    problems: int
    samples: int
    prompt_tokens: int | None
    """Tokens of all prompts together; None where the engine renders the prompts itself."""
    most_tokens: int
    """Tokens of all responses, if each goes to its limit."""
    expected_tokens: int | None
    """Tokens of all responses, if they are as long as in the run named by `Forecast.like`."""
    assumed_accuracy: float
    """As in the run named by `Forecast.like`, shrunk towards one half; one half without it."""
    is_in_like: bool
    """Whether that run has this benchmark."""
    by_problem: float
    """The part of a sample's variance that is taken to lie between problems."""
    correlation: float
    """How far the two runs' accuracies on single problems are taken to be correlated."""
    pair: tuple[str, str] | None
    """The ids of the two stored runs that tell so; None where one half is assumed of both."""
    detectable: float
    """The smallest true difference, as a fraction, that two such runs show with 80 % power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The whole run, and on what its estimates rest."""

    rows: tuple[BenchmarkForecast, ...]
    average_detectable: float
    like: str | None
    """The id of the stored run whose lengths, accuracies and speed are assumed."""
    like_name: str | None
    """That run's name."""
    seconds: float | None
    """Time of generating at that run's speed; None without such a run on this machine."""
    money: float | None
    """The cost by the spec's prices, in their currency; see `harness.runs.cost.price`."""
    most_money: float | None
    """The same if each response goes to its limit."""


def forecast(
    plan: Plan,
    stored: Sequence[Run],
    hardware: dict[str, Any],
    pairs: Mapping[str, StoredPair] | None = None,
) -> Forecast:
    """Estimate a plan's cost and power from the stored run that is most like it.

    ``pairs`` are those of `stored_pairs`: by benchmark, what is known of two runs' correlation.
    """
    like = most_alike(plan, stored)
    # As a comparison corrects: over the benchmarks and, where there are several, their average.
    level = LEVEL / (len(plan.problems) + (len(plan.problems) > 1))
    errors = {}
    rows = []
    for name, problems in plan.problems.items():
        known = None if like is None else {s.benchmark: s for s in like.scores}.get(name)
        count = plan.spec.sampling.samples_for(name)
        lengths = [_prompt_length(plan, problem.id) for problem in problems]
        mean = None if known is None else known.mean_response_tokens
        most = count * sum(plan.room(plan.prompts[problem.id]) for problem in problems)
        accuracy = 0.5 if known is None else shrunk(known.accuracy, known.problems)
        pair = (pairs or {}).get(name)
        split = ASSUMED if pair is None else pair.shares
        errors[name] = difference_error(
            accuracy, problems=len(problems), samples=count, shares=split
        )
        rows.append(
            BenchmarkForecast(
                benchmark=name,
                problems=len(problems),
                samples=len(problems) * count,
                prompt_tokens=None if None in lengths else count * sum(filter(None, lengths)),
                most_tokens=most,
                expected_tokens=None
                if mean is None
                else min(most, round(mean * count * len(problems))),
                assumed_accuracy=accuracy,
                is_in_like=known is not None,
                by_problem=split.by_problem,
                correlation=split.correlation,
                pair=None if pair is None else (pair.a, pair.b),
                detectable=minimum_detectable(errors[name], level=level, power=POWER),
            )
        )
    error = sqrt(sum(e**2 for e in errors.values())) / len(errors)
    return Forecast(
        rows=tuple(rows),
        average_detectable=minimum_detectable(error, level=level, power=POWER),
        like=None if like is None else like.id,
        like_name=None if like is None else like.name,
        seconds=None if like is None else _seconds(plan, rows, like, hardware),
        money=_price(plan, rows, [row.expected_tokens for row in rows]),
        most_money=_price(plan, rows, [row.most_tokens for row in rows]),
    )


def difference_error(
    accuracy: float, *, problems: int, samples: int, shares: Shares = ASSUMED
) -> float:
    """Return the standard error to expect of the difference of two runs on the same problems.

    √(2 p(1 − p) (b(1 − r) + (1 − b)/n) / N): of a sample's variance p(1 − p) the part b lies
    between problems and is shared by both runs as far as they are correlated, r; the rest is
    sampling, which n samples a problem divide (Miller, arXiv 2411.00640, §3 and §5). b = r = ½
    are assumed unless two stored runs tell.

    >>> round(difference_error(0.5, problems=500, samples=1), 4)
    0.0274
    >>> round(difference_error(0.5, problems=500, samples=16), 4)
    0.0168
    """
    between, r = shares
    part = between * (1 - r) + (1 - between) / samples
    return sqrt(2 * accuracy * (1 - accuracy) * part / problems)


def stored_pairs(plan: Plan, stored: Iterable[tuple[Path, Run]]) -> dict[str, StoredPair]:
    """Return for each benchmark of a plan the pair of stored runs that tells of such pairs.

    The two have the plan's prompt, sampling and grader, and different models. They are the newest
    such runs; one of the planned model comes first. A benchmark without such a pair is left out.
    """
    runs = [(path, run) for path, run in stored if _is_like(plan, run)]
    found = {}
    for name in plan.problems:
        having = [one for one in runs if any(score.benchmark == name for score in one[1].scores)]
        pair = _pair_of(plan, name, having)
        if pair is not None:
            found[name] = pair
    return found


def _is_like(plan: Plan, run: Run) -> bool:
    return (
        run.status == "complete"
        and run.saved is None
        and run.regraded_from is None
        and run.spec.prompt == plan.spec.prompt
        and _drawn_by(run.spec) == _drawn_by(plan.spec)
        and comparable_version(run.identity.grader) == comparable_version(plan.identity.grader)
    )


def _drawn_by(spec: EvalSpec) -> dict[str, Any]:
    """Return the settings of sampling that decide how a single sample is drawn."""
    return spec.sampling.model_dump(exclude={"seed", "n", "n_by_benchmark"})


def _pair_of(plan: Plan, name: str, runs: Sequence[tuple[Path, Run]]) -> StoredPair | None:
    """Return the pair for one benchmark, of runs from the oldest to the newest."""
    if not runs:
        return None
    same = [one for one in runs if one[1].identity.model == plan.identity.model]
    first = (same or runs)[-1]
    others = [one for one in runs if one[1].identity.model != first[1].identity.model]
    if not others:
        return None
    with suppress(UserError):  # a run that cannot be read is no reason not to forecast
        rows = [_rows(of_run(*one), name) for one in (first, others[-1])]
        both = [(row, rows[1][key]) for key, row in rows[0].items() if key in rows[1]]
        split = shares(
            [a.accuracy for a, _ in both],
            [b.accuracy for _, b in both],
            samples_a=[a.samples for a, _ in both],
            samples_b=[b.samples for _, b in both],
        )
        if split is not None:
            return StoredPair(a=first[1].id, b=others[-1][1].id, shares=split)
    return None


def _rows(result: Result, benchmark: str) -> dict[tuple[str, str], ProblemVerdicts]:
    """Return a run's verdicts by what identifies a problem; empty without verdicts."""
    rows = (result.verdicts or {}).get(benchmark, ())
    return {(row.problem_id, row.sum): row for row in rows}


def shrunk(accuracy: float, problems: int) -> float:
    """Return an accuracy drawn towards one half, so that none right of 30 is not taken for never.

    (right + 2) / (problems + 4) (Agresti and Coull, Am. Stat. 52 (1998) 119).

    >>> round(shrunk(0.0, 30), 3)
    0.059
    """
    return (accuracy * problems + 2) / (problems + 4)


def most_alike(plan: Plan, stored: Iterable[Run]) -> Run | None:
    """Return the newest complete run of the same model, else of the same engine; None without.

    A run that was graded again is left out: it took no time to draw, and its accuracy may be a
    reward's.
    """
    runs = [
        run
        for run in stored
        if run.status == "complete"
        and run.saved is None
        and run.regraded_from is None
        and any(score.benchmark in plan.problems for score in run.scores)
    ]
    same_model = [run for run in runs if run.identity.model == plan.identity.model]
    same_engine = [r for r in runs if r.identity.engine.name == plan.identity.engine.name]
    return next((found[-1] for found in (same_model, same_engine) if found), None)


def _prompt_length(plan: Plan, problem_id: str) -> int | None:
    token_ids = plan.prompts[problem_id].token_ids
    return None if token_ids is None else len(token_ids)


def _seconds(
    plan: Plan, rows: Sequence[BenchmarkForecast], like: Run, hardware: dict[str, Any]
) -> float | None:
    """Return the seconds of generating; None unless that run is this model's, on this machine."""
    expected = [row.expected_tokens for row in rows]
    if None in expected or like.identity.model != plan.identity.model:
        return None
    if any(like.hardware.get(key) != hardware.get(key) for key in ("processor", "cores", "gpus")):
        return None
    drawn = sum(s.samples * (s.mean_response_tokens or 0) for s in like.scores)
    return sum(filter(None, expected)) * like.phases.generate / drawn if drawn else None


def _price(
    plan: Plan, rows: Sequence[BenchmarkForecast], responses: Sequence[int | None]
) -> float | None:
    prompts = [row.prompt_tokens for row in rows]
    return price(
        plan.spec.engine.server,
        prompt_tokens=total_tokens(prompts),
        completion_tokens=total_tokens(responses),
    )


def total_tokens(values: Sequence[int | None]) -> int | None:
    """Return the sum of token counts; None if one of them is not known."""
    return None if None in values else sum(filter(None, values))
