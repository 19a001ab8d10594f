"""From a spec to a checkpoint with its lineage, whatever befalls verl: here a stand-in for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_verl
import psutil
import pytest
from made_saves import make_save
from tiny_models import make_llama

from benchmarks import UserError
from harness.models.checkpoint import file_sums, identity_files, open_checkpoint
from harness.models.lineage import Lineage, read_lineage
from trainers import supervise
from trainers.base import Job, TrainSpec
from trainers.curves import Step, put, read
from trainers.data import build, is_built, open_data
from trainers.verl import liveness, placement
from trainers.verl.base_model import context_length
from trainers.verl.drawn import MOST
from trainers.verl.grpo import VerlGrpo, VerlGrpoV1, VerlGrpoV4, VerlGrpoV5
from trainers.verl.paths import TrainingPaths
from trainers.verl.record import Record
from trainers.verl.saves import saved_steps
from trainers.verl.sft import VerlSft
from trainers.verl.watch import Watch

pytestmark = pytest.mark.slow

STEPS = 4
BATCH = "data.train_batch_size"
LEARNING_RATE = "actor_rollout_ref.actor.optim.lr"
ROLLOUTS = "actor_rollout_ref.rollout.n"
NORM = "model.norm.weight"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("base") / "llama")


@pytest.fixture(scope="module")
def saves(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """A save of each step; a model's last norm is full of the number of its steps."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("saves")
    tensors = AutoModelForCausalLM.from_pretrained(base).float().state_dict()
    for step in range(1, STEPS + 1):
        make_save(folder, step, {**tensors, NORM: torch.full_like(tensors[NORM], step)})
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("source") / "rows.jsonl"
    lines = [
        {"prompt": f"What is {n} plus {n}?", "reasoning": "Add.", "answer": str(2 * n)}
        for n in range(1, 41)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, rows: Path) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for style in ("boxed", "gsm8k"):
        build(str(rows), style, folder / style, data_dir=folder)
    return folder


@pytest.fixture(autouse=True)
def quick_and_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "TICK", 0.02)
    monkeypatch.setattr(placement, "visible_gpus", lambda: 0)


class Ears:
    """Hears what a training tells."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.warnings: list[str] = []
        self.steps: list[tuple[int, int | None]] = []

    def phase(self, text: str) -> None:
        self.phases.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def step(self, step: Step, total: int | None, seconds_left: float | None) -> None:
        self.steps.append((step.step, total))


class Bench:
    """One output folder, and verl's stand-in to train into it."""

    def __init__(self, folder: Path, base: Path, saves: Path, data: Path) -> None:
        self.paths = TrainingPaths(folder / "out")
        self.base, self.saves, self.data = base, saves, data
        self.ears = Ears()

    def job(self, trainer: type[VerlGrpo] = VerlGrpoV4, **given: Any) -> Job:
        """Plan a training; a batch has eight of the 39 rows."""
        spec = {
            "trainer": trainer.name, "model": str(self.base), "output": self.paths.output,
            "data": str(self.data / trainer.recipe.style), "steps": STEPS, "save_every": 1,
            "settings": {BATCH: "8"}, "data_dir": self.data,
        }  # fmt: skip
        return trainer().plan(TrainSpec.model_validate({**spec, **given}))

    def train(self, *what: str, job: Job | None = None, steps: int = STEPS) -> Path:
        """Train with verl's stand-in, and with what is to befall it."""
        paths, job = self.paths, job or self.job()
        words = [paths.state, paths.rollouts, steps, self.saves, *what]
        command = (sys.executable, fake_verl.__file__, *map(str, words))
        trainers = {each.name: each for each in (VerlGrpoV1, VerlGrpoV4, VerlGrpoV5)}
        trainer = trainers[job.spec.trainer]()
        self.started: list[tuple[str, ...]] = []

        def start_the_stand_in(recipe: Any, where: Any) -> tuple[str, ...]:
            self.started.append(VerlGrpo.command(trainer, recipe, where))
            return command

        trainer.command = start_the_stand_in  # type: ignore[method-assign]
        return trainer.train(job, self.ears)

    def begun(self) -> list[str]:
        """Return what each launch said that it began with."""
        logs = sorted(self.paths.logs.glob("*.log"))
        return [log.read_text().split("\n")[0] for log in logs]

    def rewards(self) -> list[float | None]:
        """Return each step's reward, which tells in which launch it was done."""
        lines = map(json.loads, self.paths.metrics.read_text().splitlines())
        numbers = [line["step"] for line in lines]
        assert len(numbers) == len(set(numbers)), "a step is there twice"
        found = read(self.paths.metrics)
        assert [step.step for step in found if step.step] == list(range(1, len(found)))
        return [step.reward for step in found if step.step]


@pytest.fixture
def bench(tmp_path: Path, base: Path, saves: Path, built: Path) -> Bench:
    return Bench(tmp_path, base, saves, built)


def lineage_of(folder: Path) -> Lineage:
    found = read_lineage(folder)
    assert found is not None
    return found


def norm(folder: Path) -> float:
    from safetensors.torch import load_file

    (value,) = set(load_file(folder / "model.safetensors")[NORM].tolist())
    return float(value)


def test_a_training_ends_in_a_checkpoint_with_its_lineage(bench: Bench) -> None:
    job = bench.job()
    output = bench.train(job=job)
    assert output == bench.paths.output
    opened = open_checkpoint(str(output))
    assert opened.files.keys() == open_checkpoint(str(bench.base)).files.keys()
    assert norm(output) == STEPS
    lineage = lineage_of(output)
    assert lineage.trainer == "verl-grpo-v4"
    assert lineage.base_model["files"] == file_sums(identity_files(bench.base))
    card = open_data(bench.data / "boxed").card
    assert lineage.data["train.parquet"] == card.files["train.parquet"]
    assert (lineage.data["style"], lineage.data["rows"]) == ("boxed", 39)
    decided = [line for line in job.recipe if line.origin != "placed"]
    assert lineage.recipe == {line.key: line.value for line in decided}
    assert len(decided) > 40
    assert {"verl", "torch", "transformers", "math-harness"} <= lineage.packages.keys()
    assert lineage.steps == STEPS
    assert lineage.curves is not None
    assert lineage.curves.step == (1, 2, 3, 4)
    assert lineage.curves.reward == (1.01, 1.02, 1.03, 1.04)
    assert lineage.curves.response_length == (10, 20, 30, 40)
    assert lineage.curves.model_dump()["accuracy"] == [0.25] * STEPS
    record = Record.model_validate_json(bench.paths.recipe.read_text())
    assert record.job.spec == job.spec


def test_verl_is_started_with_what_the_plan_shows(bench: Bench) -> None:
    job = bench.job()
    bench.train(job=job)
    assert bench.started == [job.command]


def test_the_workers_of_a_cluster_are_told_where_the_curves_go(bench: Bench) -> None:
    job = bench.job(address="10.0.0.1:6379", gpus=1, loggers=("tensorboard",))
    bench.train(job=job)
    prefix = "+ray_kwargs.ray_init.runtime_env.env_vars."
    told = dict(
        part.removeprefix(prefix).split("=", 1)
        for part in bench.started[0]
        if part.startswith(prefix)
    )
    assert told["VERL_FILE_LOGGER_PATH"] == f"'{bench.paths.logs / 'launch-1.jsonl'}'"
    assert told["TENSORBOARD_DIR"] == f"'{bench.paths.training / 'tensorboard'}'"
    assert not any(prefix in part for part in bench.job().command), "Ray's workers inherit ours"


def test_verl_is_started_with_the_base_model_in_the_form_that_it_takes(bench: Bench) -> None:
    config = json.loads((bench.base / "config.json").read_text())
    own = bench.paths.output.with_name("with-code")
    shutil.copytree(bench.base, own)
    auto_map = {"AutoModelForCausalLM": "modeling_llama.LlamaForCausalLM"}
    (own / "config.json").write_text(json.dumps({**config, "auto_map": auto_map}))
    job = bench.job(model=str(own))
    bench.train(job=job)
    key = "actor_rollout_ref.model.path="
    (before,) = [part for part in job.command if part.startswith(key)]
    (after,) = [part for part in bench.started[0] if part.startswith(key)]
    assert before == f"{key}'{own}'"
    assert after == f"{key}'{bench.paths.base}'"
    rest = [part for part in job.command if part != before]
    assert [part for part in bench.started[0] if part != after] == rest


def test_the_newest_checkpoints_are_kept_and_each_has_its_own_curve(bench: Bench) -> None:
    bench.train(job=bench.job(keep=3))
    kept = sorted(bench.paths.checkpoints.iterdir())
    assert [folder.name for folder in kept] == ["step-000002", "step-000003", "step-000004"]
    for folder, step in zip(kept, (2, 3, 4), strict=True):
        assert norm(folder) == step
        lineage = lineage_of(folder)
        assert lineage.curves is not None
        assert lineage.curves.step == tuple(range(1, step + 1))
    assert saved_steps(bench.paths.state) == [2, 3, 4]


def test_the_best_by_validation_stays_and_each_checkpoint_says_how_it_did(bench: Bench) -> None:
    bench.train(job=bench.job(keep=1))
    assert [folder.name for folder in sorted(bench.paths.checkpoints.iterdir())] == [
        "step-000002", "step-000004",
    ]  # fmt: skip
    for step in (2, 4):
        measured = lineage_of(bench.paths.checkpoint(step)).validation
        assert measured == {"openai/acc/mean@1": fake_verl.accuracy(step)}
    assert lineage_of(bench.paths.output).validation == {"openai/acc/mean@1": 0.25}
    (told,) = [text for text in bench.ears.phases if "did best" in text]
    assert told == f"step 2 did best in validation: {bench.paths.checkpoint(2)}"


def test_a_validation_before_going_on_is_told_of_the_checkpoint_that_is_there(
    bench: Bench,
) -> None:
    with pytest.raises(UserError, match="well has run dry"):
        bench.train("fail", "2")
    first = bench.paths.checkpoint(1)
    before = lineage_of(first)
    assert before.validation == {}
    with pytest.raises(UserError, match="well has run dry"):
        bench.train("fail", "2")
    assert lineage_of(first) == before.model_copy(
        update={"validation": {"openai/acc/mean@1": 0.125}}
    )


def test_weights_may_stay_where_the_states_to_go_on_from_go(bench: Bench) -> None:
    bench.train(job=bench.job(keep_weights="all", keep_state=2))
    assert len(list(bench.paths.checkpoints.iterdir())) == STEPS
    assert saved_steps(bench.paths.state) == [3, 4]
    (told,) = [text for text in bench.ears.phases if "a save takes" in text]
    assert re.search(r"takes [\d.]+ .iB to go on from and [\d.]+ .iB as a checkpoint", told)
    assert re.search(r"and [\d.]+ .iB for each checkpoint; [\d.]+ .iB are free$", told)


def test_too_little_room_on_the_disk_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    bench.train()
    (told,) = [text for text in bench.ears.phases if "a save takes" in text]
    assert told.endswith("1.0 KiB are free: too little, keep fewer (--keep-state, --keep-weights)")


def test_verl_removes_no_save_that_is_being_read(bench: Bench) -> None:
    values = {line.key: line.value for line in bench.job(keep=1).recipe}
    assert values["trainer.max_actor_ckpt_to_keep"] is None
    bench.train(job=bench.job(keep=1))
    assert saved_steps(bench.paths.state) == [STEPS]


def test_metrics_have_a_row_a_step_with_the_outcomes(bench: Bench) -> None:
    bench.train()
    assert bench.rewards() == [1.01, 1.02, 1.03, 1.04]
    before, *steps = read(bench.paths.metrics)
    assert (before.step, before.validation) == (0, {"openai/acc/mean@1": 0.125})
    for step in steps:
        assert step.seconds == 2
        assert step.gradient_norm == 0.5
        assert step.outcomes["samples"] == fake_verl.SAMPLES
        assert step.outcomes["wrong"] == 0.5
        assert step.outcomes["acc"] == step.outcomes["no_answer"] == 0.25
    assert bench.ears.steps == [(step, STEPS) for step in range(STEPS + 1)]


def test_a_failure_names_its_cause_what_is_saved_and_the_log(bench: Bench) -> None:
    with pytest.raises(UserError) as caught:
        bench.train("fail", "3")
    log = bench.paths.logs / "launch-1.log"
    message = str(caught.value)
    assert re.match(
        r"training stopped after step 2: RuntimeError: the well has run dry \(", message
    )
    assert "step 2 is saved and the same command goes on from there" in message
    assert str(log) in message
    assert "\n" not in message
    assert norm(bench.paths.checkpoint(2)) == 2
    assert not (bench.paths.output / "config.json").exists(), "it is not finished"


def test_a_failure_before_the_first_step_says_that_nothing_is_saved(bench: Bench) -> None:
    with pytest.raises(UserError, match=r"well has run dry .*nothing was saved yet"):
        bench.train("fail", "1")
    assert not bench.paths.checkpoints.exists()
    bench.train()
    assert bench.begun() == ["launch 1 begins after step 0", "launch 2 begins after step 0"]


def test_the_same_job_goes_on_and_its_curves_too(bench: Bench) -> None:
    with pytest.raises(UserError):
        bench.train("fail", "3")
    bench.train()
    assert bench.begun() == ["launch 1 begins after step 0", "launch 2 begins after step 2"]
    assert "going on after step 2" in bench.ears.phases
    assert bench.rewards() == [1.01, 1.02, 2.03, 2.04]
    lineage = lineage_of(bench.paths.output)
    assert lineage.curves is not None
    assert lineage.curves.step == (1, 2, 3, 4)
    assert lineage.curves.reward == (1.01, 1.02, 2.03, 2.04)
    assert all(step.outcomes for step in read(bench.paths.metrics) if step.step)


def test_steps_after_the_last_save_are_done_again(bench: Bench) -> None:
    with pytest.raises(UserError):
        bench.train("fail", "4")
    shutil.rmtree(bench.paths.state / "global_step_3")
    bench.train()
    # verl's note said 3: it would have begun from nothing, without a word.
    assert bench.begun()[1] == "launch 2 begins after step 2"
    assert bench.rewards() == [1.01, 1.02, 2.03, 2.04]
    curves = lineage_of(bench.paths.checkpoint(3)).curves
    assert curves is not None
    assert curves.reward == (1.01, 1.02, 2.03), "it is not the one of the first launch"


def test_a_driver_killed_after_the_last_save_leaves_no_step_without_its_outcomes(
    bench: Bench,
) -> None:
    bench.train()
    whole = read(bench.paths.metrics)
    # What such a driver leaves: verl's files are whole, the last step's outcomes not read yet.
    lines = bench.paths.metrics.read_text().splitlines(keepends=True)
    last = [line for line in lines if json.loads(line)["step"] == STEPS and "outcomes" in line]
    assert len(last) == 1
    bench.paths.metrics.write_text("".join(line for line in lines if line not in last))
    (bench.paths.output / "config.json").unlink()
    bench.train()
    assert bench.begun() == ["launch 1 begins after step 0"]
    assert read(bench.paths.metrics) == whole


def test_verl_that_waits_for_ever_is_ended_with_the_cause(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "GRACE", 0.0)
    with pytest.raises(UserError) as caught:
        bench.train("dead", "3")
    message = str(caught.value)
    assert message.startswith(
        "training stopped after step 2: a process failed, and verl waits for it: ValueError: a "
        "weight of another model (core.py line 1600, in _handle_client_request)"
    )
    assert "step 2 is saved and the same command goes on from there" in message
    assert norm(bench.paths.checkpoint(2)) == 2
    said = (bench.paths.logs / "launch-1.log").read_text()
    (process,) = re.findall(r"pid (\d+) waits", said)
    assert not psutil.pid_exists(int(process))
    bench.train()
    assert bench.rewards() == [1.01, 1.02, 2.03, 2.04]


def test_a_step_that_draws_in_vain_is_ended(bench: Bench) -> None:
    job = bench.job(VerlGrpoV5, settings={BATCH: "8", ROLLOUTS: "5"})
    with pytest.raises(UserError) as caught:
        bench.train("vain", "3", job=job)
    # It is ended as soon as enough of what is dumped there was read.
    told = re.search(r"after step 2: step 3 has drawn (\d+) groups", str(caught.value))
    assert told is not None
    assert 20 * 8 <= int(told[1]) <= 200
    assert "step 2 is saved" in str(caught.value)


def test_a_filter_may_draw_as_long_as_it_is_told_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {BATCH: "8", ROLLOUTS: "5", MOST: "0"}
    monkeypatch.setattr(liveness, "START", 0.0)  # it would wait for ever
    monkeypatch.setattr(liveness, "SLOWEST", 0.0)
    monkeypatch.setattr(liveness, "TIMES", 0.0)
    with pytest.raises(UserError, match="nothing was done"):
        bench.train("vain", "1", job=bench.job(VerlGrpoV5, settings=settings))


def test_what_is_done_counts_even_if_verl_does_not_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "GRACE", 0.0)
    output = bench.train("dead", str(STEPS + 1))
    assert norm(output) == STEPS


def test_a_training_that_changed_nothing_is_no_success(
    bench: Bench, base: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    tensors = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).state_dict()
    bench.saves = tmp_path / "saves"
    for step in range(1, STEPS + 1):
        # What the base's own number format cannot hold is lost in its checkpoint.
        make_save(bench.saves, step, {**tensors, NORM: tensors[NORM] * (1 + 1e-9)})
    for _ in range(2):  # the same command says the same again
        with pytest.raises(UserError, match="no weight is other than the base model's: the chang"):
            bench.train()
    assert not (bench.paths.output / "config.json").exists()
    assert open_checkpoint(str(bench.paths.checkpoint(STEPS)))
    rows = [step.model_copy(update={"skipped_update": 1.0}) for step in read(bench.paths.metrics)]
    for row in rows[1:]:
        put(bench.paths.metrics, row)
    with pytest.raises(UserError, match=r"in 4 of 4 steps an update was skipped, because its grad"):
        bench.train()


def test_the_curves_and_the_lineage_tell_what_was_drawn(bench: Bench) -> None:
    bench.train(job=bench.job(VerlGrpoV5, settings={BATCH: "8", ROLLOUTS: "1"}))
    for step in read(bench.paths.metrics)[1:]:
        assert (step.drawn_reward, step.drawn_groups) == (0, fake_verl.SAMPLES)
    assert lineage_of(bench.paths.output).totals == {"drawn_groups": STEPS * fake_verl.SAMPLES}


@pytest.fixture
def interrupt_when_it_waits(bench: Bench) -> Iterator[None]:
    """Press Ctrl-C as soon as verl's stand-in waits for it."""
    done = threading.Event()

    def press() -> None:
        log = bench.paths.logs / "launch-1.log"
        while not done.is_set():
            if log.is_file() and "waits" in log.read_text():
                return os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    thread = threading.Thread(target=press)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("interrupt_when_it_waits")
def test_an_interrupt_leaves_no_process_and_the_same_job_goes_on(bench: Bench) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench.train("hang", "3")
    said = (bench.paths.logs / "launch-1.log").read_text()
    (process,) = re.findall(r"pid (\d+) waits", said)
    assert not psutil.pid_exists(int(process))
    stopping, kept = bench.ears.phases[-2:]
    assert stopping == "stopping everything that was started"
    assert kept == "step 2 is saved and the same command goes on from there"
    assert norm(bench.paths.checkpoint(2)) == 2
    bench.train()
    assert bench.rewards() == [1.01, 1.02, 2.03, 2.04]


@pytest.mark.usefixtures("interrupt_when_it_waits")
def test_an_interrupt_may_let_the_step_be_finished_and_saved(bench: Bench) -> None:
    job = bench.job(save_on_stop=True)
    with pytest.raises(KeyboardInterrupt):
        bench.train("ask", "3", job=job)
    assert bench.ears.phases[-1] == "step 3 is saved and the same command goes on from there"
    assert norm(bench.paths.checkpoint(3)) == 3
    bench.train(job=bench.job())
    assert bench.begun()[1] == "launch 2 begins after step 3"
    assert bench.rewards() == [1.01, 1.02, 1.03, 2.04]


def test_only_a_training_that_is_to_save_on_a_stop_has_the_hook_for_it(bench: Bench) -> None:
    key = "trainer.checkpoint_callback_class"
    ours = "trainers.verl.plugins.stop.StopWhenAsked"
    with_it, without = (
        {line.key: line.value for line in bench.job(save_on_stop=asked).recipe}.get(key)
        for asked in (True, False)
    )
    assert (with_it, without) == (ours, None)
    with pytest.raises(UserError, match=r"--save-on-stop with --set trainer\.checkpoint_callback"):
        bench.job(save_on_stop=True, settings={BATCH: "8", key: "a.b"})


@pytest.mark.usefixtures("interrupt_when_it_waits")
def test_what_was_logged_while_it_was_being_stopped_is_not_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, tick = bench.paths.logs / "launch-1.log", Watch.tick

    def look_until_it_waits(watch: Watch) -> None:
        if "waits" not in log.read_text():
            tick(watch)

    monkeypatch.setattr(Watch, "tick", look_until_it_waits)
    with pytest.raises(KeyboardInterrupt):
        bench.train("wait", "3")
    assert [step.step for step in read(bench.paths.metrics)] == [0, 1, 2]
    monkeypatch.setattr(Watch, "tick", tick)
    bench.train()
    assert bench.begun()[1] == "launch 2 begins after step 3"
    assert bench.rewards() == [1.01, 1.02, 1.03, 2.04]
    lineage = lineage_of(bench.paths.output)
    assert lineage.curves is not None
    assert lineage.curves.step == (1, 2, 3, 4)


def test_a_finished_training_is_not_begun_again(bench: Bench) -> None:
    bench.train()
    before = (bench.paths.output / "config.json").stat().st_mtime_ns
    assert bench.train() == bench.paths.output
    assert bench.begun() == ["launch 1 begins after step 0"]
    assert (bench.paths.output / "config.json").stat().st_mtime_ns == before
    assert f"{bench.paths.output} is trained already" in bench.ears.phases


def test_one_that_was_killed_before_it_was_published_is_published(bench: Bench) -> None:
    bench.train()
    (bench.paths.output / "config.json").unlink()
    shutil.rmtree(bench.paths.checkpoint(STEPS))
    bench.train()
    assert bench.begun() == ["launch 1 begins after step 0"]
    assert norm(bench.paths.output) == STEPS


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (
            {"settings": {BATCH: "8", LEARNING_RATE: "1e-5"}},
            rf"{LEARNING_RATE}: 5e-07 -> 1e-05",
        ),
        ({"seed": 7}, r"\.seed: 42 -> 7"),
        ({"trainer": VerlGrpoV5}, r"^trainer: verl-grpo-v4 -> verl-grpo-v5"),
    ],
)
def test_another_job_in_the_same_folder_is_refused_by_field(
    bench: Bench, other: dict[str, Any], field: str
) -> None:
    with pytest.raises(UserError):
        bench.train("fail", "2")
    with pytest.raises(UserError, match="another training was begun there") as caught:
        bench.job(**other)
    named = str(caught.value).partition(" (")[2]
    assert re.search(field, named), named
    assert len(bench.begun()) == 1


V5 = {"trainer": VerlGrpoV5, "settings": {BATCH: "8"}}
"""A recipe whose learning rate is the same however long the training is."""


def test_a_finished_training_is_prolonged(bench: Bench) -> None:
    bench.train(job=bench.job(**V5, steps=2), steps=2)
    assert norm(bench.paths.output) == 2
    job = bench.job(**V5, steps=4)
    assert "it goes on after step 2, which is saved there" in job.notes
    bench.train(job=job)
    assert bench.begun() == ["launch 1 begins after step 0", "launch 2 begins after step 2"]
    assert norm(bench.paths.output) == 4
    assert bench.rewards() == [1.01, 1.02, 2.03, 2.04]
    lineage = lineage_of(bench.paths.output)
    assert lineage.steps == lineage.recipe["trainer.total_training_steps"] == 4
    (change,) = lineage.model_dump()["lengthened"]
    assert change == {
        "after_step": 2, "setting": "trainer.total_training_steps", "before": 2, "now": 4,
    }  # fmt: skip
    assert bench.train(job=bench.job(**V5, steps=4)) == bench.paths.output
    assert len(bench.begun()) == 2, "it is finished"
    with pytest.raises(UserError, match=r"2 steps are asked for, and 4 are trained there already"):
        bench.train(job=bench.job(**V5, steps=2))
    assert norm(bench.paths.output) == 4


def test_a_training_is_not_prolonged_where_its_learning_rates_would_have_been_others(
    bench: Bench,
) -> None:
    bench.train(job=bench.job(steps=2), steps=2)
    with pytest.raises(UserError, match=r"steps: 2 -> 4.*lr_scheduler_type=cosine") as caught:
        bench.job(steps=4)
    assert f"--model {bench.paths.output} --output OTHER" in str(caught.value)
    assert norm(bench.paths.output) == 2


def test_before_the_first_save_the_length_may_be_another(bench: Bench) -> None:
    with pytest.raises(UserError, match="well has run dry"):
        bench.train("fail", "1", job=bench.job(steps=3))
    bench.train()
    assert norm(bench.paths.output) == STEPS


def test_how_often_is_saved_and_validated_may_change_on_the_way(bench: Bench) -> None:
    with pytest.raises(UserError, match="well has run dry"):
        bench.train("fail", "3")
    bench.train(job=bench.job(save_every=2, validate_every=3, keep=1))
    assert bench.begun()[1] == "launch 2 begins after step 2"
    record = Record.model_validate_json(bench.paths.recipe.read_text())
    assert [(each.after_step, each.setting, each.before, each.now) for each in record.changed] == [
        (2, "trainer.save_freq", 1, 2),
        (2, "trainer.test_freq", 1, 3),
    ]
    assert "lengthened" not in lineage_of(bench.paths.output).model_dump()


def test_another_base_in_the_same_folder_is_refused(
    bench: Bench, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError):
        bench.train("fail", "2")
    bench.base = tmp_path / "changed"
    shutil.copytree(base, bench.base)
    (bench.base / "generation_config.json").write_text('{"temperature": 0.5}')
    with pytest.raises(UserError, match=r"base_model\.generation_config\.json: "):
        bench.train()


def test_data_are_built_from_a_source_and_not_from_another_one(
    bench: Bench, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="well has run dry"):
        bench.train("fail", "2", job=bench.job(data=str(rows)))
    assert open_data(bench.paths.data).card.asked.source.name == str(rows)
    other = tmp_path / "other.jsonl"
    other.write_text(rows.read_text().replace("plus", "and"))
    with pytest.raises(UserError, match=r"training/data holds another build \(source.sha256"):
        bench.train(job=bench.job(data=str(other)))
    bench.train(job=bench.job(data=str(rows)))
    assert lineage_of(bench.paths.output).data["source"] == str(rows)


def test_seeds_share_the_data_and_the_base_that_were_prepared_for_the_first(
    bench: Bench, rows: Path, base: Path, tmp_path: Path
) -> None:
    out = bench.paths.output
    lineages = []
    for seed in (1, 2):
        bench.paths = TrainingPaths(out / f"seed-{seed}")
        job = bench.job(data=str(rows), seed=seed, prepared=out / "prepared")
        lineages.append(lineage_of(bench.train(job=job)))
        assert not bench.paths.data.exists()
    assert is_built(out / "prepared/data")
    one, other = lineages
    assert (one.base_model, one.data) == (other.base_model, other.data)
    assert one.recipe["data.seed"] != other.recipe["data.seed"]
    bench.paths = TrainingPaths(out / "seed-3")
    bench.base = tmp_path / "changed"
    shutil.copytree(base, bench.base)
    (bench.base / "generation_config.json").write_text('{"temperature": 0.5}')
    with pytest.raises(UserError, match=r"--seeds: .* same base .*generation_config\.json"):
        bench.train(job=bench.job(data=str(rows), seed=3, prepared=out / "prepared"))


def test_where_it_runs_may_change_but_not_how_many_train(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError):
        bench.train("fail", "3")
    monkeypatch.setattr(placement, "visible_gpus", lambda: 2)
    with pytest.raises(UserError, match=r"saved by 1 processes \(GPUs\), and this training has 2"):
        bench.train()
    monkeypatch.setattr(placement, "visible_gpus", lambda: 1)
    bench.train()
    assert bench.rewards() == [1.01, 1.02, 2.03, 2.04]


def test_data_of_another_style_are_refused_in_the_plan(bench: Bench) -> None:
    with pytest.raises(UserError, match=r"style boxed, and verl-grpo-v1 rewards .* style gsm8k"):
        bench.job(VerlGrpoV1, data=str(bench.data / "boxed"))
    assert not bench.paths.output.exists()


def test_fewer_rows_than_a_batch_are_refused(bench: Bench) -> None:
    with pytest.raises(UserError, match=rf"has 39 rows .* batch of 40; .* --set {BATCH}=39"):
        bench.train(job=bench.job(settings={BATCH: "40"}))
    assert bench.begun() == []


@pytest.mark.parametrize("count", ["many", "0", "null", "2.5", "true"])
def test_a_count_that_is_none_is_refused(bench: Bench, count: str) -> None:
    with pytest.raises(
        UserError, match=f"--set {BATCH}={count}: this (is not a count|key takes a whole number)"
    ):
        bench.train(job=bench.job(settings={BATCH: count}))


def test_the_epochs_decide_where_no_steps_are_asked_for(bench: Bench) -> None:
    settings = {BATCH: "16", "trainer.total_epochs": "2"}
    bench.train(job=bench.job(steps=None, settings=settings))
    assert {total for _, total in bench.ears.steps} == {39 // 16 * 2}


def test_a_model_that_was_not_trained_here_is_left_alone(bench: Bench) -> None:
    shutil.copytree(bench.base, bench.paths.output)
    before = sorted(bench.paths.output.rglob("*"))
    with pytest.raises(UserError, match="a model is there that was not trained here"):
        bench.train()
    assert sorted(bench.paths.output.rglob("*")) == before


def test_verl_that_saves_nothing_is_no_training(bench: Bench) -> None:
    trainer = VerlGrpoV4()
    trainer.command = lambda recipe, where: (sys.executable, "-c", "pass")  # type: ignore[method-assign]
    with pytest.raises(UserError, match="ended without a save"):
        trainer.train(bench.job(), bench.ears)


@pytest.mark.parametrize("key", ["data.train_files", "trainer.default_local_dir"])
def test_what_the_flags_say_is_not_said_by_a_setting(bench: Bench, key: str) -> None:
    with pytest.raises(UserError, match=rf"--set {key}: the trainer sets this itself; use --"):
        bench.job(settings={key: "/elsewhere"})


GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": 640}
GEMMA3 = {
    "model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"],
    "text_config": {"model_type": "gemma3_text", "max_position_embeddings": 640},
}  # fmt: skip


def short_base(bench: Bench, folder: Path, declared: dict[str, Any]) -> Path:
    """A copy of the base model that declares another context length."""
    shutil.copytree(bench.base, folder)
    config = json.loads((folder / "config.json").read_text())
    changed = declared if "model_type" in declared else {**config, **declared}
    (folder / "config.json").write_text(json.dumps(changed))
    return folder


@pytest.mark.parametrize(
    "declared", [{"max_position_embeddings": 640}, GPT2, GEMMA3], ids=["flat", "gpt2", "nested"]
)
def test_a_training_sees_the_context_that_an_evaluation_sees(
    declared: dict[str, Any], bench: Bench, tmp_path: Path
) -> None:
    short = short_base(bench, tmp_path / "short", declared)
    assert open_checkpoint(str(short)).context_length == 640
    assert context_length(short, trust_remote_code=False) == 640


def test_a_response_is_shortened_to_the_context(bench: Bench, tmp_path: Path) -> None:
    short = short_base(bench, tmp_path / "short", {"max_position_embeddings": 640})
    values = {line.key: line for line in bench.job(model=str(short)).recipe}
    assert values["data.max_prompt_length"].value == 320
    assert values["data.max_response_length"].value == 320
    assert "640 tokens" in values["data.max_response_length"].why
    (longest,) = [
        line.value for line in VerlSft().plan(
            bench.job(model=str(short)).spec.model_copy(update={"settings": {}})
        ).recipe if line.key == "data.max_length"
    ]  # fmt: skip
    assert longest == 640
