"""Progress of an evaluation: a live table on a terminal, plain lines elsewhere.

Everything goes to stderr, so that stdout is the result and nothing else.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.evaluation.plan import Plan
from harness.grading import Outcome, Verdict
from harness.runs.folder import RunFolder
from harness.runs.sample import Sample, SampleKey

LINE_EVERY = 10.0
"""Seconds between plain lines."""


class Tally:
    """Counts of one evaluation, by benchmark."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.wanted: dict[str, int] = {}
        self.graded: Counter[str] = Counter()
        self.correct: Counter[str] = Counter()
        self.truncated: Counter[str] = Counter()
        self.new = 0
        self.kept = 0
        self.tokens = 0
        self.began: float | None = None

    def store(self, sample: Sample) -> None:
        """Count a new sample; the one thread that draws does it."""
        self.new += 1
        self.tokens += sample.completion_tokens or 0

    def grade(self, benchmark: str, verdict: Verdict) -> None:
        """Count a verdict, from any thread."""
        with self._lock:
            self.graded[benchmark] += 1
            if verdict.correct:
                self.correct[benchmark] += 1
            elif verdict.outcome is Outcome.TRUNCATED:
                self.truncated[benchmark] += 1

    def speed(self) -> str:
        """Return stored samples, tokens a second and time left, as far as they are known."""
        total, done = sum(self.wanted.values()), self.kept + self.new
        text = f"{done}/{total} samples"
        if self.began is None or not self.new:
            return text
        seconds = max(time.monotonic() - self.began, 1e-9)
        if self.tokens:
            text += f", {self.tokens / seconds:,.0f} tokens/s"
        return f"{text}, {duration((total - done) * seconds / self.new)} left"

    def accuracy(self, benchmark: str) -> str:
        """Return the accuracy so far, as ``61.1 % of 18``."""
        graded = self.graded[benchmark]
        return f"{100 * self.correct[benchmark] / graded:.1f} % of {graded}" if graded else "-"


def duration(seconds: float) -> str:
    """Return a time as ``1:02:03`` or ``2:03``.

    >>> duration(3723)
    '1:02:03'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """A watcher that shows; the two subclasses differ in how."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.benchmark: dict[str, str] = {}
        self.text = ""

    def begin(self, plan: Plan, folder: RunFolder) -> None:
        """Learn what there is to do and what an earlier attempt left."""
        sampling = plan.spec.sampling
        for name, problems in plan.problems.items():
            self.tally.wanted[name] = len(problems) * sampling.samples_for(name)
            self.benchmark.update((problem.id, name) for problem in problems)
        self.tally.kept = len(folder.samples)
        if folder.run.status == "complete":
            self.say(f"already complete: {folder.path} (--again draws it anew)")
        elif folder.samples:
            lines = folder.samples.torn
            torn = f", {lines} torn line(s) passed over" if lines else ""
            self.say(f"going on with {folder.path}: {len(folder.samples)} samples kept{torn}")

    def stage(self, text: str) -> None:
        """Say what is being waited for."""
        self.text = text
        if text == "generating":
            self.tally.began = time.monotonic()

    def stored(self, sample: Sample) -> None:
        """Count a new sample."""
        self.tally.store(sample)

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        """Count a verdict."""
        self.tally.grade(self.benchmark[key.problem_id], verdict)

    def say(self, text: str) -> None:
        """Print one line that stays."""
        print(text, file=sys.stderr)

    def stop(self) -> None:
        """Leave the terminal as it was."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class LineProgress(Progress):
    """A line at each stage and every few seconds: for logs and pipes."""

    def __init__(self) -> None:
        super().__init__()
        self._printed = time.monotonic()

    def stage(self, text: str) -> None:
        """Say it once."""
        super().stage(text)
        self.say(f"{text} …")

    def stored(self, sample: Sample) -> None:
        """Count a new sample; say now and then how far it is."""
        super().stored(sample)
        if time.monotonic() - self._printed >= LINE_EVERY:
            self._printed = time.monotonic()
            accuracies = ", ".join(
                f"{name} {self.tally.accuracy(name)}"
                for name in self.tally.wanted
                if self.tally.graded[name]
            )
            self.say(f"{self.tally.speed()}{': ' if accuracies else ''}{accuracies}")


class LiveProgress(Progress):
    """A table that keeps itself current."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live = Live(self, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __rich__(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for heading in ("benchmark", "graded", "accuracy so far", "truncated"):
            table.add_column(heading, justify="left" if heading == "benchmark" else "right")
        for name, wanted in self.tally.wanted.items():
            table.add_row(
                name,
                f"{self.tally.graded[name]}/{wanted}",
                self.tally.accuracy(name),
                str(self.tally.truncated[name]),
            )
        return Group(
            table, Text(f"{self.text} … {self.tally.speed() if self.tally.wanted else ''}")
        )

    def say(self, text: str) -> None:
        """Print one line above the table."""
        self._console.print(Text(text))

    def stop(self) -> None:
        """Take the table off the screen."""
        self._live.stop()


def open_progress() -> Progress:
    """Return the progress that suits where stderr goes."""
    console = Console(stderr=True)
    return LiveProgress(console) if console.is_terminal else LineProgress()
