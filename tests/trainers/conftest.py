"""What holds for all tests of trainers."""

from __future__ import annotations

import pytest

from trainers.verl import checks, disk, placement

MEMORY, DISK = 64 * 2**30, 2**50


@pytest.fixture(autouse=True)
def room_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plans made in this process not depend on what else is on the machine."""
    monkeypatch.setattr(placement, "free_memory", lambda: MEMORY)
    monkeypatch.setattr(disk, "free_space", lambda folder: DISK)


@pytest.fixture(autouse=True)
def verl_is_not_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare each plan the seconds in which verl is imported; `test_checks` asks it."""
    if request.path.stem != "test_checks":
        monkeypatch.setattr(checks, "_asked", lambda question, environment: ((), ""))
