"""verl's rows become our steps, under the names that the installed verl gives them."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from trainers.curves import Step
from trainers.verl import metrics
from trainers.verl.metrics import Follower, follow, to_step

# What verl 0.9.1 wrote for the second step of a training on the CPU; shortened.
ROW = {
    "step": 2,
    "data": {
        "actor/entropy": 1.5,
        "actor/pg_loss": -0.125,
        "actor/ppo_kl": 0.0,
        "actor/kl_loss": 0.001,
        "actor/kl_coef": 0.001,
        "actor/grad_norm": None,
        "actor/lr": 1e-6,
        "actor/perf/max_memory_allocated_gb": 0,
        "actor/perf/cpu_memory_used_gb": 6.5,
        "training/rollout_probs_diff_mean": 2e-05,
        "training/rollout_probs_diff_max": 3e-4,
        "training/global_step": 2,
        "critic/score/mean": 0.25,
        "critic/rewards/mean": 0.125,
        "response_length/mean": 40.5,
        "response_length/clip_ratio": 0.0625,
        "prompt_length/mean": 30.0,
        "timing_s/gen": 4.0,
        "timing_s/step": 9.0,
        "timing_s/testing": 3.0,
        "perf/time_per_step": 9.0,
        "perf/throughput": 120.0,
        "val-core/demo/acc/mean@1": 0.5,
        "val-aux/demo/reward/mean@1": 0.4,
        "val-aux/demo/acc/best@4/mean": 0.9,
        "val-aux/num_turns/mean": 2.0,
    },
}


def test_a_row_becomes_a_step() -> None:
    assert to_step(ROW) == Step(
        step=2,
        reward=0.25,
        response_length=40.5,
        clip_ratio=0.0625,
        prompt_length=30,
        kl=0.001,
        update_kl=0,
        entropy=1.5,
        policy_loss=-0.125,
        skipped_update=1,
        learning_rate=1e-6,
        tokens_per_second=120,
        seconds=9,
        validation_seconds=3,
        probability_difference=2e-05,
        probability_difference_max=3e-4,
        host_memory=6.5,
        validation={"demo/acc/mean@1": 0.5, "demo/reward/mean@1": 0.4},
    )


def test_every_name_stands_in_the_installed_verl() -> None:
    spec = importlib.util.find_spec("verl")
    if spec is None or spec.origin is None:
        pytest.skip("verl is not installed")
    root = Path(spec.origin).parent
    files = [
        "trainer/ppo/metric_utils.py",
        "trainer/ppo/ray_trainer.py",
        "trainer/ppo/core_algos.py",
        "trainer/ppo/v1/replay_buffer.py",
        "trainer/ppo/v1/trainer_base.py",
        "trainer/sft_trainer.py",
        "workers/engine_workers.py",
        "workers/utils/losses.py",
        "utils/debug/metrics.py",
    ]
    source = "\n".join((root / file).read_text() for file in files)
    said = set(re.findall(r"[\"'](?:\{[^}\n]*\}/)?([\w/@()]+)[\"']", source))
    # A worker's names get their first part from the trainer; a timer's name is what it times.
    rest = {name: name.partition("/")[2] for names in metrics.NAMES.values() for name in names}
    missing = [name for name, tail in rest.items() if name not in said and tail not in said]
    assert missing == []
    assert metrics.SFT_TOKENS in said


@pytest.mark.parametrize(
    "row", [{}, {"step": "2", "data": {}}, {"step": 2}, {"step": -1, "data": {}}]
)
def test_what_is_no_row_is_none(row: dict[str, object]) -> None:
    assert to_step(row) is None


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "much", True, [1]])
def test_what_is_no_number_is_not_there(value: object) -> None:
    step = to_step({"step": 1, "data": {"critic/score/mean": value, "critic/rewards/mean": 0.5}})
    assert step == Step(step=1, reward=0.5)


def test_rows_are_followed_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "launch-1.jsonl"
    assert follow(path, 0) == ([], 0)
    path.write_text('{"step": 1}\n{"st')
    rows, position = follow(path, 0)
    assert rows == [{"step": 1}]
    assert follow(path, position) == ([], position)
    with path.open("a") as file:
        file.write('ep": 2}\nno row\n{"step": 3}\n')
    rows, position = follow(path, position)
    assert rows == [{"step": 2}, {"step": 3}]
    assert position == path.stat().st_size


def test_a_line_without_end_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainers.verl.metrics.LONGEST_LINE", 100)
    log = tmp_path / "log"
    log.write_bytes(b'{"step": 1}\n' + b"x" * 950 + b'\n{"step": 2}\n')
    rows, position = [], 0
    for _ in range(20):
        new, position = follow(log, position)
        rows += new
    assert (rows, position) == ([{"step": 1}, {"step": 2}], log.stat().st_size)


def test_steps_are_handed_out_once(tmp_path: Path) -> None:
    path = tmp_path / "launch-1.jsonl"
    follower = Follower(path)
    assert follower.new() == []
    path.write_text(json.dumps(ROW) + "\n")
    assert follower.new() == [to_step(ROW)]
    assert follower.new() == []


def test_supervised_steps_are_timed_by_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "launch-1.jsonl"
    times = iter([100.0, 104.0])
    follower = Follower(path, clock=lambda: next(times))

    def log(*rows: tuple[int, dict[str, float]]) -> list[Step]:
        with path.open("a") as file:
            file.writelines(json.dumps({"step": n, "data": data}) + "\n" for n, data in rows)
        return follower.new()

    assert log((1, {"train/loss": 3.0, "train/global_tokens": 50})) == [Step(step=1, loss=3)]
    assert log(
        (2, {"train/loss": 2.5, "train/lr": 0.1, "train/global_tokens": 50}),
        (2, {"val/loss": 2.75}),
        (3, {"train/loss": 2.0, "train/grad_norm": 0.5, "train/global_tokens": 100}),
    ) == [
        Step(step=2, loss=2.5, learning_rate=0.1, seconds=2, tokens_per_second=25),
        Step(step=2, validation={"loss": 2.75}),
        Step(step=3, loss=2, gradient_norm=0.5, seconds=2, tokens_per_second=50),
    ]
