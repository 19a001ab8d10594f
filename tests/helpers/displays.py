"""What tests of progress share: a clock that is moved by hand, and the text of a display."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def seen(display: RenderableType) -> str:
    """Return what a display shows on a terminal of 100 columns, without colours."""
    target = io.StringIO()
    Console(file=target, width=100, color_system=None).print(display)
    return "\n".join(line.strip() for line in target.getvalue().splitlines())
