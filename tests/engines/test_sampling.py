"""Tests that look at what an engine really got: the sampling of the run, and no other.

A checkpoint's `generation_config.json` may ask for penalties, beams or a temperature. The run
decides, and its record says what it decided.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_opinionated

from harness.engines.base import EngineSetup, Request
from harness.engines.hf import HfEngine
from harness.engines.vllm.queue import QueueSetup, VllmQueue
from harness.models.checkpoint import open_checkpoint
from harness.prompts.rendering import Prompt
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec, Sampling

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]
GREEDY = Sampling(temperature=0, max_tokens=8)
SAMPLED = Sampling(temperature=0.5, top_p=0.9, top_k=7, max_tokens=8)
PLAIN = Sampling(temperature=1, max_tokens=8)


@pytest.fixture(scope="module")
def opinionated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_opinionated(tmp_path_factory.mktemp("model") / "opinionated")


def setup(folder: Path, sampling: Sampling) -> EngineSetup:
    checkpoint = open_checkpoint(str(folder))
    spec = EngineSpec(name="hf", dtype="float32")
    return EngineSetup(spec=spec, sampling=sampling, checkpoint=checkpoint, longest=64)


def request() -> Request:
    prompt = Prompt(text="", token_ids=(1, 9, 8, 7), messages=None)
    return Request(key=SampleKey("a", 0), prompt=prompt, max_tokens=8, seed=5)


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        (GREEDY, {}),
        (PLAIN, {}),
        (SAMPLED, {"temperature": 0.5, "top_k": 7, "top_p": 0.9}),
    ],
)
def test_transformers_gets_the_runs_sampling_alone(
    sampling: Sampling, wanted: dict[str, float], opinionated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = HfEngine(setup(opinionated, sampling))
    got: list[Any] = []
    find = engine._model._get_logits_processor

    def watched(*arguments: Any, **named: Any) -> Any:
        processors = find(*arguments, **named)
        got.append((named["generation_config"], processors))
        return processors

    monkeypatch.setattr(engine._model, "_get_logits_processor", watched)
    assert len(list(engine.generate([request()]))) == 1
    ((config, processors),) = got
    limits = {
        name.removeprefix("Logits"): value
        for processor in processors
        for name, value in vars(processor).items()
        if name in ("temperature", "top_k", "top_p")
    }
    assert limits == wanted
    assert len(processors) == len(wanted), "no penalty and no other filter"
    assert config.do_sample == (sampling.temperature > 0)
    assert config.num_beams == 1
    assert config.max_new_tokens == 8


@pytest.mark.parametrize("sampling", [GREEDY, PLAIN, SAMPLED])
def test_vllm_gets_the_runs_sampling_alone(sampling: Sampling, opinionated: Path) -> None:
    from vllm import SamplingParams
    from vllm.engine.arg_utils import EngineArgs

    queue = VllmQueue.__new__(VllmQueue)
    queue.setup = QueueSetup.of(setup(opinionated, sampling))
    got = queue.parameters(request())
    neutral = SamplingParams()
    asked = {"temperature", "top_p", "top_k", "max_tokens", "seed", "stop_token_ids"}
    ours = {"detokenize", "output_kind", "skip_clone"}
    for name in SamplingParams.__struct_fields__:
        if name not in asked | ours and not name.startswith("_"):
            assert getattr(got, name) == getattr(neutral, name), name
    assert (got.temperature, got.top_p) == (sampling.temperature, sampling.top_p)
    config = EngineArgs(str(opinionated), generation_config="vllm").create_model_config()
    assert config.get_diff_sampling_param() == {}
