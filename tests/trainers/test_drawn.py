"""What a step drew is counted while it draws, and a step that draws in vain is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainers.curves import Step
from trainers.rewards import OutcomeLog
from trainers.verl.drawn import MOST, Drawn, DrawnSoFar, Sampling, in_vain, nearly_in_vain


def graded(folder: Path, step: int, *, split: str = "train", **groups: list[float]) -> None:
    log = OutcomeLog(folder / "outcomes")
    for question, rewards in groups.items():
        for session, reward in enumerate(rewards):
            log.append(step, f"{question}_{session}", {}, reward=reward, split=split)


def test_all_that_is_drawn_counts_and_no_validation(tmp_path: Path) -> None:
    drawn = DrawnSoFar(tmp_path, 2)
    assert drawn.look() == 0
    graded(tmp_path, 3, a=[1, 1], b=[0, 1], c=[0, 1], d=[0, 0], e=[1])
    graded(tmp_path, 3, split="test", v=[1, 1])
    graded(tmp_path, 4, f=[0, 0])
    assert drawn.look() == 13
    found = drawn.of(3)
    assert found is not None
    # The last one has one response only: the other may still be drawn.
    assert (found.samples, found.groups, found.even) == (9, 4, 2)
    assert found.as_row(3) == Step(step=3, drawn_reward=5 / 9, drawn_groups=4, even_groups=0.5)
    graded(tmp_path, 3, g=[1, 0])
    assert drawn.look() == 2
    assert found.groups == 5


def test_a_group_of_one_is_not_even(tmp_path: Path) -> None:
    graded(tmp_path, 1, a=[1], b=[0])
    drawn = DrawnSoFar(tmp_path, 1)
    drawn.look()
    found = drawn.of(1)
    assert found is not None
    assert found.as_row(1) == Step(step=1, drawn_reward=0.5, drawn_groups=2)


def test_what_is_forgotten_is_not_read_again(tmp_path: Path) -> None:
    graded(tmp_path, 1, a=[1])
    graded(tmp_path, 2, b=[1])
    drawn = DrawnSoFar(tmp_path, 1)
    drawn.look()
    drawn.forget(2)
    graded(tmp_path, 1, c=[1])
    assert drawn.look() == 0
    assert drawn.of(1) is None
    assert drawn.of(2) is not None


def test_lines_of_an_older_version_and_torn_ones_do_not_count(tmp_path: Path) -> None:
    graded(tmp_path, 1, a=[1])
    (path,) = (tmp_path / "outcomes").iterdir()
    with path.open("a") as file:
        file.write('{"key": "b_0", "columns": []}\n[1]\nnothing\n')
        file.write('{"key": "c_0", "reward": NaN, "split": "train"}\n{"key": "d')
    drawn = DrawnSoFar(tmp_path, 1)
    drawn.look()
    found = drawn.of(1)
    assert found is not None
    assert found.samples == 1


def drawn_groups(even: int, uneven: int, *, reward: float = 0.0) -> Drawn:
    found = Drawn(rollouts=2)
    for number in range(even):
        found.add(f"even{number}", reward)
        found.add(f"even{number}", reward)
    for number in range(uneven):
        found.add(f"uneven{number}", 0)
        found.add(f"uneven{number}", 1)
    return found


SAMPLING = Sampling(prompts=4, rollouts=2, filters=True, most_batches=5)


def test_a_step_that_draws_in_vain_is_told() -> None:
    said = in_vain(7, drawn_groups(19, 1), SAMPLING)
    assert said.startswith(
        "step 7 has drawn 20 groups of 2 responses, and in only 1 of them do the rewards differ; "
        "it needs 4. The mean reward is 0.025: the problems are too hard"
    )
    assert f"--set {MOST}=10" in said
    assert "too easy" in in_vain(7, drawn_groups(20, 0, reward=1.0), SAMPLING)


@pytest.mark.parametrize(
    ("drawn", "sampling"),
    [
        (drawn_groups(18, 1), SAMPLING),
        (drawn_groups(20, 4), SAMPLING),  # it has what it needs, and only ends what it began
        (drawn_groups(200, 0), Sampling(prompts=4, rollouts=2, filters=False)),
        (drawn_groups(200, 0), Sampling(prompts=4, rollouts=2, filters=True, most_batches=0)),
    ],
)
def test_a_step_that_may_still_find_what_it_needs_is_left_alone(
    drawn: Drawn, sampling: Sampling
) -> None:
    assert in_vain(1, drawn, sampling) == ""


def test_half_way_to_the_limit_it_is_said() -> None:
    assert nearly_in_vain(7, drawn_groups(9, 1), SAMPLING) == (
        "step 7 has drawn 10 groups so far, and in 1 of the 4 that it needs do the rewards "
        "differ; it gives up at 20"
    )
    assert nearly_in_vain(7, drawn_groups(8, 1), SAMPLING) == ""
    assert nearly_in_vain(7, drawn_groups(9, 4), SAMPLING) == ""
    endless = Sampling(prompts=4, rollouts=2, filters=True, most_batches=0)
    assert nearly_in_vain(7, drawn_groups(90, 1), endless) == ""


def test_the_settings_say_how_a_step_draws() -> None:
    values = {
        "data.train_batch_size": 8, "actor_rollout_ref.rollout.n": 2,
        "algorithm.filter_groups.enable": True,
    }  # fmt: skip
    assert Sampling.of(values) == Sampling(prompts=8, rollouts=2, filters=True, most_batches=20)
    assert Sampling.of({**values, MOST: 3}) == Sampling(
        prompts=8, rollouts=2, filters=True, most_batches=3
    )
    assert Sampling.of({"data.train_batch_size": 8}) is None
