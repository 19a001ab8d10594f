"""What a run will cost and could show, before it begins."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from statistics import pstdev
from typing import Any

import pytest
from replayed import replay_spec, write_responses
from stored import store_run, verdict_rows

from harness.evaluation.forecast import difference_error, forecast, stored_pairs
from harness.evaluation.plan import Plan, prepare
from harness.reporting.text.forecast import forecast_text
from harness.runs.record import Run

MACHINE: dict[str, Any] = {"processor": "a processor", "gpus": []}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    responses = write_responses(tmp_path / "responses.jsonl", limit=12, n=2)
    return prepare(replay_spec(responses, limit=12, n=2))


def stored_run(folder: Path, **changes: object) -> Run:
    marks = {"demo": [[number % 4 == 0] for number in range(40)]}
    run = store_run(folder, "before", verdict_rows(marks), **changes).run  # type: ignore[arg-type]
    assert run is not None
    return run


def test_without_any_run_only_the_limits_are_known(plan: Plan) -> None:
    found = forecast(plan, [], MACHINE)
    (row,) = found.rows
    assert (row.problems, row.samples) == (12, 24)
    assert row.most_tokens == 24 * 2048
    assert row.expected_tokens is None
    assert found.seconds is None
    text = forecast_text(found, max_tokens=2048)
    assert "no stored run tells" in text
    assert "up to 2,048 tokens" in text


def test_so_few_problems_that_no_difference_shows_say_so(tmp_path: Path) -> None:
    two = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=2), limit=2))
    text = forecast_text(forecast(two, [], MACHINE), max_tokens=2048)
    assert text.count("none: too few problems") == 2
    assert "points" not in text


def test_a_run_of_before_tells_lengths_accuracy_and_speed(plan: Plan, tmp_path: Path) -> None:
    run = stored_run(tmp_path)
    same_model = run.identity.model_copy(update={"model": plan.identity.model})
    found = forecast(plan, [run.model_copy(update={"identity": same_model})], MACHINE)
    (row,) = found.rows
    assert found.like == run.id
    assert row.expected_tokens == 24 * 200
    assert row.assumed_accuracy == pytest.approx(12 / 44)
    assert found.seconds == pytest.approx(24 * 200 * 10.0 / (40 * 200))


def test_a_run_that_was_graded_again_tells_nothing(plan: Plan, tmp_path: Path) -> None:
    run = stored_run(tmp_path)
    same_model = run.identity.model_copy(update={"model": plan.identity.model})
    run = run.model_copy(update={"identity": same_model})
    again = run.model_copy(update={"id": "again", "regraded_from": run.id})
    assert forecast(plan, [run, again], MACHINE).like == run.id


def test_another_model_or_machine_tells_no_speed(plan: Plan, tmp_path: Path) -> None:
    run = stored_run(tmp_path)
    assert forecast(plan, [run], MACHINE).seconds is None
    same_model = run.identity.model_copy(update={"model": plan.identity.model})
    run = run.model_copy(update={"identity": same_model})
    assert forecast(plan, [run], {**MACHINE, "gpus": ["H100"]}).seconds is None


def test_more_samples_show_smaller_differences_down_to_a_floor() -> None:
    errors = [difference_error(0.5, problems=30, samples=n) for n in (1, 4, 16, 64, 10_000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] > 0.55 * errors[0]


def test_the_expected_error_is_that_of_such_runs() -> None:
    """Runs drawn under the assumptions of the formula spread as it says."""
    draw = random.Random(5)
    problems, n, observed = 200, 4, []
    for _ in range(400):
        total = 0.0
        for _ in range(problems):
            # Half of p(1 - p) = 1/4 lies between problems, half of which both runs share.
            shared = draw.choice((-1, 1)) * 0.25
            own = [draw.choice((-1, 1)) * 0.25 for _ in range(2)]
            p_a, p_b = (min(1.0, max(0.0, 0.5 + shared + o)) for o in own)
            total += sum(draw.random() < p_b for _ in range(n)) / n
            total -= sum(draw.random() < p_a for _ in range(n)) / n
        observed.append(total / problems)
    assert pstdev(observed) == pytest.approx(
        difference_error(0.5, problems=problems, samples=n), rel=0.1
    )


def test_prices_tell_what_it_costs_and_what_at_most(plan: Plan, tmp_path: Path) -> None:
    """A replay knows no prompt tokens: what they cost is not known, if they have a price."""
    run = stored_run(tmp_path)
    found = forecast(priced(plan, completion_price=2.0), [run], MACHINE)
    assert found.money == pytest.approx(24 * 200 * 2e-6)
    assert found.most_money == pytest.approx(24 * 2048 * 2e-6)
    text = forecast_text(found, max_tokens=2048)
    assert "about 0.0096, at most 0.098 by the prices given" in text
    assert forecast(priced(plan, completion_price=2.0), [], MACHINE).money is None
    assert (
        forecast(priced(plan, prompt_price=1.0, completion_price=2.0), [run], MACHINE).money is None
    )
    assert "prices" not in forecast_text(forecast(plan, [run], MACHINE), max_tokens=2048)


def priced(plan: Plan, **prices: float) -> Plan:
    server = plan.spec.engine.server.model_copy(update=prices)
    engine = plan.spec.engine.model_copy(update={"server": server})
    return replace(plan, spec=plan.spec.model_copy(update={"engine": engine}))


def test_a_run_that_does_not_know_its_lengths_still_tells_how_many_are_correct(
    plan: Plan, tmp_path: Path
) -> None:
    run = stored_run(tmp_path / "runs")
    scores = [score.model_copy(update={"mean_response_tokens": None}) for score in run.scores]
    found = forecast(plan, [run.model_copy(update={"scores": tuple(scores)})], MACHINE)
    text = forecast_text(found, max_tokens=2048)
    assert found.rows[0].assumed_accuracy != 0.5
    assert "it has no demo" not in text
    assert "it does not say how long its responses to demo are" in text


def test_two_stored_runs_tell_how_alike_two_runs_are(tmp_path: Path) -> None:
    """The same problems are right in both, so their difference varies less than is assumed."""
    marks = {"demo": [[number % 4 == 0, number % 4 == 0] for number in range(40)]}
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=12, n=2), limit=12, n=2))
    stored = []
    for name in ("one", "other"):
        kept = store_run(tmp_path / "runs", name, verdict_rows(marks))
        assert kept.run is not None
        assert kept.path is not None
        spec = kept.run.spec.model_copy(
            update={"prompt": plan.spec.prompt, "sampling": plan.spec.sampling}
        )
        identity = kept.run.identity.model_copy(update={"grader": plan.identity.grader})
        stored.append((kept.path, kept.run.model_copy(update={"spec": spec, "identity": identity})))
    pairs = stored_pairs(plan, stored)
    assert (pairs["demo"].a, pairs["demo"].b) == (stored[1][1].id, stored[0][1].id)
    # No sample differs within its problem and no problem between the runs: 1, less four at 1/2.
    assert pairs["demo"].shares == pytest.approx((42 / 44, 42 / 44))
    runs = [run for _, run in stored]
    told, assumed = (forecast(plan, runs, MACHINE, known) for known in (pairs, {}))
    assert told.rows[0].detectable < assumed.rows[0].detectable / 2
    assert told.rows[0].pair == (runs[1].id, runs[0].id)
    text = forecast_text(told, max_tokens=2048)
    assert f"as between {runs[1].id} and {runs[0].id}" in text
    assert "assumed to have a correlation" in forecast_text(assumed, max_tokens=2048)
    assert stored_pairs(plan, stored[:1]) == {}, "one model alone is no pair"
    other = [(path, run.model_copy(update={"status": "incomplete"})) for path, run in stored]
    assert stored_pairs(plan, other) == {}
