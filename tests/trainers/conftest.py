"""What holds for all tests of trainers."""

from __future__ import annotations

import pytest

from trainers.verl import placement

FREE = 64 * 2**30


@pytest.fixture(autouse=True)
def memory_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plans made in this process not depend on what else the machine is doing."""
    monkeypatch.setattr(placement, "free_memory", lambda: FREE)
