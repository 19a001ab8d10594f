"""A curve that goes wrong is told once, and one that goes well is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trainers import alarms
from trainers.alarms import ALARMS, Alarms
from trainers.curves import Step

WELL: dict[str, Any] = {
    "reward": 0.4, "drawn_reward": 0.4, "even_groups": 0.5, "entropy": 0.4, "clip_ratio": 0.1,
    "kl": 0.01, "update_kl": 0.001, "gradient_norm": 0.3,
    "outcomes": {"samples": 64, "acc": 0.4, "wrong": 0.6},
}  # fmt: skip


def rows(*, steps: int = 12, begin: int = 1, **values: Any) -> list[Step]:
    return [Step(step=number, **{**WELL, **values}) for number in range(begin, begin + steps)]


def outcomes(**shares: float) -> dict[str, float]:
    return {"samples": 64, **shares}


# Rows that trigger an alarm, a bit of what it says, and rows that are near and must not.
CASES: dict[str, tuple[Callable[[Any], str], list[Step], str, list[list[Step]]]] = {
    "even groups, all wrong": (
        alarms.even_groups,
        rows(even_groups=0.97, drawn_reward=0.02),
        "in 97% of the groups of the last 10 steps all rewards are equal.* easier problems",
        [
            rows(even_groups=0.9),
            rows(even_groups=1.0, steps=9),
            rows(even_groups=None),  # one response to a prompt
            rows(even_groups=1.0, steps=9) + rows(even_groups=0.0, begin=10, steps=1),
        ],
    ),
    "even groups, all right": (
        alarms.even_groups,
        rows(even_groups=0.97, drawn_reward=0.98),
        "mean reward 0.98.*harder problems",
        [],
    ),
    "no reward, no answers": (
        alarms.no_reward,
        rows(reward=0, drawn_reward=0, outcomes=outcomes(no_answer=0.8, wrong=0.2)),
        "no response earned a reward in 12 steps.*no_answer.*fine-tune it on solutions first",
        [
            rows(reward=0, drawn_reward=0, steps=9),
            rows(reward=0, drawn_reward=0.01),
            rows(reward=0.5, drawn_reward=None),
            rows(reward=0, drawn_reward=0) + rows(begin=13, steps=1),
            [Step(step=number, loss=2.0) for number in range(1, 20)],
        ],
    ),
    "no reward, cut off": (
        alarms.no_reward,
        rows(reward=0, drawn_reward=0, outcomes=outcomes(truncated=0.9, wrong=0.1)),
        "raise data.max_response_length",
        [],
    ),
    "no reward, too hard": (
        alarms.no_reward,
        rows(reward=0, drawn_reward=0, outcomes=outcomes(wrong=1.0)),
        "too hard",
        [],
    ),
    "no reward, out of reach": (
        alarms.no_reward,
        rows(reward=0, drawn_reward=0, outcomes=outcomes(wrong=1.0, out_of_reach=1.0)),
        "cannot reward most of these questions",
        [],
    ),
    "no reward, nothing known": (
        alarms.no_reward,
        rows(reward=0, drawn_reward=0, outcomes={}),
        "see the responses in training/rollouts/",
        [],
    ),
    "entropy": (
        alarms.entropy_collapses,
        rows(steps=5) + rows(begin=6, steps=5, entropy=0.01),
        "the entropy has fallen from 0.400 to 0.0100 nats a token",
        [
            rows(steps=5) + rows(begin=6, steps=5, entropy=0.1),
            rows(steps=5) + rows(begin=6, steps=4, entropy=0.01),
            rows(entropy=0.02),  # it began there
            rows(steps=5, entropy=2) + rows(begin=6, steps=5, entropy=0.15),
        ],
    ),
    "length": (
        alarms.responses_are_cut_off,
        rows(steps=5, clip_ratio=0.1) + rows(begin=6, steps=5, clip_ratio=0.75),
        "the limit cuts off 75% of the responses of the last 5 steps",
        [rows(clip_ratio=0.5), rows(steps=4, clip_ratio=1)],
    ),
    "KL": (
        alarms.far_from_reference,
        rows(kl=0.75),
        "from the base model is 0.75 nats a token",
        [rows(kl=0.2), rows(kl=None), rows(steps=4, kl=5)],
    ),
    "KL within a step": (
        alarms.far_from_reference,
        rows(update_kl=-0.25),
        "moves by 0.25 nats",
        [rows(update_kl=-0.01)],
    ),
    "grader": (
        alarms.grader_fails,
        rows(outcomes=outcomes(acc=0.5, grader_timeout=0.06, grader_error=0.02)),
        "could not decide 8% of the responses of the last 5 steps",
        [
            rows(outcomes=outcomes(acc=0.5, grader_timeout=0.01)),
            rows(steps=4, outcomes=outcomes(grader_error=1.0)),
        ],
    ),
    "skipped updates": (
        alarms.updates_are_skipped,
        rows(steps=3, skipped_update=1),
        "in each of the last 3 steps an update was skipped",
        [
            rows(steps=2, skipped_update=1),
            rows(steps=3, skipped_update=1) + rows(begin=4, steps=1),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_curve_that_goes_wrong_is_told(name: str) -> None:
    import re

    alarm, wrong, says, near = CASES[name]
    line = alarm(wrong)
    assert re.search(says, line), line
    assert "\n" not in line
    for right in near:
        assert alarm(right) == "", right[-1]


def test_every_alarm_has_a_case() -> None:
    assert {alarm for alarm, *_ in CASES.values()} == set(ALARMS)


def test_a_curve_that_goes_well_is_left_alone() -> None:
    alarms_ = Alarms()
    before = Step(step=0, validation={"demo/acc/mean@1": 0.5})
    for count in range(40):
        assert alarms_.new([before, *rows(steps=count)]) == []


def test_a_row_that_is_a_validation_alone_does_not_count() -> None:
    validations = [Step(step=n, validation={"a": 1.0}) for n in range(2, 40, 2)]
    assert Alarms().new(validations) == []


def test_each_alarm_is_given_once() -> None:
    given = Alarms()
    said = [line for count in range(1, 30) for line in given.new(rows(steps=count, clip_ratio=0.9))]
    assert len(said) == 1
