"""Tells of a training: its phases, and lines for its steps.

A long training shows only some of its steps; all of them are in its `metrics.jsonl`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.common.progress import Progress
from harness.common.text import duration
from trainers.curves import Step

LINE_EVERY = 5.0
"""The least number of seconds between the lines of two steps."""
LINES = 100
"""About how many lines a long training prints."""


class TrainingProgress:
    """A `trainers.base.Reporter` that tells a `harness.common.progress.Progress`."""

    def __init__(self, progress: Progress, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell ``progress``; ``clock`` returns the time in seconds."""
        self._progress = progress
        self._clock = clock
        self._phase = ""
        self._printed: float | None = None

    def phase(self, text: str) -> None:
        """Say what is done from now on; the same phase again says nothing."""
        if text != self._phase:
            self._phase = text
            self._progress.stage(text)

    def warn(self, text: str) -> None:
        """Say what seems to go wrong; it stays in view above the steps."""
        self._progress.say(f"warning: {text}")

    def step(self, step: Step, total: int | None, seconds_left: float | None) -> None:
        """Show a step of a training of ``total`` steps, if that is known."""
        # As a part of the work, the newest step stays in view on a terminal.
        values = _values(step, seconds_left)
        self._progress.advance(step.step, total, part="step", note=values)
        if self._is_printed(step, total):
            self._printed = self._clock()
            self._progress.say(describe(step, total, seconds_left))

    def _is_printed(self, step: Step, total: int | None) -> bool:
        if self._printed is None or step.validation or step.step == total:
            return True
        if step.step % max((total or 0) // LINES, 1):
            return False
        return self._clock() - self._printed >= LINE_EVERY


def describe(step: Step, total: int | None, seconds_left: float | None) -> str:
    """Return a step as one line, with the values that it has.

    >>> describe(Step(step=3, reward=0.25, clip_ratio=0.5, seconds=2), 40, 74)
    'step  3/40  reward 0.250  clipped  50.0 %  2.0 s  1 min 14 s left'
    """
    whole = "" if total is None else f"/{total}"
    count = f"step {step.step:{max(len(whole) - 1, 1)}}{whole}"
    return f"{count}  {_values(step, seconds_left)}".rstrip()


def _values(step: Step, seconds_left: float | None) -> str:
    shown = [
        ("reward {:.3f}", step.reward),
        ("drawn {:.3f}", step.drawn_reward if step.evicted_groups else None),
        ("even groups {:3.0f} %", _percent(step.even_groups)),
        ("evicted {:.0f}", step.evicted_groups),
        ("accuracy {:5.1f} %", _percent(step.accuracy)),
        ("loss {:.4f}", step.loss),
        ("length {:6.1f}", step.response_length),
        ("clipped {:5.1f} %", _percent(step.clip_ratio)),
        ("KL {:.4f}", step.kl),
        ("entropy {:.3f}", step.entropy),
        ("gradient {:.2g}", step.gradient_norm),
        ("clipped tokens {:.1f} %", _percent(step.clipped_tokens)),
        ("{:,.0f} tokens/s", step.tokens_per_second),
        ("{:.1f} s", step.seconds),
    ]
    parts = [template.format(value) for template, value in shown if value is not None]
    parts += [
        f"validation {name} {value:.4g}"
        for name, value in sorted(step.validation.items())
        if "/acc/" in name or name.endswith("loss")  # the others are in metrics.jsonl
    ]
    if step.skipped_update:
        parts.append("AN UPDATE WAS SKIPPED")
    if seconds_left is not None:
        parts.append(f"{duration(round(seconds_left))} left")
    return "  ".join(parts)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
