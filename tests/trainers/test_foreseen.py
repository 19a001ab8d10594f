"""A plan says what is known before the start: the rows, the steps, the schedule, time and disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import UserError
from harness.demo import MODEL_PATH
from trainers import TRAINERS, TrainSpec
from trainers.base import Job
from trainers.data import TrainingData, build
from trainers.verl import disk, prompts, remarks
from trainers.verl.memory import EXAMPLES, GIB
from trainers.verl.paths import TrainingPaths
from trainers.verl.saves import Kept

BATCH, MINI_BATCH = "data.train_batch_size", "actor_rollout_ref.actor.ppo_mini_batch_size"
LONGEST, FILTERED = "data.max_prompt_length", "data.filter_overlong_prompts"
LONG = 8
"""Rows whose question is long."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("rows")
    rows = [
        {
            "prompt": f"What is {n} plus {n}?" + " Please think of it." * (40 if n <= LONG else 0),
            "reasoning": "Add." * (300 if n > 36 else 1),
            "answer": str(2 * n),
        }
        for n in range(1, 41)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    return build(str(folder / "rows.jsonl"), "boxed", folder / "built", data_dir=folder)


def plan(
    data: TrainingData | str, output: Path, trainer: str = "verl-grpo-v4", **given: Any
) -> Job:
    source = data if isinstance(data, str) else str(data.folder)
    spec = {"trainer": trainer, "model": "demo", "data": source, "output": output, **given}
    return TRAINERS[trainer]().plan(TrainSpec.model_validate(spec))


def lost(data: TrainingData, longest: int = 128, **values: Any) -> int | None:
    given = {FILTERED: True, LONGEST: longest, **values}
    return prompts.too_long(data, MODEL_PATH, given, trust=False)


def test_the_prompts_that_verl_leaves_out_are_counted_as_it_does(data: TrainingData) -> None:
    import pyarrow.parquet
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL_PATH)
    turns = pyarrow.parquet.read_table(data.train).column("prompt").to_pylist()
    lengths = [
        len(tokenizer.apply_chat_template(each, add_generation_prompt=True)["input_ids"])
        for each in turns
    ]
    for longest in (64, 128, max(lengths) - 1, max(lengths)):
        assert lost(data, longest) == sum(length > longest for length in lengths)
    assert 0 < (lost(data) or 0) <= LONG


def test_what_is_not_filtered_or_not_known_is_not_counted(data: TrainingData) -> None:
    assert lost(data, **{FILTERED: False}) == 0
    assert lost(data, **{"data.train_max_samples": 5}) is None


def test_a_template_that_fails_is_for_verl_to_refuse(data: TrainingData) -> None:
    assert lost(data, **{"data.apply_chat_template_kwargs.messages": 5}) is None


def test_the_steps_are_those_of_the_rows_that_are_left(data: TrainingData, tmp_path: Path) -> None:
    settings = {BATCH: "8", LONGEST: "128", "data.max_response_length": "128",
                "trainer.total_epochs": "1"}  # fmt: skip
    gone, rows = lost(data), data.card.rows.train
    assert gone
    notes = plan(data, tmp_path, settings=settings).notes
    assert f"it ends with step {(rows - gone) // 8}" in notes
    assert (
        f"{gone} of {rows} training prompts are longer than {LONGEST}=128, and are left out"
    ) in notes


def test_rows_that_fill_no_batch_are_refused_with_the_reason(
    data: TrainingData, tmp_path: Path
) -> None:
    settings = {BATCH: "36", LONGEST: "128", "data.max_response_length": "128"}
    with pytest.raises(UserError, match=r"whose prompt is not too long \(.*smaller batch: --set"):
        plan(data, tmp_path, settings=settings)


def test_a_warm_up_longer_than_the_training_is_remarked(data: TrainingData, tmp_path: Path) -> None:
    said = "the warm-up of 20 steps (actor_rollout_ref.actor.optim.lr_warmup_steps)"
    small = {BATCH: "8"}
    short = plan(data, tmp_path, "verl-grpo-v5", steps=20, settings=small).notes
    assert any(note.startswith(said) for note in short)
    enough = plan(data, tmp_path, "verl-grpo-v5", steps=21, settings=small).notes
    assert not any("warm-up" in note for note in enough)


def test_a_smaller_last_update_is_remarked(data: TrainingData, tmp_path: Path) -> None:
    notes = plan(data, tmp_path, settings={BATCH: "8", MINI_BATCH: "3"}).notes
    assert any(note.startswith("a step's last update has 2 prompts") for note in notes)


def test_the_time_is_said_only_where_steps_tell_it(data: TrainingData, tmp_path: Path) -> None:
    assert "how long it takes is not known before the first steps are done" in (
        plan(data, tmp_path, steps=10, settings={BATCH: "8"}).notes
    )
    paths = TrainingPaths(tmp_path)
    paths.training.mkdir()
    paths.metrics.write_text('{"step": 4, "seconds": 10}\n', encoding="utf-8")
    assert remarks.on_time(paths, 10) == "by the steps that are done already, 1 min 0 s are left"


def saves(folder: Path, **given: Any) -> disk.Saves:
    usual = {
        "weights": 4,
        "exported": 0,
        "kept": Kept(weights=2, state=2),
        "total": None,
        "every": 10,
    }
    return disk.saves(TrainingPaths(folder), EXAMPLES["0.5B"], **{**usual, **given})


def test_a_save_has_the_weights_and_the_optimisers_state(tmp_path: Path) -> None:
    number = EXAMPLES["0.5B"].parameters
    found = saves(tmp_path, exported=7)
    assert (found.state, found.checkpoint) == (12 * number, 7)
    assert saves(tmp_path, weights=2).state == 6 * number


@pytest.mark.parametrize(
    ("total", "most"), [(None, 3), (5, 1), (10, 1), (11, 2), (30, 3), (1000, 3)]
)
def test_a_new_save_is_whole_before_an_old_one_goes(
    total: int | None, most: int, tmp_path: Path
) -> None:
    assert saves(tmp_path, total=total).states == most


@pytest.mark.parametrize(
    ("total", "kept", "most"),
    [(None, 2, 4), (1000, 2, 4), (30, 2, 3), (1000, None, 100), (None, None, 1)],
)
def test_the_best_checkpoint_may_stay_beside_the_newest(
    total: int | None, kept: int | None, most: int, tmp_path: Path
) -> None:
    found = saves(tmp_path, total=total, kept=Kept(weights=kept, state=1), exported=3)
    assert found.checkpoints == most
    assert found.needed == found.state * found.states + 3 * most


def test_what_is_there_already_needs_no_further_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_space", lambda folder: 5)
    paths = TrainingPaths(tmp_path)
    paths.state.mkdir(parents=True)
    (paths.state / "a").write_bytes(b"12")
    (paths.state / "b").hardlink_to(paths.state / "a")
    found = saves(tmp_path)
    assert (found.free, found.there) == (5, 2)


def test_a_disk_without_room_is_refused_before_the_start(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_space", lambda folder: 2**20)
    with pytest.raises(
        UserError, match=r"up to 1 state to go on from .* 1 MiB that are free, which is"
    ):
        plan(data, tmp_path, steps=3, settings={BATCH: "8"})
    monkeypatch.setattr(disk, "free_space", lambda folder: GIB)
    notes = plan(data, tmp_path, steps=3, settings={BATCH: "8"}).notes
    assert any("up to 1 state to go on from" in note for note in notes)


def test_the_free_space_of_a_folder_to_come_is_that_of_its_disk(tmp_path: Path) -> None:
    assert saves(tmp_path / "not" / "yet").state > 0


def test_supervised_rows_that_are_left_out_are_said(data: TrainingData, tmp_path: Path) -> None:
    notes = plan(data, tmp_path / "out", "verl-sft", settings={"data.max_length": "256"}).notes
    assert any("rows are trained on; left out are 0 without reasoning" in note for note in notes)
    nothing = "no loss on held-out rows will be measured"
    assert any(note.startswith(nothing) for note in notes), data.card.rows
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "nosuch", "architectures": ["NoSuchForCausalLM"]}, "does not have"),
        ({"architectures": ["NoSuchForCausalLM"]}, "does not have"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "with exactly one, a …ForCausalLM"),
        ({"quantization_config": {"bits": 4}}, "are quantized"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused_by_the_plan(
    changes: dict[str, Any], reason: str, data: TrainingData, tmp_path: Path
) -> None:
    for file in MODEL_PATH.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((MODEL_PATH / "config.json").read_text())
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=reason):
        plan(data, tmp_path / "out", model=str(tmp_path))
