"""Progress of a training: a line a step, and on a terminal a line that keeps itself current.

Everything goes to stderr, so that stdout is the result and nothing else. A long training
prints only some of its steps; all of them are in its `metrics.jsonl`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.common.text import printable
from harness.reporting.progress import duration
from trainers.curves import Step

LINE_EVERY = 5.0
"""Seconds between the lines of two steps, at least."""
LINES = 100
"""About how many lines a long training prints."""


class TrainingProgress:
    """Shows phases and steps; on a terminal the newest one stays in view with its time."""

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._live = (
            Live(self, console=self._console, refresh_per_second=4, transient=True)
            if self._console.is_terminal
            else None
        )
        self._phase = ""
        self._since = self._began = clock()
        self._newest = ""
        self._printed: float | None = None

    def phase(self, text: str) -> None:
        """Say what is being waited for; the same phase again says nothing."""
        if text == self._phase:
            return
        self._phase, self._since = text, self._clock()
        if self._live is None:
            self.say(f"{text} … (after {duration(self._since - self._began)})")

    def step(self, step: Step, total: int | None, seconds_left: float | None) -> None:
        """Show a step of a training of ``total`` steps, if that is known."""
        line = describe(step, total, seconds_left)
        self._newest, self._since = line, self._clock()
        if self._is_printed(step, total):
            self._printed = self._clock()
            self.say(line)

    def _is_printed(self, step: Step, total: int | None) -> bool:
        if self._printed is None or step.validation or step.step == total:
            return True
        if step.step % max((total or 0) // LINES, 1):
            return False
        return self._clock() - self._printed >= LINE_EVERY

    def say(self, text: str) -> None:
        """Print one line that stays."""
        # A text, not markup; and not wrapped, where it goes into a file.
        self._console.print(Text(printable(text)), soft_wrap=True)

    def __rich__(self) -> Text:
        waited = duration(self._clock() - self._since)
        text = " … ".join(part for part in (self._newest, f"{self._phase} {waited}") if part)
        return Text(printable(text), no_wrap=True, overflow="ellipsis")

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


def describe(step: Step, total: int | None, seconds_left: float | None) -> str:
    """Return a step as a line; what it does not have is left out.

    >>> describe(Step(step=3, reward=0.25, clip_ratio=0.5, seconds=2), 40, 74)
    'step  3/40  reward 0.250  clipped  50.0 %  2.0 s  1:14 left'
    """
    shown = [
        ("reward {:.3f}", step.reward),
        ("accuracy {:5.1f} %", _percent(step.accuracy)),
        ("loss {:.4f}", step.loss),
        ("length {:6.1f}", step.response_length),
        ("clipped {:5.1f} %", _percent(step.clip_ratio)),
        ("KL {:.4f}", step.kl),
        ("entropy {:.3f}", step.entropy),
        ("{:,.0f} tokens/s", step.tokens_per_second),
        ("{:.1f} s", step.seconds),
    ]
    whole = "" if total is None else f"/{total}"
    parts = [f"step {step.step:{max(len(whole) - 1, 1)}}{whole}"]
    parts += [template.format(value) for template, value in shown if value is not None]
    parts += [
        f"validation {name} {value:.4g}"
        for name, value in sorted(step.validation.items())
        if "/acc/" in name or name.endswith("loss")  # the others are in metrics.jsonl
    ]
    if seconds_left is not None:
        parts.append(f"{duration(seconds_left)} left")
    return "  ".join(parts)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
