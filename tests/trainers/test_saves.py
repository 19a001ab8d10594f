"""Which of verl's saves are whole, and which may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_saves import make_save

from benchmarks import UserError
from trainers.base import TrainSpec
from trainers.verl.saves import (
    Kept,
    check_world_size,
    checkpoint_steps,
    is_whole,
    keep_last,
    keep_last_saves,
    latest,
    resume_after,
    saved_steps,
)


def test_whole_saves_are_listed_in_the_order_of_their_steps(tmp_path: Path) -> None:
    for step in (10, 9, 100):
        make_save(tmp_path, step)
    (tmp_path / "global_step_x").mkdir()
    assert saved_steps(tmp_path) == [9, 10, 100]
    assert latest(tmp_path) == 100


def test_before_the_first_save_there_is_none(tmp_path: Path) -> None:
    assert saved_steps(tmp_path / "nowhere") == []
    assert latest(tmp_path) is None


def test_a_save_of_the_sft_trainer_counts_as_well(tmp_path: Path) -> None:
    saved = make_save(tmp_path, 3, actor=False)
    (saved / "data.pt").rename(saved / "data_0.pt")
    assert saved_steps(tmp_path) == [3]


@pytest.mark.parametrize(
    "missing",
    [
        "data.pt",
        "actor/fsdp_config.json",
        "actor/model_world_size_1_rank_0.pt",
        "actor/optim_world_size_1_rank_0.pt",
        "actor/extra_state_world_size_1_rank_0.pt",
    ],
)
def test_a_save_without_one_of_its_files_is_not_whole(tmp_path: Path, missing: str) -> None:
    saved = make_save(tmp_path, 1)
    assert is_whole(saved)
    (saved / missing).unlink()
    assert not is_whole(saved)


@pytest.mark.parametrize("file", ["data.pt", "actor/model_world_size_1_rank_0.pt"])
def test_a_save_that_was_cut_off_is_not_whole(tmp_path: Path, file: str) -> None:
    make_save(tmp_path, 1)
    cut = make_save(tmp_path, 2) / file
    cut.write_bytes(cut.read_bytes()[:-30])
    assert latest(tmp_path) == 1


def test_every_process_must_have_saved(tmp_path: Path) -> None:
    saved = make_save(tmp_path, 1)
    (saved / "actor/fsdp_config.json").write_text('{"FSDP_version": 2, "world_size": 2}')
    assert not is_whole(saved)


def test_verl_goes_on_after_the_last_whole_save_whatever_it_noted(tmp_path: Path) -> None:
    note = tmp_path / "latest_checkpointed_iteration.txt"
    for step in (1, 2):
        make_save(tmp_path, step)
    note.write_text("1")  # killed between the save and the note
    assert resume_after(tmp_path) == 2
    assert note.read_text() == "2"
    (tmp_path / "global_step_2/data.pt").unlink()
    assert resume_after(tmp_path) == 1
    assert note.read_text() == "1"
    (tmp_path / "global_step_1/data.pt").unlink()
    assert resume_after(tmp_path) is None
    assert not note.exists()


def test_another_number_of_processes_is_refused_with_a_way_out(tmp_path: Path) -> None:
    saved = make_save(tmp_path, 1)
    check_world_size(saved, 1, exported=tmp_path / "checkpoints/step-000001")
    with pytest.raises(UserError, match=r"saved by 1 processes .* has 4.*--model .*step-000001"):
        check_world_size(saved, 4, exported=tmp_path / "checkpoints/step-000001")


def test_old_saves_go_and_what_is_newer_than_the_last_whole_one_stays(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        make_save(tmp_path, step)
    remnant = tmp_path / "global_step_0"  # verl deletes the actor's part only
    remnant.mkdir()
    (remnant / "data.pt").touch()
    being_made = tmp_path / "global_step_4/actor"
    being_made.mkdir(parents=True)
    keep_last_saves(tmp_path, 2)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["global_step_2", "global_step_3", "global_step_4"]


def test_no_save_goes_while_none_is_whole(tmp_path: Path) -> None:
    (tmp_path / "global_step_1/actor").mkdir(parents=True)
    keep_last_saves(tmp_path, 1)
    assert (tmp_path / "global_step_1").is_dir()


def test_the_last_checkpoints_stay(tmp_path: Path) -> None:
    for step in (5, 20, 100):
        (tmp_path / f"step-{step:06}").mkdir()
    (tmp_path / "notes").mkdir()
    keep_last(tmp_path, 2)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["notes", "step-000020", "step-000100"]


def test_the_best_checkpoint_stays_beside_the_last(tmp_path: Path) -> None:
    for step in (5, 20, 100):
        (tmp_path / f"step-{step:06}").mkdir()
    keep_last(tmp_path, None, best=5)
    assert checkpoint_steps(tmp_path) == [5, 20, 100]
    keep_last(tmp_path, 1, best=5)
    assert checkpoint_steps(tmp_path) == [5, 100]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, Kept(weights=2, state=2)),
        ({"keep": 3}, Kept(weights=3, state=3)),
        ({"keep_weights": "all"}, Kept(weights=None, state=2)),
        ({"keep": 4, "keep_state": 1}, Kept(weights=4, state=1)),
    ],
)
def test_one_number_keeps_both_and_each_can_have_its_own(
    asked: dict[str, Any], kept: Kept, tmp_path: Path
) -> None:
    spec = TrainSpec(trainer="t", model="m", data="d", output=tmp_path, **asked)
    assert Kept.of(spec) == kept
