"""A training finds its machine, and says what follows from it and from nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import UserError
from harness.demo import MODEL_PATH
from trainers.base import Job, TrainSpec
from trainers.verl import grpo, keys, placement
from trainers.verl.grpo import VerlGrpo, VerlGrpoV1, VerlGrpoV4, VerlGrpoV5
from trainers.verl.placement import Placement, environment, place, settings

ENVIRONMENT = "ray_kwargs.ray_init.runtime_env.env_vars."
ADDRESS = "ray_kwargs.ray_init.address"


def asked(**given: Any) -> TrainSpec:
    defaults = {"trainer": "verl-grpo-v4", "model": str(MODEL_PATH), "data": "demo"}
    return TrainSpec.model_validate({**defaults, "output": Path("out"), **given})


def gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(placement, "visible_gpus", lambda: count)


def values(where: Placement, *, filters_groups: bool = False) -> dict[str, Any]:
    lines = list(settings(where, longest=1536, filters_groups=filters_groups))
    assert {line.origin for line in lines} == {"placed"}
    found = {line.key: line.value for line in lines}
    assert len(found) == len(lines)
    return found


def on(device: str, **given: Any) -> Placement:
    defaults = {"device": device, "nodes": 1, "gpus": 1, "address": None, "cores": 4}
    return Placement(**{**defaults, **given})


def test_without_a_gpu_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)
    found = place(asked())
    assert (found.device, found.gpus, found.nodes, found.processes) == ("cpu", 1, 1, 1)


@pytest.mark.parametrize(("flag", "taken"), [(None, 4), (1, 1), (4, 4)])
def test_all_gpus_are_taken_or_as_many_as_asked(
    flag: int | None, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 4)
    found = place(asked(gpus=flag))
    assert (found.device, found.gpus) == ("cuda", taken)


@pytest.mark.parametrize(
    ("there", "flag", "found", "instead"),
    [(0, 1, "no GPU", "the CPU"), (1, 2, "1 GPU;", "all of them"), (4, 8, "4 GPUs", "all of them")],
)
def test_more_gpus_than_there_are(
    there: int, flag: int, found: str, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, there)
    with pytest.raises(UserError, match=f"--gpus {flag}: this machine has {found}.* {instead}$"):
        place(asked(gpus=flag))


def test_several_machines_need_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 8)
    with pytest.raises(UserError, match=r"--nodes 2: .* --address auto"):
        place(asked(nodes=2))
    found = place(asked(nodes=2, address="auto"))
    assert (found.nodes, found.gpus, found.processes, found.address) == (2, 8, 16, "auto")


def test_a_clusters_gpus_need_not_be_seen_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)
    found = place(asked(nodes=2, gpus=4, address="head:6379"))
    assert (found.device, found.processes) == ("cuda", 8)


def test_counting_gpus_starts_no_cuda() -> None:
    program = (
        "import sys\nfrom trainers.verl.placement import visible_gpus\nvisible_gpus()\n"
        "assert not {'torch', 'ray', 'vllm', 'verl'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_cluster_is_told_the_environment_by_its_runtime(device: str) -> None:
    """Its workers do not inherit what this process has."""
    where = on(device, address="head:6379", nodes=2)
    found = values(where)
    told = {
        key.removeprefix(ENVIRONMENT): value
        for key, value in found.items()
        if key.startswith(ENVIRONMENT)
    }
    assert told == environment(where)
    assert ("VERL_PLATFORM" in told) == (device == "cpu")
    assert found[ADDRESS] == "head:6379"
    assert "ray_kwargs.ray_init.num_cpus" not in found, "a cluster has its own"
    assert "ray_kwargs.ray_init.num_gpus" not in found


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_without_a_cluster_ray_is_its_own(device: str) -> None:
    found = values(on(device))
    assert found[ADDRESS] == "local", "Ray would join whatever runs on this machine"
    assert not [key for key in found if key.startswith(ENVIRONMENT)]
    # Logical ones, where there is none; on a GPU Ray counts itself.
    assert ("ray_kwargs.ray_init.num_gpus" in found) == (device == "cpu")


def test_what_a_gpu_needs_is_not_said_on_a_cpu() -> None:
    sampler = "VLLM_USE_FLASHINFER_SAMPLER"
    assert environment(on("cpu")).keys() > environment(on("cuda")).keys() - {sampler}
    assert environment(on("cuda"))[sampler] == "0"
    assert environment(on("cpu"))["OMP_NUM_THREADS"] == "2", "of 4 cores"
    cpu, cuda = values(on("cpu")), values(on("cuda", gpus=4))
    memory = "actor_rollout_ref.rollout.gpu_memory_utilization"
    assert memory in cuda.keys() - cpu.keys()
    assert cpu["trainer.n_gpus_per_node"] == 1
    assert cuda["trainer.n_gpus_per_node"] == 4
    assert cpu["trainer.device"] == "cpu"
    assert cuda["trainer.device"] == "cuda"


def test_a_sampler_of_ours_is_used_only_where_nothing_is_filtered() -> None:
    sampler = "trainer.v1.sampler.custom_sampler.name"
    assert sampler in values(on("cpu"))
    assert sampler not in values(on("cpu"), filters_groups=True)
    assert sampler not in values(on("cuda"))


@pytest.mark.parametrize("filters", ["true", "false"])
@pytest.mark.parametrize("trainer", [VerlGrpoV4, VerlGrpoV5])
def test_groups_that_the_user_has_filtered_reach_a_sampler_that_filters(
    trainer: type[VerlGrpo], filters: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """verl does not tell a sampler of ours that groups are to be filtered."""
    gpus(monkeypatch, 0)
    settings = {"algorithm.filter_groups.enable": filters}
    job = trainer().plan(asked(output=tmp_path, settings=settings))
    found = {line.key for line in job.recipe}
    assert ("trainer.v1.sampler.custom_sampler.name" in found) == (filters == "false")


@pytest.mark.parametrize("flash", [True, False])
def test_attention_is_what_is_installed(flash: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "find_spec", lambda name: object() if flash else None)
    found = values(on("cuda"))
    attention = found["actor_rollout_ref.model.override_config.attn_implementation"]
    assert attention == ("flash_attention_2" if flash else "sdpa")
    assert found["actor_rollout_ref.model.use_remove_padding"] is flash


@pytest.mark.parametrize("lacks", [True, False])
def test_rollouts_need_no_compiler_where_there_is_none(
    lacks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 2)
    monkeypatch.setattr(placement, "lacks_compiler", lambda: lacks)
    job = VerlGrpoV4().plan(asked(output=tmp_path))
    vllm = as_verl_reads(job)["actor_rollout_ref"]["rollout"]["engine_kwargs"]["vllm"]
    assert vllm.get("attention_backend") == ("TRITON_ATTN" if lacks else None)


@pytest.mark.parametrize("trainer", [VerlGrpoV1, VerlGrpoV4, VerlGrpoV5])
@pytest.mark.parametrize("machine", [{"count": 2}, {"count": 0}, {"count": 8, "nodes": 2}])
def test_every_recipe_is_a_configuration_of_verl_wherever_it_is_placed(
    trainer: type[VerlGrpo],
    machine: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus(monkeypatch, machine["count"])
    nodes = machine.get("nodes", 1)
    job = trainer().plan(asked(output=tmp_path, nodes=nodes, address="auto" if nodes > 1 else None))
    composed = as_verl_reads(job)
    assert composed["trainer"]["nnodes"] == nodes
    assert composed["trainer"]["n_gpus_per_node"] == max(machine["count"], 1)
    assert composed["algorithm"]["adv_estimator"] == "grpo"
    assert list(tmp_path.iterdir()) == [], "a plan touches nothing"


def test_where_it_runs_is_no_part_of_what_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = []
    for count in (0, 1, 8):
        gpus(monkeypatch, count)
        settled.append(VerlGrpoV4().plan(asked(output=tmp_path / str(count))).settings())
    assert settled[0] == settled[1] == settled[2]


def as_verl_reads(job: Job) -> dict[str, Any]:
    """Compose the overrides of a command, all that follows verl's module in it."""
    words = list(job.command)
    overrides = words[words.index("verl.trainer.main_ppo") + 1 :]
    return keys.compose(keys.GRPO, [word for word in overrides if not word.startswith("hydra")])


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_micro_batch_has_room_for_the_longest_sequence(device: str) -> None:
    lines = settings(on(device), longest=40_000, filters_groups=False)
    rooms = [line.value for line in lines if line.key.endswith("max_token_len_per_gpu")]
    assert rooms
    assert min(rooms) >= 40_000


SGLANG = {"actor_rollout_ref.rollout.name": "sglang"}


def test_rollouts_by_sglang_are_a_configuration_of_verl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, 4)
    monkeypatch.setattr(grpo, "find_spec", lambda name: object())
    script = {"+actor_rollout_ref.rollout.engine_kwargs.sglang.attention_backend": "flashinfer"}
    job = VerlGrpoV4().plan(asked(output=tmp_path, settings={**SGLANG, **script}))
    rollout = as_verl_reads(job)["actor_rollout_ref"]["rollout"]
    assert rollout["name"] == "sglang"
    assert rollout["engine_kwargs"]["sglang"] == {"attention_backend": "flashinfer"}
    assert not any("rollouts are drawn by vLLM" in note for note in job.notes)


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [
        ("sglang", 4, "SGLang is not installed here; install what verl wants of it"),
        ("sglang", 0, "on GPUs only, and there is none here; leave the setting out to use vLLM"),
        ("hf", 4, "rollouts are drawn by vllm or by sglang"),
    ],
)
def test_an_engine_that_is_not_there_is_told_before_anything_starts(
    name: str, count: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(monkeypatch, count)
    monkeypatch.setattr(grpo, "find_spec", lambda name: None)
    settings = {"actor_rollout_ref.rollout.name": name}
    with pytest.raises(UserError, match=said):
        VerlGrpoV4().plan(asked(output=tmp_path, settings=settings))


JOB = """
import os, sys, ray

ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)

@ray.remote
def job() -> str:
    import trainers.verl.plugins.job_id
    return ray.get_runtime_context().get_job_id()

print(ray.get(job.remote()), flush=True)
sys.stdin.readline()
"""


@pytest.mark.engine
def test_two_trainings_at_a_time_have_two_names_for_what_is_the_machines() -> None:
    asked = [sys.executable, "-c", JOB]
    with (
        subprocess.Popen(asked, stdin=-1, stdout=-1, text=True) as one,
        subprocess.Popen(asked, stdin=-1, stdout=-1, text=True) as other,
    ):
        jobs = [process.stdout.readline().strip() for process in (one, other) if process.stdout]
        one.communicate("\n")
        other.communicate("\n")
    assert all(job.startswith("01000000-") for job in jobs)
    assert jobs[0] != jobs[1]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_verl_loads_our_modules_and_then_the_users(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(placement.MODULES, raising=False)
    ours = environment(on(device))[placement.MODULES]
    assert placement.JOB_ID_MODULE in ours
    assert (placement.PLATFORM_MODULE in ours) == (device == "cpu")
    monkeypatch.setenv(placement.MODULES, "theirs")
    assert environment(on(device))[placement.MODULES] == f"{ours},theirs"
