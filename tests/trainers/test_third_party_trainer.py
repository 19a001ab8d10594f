"""A trainer of another package, installed as any package is, is listed and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.demo import MODEL_PATH
from harness.models.checkpoint import open_checkpoint
from harness.models.lineage import read_lineage

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "copying-trainer"
version = "1.0"
dependencies = ["math-harness"]

[project.entry-points."harness.trainers"]
copying = "copying_trainer:Copying"

[tool.setuptools]
py-modules = ["copying_trainer"]
"""
MODULE = '''
"""A trainer that learns nothing: its checkpoint is its base model."""

import shutil

from benchmarks import UserError
from harness.models.checkpoint import file_sums, find_model, identity_files
from harness.models.lineage import LINEAGE, Curves, Lineage
from trainers import Job, Setting, Step, Trainer


class Copying(Trainer):
    name = "copying"
    about = "copies the base model"

    def plan(self, spec):
        unknown = set(spec.settings) - {"copies"}
        if unknown:
            raise UserError(f"--set {unknown.pop()}: the one setting is copies=N")
        copies = int(spec.settings.get("copies", 1))
        recipe = [Setting(key="copies", value=copies, origin="chosen", why="one is as good")]
        return Job(spec=spec, recipe=recipe, command=["cp", spec.model, str(spec.output)])

    def train(self, job, reporter):
        base = find_model(job.spec.model)
        reporter.phase("copying")
        shutil.copytree(base, job.spec.output)
        reporter.step(Step(step=1, reward=0.5), 1, 0.0)
        lineage = Lineage(
            trainer=self.name, base_model={"files": file_sums(identity_files(base))},
            recipe=job.settings(), steps=1, curves=Curves(step=[1], reward=[0.5]),
        )
        (job.spec.output / LINEAGE).write_text(lineage.model_dump_json())
        return job.spec.output
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package was built and installed, without a network."""
    source = tmp_path_factory.mktemp("copying")
    (source / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (source / "copying_trainer.py").write_text(MODULE, encoding="utf-8")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    asked = ["install", *offline, "--target", str(source / "site"), str(source)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *asked], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return source / "site"


def harness(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ["PYTHONPATH"]])},
        cwd=cwd,
    )


ASKED = ["train", "--trainer", "copying", "--model", "demo", "--data", "any", "--output", "out"]


def test_it_is_listed_beside_ours(site: Path, tmp_path: Path) -> None:
    done = harness(site, tmp_path, "list", "trainers", "--json")
    assert done.returncode == 0, done.stderr
    about = {row["name"]: row["about"] for row in json.loads(done.stdout)["trainers"]}
    assert about["copying"] == "copies the base model"
    assert {"verl-grpo-v1", "verl-grpo-v4", "verl-grpo-v5"} <= about.keys()


def test_it_trains_a_checkpoint_with_its_lineage(site: Path, tmp_path: Path) -> None:
    planned = harness(site, tmp_path, *ASKED, "--set", "copies=3", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "cp demo out" in planned.stdout
    assert not (tmp_path / "out").exists()
    done = harness(site, tmp_path, *ASKED, "--set", "copies=3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "trained: out\n"
    assert "copying" in done.stderr
    assert "step 1/1  reward 0.500" in done.stderr
    assert open_checkpoint(str(tmp_path / "out")).files == open_checkpoint(str(MODEL_PATH)).files
    lineage = read_lineage(tmp_path / "out")
    assert lineage is not None
    assert (lineage.trainer, lineage.recipe, lineage.steps) == ("copying", {"copies": 3}, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--set", "copys=3"], 1, "harness: --set copys: the one setting is copies=N"),
        (
            ["--trainer", "copyin"],
            2,
            "harness: no trainer is called 'copyin' -- did you mean 'copying'",
        ),
    ],
)
def test_its_errors_and_its_name_are_told_as_ours_are(
    site: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = harness(site, tmp_path, *ASKED, *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
