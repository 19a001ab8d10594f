"""Engines keep the special tokens that mark the thinking, so that it is not graded as the reply."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_runs import EAGER, evaluate, stored
from tiny_models import make_scripted

from harness.runs.catalogue import Catalogue
from harness.runs.samples_table import read_parquet

SCRIPT = (
    "<|START_THINKING|>", "\\boxed{8}", "<|END_THINKING|>", "<|START_RESPONSE|>", "\\boxed{9}",
    "<|END_RESPONSE|>", "<|END_OF_TURN_TOKEN|>",
)  # fmt: skip


@pytest.mark.engine
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "engine", [("--engine", "hf", "--dtype", "float32"), ("--engine", "vllm", *EAGER)]
)
def test_the_marks_of_thinking_reach_the_grader(engine: tuple[str, ...], tmp_path: Path) -> None:
    model = make_scripted(tmp_path / "model", SCRIPT)
    run = evaluate(tmp_path / "results", *engine, "--limit", "2", model=str(model))
    for sample in stored(tmp_path / "results").values():
        assert sample.response.split() == list(SCRIPT[:5]), "what only ends a turn is left out"
        assert sample.finish_reason == "stop"
        assert sample.completion_tokens == len(SCRIPT), "the thinking and its marks count"
    assert run.identity.engine.settings["kept_special_tokens"] == [
        "<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>"
    ]  # fmt: skip
    ((path, _),) = Catalogue(tmp_path / "results").runs
    assert {row["extracted"] for row in read_parquet(path)} == {"9"}
