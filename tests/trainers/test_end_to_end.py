"""The real thing: verl on Ray trains the demo model on this machine, and vLLM evaluates it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from remote_code import make_foreign_checkpoint
from tiny_models import make_deepseek

from harness.models.checkpoint import identity_files, open_checkpoint
from harness.models.lineage import LINEAGE, Lineage, read_lineage
from harness.runs.catalogue import Catalogue
from trainers.curves import Step, read
from trainers.supervise import LOCK, MARK
from trainers.verl.metrics import Follower
from trainers.verl.paths import TrainingPaths

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]
LIMIT = 1500
"""Seconds that one command may take on a busy machine."""
SMALL = {
    "data.train_batch_size": 8,
    "actor_rollout_ref.actor.ppo_mini_batch_size": 8,
    "data.max_prompt_length": 96,
    "data.max_response_length": 64,
    "data.val_max_samples": 4,
    "actor_rollout_ref.rollout.n": 2,
    "actor_rollout_ref.actor.optim.lr_warmup_steps": 0,
}
# The demo model is stored in bfloat16: smaller changes would not be seen in one step.
LEARNING = {"actor_rollout_ref.actor.optim.lr": 1e-3}
# A random model earns nothing, so it is the weight decay alone that changes it.
DECAYING = {
    "actor_rollout_ref.actor.optim.lr": 1e-2,
    "actor_rollout_ref.actor.optim.weight_decay": 1.0,
}


class Bench:
    """A folder to train into, and the commands that do."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.places = folder, TrainingPaths(folder / "out")
        # An empty folder: nothing is downloaded for the check of the data against benchmarks.
        (folder / "data").mkdir()
        self.environment = {**os.environ, "HARNESS_DATA": str(folder / "data")}

    def harness(self, *arguments: object) -> subprocess.Popen[str]:
        with (self.folder / "said").open("w") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "harness", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env=self.environment,
                cwd=self.folder,
            )

    def train(
        self,
        trainer: str,
        base: Path,
        *more: object,
        steps: int,
        settings: Mapping[str, object] = LEARNING,
    ) -> subprocess.Popen[str]:
        asked: list[object] = ["--trainer", trainer, "--model", base, "--data", "demo", *more]
        asked += ["--output", self.places.output, "--steps", steps, "--save-every", 1]
        for key, value in {**SMALL, **settings}.items():
            asked += ["--set", f"{key}={value}"]
        return self.harness("train", *asked)

    def finish(self, process: subprocess.Popen[str]) -> str:
        printed, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, self.said()
        return printed

    def evaluate(self) -> None:
        asked = ["--model", self.places.output, "--benchmarks", "demo", "--limit", 8]
        asked += ["--max-tokens", 16, "--engine-arg", "enforce_eager=true", "--json"]
        asked += ["--results", self.folder / "results"]
        run = json.loads(self.finish(self.harness("eval", *asked)))
        assert run["scores"][0]["samples"] == 8

    def said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8")

    def marked(self) -> list[psutil.Process]:
        """List what belongs to the training that last held the folder."""
        lock = self.places.training / LOCK
        marker = json.loads(lock.read_text())["marker"] if lock.is_file() else ""
        return [each for each in psutil.process_iter() if marker and mark_of(each) == marker]

    def trained(self) -> list[Step]:
        """Return the steps of the training, once none of them is there twice."""
        lines = self.places.metrics.read_text(encoding="utf-8").splitlines()
        numbers = [row["step"] for row in map(json.loads, lines)]
        assert len(numbers) == len(set(numbers))
        return [step for step in read(self.places.metrics) if step.step]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for process in made.marked():
        process.kill()


def mark_of(process: psutil.Process) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def lineage_of(folder: Path) -> Lineage:
    found = read_lineage(folder)
    assert found is not None
    return found


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str], bench: Bench) -> None:
    give_up = time.monotonic() + LIMIT
    while not reached():
        assert process.poll() is None, bench.said()
        assert time.monotonic() < give_up, bench.said()
        time.sleep(0.05)


def assert_as_its_base(checkpoint: Path, base: Path) -> None:
    """Nothing of a checkpoint but its weights is other than its base's."""
    before, after = (
        {file.name: file.read_bytes() for file in identity_files(folder) if file.suffix != ".json"}
        for folder in (base, checkpoint)
    )
    assert before.keys() == after.keys()
    for name in before:
        assert (before[name] == after[name]) == (name != "model.safetensors"), name
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        assert (checkpoint / name).read_bytes() == (base / name).read_bytes()


def assert_trained(
    bench: Bench, trainer: str, base: Path, numbers: list[int], *, own_code: bool = False
) -> list[Step]:
    """See what is the same of every training, and return its steps."""
    import torch

    steps = [step for step in bench.trained() if step.reward is not None]
    assert [step.step for step in steps] == numbers
    for step in steps:
        assert step.reward is not None
        assert step.outcomes["samples"] == 16
        assert step.outcomes["acc"] == pytest.approx(step.reward)
        assert step.validation
    before, after = weights(base), weights(bench.places.output)
    assert before.keys() == after.keys()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(changed) > len(before) / 2
    lineage = lineage_of(bench.places.output)
    assert lineage.trainer == trainer
    opened = open_checkpoint(str(base), trust_model=own_code, trust_tokenizer=own_code)
    assert lineage.base_model["files"] == opened.files
    assert lineage.data["source"] == "demo"
    assert lineage.recipe["actor_rollout_ref.rollout.n"] == 2
    assert {"verl", "ray", "torch"} <= lineage.packages.keys()
    assert lineage.steps == numbers[-1]
    assert lineage.curves is not None
    # Of a step that verl saved and did not log, what was drawn is known all the same.
    known = [step for step in bench.trained() if (step.reward, step.drawn_reward) != (None, None)]
    assert lineage.curves.step == tuple(step.step for step in known)
    assert {*numbers} <= {*lineage.curves.step}
    assert lineage.curves.model_dump()["accuracy"] == list(lineage.curves.reward)
    return steps


def test_v4_loses_its_engine_goes_on_and_is_evaluated(bench: Bench) -> None:
    """With a DeepSeek-V3 of another tokenizer, whose architecture verl's own saving gets wrong."""
    base = make_deepseek(bench.folder / "base")
    first = bench.places.checkpoint(1)
    process = bench.train("verl-grpo-v4", base, steps=3, settings=DECAYING)
    log = bench.places.logs / "launch-1.jsonl"
    wait_until(lambda: any(step.step == 1 for step in Follower(log).new()), process, bench)
    # On a busy machine the training would be over before its first save is a checkpoint.
    training = bench.marked()
    assert len(training) > 5, "verl, Ray's daemons, workers and vLLM"
    for each in training:
        each.suspend()
    wait_until(first.exists, process, bench)
    running = psutil.Process(process.pid).children(recursive=True)
    # As the system does it when the memory is full: verl may wait for its answer for ever.
    (engine,) = [each for each in running if each.cmdline()[:1] == ["VLLM::EngineCore"]]
    engine.kill()
    for each in training:
        if each != engine:
            each.resume()
    process.communicate(timeout=300)
    assert process.returncode == 1, bench.said()
    why = "EngineDeadError|the process VLLM::EngineCore has died"
    told = rf"training stopped after step \d: .*({why}).*step \d is saved and the same command goes"
    assert re.search(told, bench.said()), bench.said()
    assert bench.marked() == []
    assert not [each for each in running if each.is_running()]
    assert open_checkpoint(str(first)).files.keys() == open_checkpoint(str(base)).files.keys()
    assert lineage_of(first).steps == 1
    assert not (bench.places.output / "config.json").exists()

    printed = bench.finish(bench.train("verl-grpo-v4", base, steps=3, settings=DECAYING))
    assert printed == f"trained: {bench.places.output}\n"
    assert "going on after step" in bench.said()
    # verl saves a step before it logs it: one that was stopped in between has no row.
    numbers = [step.step for step in bench.trained() if step.reward is not None]
    assert numbers in ([1, 2, 3], [1, 3], [2, 3])
    assert_trained(bench, "verl-grpo-v4", base, numbers)
    assert_as_its_base(bench.places.output, base)

    bench.evaluate()
    ((stored, _),) = Catalogue(bench.folder / "results").runs
    assert (stored / LINEAGE).read_bytes() == (bench.places.output / LINEAGE).read_bytes()


def test_v5_runs_with_all_that_it_adds_on_code_of_its_own(bench: Bench) -> None:
    """Filtered groups, corrected rollouts and the harness's own grader, for one step.

    The demo model is presented as an architecture and a tokenizer that only its files know.
    """
    base = make_foreign_checkpoint(bench.folder / "base")
    bench.finish(bench.train("verl-grpo-v5", base, "--trust-remote-code", steps=1))
    (step,) = assert_trained(bench, "verl-grpo-v5", base, [1], own_code=True)
    # Of two responses to a prompt one is right and one is wrong: other groups are left out.
    assert step.reward == pytest.approx(0.5)
    assert step.kl is None, "there is no reference model"
    # Whatever was left out was drawn: what we count from the graded responses is what verl counts.
    assert step.evicted_groups
    assert step.drawn_groups == 8 + step.evicted_groups + (step.surplus_groups or 0)
    assert step.even_groups == pytest.approx(step.evicted_groups / step.drawn_groups)
    assert step.drawn_reward is not None
    assert 0 < step.drawn_reward < 1
    assert step.gradient_norm
    assert not step.skipped_update
    assert lineage_of(bench.places.output).totals["evicted_groups"] == step.evicted_groups
    assert bench.marked() == []
    logged = (bench.places.logs / "launch-1.jsonl").read_text(encoding="utf-8")
    assert "rollout_corr/rollout_is_mean" in logged
    assert "training/filter_groups/evicted_samples" in logged
    assert_as_its_base(bench.places.output, base)
    assert list(bench.places.output.glob("*.py"))
