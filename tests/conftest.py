"""Fixtures that several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest
from replayed import write_responses


@pytest.fixture
def responses(tmp_path: Path) -> Path:
    """Saved responses to the first twelve demo problems."""
    return write_responses(tmp_path / "responses.jsonl", limit=12)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="accept what is printed now")
