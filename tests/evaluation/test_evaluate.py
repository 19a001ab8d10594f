"""The pipeline, on an engine that is a plain function."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest
from replayed import Recorded, replay_spec, write_responses

from benchmarks import BENCHMARKS, UserError
from harness import api
from harness.common.progress import Progress, silent
from harness.engines import ENGINES, Completion, EngineSetup, Request
from harness.engines.scripted import ScriptedEngine
from harness.engines.vllm.engine import VllmEngine
from harness.evaluation import pipeline
from harness.evaluation.drawing import open_engine
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import Plan, prepare
from harness.evaluation.repeat import repeat_draws
from harness.grading import Grader
from harness.runs.folder import RunFolder
from harness.runs.record import Run
from harness.runs.sample import SampleKey
from harness.runs.spec import EvalSpec, PromptSpec


def setup_of(plan: Plan) -> EngineSetup:
    return EngineSetup(
        spec=plan.spec.engine,
        sampling=plan.spec.sampling,
        checkpoint=plan.checkpoint,
        longest=plan.longest,
    )


def run_scripted(tmp_path: Path, plan: Plan, script: object, *, progress: Progress = silent) -> Run:
    engine = ScriptedEngine(setup_of(plan), script)  # type: ignore[arg-type]
    with RunFolder.create(tmp_path, plan.new_run("scripted")) as folder, Grader() as grader:
        return evaluate(plan, folder, grader=grader, progress=progress, engine=engine)


def completion(request: Request, text: str, reason: str, **fields: object) -> Completion:
    return Completion(key=request.key, text=text, finish_reason=reason, **fields)  # type: ignore[arg-type]


def test_every_sample_has_one_outcome_and_they_sum(tmp_path: Path) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=6, n=2), limit=6, n=2))
    golds = {p.id: p.answer for problems in plan.problems.values() for p in problems}

    def script(request: Request) -> Completion:
        gold = golds[request.key.problem_id]
        kinds = [
            completion(request, f"\\boxed{{{gold}}}", "stop", completion_tokens=10),
            completion(request, "\\boxed{-424242}", "stop", completion_tokens=20),
            completion(request, "I do not know.", "stop", completion_tokens=30),
            completion(request, "First we take 17 and", "length", completion_tokens=40),
            completion(request, f"\\boxed{{{gold}}} and so on", "length", completion_tokens=50),
            completion(request, "", "error", error="lost", completion_tokens=0),
        ]
        return kinds[int(request.key.problem_id[-1]) - 1]

    progress = Recorded()
    run = run_scripted(tmp_path, plan, script, progress=progress)
    (score,) = run.scores
    assert score.outcomes == {
        "correct": 4, "wrong": 2, "no answer": 2, "truncated": 2, "engine error": 2,
    }  # fmt: skip
    assert sum(score.outcomes.values()) == score.samples == 12
    assert score.problems == 6
    assert score.at_limit == 4
    assert score.accuracy == pytest.approx(2 / 6)
    assert score.mean_response_tokens == pytest.approx(25)
    assert progress.counts[""][:2] == (12, 12)
    assert progress.counts["demo"] == (12, 12, "graded, 33.3 % correct, 2 truncated")
    assert run.status == "complete"


def test_requests_are_the_same_for_any_subset_and_more_samples_keep_the_first(
    tmp_path: Path,
) -> None:
    responses = write_responses(tmp_path / "r.jsonl", limit=5, n=4)
    few = list(prepare(replay_spec(responses, limit=3, n=2)).requests())
    many = list(prepare(replay_spec(responses, limit=5, n=4)).requests())
    assert len(few) == 6
    assert len(many) == 20
    assert set(few) <= set(many)


def test_the_average_is_the_plain_mean(tmp_path: Path) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=4), limit=4))
    run = run_scripted(tmp_path, plan, lambda request: "\\boxed{-424242}")
    assert run.average is not None
    assert run.average.accuracy == run.scores[0].accuracy == 0.0
    assert run.average.interval.high > 0.3, "nothing of four is no proof of nothing"


def test_a_response_that_no_file_could_hold_is_stored_without_it(tmp_path: Path) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=1), limit=1))
    run = run_scripted(tmp_path, plan, lambda request: "half a pair \ud800 \\boxed{1}")
    assert run.status == "complete"


def test_an_engine_that_forgets_a_sample_is_told_on(tmp_path: Path) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=3), limit=3))

    class Forgetful(ScriptedEngine):
        def generate(self, requests):  # type: ignore[no-untyped-def]
            return super().generate(list(requests)[:-1])

    setup = EngineSetup(
        spec=plan.spec.engine, sampling=plan.spec.sampling, checkpoint=None, longest=1
    )
    with RunFolder.create(tmp_path, plan.new_run("forgets")) as folder, Grader() as grader:
        engine = Forgetful(setup, lambda request: "\\boxed{1}")
        with pytest.raises(UserError, match="no sample 0 of demo/test-0003"):
            evaluate(plan, folder, grader=grader, engine=engine)
        assert folder.run.status == "incomplete"
        assert SampleKey("demo/test-0001", 0) in folder.samples


def with_field(name: str, value: object) -> Callable[[Request], object]:
    """Return a script whose completions have a wrong value in one field."""
    return lambda request: msgspec.structs.replace(
        completion(request, "1", "stop"), **{name: value}
    )


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (lambda request: {"text": "1"}, "an object of type dict in place of a Completion"),
        (lambda request: None, "an object of type NoneType in place"),
        (with_field("text", None), "a Completion whose text is of type NoneType"),
        (with_field("text", b"1"), "a Completion whose text is of type bytes"),
        (with_field("finish_reason", "eos"), "finish_reason is none of stop, length, error"),
        (with_field("completion_tokens", "7"), "completion_tokens is of type str"),
        (with_field("completion_tokens", -7), "completion_tokens is -7"),
        (with_field("key", "demo/test-0001"), "key is of type str"),
        (with_field("key", SampleKey("demo/test-9999", 0)), "not under way"),
        (with_field("key", SampleKey("demo/test-0001", 0)), "returned before"),
    ],
)
def test_nonsense_of_an_engine_is_told(
    script: Callable[[Request], object], told: str, tmp_path: Path
) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=3), limit=3))
    with pytest.raises(UserError, match=f"the engine returned .*{told}.* a defect of the engine"):
        run_scripted(tmp_path, plan, script)


def test_an_engine_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=3), limit=3))

    def broken(setup: EngineSetup) -> ScriptedEngine:
        raise AttributeError("no such thing")

    with pytest.raises(UserError, match="the replay engine cannot be opened: AttributeError: no"):
        open_engine(plan, broken)


def test_a_prompt_without_room_is_an_outcome_and_a_tight_one_is_clamped(tmp_path: Path) -> None:
    spec = replay_spec(write_responses(tmp_path / "r.jsonl", limit=8), limit=8)
    fields = spec.model_dump()
    fields.update(model="demo", engine={"name": "vllm", "max_model_len": 48})
    plan = prepare(type(spec).model_validate(fields))
    lengths = {key: len(prompt.token_ids or ()) for key, prompt in plan.prompts.items()}
    rooms = {request.key.problem_id: request.max_tokens for request in plan.requests()}
    assert all(rooms[key] == max(0, 48 - length) for key, length in lengths.items())
    assert 0 in rooms.values()
    assert any(rooms.values())
    assert plan.longest == 48

    run = run_scripted(tmp_path, plan, lambda request: "\\boxed{-424242}")
    assert run.scores[0].outcomes["overflow"] == list(rooms.values()).count(0)
    assert sum(run.scores[0].outcomes.values()) == 8


def test_few_shot_without_a_train_split_names_those_that_have_one(tmp_path: Path) -> None:
    data = tmp_path / "amc23"
    data.mkdir()
    spec = replay_spec(write_responses(tmp_path / "r.jsonl", limit=1), limit=1)
    fields = spec.model_dump()
    fields.update(prompt={"style": "boxed", "shots": 2})
    plan = prepare(type(spec).model_validate(fields))
    assert "\n\n" in next(iter(plan.prompts.values())).text


def test_the_longest_expected_is_asked_first_and_a_problems_samples_together(
    tmp_path: Path,
) -> None:
    responses = write_responses(tmp_path / "r.jsonl", limit=4, n=2)
    plan = prepare(replay_spec(responses, limit=4, n=2))
    ids = [problem.id for problem in plan.problems["demo"]]
    lengths = {ids[0]: 1.0, ids[1]: 900.0, ids[2]: 40.0}
    asked = [request.key for request in plan.requests(lengths)]
    typical = BENCHMARKS["demo"].response_tokens
    assert 1 < typical < 40, "the fourth problem's, of which nothing is known"
    order = [ids[1], ids[2], ids[3], ids[0]]
    assert asked == [SampleKey(name, index) for name in order for index in (0, 1)]


def test_requests_are_pulled_as_the_engine_asks_for_them(tmp_path: Path) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=6), limit=6))
    pulled_when_answered: list[int] = []

    class OneByOne(ScriptedEngine):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            for pulled, request in enumerate(requests, 1):
                pulled_when_answered.append(pulled)
                yield completion(request, "\\boxed{1}", "stop", prompt_tokens=3)

    engine = OneByOne(setup_of(plan), lambda request: "")
    with RunFolder.create(tmp_path, plan.new_run("lazy")) as folder, Grader() as grader:
        run = evaluate(plan, folder, grader=grader, engine=engine)
        assert len(folder.samples) == 6
    assert pulled_when_answered == [1, 2, 3, 4, 5, 6]
    assert (run.usage.samples, run.usage.prompt_tokens) == (6, 18)
    assert 0 < run.phases.handle <= run.phases.generate


@pytest.mark.parametrize("fault", ["twice", "unasked"])
def test_a_response_that_nobody_waits_for_is_told_and_not_stored(
    fault: str, tmp_path: Path
) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=2), limit=2))

    class Confused(ScriptedEngine):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            first = next(iter(requests))
            yield completion(first, "\\boxed{1}", "stop")
            other = SampleKey("demo/test-9999", 0)
            key = first.key if fault == "twice" else other
            yield Completion(key=key, text="\\boxed{2}", finish_reason="stop")

    engine = Confused(setup_of(plan), lambda request: "")
    with RunFolder.create(tmp_path, plan.new_run("confused")) as folder, Grader() as grader:
        with pytest.raises(UserError, match=r"not under way .* a defect of the engine"):
            evaluate(plan, folder, grader=grader, engine=engine)
        assert [s.response for s in folder.samples.values()] == ["\\boxed{1}"]
        assert folder.run.usage.samples == 1


def test_a_full_disk_is_told_as_it_was_met_and_the_engine_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be written any more, the record neither: it must not hide what failed first."""
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=2), limit=2))
    closed: list[str] = []
    monkeypatch.setattr(ENGINES["replay"], "close", lambda engine: closed.append(engine.about))
    with RunFolder.create(tmp_path, plan.new_run("full")) as folder, Grader() as grader:

        def fail(what: str) -> Callable[[object], None]:
            def full(content: object) -> None:
                raise UserError(f"{what}: no space left")

            return full

        monkeypatch.setattr(folder, "append", fail("the sample"))
        monkeypatch.setattr(folder, "update", fail("the record"))
        with pytest.raises(UserError, match="the sample"):
            evaluate(plan, folder, grader=grader)
    assert len(closed) == 1


@pytest.mark.parametrize("slow", [True, False])
def test_a_worker_starts_beside_an_engine_that_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    plan = prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=2), limit=2))
    happened: list[str] = []

    class Warmed(Grader):
        def warm_up(self) -> None:
            happened.append("warmed up")

    def opener(setup: EngineSetup) -> ScriptedEngine:
        happened.append("opened")
        return ScriptedEngine(setup, lambda request: "\\boxed{-424242}")

    loaded = threading.Event()
    monkeypatch.setattr(pipeline, "load_writer", loaded.set)
    monkeypatch.setattr(ENGINES["replay"], "slow_to_open", slow)
    with RunFolder.create(tmp_path, plan.new_run("slow")) as folder, Warmed() as grader:
        evaluate(plan, folder, grader=grader, opener=opener)
    assert happened == (["warmed up", "opened"] if slow else ["opened"])
    assert loaded.wait(20 if slow else 0) is slow


def draw_again(spec: EvalSpec, folder: Path) -> None:
    repeat_draws(spec, batches=(), data_dir=folder, stage=lambda text: None)


def draw_once(spec: EvalSpec, folder: Path) -> None:
    api.evaluate("demo", spec=spec, results=folder, data_dir=folder)


@pytest.mark.parametrize("shots", [0, 2])
@pytest.mark.parametrize("draws", [draw_again, draw_once])
def test_a_file_that_is_missing_is_told_before_an_engine_starts(
    draws: Callable[[EvalSpec, Path], None],
    shots: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        VllmEngine, "launch", classmethod(lambda cls, spec: pytest.fail("an engine was started"))
    )
    split = "train" if shots else "test"
    if shots:
        (tmp_path / "gsm8k").mkdir()
        (tmp_path / "gsm8k" / "test.jsonl").touch()
    spec = EvalSpec(model="demo", benchmarks=("gsm8k",), prompt=PromptSpec(shots=shots))
    with pytest.raises(UserError, match=f"gsm8k/{split} was looked for at .* no such file"):
        draws(spec, tmp_path)
