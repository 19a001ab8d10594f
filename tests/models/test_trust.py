"""When a score is not to be trusted, everything that shows it says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from replayed import replay_spec

from benchmarks import Problem
from benchmarks.errata import Erratum
from harness.evaluation.plan import prepare
from harness.grading import Outcome, Verdict
from harness.reporting.text.runs import run_fields, runs_table, score_table
from harness.runs.graded import Graded, by_problem
from harness.runs.record import Run, SavedSource, Score
from harness.runs.results import of_run
from harness.runs.sample import Sample
from harness.runs.scores import MAX_FAILURES, average, reliability_problems, score
from harness.runs.spec import EngineSpec
from harness.runs.verdicts import problem_verdicts

FOLDER = Path("my runs/v1")


def rows(outcomes: list[Outcome]) -> list[Graded]:
    """Return the verdicts of problems with one sample each, which have these outcomes."""
    return [
        Graded(
            problem=Problem(id=f"demo/{number}", question="?", answer="1"),
            sample=Sample(
                problem_id=f"demo/{number}", index=0, response="", finish_reason="stop", seed=0,
                prompt_sum="",
            ),
            verdict=Verdict(outcome=outcome),
        )
        for number, outcome in enumerate(outcomes)
    ]  # fmt: skip


def scored(outcomes: list[Outcome]) -> Score:
    return score(
        "demo", [problem_verdicts("demo", problem) for problem in by_problem(rows(outcomes))]
    )


def run_with(one: Score, responses: object) -> Run:
    run = prepare(replay_spec(responses, limit=1)).new_run("v1")  # type: ignore[arg-type]
    update = {"status": "complete", "scores": (one,), "average": average([one])}
    return run.model_copy(update=update)


@pytest.mark.parametrize("kind", [Outcome.GRADER_TIMEOUT, Outcome.GRADER_ERROR])
def test_the_share_of_failures_decides(kind: Outcome) -> None:
    assert MAX_FAILURES == 0.005
    assert reliability_problems([scored([Outcome.CORRECT] * 995 + [kind] * 5)]) == []
    (reason,) = reliability_problems([scored([Outcome.CORRECT] * 994 + [kind] * 6)])
    assert f"6 of 1000 samples (6 {kind.value})" in reason


def test_both_kinds_of_failure_count_together_and_no_other_does() -> None:
    both = [Outcome.GRADER_TIMEOUT] * 3 + [Outcome.GRADER_ERROR] * 3
    assert reliability_problems([scored([Outcome.CORRECT] * 994 + both)])
    others = [Outcome.WRONG, Outcome.TRUNCATED, Outcome.UNPARSABLE, Outcome.NO_ANSWER]
    assert reliability_problems([scored(others)]) == []


def test_what_the_engine_failed_on_says_as_little_of_the_model(responses: object) -> None:
    run = run_with(scored([Outcome.CORRECT, Outcome.ENGINE_ERROR]), responses)
    (reason,) = reliability_problems(run.scores)
    assert "the engine failed on 1 of 2 samples (1 engine error)" in reason
    assert reliability_problems(run.scores, "grader") == []
    assert "add their responses to" in score_table(run, FOLDER)
    drawn = run.spec.model_copy(update={"engine": EngineSpec(name="vllm")})
    text = score_table(run.model_copy(update={"spec": drawn}), FOLDER)
    again = f"eval --spec 'my runs/v1/run.json' --again --reuse {run.id}"
    assert f"draw those again: python -m harness {again}" in text
    files = SavedSource(
        format="own", files={}, responses=2, unmatched=0, unreadable=0, problems_of={"demo": 1}
    )
    assert "score them again: python" in score_table(
        run.model_copy(update={"saved": files}), FOLDER
    )


def test_one_benchmark_in_doubt_is_named() -> None:
    good = scored([Outcome.CORRECT] * 9).model_copy(update={"benchmark": "good"})
    (reason,) = reliability_problems([good, scored([Outcome.GRADER_ERROR])])
    assert reason.startswith("demo: ")


def test_whatever_shows_a_doubtful_score_says_so(responses: object) -> None:
    run = run_with(scored([Outcome.CORRECT, Outcome.GRADER_TIMEOUT]), responses)
    for text in (
        score_table(run, FOLDER),
        *(runs_table([of_run(Path(), run)], form) for form in ("text", "markdown")),
    ):
        assert "NOT TO BE TRUSTED: demo: the grader failed on 1 of 2 samples" in text
        assert f"python -m harness regrade {run.id}" in text
    (row,) = json.loads(runs_table([of_run(Path(), run)], "json"))
    for fields in (row, run_fields(run)):
        assert fields["trusted"] is False
        assert len(fields["untrusted"]) == 1


def test_a_sound_score_is_trusted(responses: object) -> None:
    run = run_with(scored([Outcome.CORRECT, Outcome.WRONG]), responses)
    assert "TRUST" not in score_table(run, FOLDER) + runs_table([of_run(Path(), run)], "text")
    assert run_fields(run)["trusted"] is True


def test_doubtful_golds_are_a_footnote_and_never_the_headline(
    responses: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubted = (Erratum(problem_id="demo/1", reason="invented", source="own check: none"),)
    monkeypatch.setattr("harness.runs.scores.errata_for", lambda name: doubted)
    one = scored([Outcome.CORRECT, Outcome.WRONG, Outcome.WRONG])
    assert one.accuracy == pytest.approx(1 / 3)
    assert one.without_errata is not None
    assert one.without_errata.model_dump() == {
        "problems": 2, "samples": 2, "correct": 1, "accuracy": 0.5,
    }  # fmt: skip
    run = run_with(one, responses)
    assert "demo: without 1 doubtful gold: 1/2 = 50.0 %" in score_table(run, FOLDER)
    assert "doubtful" not in runs_table([of_run(Path(), run)], "text")
    (row,) = json.loads(runs_table([of_run(Path(), run)], "json"))
    assert row["without_errata"]["demo"]["correct"] == 1
    assert row["average"] == pytest.approx(100 / 3)


def test_without_a_doubtful_gold_nothing_is_said() -> None:
    assert scored([Outcome.CORRECT]).without_errata is None


def test_only_doubtful_golds_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    doubted = (Erratum(problem_id="demo/0", reason="invented", source="own check: none"),)
    monkeypatch.setattr("harness.runs.scores.errata_for", lambda name: doubted)
    rest = scored([Outcome.CORRECT]).without_errata
    assert rest is not None
    assert (rest.problems, rest.accuracy) == (0, 0.0)
