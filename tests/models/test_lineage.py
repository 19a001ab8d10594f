"""Tests that runs copy a checkpoint's lineage, and that it is not part of the model's identity."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks import UserError
from harness.demo import MODEL_PATH
from harness.engines import EngineSetup
from harness.engines.scripted import ScriptedEngine
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import Plan, prepare
from harness.evaluation.regrade import HarnessGrading, regrade
from harness.grading import Grader
from harness.models.checkpoint import open_checkpoint
from harness.models.lineage import LINEAGE, read_lineage
from harness.runs.folder import RunFolder
from harness.runs.spec import EvalSpec

FIELDS = {
    "schema_version": 1,
    "trainer": "verl-grpo-v4",
    "recipe": {"rollout": {"n": 5}},
    "curves": {"step": [1, 2], "reward": [0.1, None], "response_length": [90.0, 110.0]},
    "anything": "that a later trainer tells",
}


def scripted(plan: Plan) -> ScriptedEngine:
    setup = EngineSetup(
        spec=plan.spec.engine, sampling=plan.spec.sampling, checkpoint=None, longest=1
    )
    return ScriptedEngine(setup, lambda request: "\\boxed{1}")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    shutil.copytree(MODEL_PATH, folder)
    (folder / LINEAGE).write_text(json.dumps(FIELDS), encoding="utf-8")
    return folder


def test_a_lineage_is_copied_into_the_run_and_into_what_is_graded_again(
    checkpoint: Path, tmp_path: Path
) -> None:
    plan = prepare(EvalSpec(model=str(checkpoint), benchmarks=("demo",), limit=2))
    engine = scripted(plan)
    with (
        RunFolder.create(tmp_path / "runs", plan.new_run("v4"), lineage=plan.lineage) as folder,
        Grader() as grader,
    ):
        run = evaluate(plan, folder, grader=grader, engine=engine)
        again = regrade(folder.path, run, grading=HarnessGrading(grader), root=tmp_path / "runs")
    for path in (folder.path, again.path):
        assert (path / LINEAGE).read_bytes() == (checkpoint / LINEAGE).read_bytes()
    found = read_lineage(again.path)
    assert found is not None
    assert found.curves is not None
    assert found.curves.reward == (0.1, None)
    assert "curves" not in found.settings()


def test_a_lineage_is_no_part_of_the_model(checkpoint: Path) -> None:
    assert open_checkpoint(str(checkpoint)).files == open_checkpoint(str(MODEL_PATH)).files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as a lineage"),
        ('{"schema_version": 7}', "schema_version"),
        ('{"curves": {"step": [1, 2], "reward": [0.5]}}', "1 values over 2 steps"),
    ],
)
def test_what_is_no_lineage_is_told(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / LINEAGE).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_lineage(tmp_path)
