"""The `train` command: what it says it would do, what it refuses, and what it does at the end."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from benchmarks import UserError
from harness.api import train_job
from harness.cli import cli, main
from harness.demo import MODEL_PATH
from trainers import Job, Reporter, Trainer, TrainSpec
from trainers.verl import placement

ASKED = ["train", "--trainer", "verl-grpo-v4", "--model", "demo", "--data", "demo", "--steps", "3"]


def harness(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(asked, check=False, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(autouse=True)
def without_a_gpu_or_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("HARNESS_DATA", raising=False)


def test_a_dry_run_says_all_and_does_nothing(tmp_path: Path) -> None:
    settings = ["--set", "actor_rollout_ref.rollout.n=3", "--dry-run"]
    done = harness(*ASKED, "--output", "out", *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert "no GPU here: training on the CPU" in done.stdout
    assert "it ends with step 3\n" in done.stdout
    headings = [
        "Stated by the recipe's source:", "Chosen by this project, or by the flags named:",
        "Set by --set:", "Following from where it runs:",
    ]  # fmt: skip
    places = [done.stdout.index(heading) for heading in headings]
    assert places == sorted(places)
    set_here = done.stdout[places[2] : places[3]]
    assert set_here.split() == [*headings[2].split(), "actor_rollout_ref.rollout.n", "3", "--set"]
    words = shlex.split(done.stdout.splitlines()[-1])
    assert words[:4] == [sys.executable, "-u", "-m", "verl.trainer.main_ppo"]
    assert "actor_rollout_ref.rollout.n=3" in words
    assert f"actor_rollout_ref.model.path='{MODEL_PATH}'" in words
    assert "VERL_PLATFORM=cpu \\" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("benchmarks", "told"),
    [("gsm8k", "gsm8k/test was looked for at nowhere"), ("gsm9k", "did you mean 'gsm8k'")],
)
def test_what_could_not_be_evaluated_is_told_before_the_training(
    benchmarks: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = [*ASKED, "--output", "out", "--data-dir", "nowhere", "--eval", benchmarks]
    done = CliRunner().invoke(cli, asked)
    assert isinstance(done.exception, UserError)
    assert told in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_a_start_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = Path(shutil.copytree(MODEL_PATH, tmp_path / "model"))
    (model / "model.safetensors").unlink()
    (tmp_path / "empty.jsonl").touch()
    for given, told in (
        (["--model", "model"], "it has no *.safetensors"),
        (["--data", "empty.jsonl"], "it has no rows to train on"),
        (["--data", "gsm8k", "--data-dir", "nowhere"], "gsm8k/train was looked for at nowhere"),
    ):
        done = CliRunner().invoke(cli, [*ASKED, "--output", "out", "--dry-run", *given])
        assert isinstance(done.exception, UserError), told
        assert told in str(done.exception)


def test_a_dry_run_in_json_is_the_job(tmp_path: Path) -> None:
    done = harness(*ASKED, "--output", "out", "--dry-run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    job = Job.model_validate_json(done.stdout)
    assert job.spec == TrainSpec(
        trainer="verl-grpo-v4", model="demo", data="demo", output=Path("out"), steps=3
    )
    assert job.settings()["trainer.total_training_steps"] == 3
    assert job.environment["VERL_PLATFORM"] == "cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trainer", "verl-grpo-v6"], "did you mean 'verl-grpo-v"),
        (["--model", "./nowhere"], "there is no such folder"),
        (["--set", "data.train_batchsize=8"], "did you mean 'data.train_batch_size'"),
        (["--set", "nonsense"], "'nonsense' is not key=value"),
        (["--set", "=3"], "'=3' is not key=value"),
        (["--set", "data.seed=[1"], "does not take data.seed=[1: "),
        (["--set", "data.val_files=x"], "the trainer sets this itself; use --data"),
        (["--gpus", "2"], "this machine has no GPU; leave --gpus out to train on the CPU"),
        (["--nodes", "2"], "--address auto"),
        (["--logger", "wandbb"], "wandb"),
        (["--steps", "0"], "--steps"),
        (["--output", ""], "an empty text names no folder"),
        (["--data", "./nowhere.jsonl"], "there is no such file"),
        (["--set", "trainer.project_name=hf_0123456789abcdefgh"], "this holds a secret"),
    ],
)
def test_a_mistake_is_one_paragraph_and_wrong_usage(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["harness", *ASKED, "--output", "out", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert message in said
    assert list(tmp_path.iterdir()) == []


class Stub(Trainer):
    """A trainer that is done at once."""

    name, about = "stub", "does nothing"

    def plan(self, spec: TrainSpec) -> Job:
        return Job(spec=spec, recipe=(), command=("true",), notes=("nothing is done",))

    def train(self, job: Job, reporter: Reporter) -> Path:
        reporter.phase("doing nothing")
        return job.spec.output


def test_nonsense_of_a_trainer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nonsense(Stub):
        def plan(self, spec: TrainSpec) -> Job:
            return {"spec": spec}  # type: ignore[return-value]

    monkeypatch.setattr("trainers.TRAINERS", {"stub": Nonsense})
    with pytest.raises(UserError, match="'stub' planned an object of type dict in place of a Job"):
        train_job("stub", "demo", "demo", "out")


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `evaluate` was asked; what is not said is its default."""
    asked: list[dict[str, Any]] = []

    def evaluate(model: Path, *, progress: bool, **given: Any) -> None:
        assert progress
        asked.append({"model": model, **given})

    monkeypatch.setattr("trainers.TRAINERS", {"stub": Stub})
    monkeypatch.setattr("harness.api.evaluate", evaluate)
    monkeypatch.setattr("harness.evaluation.plan.require_files", lambda spec, *, data_dir: None)
    monkeypatch.setattr("harness.cli.eval.print_result", lambda result, *, as_json: None)
    return asked


USUAL = {
    "model": Path("o/v7"), "name": "v7", "benchmarks": None, "data_dir": None,
    "trust_remote_code": "none",
}  # fmt: skip
STUB = ["train", "--trainer", "stub", "--model", "demo", "--data", "d", "--output", "o/v7"]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], None),
        (["--eval"], USUAL),
        (["--eval", "demo"], {**USUAL, "benchmarks": "demo"}),
        (
            ["--eval", "demo,gsm8k", "--trust-remote-code", "--data-dir", "here"],
            {
                **USUAL,
                "benchmarks": "demo,gsm8k",
                "trust_remote_code": "all",
                "data_dir": Path("here"),
            },
        ),
    ],
)
def test_the_checkpoint_is_evaluated_if_asked(
    arguments: list[str],
    asked: dict[str, Any] | None,
    evaluated: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    done = CliRunner().invoke(cli, [*STUB, *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "trained: o/v7" in done.output
    assert evaluated == ([] if asked is None else [asked])


@pytest.mark.usefixtures("evaluated")
def test_the_checkpoint_is_named_in_json() -> None:
    done = CliRunner().invoke(cli, [*STUB, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == {"checkpoint": "o/v7"}
    assert "nothing is done" in done.stderr


class Seeds(Stub):
    """A trainer that fails with seed 2, and says what it was asked."""

    asked: ClassVar[list[TrainSpec]] = []

    def train(self, job: Job, reporter: Reporter) -> Path:
        self.asked.append(job.spec)
        if job.spec.seed == 2:
            raise UserError("the well has run dry")
        return job.spec.output


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch, evaluated: list[dict[str, Any]]) -> list[TrainSpec]:
    monkeypatch.setattr("trainers.TRAINERS", {"stub": Seeds})
    monkeypatch.setattr(Seeds, "asked", [])
    return Seeds.asked


def test_each_seed_has_its_folder_and_all_share_what_is_prepared(
    seeds: list[TrainSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, [*STUB, "--seeds", "1,3"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout == "trained: o/v7/seed-1\ntrained: o/v7/seed-3\n"
    assert "seed 3, 2 of 2: o/v7/seed-3" in done.stderr
    assert done.stderr.count("nothing is done") == 1, "what is true of all is said once"
    shared = Path("o/v7/prepared")
    assert [(spec.seed, str(spec.output), spec.prepared) for spec in seeds] == [
        (1, "o/v7/seed-1", shared),
        (3, "o/v7/seed-3", shared),
    ]


def test_a_seed_that_fails_leaves_the_others_and_the_exit_status_tells(
    seeds: list[TrainSpec],
    evaluated: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["harness", *STUB, "--seeds", "1, 2,3", "--eval"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == "trained: o/v7/seed-1\ntrained: o/v7/seed-3\n"
    assert "1 of 3 seeds in o/v7 failed (2); the others are trained" in said.err
    assert "seed 2: the well has run dry" in said.err
    assert [spec.seed for spec in seeds] == [1, 2, 3]
    assert [each["name"] for each in evaluated] == ["v7-seed1", "v7-seed3"]


def test_seeds_in_json(
    seeds: list[TrainSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, [*STUB, "--seeds", "7", "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == {"checkpoints": {"7": "o/v7/seed-7"}}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "1,1"], "each of them once"),
        (["--seeds", "1,two"], "expected seeds such as 1,2,3"),
        (["--seeds", ""], "expected seeds such as 1,2,3"),
        (["--seeds", "4294967296"], "seed"),
        (["--seeds", "1,2", "--seed", "3"], "--seeds takes the place of --seed"),
        (["--seeds", "9" * 5000], "expected seeds such as 1,2,3"),
        (["--keep-weights", "9" * 5000], "expected a count of 1 or more, or all"),
        (["--keep-weights", "0"], "expected a count of 1 or more, or all"),
        (["--keep-weights", "some"], "expected a count of 1 or more, or all"),
        (["--keep-state", "0"], "--keep-state"),
    ],
)
@pytest.mark.usefixtures("seeds")
def test_impossible_seeds_and_counts_are_wrong_usage(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["harness", *STUB, *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert told in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("seeds")
def test_seeds_are_not_trained_into_the_folder_of_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("o/v7/training").mkdir(parents=True)
    done = CliRunner().invoke(cli, [*STUB, "--seeds", "1,2"])
    assert "o/v7 has a single training" in str(done.exception)


def test_a_dry_run_says_all_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = [*ASKED, "--output", "out", "--seeds", "5,6", "--dry-run"]
    done = CliRunner().invoke(cli, asked, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
    first, second = done.stdout.split("seed 6, into out/seed-6, with everything as above but:")
    assert first.startswith("one training for each seed: 5, 6\n\nseed 5, into out/seed-5:\n")
    assert first.count("verl.trainer.main_ppo") == 1
    other = dict(line.split() for line in second.strip().splitlines())
    assert other["data.seed"] == "6"
    assert other["trainer.experiment_name"] == "out-seed-6"
    assert {key for key in other if not key.endswith("seed")} == {
        "trainer.default_local_dir", "trainer.experiment_name", "trainer.rollout_data_dir",
    }  # fmt: skip
    done = CliRunner().invoke(cli, [*asked, "--json"], catch_exceptions=False)
    plans = [Job.model_validate(plan) for plan in json.loads(done.stdout)]
    assert [plan.spec.seed for plan in plans] == [5, 6]
    shared = {
        line.value for plan in plans for line in plan.recipe if line.key == "data.train_files"
    }
    assert shared == {str(tmp_path / "out/prepared/data/train.parquet")}


def test_every_flag_is_in_the_spec_or_named_here() -> None:
    from harness.cli.train import command

    elsewhere = {"settings", "dry_run", "benchmarks", "as_json", "seeds"}
    assert {p.name for p in command.params} - elsewhere == TrainSpec.model_fields.keys() - {
        "settings",
        "prepared",
    }


def test_a_cpu_is_what_there_is_without_visible_devices() -> None:
    assert placement.visible_gpus() == 0
