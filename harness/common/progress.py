"""How long work says how far it is, to whoever wants to know."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What long work tells about itself; `harness.reporting.progress` shows it to a person."""

    def stage(self, text: str) -> None:
        """Say what is done from now on, such as "starting the vllm engine"."""

    def advance(self, done: int, total: int | None, *, part: str = "", note: str = "") -> None:
        """Say how far the stage is, or one part of the whole work. Any thread may call it.

        The first call of a stage says where it begins; the time left is estimated from there.

        Args:
            done: the units that are done, counted from the beginning of the work.
            total: all units that there are; None where nobody knows.
            part: the name of the part, such as a benchmark; the stage itself without it.
            note: the name of the units, and what was measured so far: "samples, 120 tokens/s".
        """

    def say(self, line: str) -> None:
        """Show a line that stays."""


class _Silent:
    """A progress that shows nothing."""

    def stage(self, text: str) -> None:
        """Show nothing."""

    def advance(self, done: int, total: int | None, *, part: str = "", note: str = "") -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show nothing."""


silent: Progress = _Silent()
"""The progress of work that nobody watches."""
