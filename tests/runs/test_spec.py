"""The spec and the identity: what is asked, and what decides the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.common.schema import differences
from harness.engines import Engine
from harness.runs.identity import BenchmarkIdentity, EngineIdentity, Identity
from harness.runs.sample import Sample, sample_seed
from harness.runs.spec import EngineSpec, EvalSpec, PromptSpec, Sampling


def identity(**changes: object) -> Identity:
    fields: dict[str, object] = {
        "model": {"model.safetensors": "a" * 64},
        "benchmarks": {"demo": BenchmarkIdentity(problems=3, sum="b" * 64, samples=1)},
        "prompt": PromptSpec(),
        "prompts_sum": "c" * 64,
        "stop_token_ids": (2,),
        "sampling": Sampling(),
        "engine": EngineIdentity(name="vllm", versions={"vllm": "1"}, settings={}),
        "grader": "1+abc",
    }
    return Identity.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": {"model.safetensors": "d" * 64}}, "model.model.safetensors"),
        ({"sampling": Sampling(max_tokens=7)}, "sampling.max_tokens: 2048 -> 7"),
        ({"prompt": PromptSpec(style="plain")}, "prompt.style: boxed -> plain"),
        ({"prompts_sum": "e" * 64}, "prompts_sum"),
        ({"stop_token_ids": (2, 3)}, "stop_token_ids"),
        ({"grader": "1+def"}, "grader: 1+abc -> 1+def"),
        (
            {"engine": EngineIdentity(name="vllm", versions={"vllm": "2"}, settings={})},
            "engine.versions.vllm: 1 -> 2",
        ),
        (
            {"benchmarks": {"demo": BenchmarkIdentity(problems=3, sum="f" * 64, samples=1)}},
            "benchmarks.demo.sum",
        ),
    ],
)
def test_whatever_decides_a_number_decides_the_fingerprint(
    change: dict[str, object], named: str
) -> None:
    assert identity(**change).fingerprint != identity().fingerprint
    (difference,) = differences(identity(), identity(**change))
    assert difference.startswith(named)


def test_the_same_identity_has_the_same_fingerprint() -> None:
    again = Identity.model_validate_json(identity().model_dump_json())
    assert again.fingerprint == identity().fingerprint
    assert differences(identity(), again) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"benchmarks": ["demo", "demo"]}, "named twice"),
        ({"benchmarks": []}, "no benchmark"),
        ({"sampling": {"n": 4}}, "temperature above 0"),
        ({"sampling": {"temperature": 1, "n_by_benchmark": {"nope": 2}}}, "does not evaluate"),
        ({"sampling": {"temprature": 1}}, "Extra inputs"),
        ({"limit": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EvalSpec.model_validate({"model": "m", **fields})


def test_a_spec_survives_json() -> None:
    spec = EvalSpec(
        model="m",
        sampling=Sampling(temperature=0.6, n=2, n_by_benchmark={"aime24": 32}),
        engine=EngineSpec(trust_remote_code="tokenizer", args={"seed": 1}),
    )
    assert EvalSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.sampling.samples_for("aime24") == 32
    assert spec.sampling.samples_for("gsm8k") == 2


def test_code_is_trusted_part_by_part() -> None:
    for trust, model, tokenizer in [
        ("none", False, False),
        ("model", True, False),
        ("tokenizer", False, True),
        ("all", True, True),
    ]:
        spec = EngineSpec.model_validate({"trust_remote_code": trust})
        assert (spec.trusts("model"), spec.trusts("tokenizer")) == (model, tokenizer)


@given(st.integers(), st.text(max_size=20), st.integers(0, 1000))
def test_a_seed_depends_on_run_problem_and_index_alone(run: int, problem: str, index: int) -> None:
    seed = sample_seed(run, problem, index)
    assert 0 <= seed < 2**31
    assert seed == sample_seed(run, problem, index)
    assert seed != sample_seed(run, problem, index + 1)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_sample_survives_its_line(response: str) -> None:
    sample = Sample(
        problem_id="p", index=0, response=response, finish_reason="stop", seed=1, prompt_sum=""
    )
    assert Sample.from_json(sample.to_json()) == sample
    assert b"\n" not in sample.to_json()


@pytest.mark.parametrize("line", ["", "{", "[]", "3", "null", '{"problem_id": "p"}', '{"x": 1}'])
def test_what_is_no_sample_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Sample.from_json(line)


def test_tensor_parallelism_is_part_of_the_identity_and_its_absence_is_that_of_before() -> None:
    alone = Engine.settings(EngineSpec())
    assert "tensor_parallel" not in alone
    assert Engine.settings(EngineSpec(tensor_parallel=2)) == {**alone, "tensor_parallel": 2}
