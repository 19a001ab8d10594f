"""Progress goes to stderr: a display on a terminal, lines elsewhere, with an honest time left."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from displays import Clock, seen
from rich.console import Console

from harness.common.progress import silent
from harness.reporting.progress import LINE_EVERY, PATIENCE, ShownProgress, open_progress


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


def on_terminal(shown: io.StringIO, clock: Clock) -> ShownProgress:
    return ShownProgress(Console(file=shown, force_terminal=True, width=80), clock=clock)


def in_lines(shown: io.StringIO, clock: Clock, *, patience: float = 0.0) -> ShownProgress:
    return ShownProgress(Console(file=shown, width=20), clock=clock, patience=patience)


def test_each_stage_is_a_line(shown: io.StringIO, clock: Clock) -> None:
    with in_lines(shown, clock) as plain:
        plain.stage("reading problems and model")
        clock.now = 72
        plain.stage("generating")
    assert shown.getvalue() == "reading problems and model …\ngenerating … (after 1 min 12 s)\n"


def test_a_count_is_a_line_now_and_then_and_says_how_much_time_is_left(
    shown: io.StringIO, clock: Clock
) -> None:
    with in_lines(shown, clock) as plain:
        plain.stage("generating")
        plain.advance(100, 200, note="samples")
        plain.advance(15, 150, part="gsm8k", note="graded, 20.0 % correct")
        plain.advance(0, 50, part="aime24", note="graded")
        for number in range(101, 111):
            clock.now += 3
            plain.advance(number, 200, note="samples, 40 tokens/s")
    first, *counts = shown.getvalue().splitlines()
    assert first == "generating …"
    # 100 samples were there at the beginning, so that four took twelve seconds: three each.
    assert counts == [
        "104/200 samples, 40 tokens/s, 4 min 48 s left: gsm8k 15/150 graded, 20.0 % correct",
        "108/200 samples, 40 tokens/s, 4 min 36 s left: gsm8k 15/150 graded, 20.0 % correct",
    ]
    assert clock.now / len(counts) >= LINE_EVERY


def test_no_time_left_is_said_where_none_is_known(shown: io.StringIO, clock: Clock) -> None:
    display = on_terminal(shown, clock)
    display.stage("reading")
    display.advance(7, None, note="rows")
    clock.now = 1
    display.advance(9, None, note="rows")
    assert seen(display) == "reading … 9 rows"


def test_a_new_stage_begins_its_own_estimate(shown: io.StringIO, clock: Clock) -> None:
    display = on_terminal(shown, clock)
    display.stage("gsm8k")
    display.advance(1, 2, note="golds")
    clock.now = 1000
    display.advance(2, 2, note="golds")
    display.stage("aime24")
    display.advance(1, 30, note="golds")
    assert seen(display).endswith("aime24 … 1/30 golds")


def test_a_terminal_shows_parts_and_what_is_waited_for(shown: io.StringIO, clock: Clock) -> None:
    display = on_terminal(shown, clock)
    display.stage("generating")
    display.advance(3, 9, part="gsm8k", note="graded, 33.3 % correct, 1 truncated")
    display.advance(0, 10, note="samples")
    clock.now = 2
    display.advance(4, 10, note="samples, 12 tokens/s")
    clock.now = 61
    part, line = seen(display).splitlines()
    assert part.split(maxsplit=1) == ["gsm8k", "3/9 graded, 33.3 % correct, 1 truncated"]
    assert line.endswith("generating 59 s … 4/10 samples, 12 tokens/s, 1 min 32 s left")


def test_a_terminal_is_left_as_it_was(shown: io.StringIO, clock: Clock) -> None:
    with on_terminal(shown, clock) as live:
        live.stage("generating")
        live.advance(1, 2, note="samples")
        live.say("a line")
    assert shown.getvalue().count("\x1b[?25l") == shown.getvalue().count("\x1b[?25h") == 1


def test_short_work_says_nothing_but_its_own_lines(shown: io.StringIO, clock: Clock) -> None:
    with in_lines(shown, clock, patience=PATIENCE) as plain:
        plain.stage("grading")
        clock.now = PATIENCE / 2
        plain.advance(1, 2)
        plain.say("this stays")
        assert shown.getvalue() == "this stays\n"
        clock.now = PATIENCE
        plain.stage("writing")
    assert shown.getvalue() == "this stays\nwriting … (after 2 s)\n"


def test_hostile_text_does_not_reach_the_terminal_as_it_is(
    shown: io.StringIO, clock: Clock
) -> None:
    with in_lines(shown, clock) as plain:
        plain.say("a\x1b[2J[bold]b")
    assert shown.getvalue() == "a\\x1b[2J[bold]b\n"
    display = on_terminal(io.StringIO(), clock)
    display.advance(1, 2, part="[bold]x\x1b[2J", note="\x1b[2J")
    assert "[bold]x\\x1b[2J" in seen(display)


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress() as progress:
        progress.stage("reading")
    assert capsys.readouterr() == ("", "reading …\n")


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    silent.stage("reading")
    silent.advance(1, 2, note="rows")
    silent.say("a line")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("closed")])
def test_what_cannot_be_shown_does_not_end_the_work(error: Exception, clock: Clock) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    with in_lines(Full(), clock) as plain:
        plain.stage("generating")
        plain.advance(1, 2)
        plain.say("a line")


def test_a_reader_that_went_away_does_not_end_the_work(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from harness.reporting.progress import open_progress\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 2)\n"
        "with open_progress() as progress:\n"
        "    progress.stage('generating')\n"
        "    progress.say('a line')\n"
        "print('done')\n"
        "sys.stdout.flush()\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")
