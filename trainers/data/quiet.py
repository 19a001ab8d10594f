"""`datasets` without its progress bars and without the hub's warnings on each attempt.

Our commands show progress and errors of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent() -> Iterator[None]:
    """Switch both off, and restore them afterwards."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    datasets.disable_progress_bars()
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hub.setLevel(level)
        if shown:
            datasets.enable_progress_bars()
