"""One grader for all tests of grading: a worker takes a second or two to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.grading import Grader


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    with Grader(workers=1, time_limit=20) as shared:
        yield shared
