"""What holds for all tests of trainers."""

from __future__ import annotations

import pytest

from trainers.verl import checks, placement

FREE = 64 * 2**30


@pytest.fixture(autouse=True)
def memory_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plans made in this process not depend on what else the machine is doing."""
    monkeypatch.setattr(placement, "free_memory", lambda: FREE)


@pytest.fixture(autouse=True)
def verl_is_not_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare each plan the seconds in which verl is imported; `test_checks` asks it."""
    if request.path.stem != "test_checks":
        monkeypatch.setattr(checks, "_asked", lambda question, environment: ((), ""))
