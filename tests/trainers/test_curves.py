"""A training's curve survives kills and resumes, and a step's rows become one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.errors import UserError
from trainers import curves
from trainers.curves import Step


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_what_is_appended_is_read(path: Path) -> None:
    steps = [
        Step(step=0, validation={"demo/acc/mean@1": 0.25}),
        Step(step=1, reward=0.5, outcomes={"correct": 0.5, "wrong": 0.5}, learning_rate=1e-6),
    ]
    for step in steps:
        curves.put(path, step)
    assert curves.read(path) == steps


def test_a_file_that_is_not_there_has_no_steps(path: Path) -> None:
    assert curves.read(path) == []


def test_the_last_writer_of_a_value_wins(path: Path) -> None:
    curves.put(path, Step(step=4, reward=0.25, kl=0.5, validation={"demo/acc/mean@1": 0.1}))
    # A resumed training validates first, and logs that as the step it resumed from.
    curves.put(path, Step(step=4, reward=0.75, validation={"demo/acc/mean@4": 0.2}))
    assert curves.read(path) == [
        Step(
            step=4,
            reward=0.75,
            kl=0.5,
            validation={"demo/acc/mean@1": 0.1, "demo/acc/mean@4": 0.2},
        )
    ]


@given(
    st.lists(
        st.builds(
            Step,
            step=st.integers(0, 4),
            reward=st.none() | st.just(0.5),
            validation=st.dictionaries(st.sampled_from("ab"), st.just(1.0)),
        )
    )
)
def test_each_step_has_one_row_at_any_time(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    path = tmp_path_factory.mktemp("curve") / "metrics.jsonl"
    for count, step in enumerate(steps, start=1):
        curves.put(path, step)
        rows = [Step.model_validate_json(line) for line in path.read_text().splitlines()]
        assert [row.step for row in rows] == sorted({each.step for each in steps[:count]})
        assert rows == curves.read(path)
    # Nothing is lost: each value that a step ever got is there.
    for row in curves.read(path):
        mine = [step for step in steps if step.step == row.step]
        assert (row.reward is None) == all(step.reward is None for step in mine)
        assert row.validation.keys() == {name for step in mine for name in step.validation}


def test_a_file_with_several_rows_a_step_is_mended_by_the_next(path: Path) -> None:
    """As older versions wrote it: the outcomes of a step in a row of their own."""
    path.write_text('{"step":1,"reward":0.5}\n{"step":2}\n{"step":1,"accuracy":0.5}\n')
    curves.put(path, Step(step=2, reward=0.25))
    assert path.read_text().splitlines() == [
        '{"step":1,"reward":0.5,"accuracy":0.5}',
        '{"step":2,"reward":0.25}',
    ]


def test_steps_come_in_order(path: Path) -> None:
    for number in (3, 1, 2):
        curves.put(path, Step(step=number))
    assert [step.step for step in curves.read(path)] == [1, 2, 3]


@given(size=st.integers(min_value=0))
def test_a_kill_within_a_row_loses_that_row_only(
    tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    path = tmp_path_factory.mktemp("curve") / "metrics.jsonl"
    curves.put(path, Step(step=1, reward=0.5))
    whole = path.stat().st_size
    curves.put(path, Step(step=2, reward=0.5, outcomes={"correct": 0.5}, validation={"a": 1}))
    content = path.read_bytes()
    path.write_bytes(content[: whole + size % (len(content) - whole - 1)])
    assert [step.step for step in curves.read(path)] == [1]
    curves.put(path, Step(step=2, reward=1.0))  # it does not continue the torn line
    assert curves.read(path) == [Step(step=1, reward=0.5), Step(step=2, reward=1.0)]


@pytest.mark.parametrize("line", ['{"step": -1}', '{"step": 2, "rewards": 1}', "[1]", "{}"])
def test_a_line_that_is_no_step_is_named(path: Path, line: str) -> None:
    curves.put(path, Step(step=1))
    with path.open("a") as file:
        file.write(line + '\n{"step": 2}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl line 2 is not a training step"):
        curves.read(path)


def test_a_line_without_end_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainers.curves.LONGEST_LINE", 1000)
    curves.put(path, Step(step=1, reward=0.5))
    path.write_bytes(path.read_bytes() + b"x" * 5000)
    with pytest.raises(UserError, match="line 2 is longer than"):
        curves.read(path)


def test_a_full_disk_is_told() -> None:
    with pytest.raises(UserError, match=r"step 7 cannot be written to /dev/full: No space left"):
        curves.put(Path("/dev/full"), Step(step=7))


def test_no_value_is_not_a_number() -> None:
    with pytest.raises(ValidationError):
        Step(step=1, reward=float("nan"))


def test_a_resumed_curve_forgets_what_is_trained_again(path: Path) -> None:
    for number in range(1, 6):
        curves.put(path, Step(step=number, reward=number / 10))
    curves.rewind(path, after=3)
    assert [step.step for step in curves.read(path)] == [1, 2, 3]
    curves.put(path, Step(step=4, reward=0.9))
    assert curves.read(path)[-1] == Step(step=4, reward=0.9)


def test_a_curve_that_is_not_there_is_rewound_to_nothing(path: Path) -> None:
    curves.rewind(path, after=3)
    assert curves.read(path) == []


def test_the_lineage_has_the_trained_steps_and_no_empty_column() -> None:
    kept = curves.to_lineage(
        [
            Step(step=0, validation={"demo/acc/mean@1": 0.5}),
            Step(step=1, reward=0.5, response_length=10),
            Step(step=2, reward=0.75),
        ]
    )
    assert kept.model_dump() == {
        "step": (1, 2),
        "reward": (0.5, 0.75),
        "response_length": (10, None),
    }


def test_time_left_is_the_recent_pace_and_a_share_of_validation() -> None:
    slow = [Step(step=number, seconds=1000) for number in range(1, 11)]
    fast = [Step(step=number, seconds=10) for number in range(11, 21)]
    assert curves.seconds_left(slow + fast, 25) == 50
    validated = [step.model_copy(update={"validation_seconds": 4}) for step in fast]
    assert curves.seconds_left(validated, 25) == 70
    assert curves.seconds_left(fast, 20) == 0
    assert curves.seconds_left([Step(step=0)], 20) is None
