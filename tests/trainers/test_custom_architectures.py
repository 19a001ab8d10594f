"""Architectures that verl's own saving gets wrong go through training, export and evaluation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import MAKERS

from harness.models.checkpoint import identity_files

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]
SMALL = {
    "data.train_batch_size": 4,
    "data.max_prompt_length": 480,
    "data.max_response_length": 32,
    "data.val_max_samples": 2,
    "actor_rollout_ref.rollout.n": 2,
    # A random model earns nothing, so it is the weight decay alone that changes it.
    "actor_rollout_ref.actor.optim.lr": 1.0,
    "actor_rollout_ref.actor.optim.lr_warmup_steps": 0,
}


def harness(folder: Path, *arguments: object) -> str:
    (folder / "data").mkdir(exist_ok=True)  # nothing is downloaded
    done = subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "HARNESS_DATA": str(folder / "data")},
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("architecture", "trust"),
    [("pocket", True), ("deepseek", False)],
    ids=["code of its own", "DeepSeek-V3 with another tokenizer"],
)
def test_it_is_trained_saved_and_evaluated(architecture: str, trust: bool, tmp_path: Path) -> None:
    base = MAKERS[architecture](tmp_path / "base")
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    asked = ["--model", base, "--data", "demo", "--output", "out", "--steps", 1, "--save-every", 1]
    trusted = ["--trust-remote-code"] if trust else []
    harness(tmp_path, "train", "--trainer", "verl-grpo-v4", *asked, *trusted, *settings)

    out = tmp_path / "out"
    before, after = (
        {file.name: file.read_bytes() for file in identity_files(folder) if file.suffix != ".json"}
        for folder in (base, out)
    )
    assert before.keys() == after.keys()
    code = [name for name in before if name.endswith(".py")]
    assert code, "what the native architecture is published with is left over there"
    assert all(before[name] == after[name] for name in code)
    assert before["model.safetensors"] != after["model.safetensors"]
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        assert (out / name).read_bytes() == (base / name).read_bytes()

    evaluated = ["--model", "out", "--benchmarks", "demo", "--limit", 4, "--max-tokens", 16]
    trusted = ["--trust-remote-code", "all"] if trust else []
    quick = ["--engine-arg", "enforce_eager=true", "--json", "--results", tmp_path / "results"]
    run = json.loads(harness(tmp_path, "eval", *evaluated, *trusted, *quick))
    assert run["scores"][0]["samples"] == 4
