"""Outcomes from rollout dumps of the shape that verl writes, and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainers.rewards import COLUMNS, OutcomeLog
from trainers.rollouts import STEPS_BACK, complete_steps, discard_after, outcomes_of, prune


def dump(folder: Path, step: int, uids: list[str], **columns: object) -> Path:
    """As `PPOTrainer._write_generations` writes it; `test_rewards_in_verl` asks verl itself."""
    rows = [
        {"input": "user\n1+1", "output": "2", "gts": "2", "score": 1.0, "step": step}
        | columns
        | {"uid": uid}
        for uid in uids
    ]
    path = folder / f"{step}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def kept(folder: Path, step: int, worker: str = "one", **columns: str) -> None:
    log = OutcomeLog(folder / "outcomes")
    log.worker = worker
    for key, names in columns.items():
        log.append(step, key, dict.fromkeys(names.split(), 1.0))


def test_the_means_are_over_the_samples_of_the_dump(tmp_path: Path) -> None:
    kept(tmp_path, 3, u_0="acc", u_1="wrong out_of_reach", v_0="no_answer")
    kept(tmp_path, 3, worker="two", w_0="acc", w_1="grader_timeout", validation_0="acc")
    path = dump(tmp_path, 3, ["u_0_0", "u_1_0", "w_0_0", "w_1_0"])
    means = outcomes_of(path)
    assert tuple(means) == (*COLUMNS, "samples")
    assert means == dict.fromkeys(COLUMNS, 0.0) | {
        "acc": 0.5,
        "wrong": 0.25,
        "out_of_reach": 0.25,
        "grader_timeout": 0.25,
        "samples": 4.0,
    }


def test_what_a_resumed_attempt_left_does_not_count(tmp_path: Path) -> None:
    kept(tmp_path, 3, worker="killed", old_0="wrong", old_1="wrong")
    kept(tmp_path, 3, worker="resumed", new_0="acc")
    assert outcomes_of(dump(tmp_path, 3, ["new_0_0"]))["acc"] == 1


def test_a_sample_of_several_outputs_counts_once(tmp_path: Path) -> None:
    kept(tmp_path, 1, u_0="acc", u_1="wrong")
    means = outcomes_of(dump(tmp_path, 1, ["u_0_0", "u_0_1", "u_0_2", "u_1_0"]))
    assert (means["acc"], means["samples"]) == (0.5, 2)


def test_a_sample_asked_for_some_steps_ago_is_found(tmp_path: Path) -> None:
    kept(tmp_path, 20 - STEPS_BACK, early_0="acc")
    kept(tmp_path, 20 - STEPS_BACK - 1, too_early_0="acc")
    kept(tmp_path, 20, now_0="wrong")
    means = outcomes_of(dump(tmp_path, 20, ["early_0_0", "now_0_0", "too_early_0_0"]))
    assert (means["acc"], means["samples"]) == (0.5, 2)


def test_columns_in_the_dump_itself_are_read(tmp_path: Path) -> None:
    """verl's older trainer writes them there."""
    path = dump(tmp_path, 1, ["u", "v"], acc=0.0, wrong=0.0, truncated=1.0, score=0.0)
    means = outcomes_of(path)
    assert (means["acc"], means["truncated"], means["samples"]) == (0, 1, 2)


@pytest.mark.parametrize("torn", ['{"input": "us', "", '{"uid": "u_1_0"', "[1]\n", "\x00\n"])
def test_a_torn_line_is_passed_over(tmp_path: Path, torn: str) -> None:
    kept(tmp_path, 1, u_0="acc", u_1="wrong")
    path = dump(tmp_path, 1, ["u_0_0"])
    with path.open("a") as file:
        file.write(torn)
    log = next((tmp_path / "outcomes").iterdir())
    log.write_text(log.read_text() + '{"key": "u_2", "col')
    assert outcomes_of(path)["samples"] == 1


def test_without_a_known_outcome_there_is_no_mean(tmp_path: Path) -> None:
    assert outcomes_of(dump(tmp_path, 1, ["u_0_0"])) == {"samples": 0}
    assert outcomes_of(dump(tmp_path, 2, [])) == {"samples": 0}


def test_only_the_newest_dump_may_be_incomplete(tmp_path: Path) -> None:
    assert complete_steps(tmp_path) == []
    for step in (9, 10, 11):
        dump(tmp_path, step, [])
    (tmp_path / "note.jsonl").write_text("")
    assert complete_steps(tmp_path) == [9, 10]
    assert complete_steps(tmp_path, ended=True) == [9, 10, 11]


def left(folder: Path) -> list[int]:
    return sorted(int(path.name.partition(".")[0]) for path in folder.glob("*.jsonl"))


def test_the_first_dump_and_the_last_ones_are_kept(tmp_path: Path) -> None:
    for step in range(1, 41):
        dump(tmp_path, step, [])
        kept(tmp_path, step, u_0="acc")
    prune(tmp_path, keep=3)
    assert left(tmp_path) == [1, 38, 39, 40]
    assert left(tmp_path / "outcomes") == [1, *range(38 - STEPS_BACK, 41)]
    prune(tmp_path, keep=3)
    assert left(tmp_path) == [1, 38, 39, 40]


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_few_dumps_are_all_kept(tmp_path: Path, steps: int) -> None:
    for step in range(1, steps + 1):
        dump(tmp_path, step, [])
    prune(tmp_path, keep=2)
    assert left(tmp_path) == list(range(1, steps + 1))


def test_the_newest_dump_is_never_deleted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="newest"):
        prune(tmp_path, keep=0)


def test_what_came_after_the_resumed_step_is_discarded(tmp_path: Path) -> None:
    for step in range(1, 6):
        dump(tmp_path, step, [])
    discard_after(tmp_path, 3)
    assert left(tmp_path) == [1, 2, 3]
