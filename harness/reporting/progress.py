"""Show progress on stderr, as a live display on a terminal and as plain lines elsewhere.

Nothing is written to stdout, so that it holds only the result of a command.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.common.text import duration, printable

LINE_EVERY = 10.0
"""The least number of seconds between two plain lines of one stage."""
PATIENCE = 2.0
"""The seconds for which a command that is usually short prints no plain lines."""
WAITING = 2.0
"""The seconds without an update after which the display shows how long the stage has waited."""


@dataclass(frozen=True, slots=True)
class _Count:
    """How much of a stage or a part is done."""

    done: int
    total: int | None
    note: str

    def __str__(self) -> str:
        """Return the count as ``12/200 samples``."""
        amount = f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"
        return f"{amount} {self.note}".rstrip()


class _Stderr(Console):
    """Stderr, whose reader may go away: what cannot be shown must not end the work."""

    def on_broken_pipe(self) -> None:
        """Show nothing more; rich would end the program here."""
        self.quiet = True


class ShownProgress:
    """A `harness.common.progress.Progress` for people to watch; use it in a ``with`` statement."""

    def __init__(
        self,
        console: Console | None = None,
        *,
        patience: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a display; it is shown when the ``with`` statement begins.

        Args:
            console: the console to write to; by default stderr.
            patience: the seconds for which no plain lines about stages and counts are printed,
                so that short work prints nothing.
            clock: a function that returns the time in seconds.
        """
        self._console = console or _Stderr(stderr=True)
        self._patience = patience
        self._clock = clock
        self._live = (
            Live(self, console=self._console, refresh_per_second=4, transient=True)
            if self._console.is_terminal
            else None
        )
        self._began = self._news = self._printed = clock()
        self._stage = ""
        self._parts: dict[str, _Count] = {}
        self._now: _Count | None = None
        self._first: tuple[float, int] | None = None
        """The time and the count of the stage's first update, to estimate its speed."""

    def stage(self, text: str) -> None:
        """Begin a stage of the work, and show its name."""
        self._stage, self._now, self._first = text, None, None
        self._news = self._clock()
        if self._live is None and self._patience_is_over():
            since = self._news - self._began
            self._line(f"{text} …" + (f" (after {duration(round(since))})" if since >= 1 else ""))

    def advance(self, done: int, total: int | None, *, part: str = "", note: str = "") -> None:
        """Show how much of the stage is done, or of one part of the whole work."""
        count, self._news = _Count(done, total, note), self._clock()
        if part:
            self._parts[part] = count
            return
        self._now = count
        if self._first is None:
            self._first = (self._news, done)
        elif (
            self._live is None
            and self._news - self._printed >= LINE_EVERY
            and self._patience_is_over()
        ):
            parts = [f"{name} {part}" for name, part in list(self._parts.items()) if part.done]
            self._line(f"{self._count_text()}{': ' if parts else ''}{'; '.join(parts)}")

    def say(self, line: str) -> None:
        """Print a line that stays, above the live display if there is one."""
        # Text: rich must not read the line as markup. soft_wrap: a line in a file is not broken.
        try:
            self._console.print(Text(printable(line)), soft_wrap=True)
        except (OSError, ValueError):  # the disk of a log is full, or the stream is closed
            self._console.quiet = True

    def _line(self, text: str) -> None:
        self._printed = self._clock()
        self.say(text)

    def _patience_is_over(self) -> bool:
        return self._clock() - self._began >= self._patience

    def _count_text(self) -> str:
        """Return the stage's count, and the time that is left at the speed so far."""
        if self._now is None:
            return ""
        began, first = self._first or (self._clock(), self._now.done)
        new = self._now.done - first
        if not new or self._now.total is None:
            return str(self._now)
        left = (self._now.total - self._now.done) * (self._clock() - began) / new
        return f"{self._now}, {duration(max(0, round(left)))} left"

    def __rich__(self) -> Group:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, count in list(self._parts.items()):
            table.add_row(Text(printable(name)), Text(printable(str(count))))
        line = Table.grid(padding=(0, 1))
        cells: list[Text | ProgressBar] = [
            Text(printable(self._text()), no_wrap=True, overflow="ellipsis")
        ]
        if self._now is not None and self._now.total:
            done = min(self._now.done, self._now.total)
            cells.insert(0, ProgressBar(total=self._now.total, completed=done, width=10))
        line.add_row(*cells)
        return Group(*([table] if self._parts else []), line)

    def _text(self) -> str:
        waited = self._clock() - self._news
        stage = f"{self._stage} {duration(round(waited))}" if waited >= WAITING else self._stage
        return " … ".join(part for part in (stage, self._count_text()) if part)

    def __enter__(self) -> Self:
        if self._live is not None:
            with suppress(OSError, ValueError):
                self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the live display from the terminal."""
        if self._live is not None:
            with suppress(OSError, ValueError):
                self._live.stop()


def open_progress(*, patience: float = 0.0) -> ShownProgress:
    """Return a progress display on stderr; see `ShownProgress`."""
    return ShownProgress(patience=patience)
