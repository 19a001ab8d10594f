"""A training shows a line a step, fewer where there are many, and what it waits for."""

import io

import pytest
from displays import Clock, seen
from rich.console import Console

from harness.reporting.progress import ShownProgress
from harness.reporting.training_progress import LINES, TrainingProgress, describe
from trainers.curves import Step


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def plain(shown: io.StringIO, clock: Clock) -> TrainingProgress:
    console = Console(file=shown, width=60, color_system=None)
    return TrainingProgress(ShownProgress(console, clock=clock), clock=clock)


def test_a_step_is_a_line() -> None:
    step = Step(
        step=12,
        reward=0.25,
        accuracy=0.5,
        response_length=81.25,
        clip_ratio=0.03125,
        kl=0.0012,
        entropy=1.5,
        tokens_per_second=1234.5,
        seconds=9.25,
        validation={"demo/acc/mean@1": 0.375},
    )
    assert describe(step, 200, 3723) == (
        "step  12/200  reward 0.250  accuracy  50.0 %  length   81.2  clipped   3.1 %  KL 0.0012  "
        "entropy 1.500  1,234 tokens/s  9.2 s  validation demo/acc/mean@1 0.375  1 h 2 min left"
    )


def test_what_a_step_does_not_have_is_left_out() -> None:
    assert describe(Step(step=3, loss=2.5), None, None) == "step 3  loss 2.5000"


def test_plain_lines_say_each_phase_once(
    plain: TrainingProgress, shown: io.StringIO, clock: Clock
) -> None:
    plain.phase("starting Ray")
    clock.now = 65
    plain.phase("starting Ray")
    plain.phase("loading vLLM")
    assert shown.getvalue() == "starting Ray …\nloading vLLM … (after 1 min 5 s)\n"


def test_what_goes_wrong_with_a_step_is_in_its_line() -> None:
    step = Step(
        step=2,
        reward=0.5,
        drawn_reward=0.125,
        even_groups=0.75,
        evicted_groups=12,
        clipped_tokens=0.02,
        gradient_norm=0.1234,
        skipped_update=1,
    )
    assert describe(step, 3, None) == (
        "step 2/3  reward 0.500  drawn 0.125  even groups  75 %  evicted 12  gradient 0.12  "
        "clipped tokens 2.0 %  AN UPDATE WAS SKIPPED"
    )


def test_a_warning_is_a_line(plain: TrainingProgress, shown: io.StringIO) -> None:
    plain.phase("starting Ray")
    plain.warn("no response earned a reward")
    assert shown.getvalue() == "starting Ray …\nwarning: no response earned a reward\n"


def test_plain_lines_are_not_wrapped(plain: TrainingProgress, shown: io.StringIO) -> None:
    plain.phase("long " * 100)
    assert shown.getvalue().count("\n") == 1


def test_a_short_training_shows_the_first_the_last_and_what_has_time(
    plain: TrainingProgress, shown: io.StringIO, clock: Clock
) -> None:
    for number in range(1, 9):
        plain.step(Step(step=number), 8, None)
        clock.now += 2
    steps = [line.split("/")[0] for line in shown.getvalue().splitlines()]
    assert steps == ["step 1", "step 4", "step 7", "step 8"]


def test_a_long_training_shows_about_a_hundred_steps(
    plain: TrainingProgress, shown: io.StringIO, clock: Clock
) -> None:
    for number in range(1, 5001):
        clock.now += 30
        plain.step(Step(step=number), 5000, None)
    assert LINES <= len(shown.getvalue().splitlines()) <= LINES + 2


def test_a_validation_is_always_shown(plain: TrainingProgress, shown: io.StringIO) -> None:
    plain.step(Step(step=1), 5000, None)
    plain.step(Step(step=2), 5000, None)
    plain.step(Step(step=3, validation={"demo/acc/mean@1": 0.5}), 5000, None)
    assert "step    3/5000  validation demo/acc/mean@1 0.5\n" in shown.getvalue()
    assert "step    2" not in shown.getvalue()


def test_a_terminal_keeps_the_newest_step_and_the_phase_in_view(
    shown: io.StringIO, clock: Clock
) -> None:
    console = Console(file=shown, force_terminal=True, width=60, color_system=None)
    display = ShownProgress(console, clock=clock)
    live = TrainingProgress(display, clock=clock)
    live.phase("loading vLLM")
    clock.now = 35
    assert seen(display) == "loading vLLM 35 s"
    live.phase("training")
    live.step(Step(step=1, reward=0.5), 10, None)
    live.step(Step(step=2, reward=0.75), 10, None)
    clock.now = 40
    assert seen(display).split() == "step 2/10 reward 0.750 training 5 s".split()


def test_what_comes_from_the_data_does_not_reach_the_terminal_as_it_is(
    plain: TrainingProgress, shown: io.StringIO
) -> None:
    plain.step(Step(step=1, validation={"a\x1b[2J[bold]b/acc/": 1}), 10, None)
    assert "validation a\\x1b[2J[bold]b/acc/ 1" in shown.getvalue()
