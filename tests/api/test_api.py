"""The public functions, as a script or a notebook calls them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from replayed import Recorded, write_responses
from stored import store_run, verdict_rows

import harness
from benchmarks import BENCHMARKS
from benchmarks.source import load_problems
from harness import (
    Comparison,
    EvalSpec,
    Outcome,
    Ranking,
    Result,
    Sampling,
    UserError,
    compare,
    evaluate,
    grade,
    import_generations,
    list_runs,
    load_run,
    rank,
    regrade,
    train,
    write_report,
)
from harness.engines.base import EngineSetup, Request
from harness.engines.scripted import ScriptedEngine
from harness.runs.spec import EngineSpec

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def replay(responses: Path, **asked: Any) -> Result:
    """Evaluate saved responses to the first demo problems."""
    fields = {"benchmarks": "demo", "engine": "replay", "responses": responses, "limit": 12}
    return evaluate("replayed", **{**fields, **asked})


def scripted(script: Any = lambda request: "I cannot say.", **sampling: Any) -> ScriptedEngine:
    """Open an engine that is a plain function."""
    spec = EngineSpec(name="scripted")
    setup = EngineSetup(spec=spec, sampling=Sampling(**sampling), checkpoint=None, longest=1)
    return ScriptedEngine(setup, script)


def test_an_evaluation_is_stored_and_returned(responses: Path) -> None:
    run = replay(responses, name="v1", tags=["paper"], n=1)

    assert run.name == "v1"
    assert run.complete
    assert run.scores["demo"].correct == 4
    assert run.average == pytest.approx(1 / 3)
    assert run.path is not None
    assert run.path.parent == Path("results/runs/v1")
    assert load_run("paper").id == run.id


def test_nothing_is_printed_unless_it_is_asked_for(responses: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        run = replay(responses)
        compare(run, replace(run, id="again"))
        write_report([run], "report.html")
    assert (out.getvalue(), err.getvalue()) == ("", "")

    with redirect_stdout(out), redirect_stderr(err):
        replay(responses, name="told", progress=True)
    assert out.getvalue() == ""
    assert "generating" in err.getvalue()


def test_a_progress_is_told(responses: Path) -> None:
    progress = Recorded()
    replay(responses, progress=progress)
    assert progress.counts[""][:2] == progress.counts["demo"][:2] == (12, 12)
    assert "generating" in progress.stages


def test_a_complete_run_is_returned_and_resume_false_begins_another(responses: Path) -> None:
    first = replay(responses)
    assert replay(responses).id == first.id
    assert replay(responses, resume=False).id != first.id
    assert len(list_runs()) == 2


def test_an_interrupted_run_goes_on_where_it_ended(responses: Path) -> None:
    class Interrupting(Recorded):
        def advance(self, done: int, total: int | None, *, part: str = "", note: str = "") -> None:
            if not part and done == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="interrupted: 5 of 12 samples are stored in"):
        replay(responses, name="v1", progress=Interrupting())

    (begun,) = list_runs(complete=False)
    assert list_runs() == []
    assert not begun.complete
    assert "no scores yet" in str(begun)
    assert "no scores yet" in begun._repr_html_()
    with pytest.raises(UserError, match="is not complete"):
        compare(begun, begun)

    progress = Recorded()
    run = replay(responses, name="v1", progress=progress)
    assert run.id == begun.id
    assert run.run is not None
    assert run.run.usage.samples == 12
    (kept,) = progress.lines
    assert kept.endswith(": 5 samples kept")
    with pytest.raises(UserError, match=r"sampling\.max_tokens: 2048 -> 7"):
        replay(responses, resume=run.path, max_tokens=7)


def test_samples_of_another_run_are_taken_over(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "more.jsonl", limit=12, n=3)
    two = replay(responses, n=2, temperature=1, name="two")
    three = replay(responses, n=3, temperature=1, name="three", reuse=two)
    assert three.run is not None
    assert three.run.reused == {two.id: 24}


def test_like_takes_every_setting_but_what_was_said_of_one_model(responses: Path) -> None:
    run = replay(responses, max_tokens=77, seed=3, trust_remote_code="all", revision="abc")
    for like in (run, run.run, run.name):
        other = evaluate("another", like=like, name="other")
        assert other.run is not None
        spec = other.run.spec
        assert (spec.model, spec.sampling.max_tokens, spec.sampling.seed) == ("another", 77, 3)
        assert (spec.benchmarks, spec.limit) == (("demo",), 12)
        assert (spec.revision, spec.engine.trust_remote_code) == (None, "none")
    again = evaluate("replayed", like=run, name="again")
    assert again.run is not None
    assert again.run.spec.revision == "abc"


def test_a_spec_is_taken_and_single_settings_override_it(responses: Path) -> None:
    spec = EvalSpec(
        model="m",
        benchmarks=("demo",),
        limit=12,
        sampling=Sampling(n_by_benchmark={"demo": 2}, temperature=1),
        engine=EngineSpec(name="replay", responses=str(responses)),
    )
    run = evaluate("m", spec=spec, n=1, limit=3).run
    assert run is not None
    assert run.spec.sampling == Sampling(n=1, temperature=1)
    assert run.spec.limit == 3


def test_samples_a_problem_may_differ_by_benchmark(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "more.jsonl", limit=12, n=2)
    run = replay(responses, n={"demo": 2}, temperature=1)
    assert run.scores["demo"].samples == 24


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temprature": 1}, "did you mean 'temperature'"),
        ({"timeout": 5}, "no setting is called 'timeout' here: it is request_timeout"),
        ({"args": {}}, "it is engine_args"),
        ({"sampling": Sampling()}, "one setting at a time: n, n_by_benchmark, temperature"),
        ({"temperature": "hot"}, r"sampling\.temperature: "),
        ({"n": 4}, "temperature above 0"),
        ({"benchmarks": ["demmo"]}, "did you mean 'demo'"),
        ({"benchmarks": []}, "no benchmark is named"),
        ({"engine": "repaly"}, "did you mean 'replay'"),
        ({"spec": EvalSpec(model="m"), "like": "v1"}, "give one of them"),
        ({"like": "nothing"}, "is called 'nothing'"),
        ({"reuse": "nothing"}, "is called 'nothing'"),
    ],
)
def test_what_cannot_be_asked_is_a_user_error(
    responses: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        replay(responses, **fields)
    assert not Path("results").exists()


def test_an_engine_that_is_open_already_draws_and_is_named_by_its_class() -> None:
    golds = {problem.id: problem.answer for problem in load_problems(BENCHMARKS["demo"], limit=6)}

    def right(request: Request) -> str:
        return f"So \\boxed{{{golds[request.key.problem_id]}}}."

    engine = scripted(right, temperature=0.5)
    asked: dict[str, Any] = {"benchmarks": "demo", "limit": 6, "engine": engine}
    run = evaluate("made", **asked, temperature=0.5, n=2)
    assert run.average == 1
    assert run.run is not None
    assert run.run.identity.engine.name == "harness.engines.scripted:ScriptedEngine"
    with pytest.raises(UserError, match=r"sampling\.temperature: 0\.5 -> 0\.0"):
        evaluate("made", **asked)
    with pytest.raises(UserError, match="dtype cannot be changed"):
        evaluate("made", **asked, temperature=0.5, dtype="float32")


def test_samples_come_with_their_verdicts(responses: Path) -> None:
    run = replay(responses)
    pairs = list(run.samples())
    assert len(pairs) == 12
    assert [verdict.outcome for _, verdict in run.samples(wrong=True)].count(Outcome.WRONG) == 4
    for sample, verdict in run.samples("demo", outcome="no-answer"):
        assert sample.response == "I cannot say."
        assert verdict.outcome is Outcome.NO_ANSWER
    ((sample, verdict),) = run.samples(problem="demo/test-0001")
    assert (sample.problem_id, verdict.correct) == ("demo/test-0001", True)
    with pytest.raises(UserError, match="did you mean 'demo'"):
        run.samples("dem")
    with pytest.raises(UserError, match="did you mean 'truncated'"):
        run.samples(outcome="truncate")


def test_tables_of_pandas(responses: Path) -> None:
    run = replay(responses)
    (row,) = run.to_pandas().to_dict("records")
    assert (row["benchmark"], row["correct"], row["samples"]) == ("demo", 4, 12)
    assert row["low"] < row["accuracy"] < row["high"]

    samples = run.samples(wrong=True).to_pandas()
    assert len(samples) == 8
    assert set(samples.outcome) == {"wrong", "no answer"}
    assert samples.gold.notna().all()

    found = compare(run, replace(run, id="again")).to_pandas()
    assert list(found.verdict) == ["no evidence"]
    assert list(found.difference) == [0.0]


def test_a_run_that_came_without_its_samples_says_so_and_tables_what_it_knows(
    tmp_path: Path,
) -> None:
    store_run(tmp_path / "results", "clone", verdict_rows({"gsm8k": [[True], [False]]}))
    run = load_run("clone")
    with pytest.raises(UserError, match="came without its responses"):
        list(run.samples())
    rows = run.samples(wrong=True).to_pandas()
    assert list(rows.problem_id) == ["gsm8k/1"]
    assert rows.response.isna().all()


def test_a_comparison_is_read_and_printed(tmp_path: Path) -> None:
    marks = {"gsm8k": [[n % 4 == 0] for n in range(80)], "aime24": [[False]] * 20}
    better = {"gsm8k": [[n % 4 != 0] for n in range(80)], "aime24": [[False]] * 20}
    store_run(tmp_path / "results", "v1", verdict_rows(marks))
    store_run(tmp_path / "results", "v4", verdict_rows(better))

    found = compare("v1", load_run("v4"))

    assert isinstance(found, Comparison)
    assert found.rows[0].verdict == "better"
    assert found.average is not None
    assert found.average.difference.difference == pytest.approx(0.25)
    asked = [sys.executable, "-m", "harness", "diff", "v1", "v4"]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    assert f"{found}\n" == done.stdout
    assert repr(found).startswith("<Comparison v1 -> v4: gsm8k better, aime24 no evidence")


def test_a_ranking_is_read_and_printed(tmp_path: Path) -> None:
    for name, right in (("v1", 20), ("v2", 22), ("v3", 60)):
        rows = verdict_rows({"gsm8k": [[n < right] for n in range(80)]})
        store_run(tmp_path / "results", name, rows)

    found = rank(["v1", load_run("v2"), "v3"])

    assert isinstance(found, Ranking)
    assert [one.ranks for one in found.runs] == [(1, 1), (2, 3), (2, 3)]
    assert found.winner.certain
    asked = [sys.executable, "-m", "harness", "rank", "v3", "v2", "v1"]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    assert f"{found}\n" == done.stdout
    assert repr(found) == "<Ranking of v3, v2, v1>"
    assert list(found.to_pandas().best_rank) == [1, 2, 2]
    assert "v3 is the best" in found._repr_html_().partition("<details>")[0]

    against = rank(["v2", "v3"], base="v1")
    assert repr(against) == "<Ranking of v3, v2 against v1>"
    assert list(against.to_pandas().verdict) == ["better", "no evidence"]


def test_what_was_not_measured_alike_is_refused_unless_allowed(tmp_path: Path) -> None:
    rows = verdict_rows({"gsm8k": [[True], [False]]})
    store_run(tmp_path / "results", "cold", rows)
    store_run(tmp_path / "results", "warm", rows, sampling=Sampling(temperature=0.7))
    with pytest.raises(UserError, match=r"sampling\.temperature: 0\.0 -> 0\.7"):
        compare("cold", "warm")
    found = compare("cold", "warm", allow_mismatch=True)
    assert "NOT MEASURED ALIKE" in str(found)
    shown = found._repr_html_()
    assert "NOT MEASURED ALIKE" in shown.partition("<details>")[0]


def test_html_holds_nothing_that_a_model_or_a_name_says_as_markup(tmp_path: Path) -> None:
    (row,) = verdict_rows({"math500": [[False]]})
    bad = row.model_copy(update={"answers": (HOSTILE,), "groups": {"level": HOSTILE}})
    spec = {"model": HOSTILE}
    for name in (f"a{HOSTILE}", f"b{HOSTILE}"):
        stored = store_run(tmp_path / "elsewhere", "plain", [bad])
        assert stored.run is not None
        record = stored.run.model_copy(
            update={"name": name, "spec": stored.run.spec.model_copy(update=spec)}
        )
        folder = tmp_path / "results" / "runs" / name[0] / record.id
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(record.to_json(), encoding="utf-8")
        assert stored.path is not None
        (folder / "verdicts.jsonl").write_bytes((stored.path / "verdicts.jsonl").read_bytes())
    results = list_runs()
    shown = [*results, compare(*results), rank(results), rank(results[:1], results[1])]
    for html in (one._repr_html_() for one in shown):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
        assert not {"\x1b", "\u202e"} & set(html)
    for text in (repr(one) for one in shown):
        assert not {"\x1b", "\u202e", "\n"} & set(text)


def test_a_result_is_shown_with_what_must_be_said_of_it(responses: Path) -> None:
    run = replay(responses, name="v1")
    assert repr(run) == f"<Result v1 {run.id}: demo 33.3 %>"
    html = run._repr_html_()
    assert "<table>" in html
    assert "4/12" in html
    for text in (html, str(run)):
        assert "only the first 12 problems" in text


def test_grade_knows_the_conventions_of_a_benchmark() -> None:
    assert grade(r"\boxed{1/2}", gold="0.5").outcome is Outcome.CORRECT
    assert grade("I think it is", gold="1", truncated=True).outcome is Outcome.TRUNCATED
    assert not grade(r"\boxed{2.02}", gold="2").correct
    assert grade(r"\boxed{2.02}", gold="2.0", benchmark="minerva_math").correct
    with pytest.raises(UserError, match="did you mean 'gsm8k'"):
        grade("1", "1", benchmark="gsm8")


def test_a_run_is_regraded_by_a_reward(responses: Path) -> None:
    run = replay(responses, name="v1")
    new = regrade(run, reward="hendrycks-boxed")
    assert new.name == "v1@hendrycks-boxed"
    assert new.run is not None
    assert new.run.regraded_from == run.id
    assert new.average == run.average
    with pytest.raises(UserError, match="did you mean 'gsm8k-strict'"):
        regrade("v1", reward="gsm8k-stric")


def test_saved_generations_become_a_run(tmp_path: Path) -> None:
    rows = [{"problem_id": "demo/test-0001", "response": "\\boxed{-424242}"}]
    file = tmp_path / "theirs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = import_generations(file, name="theirs", benchmarks=["demo"])
    assert run.average == 0
    with pytest.raises(UserError, match="was not drawn by this harness"):
        evaluate("demo", like=run)


def test_a_report_is_written(responses: Path) -> None:
    progress = Recorded()
    run = replay(responses, name="v1")
    assert write_report("v1", "one.html", progress=progress) == Path("one.html")
    assert write_report([run, "v1"], "two.html").stat().st_size > 10_000
    assert "comparing" in progress.stages
    with pytest.raises(UserError, match="one result or more"):
        write_report([], "none.html")


def test_a_training_that_cannot_be_begun_is_a_user_error() -> None:
    with pytest.raises(UserError, match="did you mean 'verl-grpo-v4'"):
        train("verl-grpo-v44", "demo", "demo", "out")
    with pytest.raises(UserError, match="steps"):
        train("verl-grpo-v4", "demo", "demo", "out", steps=0)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    from trainers import Job, Reporter, Trainer, TrainSpec

    specs: list[Any] = []

    class Stub(Trainer):
        name = "stub"
        about = "does nothing"

        def plan(self, spec: TrainSpec) -> Job:
            specs.append(spec)
            return Job(spec=spec, recipe=(), command=("true",), notes=("a note",))

        def train(self, job: Job, reporter: Reporter) -> Path:
            reporter.phase("doing nothing")
            return job.spec.output

    monkeypatch.setattr("trainers.TRAINERS", {"stub": Stub})
    return specs


def test_a_training_returns_the_checkpoints_folder(
    trained: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = train("stub", "demo", "d", "o", settings={"a.lr": 2e-6, "b": True, "c": "x"}, gpus=2)
    assert made == Path("o")
    (spec,) = trained
    assert spec.settings == {"a.lr": "2e-06", "b": "true", "c": "x"}
    assert spec.gpus == 2
    assert capsys.readouterr().err == ""
    train("stub", "demo", "d", "o", progress=True)
    assert "a note" in capsys.readouterr().err


def test_the_environment_says_where_results_and_data_are(
    responses: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path / "there"))
    run = replay(responses)
    assert run.path is not None
    assert run.path.is_relative_to(tmp_path / "there")
    assert [one.id for one in list_runs()] == [run.id]
    assert list_runs(tmp_path / "elsewhere") == []
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    with pytest.raises(UserError, match=str(tmp_path / "data")):
        evaluate("demo", benchmarks="gsm8k")


def test_importing_the_package_loads_nothing() -> None:
    program = (
        "import sys, harness\n"
        "dir(harness)\n"
        "allowed = {'harness'}\n"
        "ours = ('harness', 'benchmarks', 'trainers')\n"
        "heavy = {'pydantic', 'numpy', 'click', 'msgspec', 'rich', 'pandas', 'torch', 'sympy'}\n"
        "loaded = {name for name in sys.modules if name.split('.')[0] in ours} - allowed\n"
        "print(sorted(loaded), sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout == b"[] []\n"


def test_every_public_name_is_there_is_documented_and_no_other_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    titles = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert sorted(titles) == sorted(harness.__all__)
    assert set(harness.__all__) <= set(dir(harness))
    for name in harness.__all__:
        assert getattr(harness, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        _ = harness.evaluat  # type: ignore[attr-defined]


@pytest.mark.parametrize("temperature", [float("inf"), float("nan")])
def test_a_setting_that_no_file_can_hold_is_refused_before_anything_is_stored(
    responses: Path, temperature: float
) -> None:
    with pytest.raises(UserError, match="temperature"):
        replay(responses, temperature=temperature)
    assert list_runs(complete=False) == []


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": "a\udcff"}, "name"),
        ({"tags": ["a\udcff"]}, r"tags\[0\]"),
        ({"responses": "r\udcff.jsonl"}, r"engine\.responses"),
        ({"template_args": {"a": "\udcff"}}, r"prompt\.template_args\.a"),
        ({"template_args": {"a\udcff": 1}}, r"prompt\.template_args\.a\\udcff"),
        ({"engine_args": {"a": [object()]}}, r"engine\.args\.a\[0\]"),
        ({"model": "m\udcff"}, "model"),
    ],
)
def test_a_value_that_no_file_can_hold_is_refused_by_its_name_before_anything_is_stored(
    responses: Path, fields: dict[str, Any], where: str
) -> None:
    asked = {"model": "replayed", "benchmarks": "demo", "engine": "replay", "limit": 12}
    with pytest.raises(UserError, match=f"^{where}: .* cannot be stored"):
        evaluate(**{**asked, "responses": responses, **fields})
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluate(3), r"model: expected a text or a path, and found 3 \(int\)"),
        (lambda: evaluate("m", name=3), "name: expected a text, and found 3"),
        (lambda: evaluate("m", benchmarks=[3]), r"benchmarks\[0\]: expected a text, and found 3"),
        (lambda: evaluate("m", tags=3), "tags: expected a text, or several, and found 3"),
        (lambda: evaluate("m", tags={"a": 1}), "tags: expected a text, or several, and found {"),
        (lambda: evaluate("m", tags=["a", None]), r"tags\[1\]: expected a text, and found None"),
        (lambda: evaluate("m", spec="v1"), "spec: expected an EvalSpec, and found 'v1'"),
        (lambda: evaluate("m", like=3), "like: expected a text or a path or a result or a run's"),
        (lambda: evaluate("m", engine=ScriptedEngine), "engine: expected a text or an open engine"),
        (lambda: evaluate("m", resume=None), "resume: expected True or False or a text or a path"),
        (lambda: evaluate("m", reuse=3), "reuse: expected"),
        (lambda: evaluate("m", progress=3), "progress: expected True or False or an object with"),
        (lambda: evaluate("m", data_dir=b"d"), "data_dir: expected a text or a path"),
        (lambda: compare(None, "v1"), "a: expected a text or a path or a result, and found None"),
        (lambda: compare("v1", "v2", results=3), "results: expected a text or a path"),
        (lambda: compare("v1", "v2", allow_mismatch="no"), "allow_mismatch: expected True or"),
        (lambda: rank(3), "runs: expected"),
        (lambda: rank(["v1", None]), r"runs\[1\]: expected a text or a path or a result"),
        (lambda: load_run(3), "name: expected a text or a path or a result"),
        (lambda: list_runs(tag=3), "tag: expected a text"),
        (lambda: grade(None, "1"), "response: expected a text, and found None"),
        (lambda: grade("1", 1), "gold: expected a text, and found 1"),
        (lambda: grade("1", "1", benchmark=1), "benchmark: expected a text"),
        (lambda: regrade(None), "run: expected a text or a path or a result"),
        (lambda: import_generations(3), "files: expected a text or a path, or several"),
        (lambda: train(3, "m", "d", "o"), "trainer: expected a text"),
        (lambda: train("verl-sft", "m", "d", None), "output: expected a text or a path"),
        (lambda: train("verl-sft", "m", "d", "o", settings=3), "settings: expected a mapping"),
        (lambda: write_report(["v1", 3], "r.html"), r"runs\[1\]: expected a text or a path or a"),
        (lambda: write_report("v1", 3), "path: expected a text or a path"),
    ],
)
def test_an_argument_of_another_kind_is_a_user_error(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        call()
    assert not Path("results").exists()


def test_one_item_stands_for_several_and_a_result_for_its_name(
    responses: Path, trained: list[Any]
) -> None:
    run = replay(responses, tags="paper", name="v1")
    assert run.run is not None
    assert run.run.tags == ("paper",)
    assert load_run(run) is run
    assert replay(responses, tags=(tag for tag in ("a", "b")), name="v2").run.tags == ("a", "b")
    theirs = import_generations(str(responses), name="theirs", benchmarks="demo")
    assert list(theirs.scores) == ["demo"]
    train("stub", "demo", "d", "o", loggers="wandb")
    assert trained[0].loggers == ("wandb",)


def test_what_an_import_or_a_training_could_not_store_is_refused(responses: Path) -> None:
    with pytest.raises(UserError, match=r"^name: .* cannot be stored"):
        import_generations(responses, name="a\udcff", benchmarks=["demo"])
    assert not Path("results").exists()
    with pytest.raises(UserError, match=r"^model: .* cannot be stored"):
        train("verl-grpo-v4", "m\udcff", "demo", "out")


@pytest.mark.parametrize("name", ["a" * 5000, "nul\0"])
def test_a_name_that_is_no_path_is_only_not_found(name: str) -> None:
    with pytest.raises(UserError, match="is called"):
        load_run(name)


def test_generations_of_no_file_or_format_are_a_user_error(responses: Path) -> None:
    with pytest.raises(UserError, match="no file"):
        import_generations([], name="none")
    with pytest.raises(UserError, match="format of generations"):
        import_generations(responses, name="none", format="ownn")


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"problem_id": "other/1", "response": "1"}, r"first rows answer other/1\."),
        ({"problem_id": "demo/test-0001", "response": "1", "index": 1}, "demo/test-0001"),
        (None, "it has no rows"),
    ],
)
def test_a_replay_of_a_file_that_answers_nothing_is_refused_before_anything_is_stored(
    tmp_path: Path, row: dict[str, object] | None, found: str
) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("" if row is None else json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=f"asked of demo; .*{found}.*such as demo/test-0001"):
        replay(file)
    assert not Path("results").exists()


def test_a_replay_of_a_file_that_lacks_responses_says_to_complete_the_file(tmp_path: Path) -> None:
    run = replay(write_responses(tmp_path / "r.jsonl", limit=3))
    assert run.scores["demo"].outcomes["engine error"] == 9
    assert "add their responses to" in str(run)
    assert "--reuse" not in str(run)
    write_responses(tmp_path / "r.jsonl", limit=12)
    assert "engine error" not in replay(tmp_path / "r.jsonl").scores["demo"].outcomes


@pytest.mark.parametrize(
    "value",
    [{"completion_tokens": -5}, {"prompt_tokens": -1}, {"prompt_tokens": 2**62}, {"index": -1}],
)
def test_a_replayed_row_with_a_number_that_counts_nothing_is_refused_before_anything_is_stored(
    responses: Path, value: dict[str, int]
) -> None:
    rows = [json.loads(line) for line in responses.read_text("utf-8").splitlines()]
    rows[3] |= value
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(UserError, match=r"line 4: not a saved response .*Expected `int`"):
        replay(responses)
    assert not Path("results").exists()


def test_a_replayed_line_without_end_is_refused_by_its_number(
    responses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.engines.replay.LONGEST_LINE", 1 << 16)
    with responses.open("a", encoding="utf-8") as file:
        file.write("x" * (1 << 18))
    with pytest.raises(UserError, match=r"line \d+: longer than .* leave the line out"):
        replay(responses)


def test_an_imported_number_that_counts_nothing_is_unknown(tmp_path: Path) -> None:
    row = {"problem_id": "demo/test-0001", "response": "1", "completion_tokens": -5}
    file = tmp_path / "theirs.jsonl"
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    ((sample, _),) = import_generations(file, benchmarks=["demo"]).samples()
    assert sample.completion_tokens is None
