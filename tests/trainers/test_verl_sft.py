"""The sft trainer's recipe, rows and command; and, in earnest, verl's own trainer on the CPU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from made_saves import make_save

from benchmarks import UserError
from harness.demo import MODEL_PATH
from trainers.base import Setting, TrainSpec
from trainers.curves import Step
from trainers.data import TrainingData, build, contamination
from trainers.supervise import run
from trainers.verl import keys, placement, sft
from trainers.verl.command import BATCH, with_launch_values
from trainers.verl.conversations import Conversations, write_conversations
from trainers.verl.metrics import Follower
from trainers.verl.paths import TrainingPaths
from trainers.verl.recipes import Sft
from trainers.verl.saves import latest, saved_steps
from trainers.verl.sft import VerlSft

LONG = "One is added, and " * 200


def spec(output: Path, **given: str) -> TrainSpec:
    return TrainSpec(trainer="sft", model="demo", data="demo", output=output, settings=given)


def recipe(asked: TrainSpec, steps: int = 2) -> tuple[Setting, ...]:
    """Return the recipe that the trainer resolves."""
    return VerlSft().plan(asked.model_copy(update={"steps": steps})).recipe


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingData:
    monkeypatch.setattr(contamination, "load", lambda *given: ({}, {}))
    rows = [
        {"prompt": f"What is {n} + 1?", "reasoning": f"{n} + 1 = {n + 1}.", "answer": str(n + 1)}
        for n in range(36)
    ]
    rows[3]["reasoning"] = LONG
    rows[4]["reasoning"] = ""
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return build(str(source), "boxed", tmp_path / "data")


def write(data: TrainingData, folder: Path, *, longest: int = 256, seed: int = 1) -> list[str]:
    """Write the conversations and return their questions in order."""
    import pyarrow.parquet

    found = write_conversations(data, folder, model=MODEL_PATH, longest=longest, seed=seed)
    table = pyarrow.parquet.read_table(found.train).to_pylist()
    assert len(table) == found.rows
    return [row["messages"][0]["content"] for row in table]


# --- the recipe -----------------------------------------------------------------------------


def test_every_setting_is_a_key_of_verl_with_a_reason(tmp_path: Path) -> None:
    known = {*keys.known_keys(keys.SFT), *keys.UNLISTED}
    for line in Sft().settings():
        assert line.key in known
        assert line.why, line.key


def started(recipe: tuple[Setting, ...], processes: int) -> tuple[str, ...]:
    where = placement.Placement(device="cpu", nodes=1, gpus=processes, address=None, cores=2)
    return VerlSft().command(recipe, where)


def test_verl_resolves_the_command_to_what_the_recipe_says(tmp_path: Path) -> None:
    asked = spec(tmp_path / "a b=c's", **{"optim.lr": "3e-5"})
    command = started(recipe(asked), processes=2)
    start = command.index(sft.MODULE)
    overrides = [part for part in command[start + 1 :] if not part.startswith("hydra")]
    composed = keys.compose(keys.SFT, overrides)
    assert composed["optim"]["lr"] == 3e-5
    assert composed["optim"]["betas"] == [0.9, 0.999]
    assert composed["data"]["train_batch_size"] == 16
    assert composed["trainer"]["default_local_dir"] == str(tmp_path / "a b=c's/training/state")
    assert "--nproc-per-node=2" in command[:start]


def test_a_key_that_verl_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean 'optim\.lr'"):
        started(recipe(spec(tmp_path, **{"lr": "1"})), processes=1)


def test_rows_are_no_longer_than_the_models_context() -> None:
    assert [line.value for line in sft.fitted(Sft(), 1024)] == [1024]
    assert sft.fitted(Sft(longest=1024), 1024) == []
    assert sft.fitted(Sft(), None) == []


def test_a_micro_batch_holds_the_longest_row(tmp_path: Path) -> None:
    where = placement.place(spec(tmp_path))
    placed = {line.key: line.value for line in sft.placed(where, 40_000)}
    assert placed["data.max_token_len_per_gpu"] == 40_000


@pytest.mark.parametrize("given", [{"nodes": 2}, {"address": "auto"}])
def test_several_machines_are_refused(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(UserError, match="one machine"):
        sft.refuse_cluster(spec(tmp_path).model_copy(update=given))


# --- the rows -------------------------------------------------------------------------------


def test_what_cannot_be_imitated_is_left_out_and_counted(
    data: TrainingData, tmp_path: Path
) -> None:
    found = write_conversations(data, tmp_path / "c", model=MODEL_PATH, longest=256, seed=1)
    assert (found.too_long, found.without_reasoning) == (1, 1)
    assert found.rows + found.held_out == 34


def test_the_limit_is_the_whole_conversation_in_the_models_tokens(
    data: TrainingData, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODEL_PATH)
    instruction = data.style.ask("What is 30 + 1?")
    conversation = [
        {"role": "user", "content": instruction},
        {"role": "assistant", "content": data.style.response("30 + 1 = 31.", "31")},
    ]
    text = tokenizer.apply_chat_template(conversation, tokenize=False)
    length = len(tokenizer.encode(text, add_special_tokens=False))
    assert instruction in write(data, tmp_path / "c", longest=length)
    assert instruction not in write(data, tmp_path / "c", longest=length - 1)


def test_the_seed_decides_the_order_and_nothing_else(data: TrainingData, tmp_path: Path) -> None:
    one, other = write(data, tmp_path / "1", seed=1), write(data, tmp_path / "2", seed=2)
    assert one != other
    assert sorted(one) == sorted(other)
    assert write(data, tmp_path / "1", seed=1) == one


def test_rows_that_are_all_too_long_are_refused(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"longer than 8 tokens.*data\.max_length"):
        write(data, tmp_path / "c", longest=8)


def test_a_tokenizer_without_chat_template_is_refused(data: TrainingData, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in MODEL_PATH.iterdir():
        if file.name != "tokenizer_config.json":
            (model / file.name).symlink_to(file)
    config = json.loads((MODEL_PATH / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="no chat template"):
        write_conversations(data, tmp_path / "c", model=model, longest=256, seed=1)


# --- the launch -----------------------------------------------------------------------------


def test_a_batch_has_to_be_filled_and_shared_out() -> None:
    assert sft.steps_an_epoch(95, 16, 2) == 5
    with pytest.raises(UserError, match="fill no batch of 16"):
        sft.steps_an_epoch(15, 16, 1)
    with pytest.raises(UserError, match=r"=18"):
        sft.steps_an_epoch(95, 16, 3)


def conversations(folder: Path, *, held_out: int) -> Conversations:
    return Conversations(
        train=folder / "train.parquet",
        test=folder / "test.parquet",
        rows=90,
        held_out=held_out,
        without_reasoning=0,
        too_long=0,
    )


def test_held_out_rows_that_fill_no_batch_are_not_looked_at(tmp_path: Path) -> None:
    few, enough = (conversations(tmp_path, held_out=rows) for rows in (15, 16))
    told = {"batch": 16, "processes": 1}
    assert "data.val_files" not in sft.at_launch(enough, tmp_path, **told, resume=None)
    values = sft.at_launch(few, tmp_path, **told, resume=None)
    assert values["data.val_files"] is None
    assert values["trainer.test_freq"] == -1


def test_within_an_epoch_verl_goes_on_from_its_save(tmp_path: Path) -> None:
    paths = TrainingPaths(tmp_path)
    saved = make_save(paths.state, 3, actor=False)
    assert sft.resume_point(paths, 3, 2) == saved


def test_at_an_epochs_end_verl_goes_on_without_the_loaders_state(tmp_path: Path) -> None:
    paths = TrainingPaths(tmp_path)
    saved = make_save(paths.state, 4, actor=False)
    (saved / "data.pt").rename(saved / "data_0.pt")
    point = sft.resume_point(paths, 4, 2)
    assert point.name == saved.name
    assert {file.name for file in saved.iterdir()} - {file.name for file in point.iterdir()} == {
        "data_0.pt"
    }
    assert all(file.exists() for file in point.iterdir())
    assert saved_steps(paths.state) == [4]


# --- in earnest -----------------------------------------------------------------------------


def launch(data: TrainingData, output: Path, name: str) -> list[Step]:
    """Train for five steps, or go on with what is there; return the steps of this launch."""
    asked = spec(output, **{BATCH: "8", "optim.lr": "1e-3", "trainer.save_freq": "4"})
    paths, where = TrainingPaths(output), placement.place(asked)
    found = write_conversations(
        data, paths.conversations, model=MODEL_PATH, longest=256, seed=asked.seed
    )
    done = latest(paths.state)
    an_epoch = sft.steps_an_epoch(found.rows, 8, 1)
    resume = None if done is None else sft.resume_point(paths, done, an_epoch)
    values = sft.at_launch(found, MODEL_PATH, batch=8, processes=1, resume=resume)
    log = output / f"{name}.log"
    code = run(
        started(with_launch_values(recipe(asked, steps=5), values), 1),
        environment={
            **placement.environment(where),
            "OMP_NUM_THREADS": "1",
            "VERL_FILE_LOGGER_PATH": str(log.with_suffix(".jsonl")),
        },
        log=log,
        folder=paths.training,
        on_tick=lambda: None,
    )
    assert code == 0, log.read_text()[-3000:]
    return Follower(log.with_suffix(".jsonl")).new()


@pytest.mark.engine
@pytest.mark.timeout(900)
@pytest.mark.skipif(placement.visible_gpus() > 0, reason="is about the CPU")
def test_a_training_lost_after_an_epochs_end_goes_on_as_if_it_had_not_been(
    data: TrainingData, tmp_path: Path
) -> None:
    whole = launch(data, tmp_path, "whole")  # 34 rows are four batches of eight an epoch
    state = TrainingPaths(tmp_path).state
    assert saved_steps(state) == [4, 5]
    shutil.rmtree(state / "global_step_5")
    again = launch(data, tmp_path, "again")
    assert [step.step for step in whole] == [1, 2, 3, 4, 5]
    assert [(step.step, step.loss, step.gradient_norm) for step in again] == [
        (5, whole[-1].loss, whole[-1].gradient_norm)
    ]
    assert 0 < (whole[-1].loss or 0) < (whole[0].loss or 0)
    assert saved_steps(state) == [4, 5]
