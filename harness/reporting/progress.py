"""Shows progress on stderr: a display that is kept current on a terminal, plain lines elsewhere.

Nothing goes to stdout, which is for the result alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
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
"""Seconds between plain lines of one stage."""
PATIENCE = 2.0
"""Seconds for which work that is usually short says nothing, where plain lines are shown."""
WAITING = 2.0
"""Seconds without news after which the display says how long it has been waiting."""


@dataclass(frozen=True, slots=True)
class _Count:
    """How far something is."""

    done: int
    total: int | None
    note: str

    def __str__(self) -> str:
        """Return the count as ``12/200 samples``."""
        amount = f"{self.done:,}" if self.total is None else f"{self.done:,}/{self.total:,}"
        return f"{amount} {self.note}".rstrip()


class ShownProgress:
    """The `harness.common.progress.Progress` that a person sees; used in a ``with`` statement."""

    def __init__(
        self,
        console: Console | None = None,
        *,
        patience: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show on a console.

        Args:
            console: where it is shown; stderr without one.
            patience: the seconds for which plain lines say nothing of stages and counts, so that
                short work is silent.
            clock: returns the time in seconds.
        """
        self._console = console or Console(stderr=True)
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
        """When this stage began to advance, and at which count."""

    def stage(self, text: str) -> None:
        """Say what is done from now on."""
        self._stage, self._now, self._first = text, None, None
        self._news = self._clock()
        if self._live is None and self._is_patient_no_longer():
            since = self._news - self._began
            self._line(f"{text} …" + (f" (after {duration(round(since))})" if since >= 1 else ""))

    def advance(self, done: int, total: int | None, *, part: str = "", note: str = "") -> None:
        """Say how far the stage is, or one part of the whole work."""
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
            and self._is_patient_no_longer()
        ):
            parts = [f"{name} {part}" for name, part in list(self._parts.items()) if part.done]
            self._line(f"{self._count_text()}{': ' if parts else ''}{'; '.join(parts)}")

    def say(self, line: str) -> None:
        """Show a line that stays, above the display if there is one."""
        # A text, not markup; and not wrapped, where it goes into a file.
        self._console.print(Text(printable(line)), soft_wrap=True)

    def _line(self, text: str) -> None:
        self._printed = self._clock()
        self.say(text)

    def _is_patient_no_longer(self) -> bool:
        return self._clock() - self._began >= self._patience

    def _count_text(self) -> str:
        """Return the stage's count, and how much time is left if the pace so far stays."""
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
        cells: list[Text | ProgressBar] = [Text(printable(self._text()), overflow="ellipsis")]
        if self._now is not None and self._now.total:
            done = min(self._now.done, self._now.total)
            cells.insert(0, ProgressBar(total=self._now.total, completed=done, width=20))
        line.add_row(*cells)
        return Group(*([table] if self._parts else []), line)

    def _text(self) -> str:
        waited = self._clock() - self._news
        stage = f"{self._stage} {duration(round(waited))}" if waited >= WAITING else self._stage
        return " … ".join(part for part in (stage, self._count_text()) if part)

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
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()


def open_progress(*, patience: float = 0.0) -> ShownProgress:
    """Return a progress on stderr; see `ShownProgress`."""
    return ShownProgress(patience=patience)
