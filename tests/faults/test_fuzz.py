"""A few of the cases of `fuzz_commands.py`: spoilt files and odd flags end in a paragraph."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import fuzz_commands
import pytest
from fuzz_commands import COMMANDS, Asked, make_world, random_flags, run_case, run_command, tamper
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.runs.catalogue import Catalogue

LIGHT = [asked for asked in COMMANDS if not asked.slow]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@settings(max_examples=25)
@given(random=st.randoms(use_true_random=False))
def test_no_file_and_no_flag_ends_in_a_traceback(random: Random, world: Path) -> None:
    """The long test is `make faults`; a failure of it is repeated by its seed and number."""
    case = run_case(random, world, LIGHT)
    assert not case.ran.faults, f"{case.words}, spoilt {case.spoilt}: {case.ran.faults[0]}"


def test_a_fault_would_be_seen(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalogue, "list_results", lambda self: 1 // 0)
    case = run_case(Random(0), world, [Asked("table --json", ())])
    assert case.ran.code == 70
    assert "ZeroDivisionError" in case.ran.kind
    assert "line" in case.ran.kind


def test_a_command_that_hangs_would_be_seen(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_commands, "PATIENCE", 0.2)
    monkeypatch.setattr(Catalogue, "list_results", lambda self: [0 for _ in iter(int, 1)])
    assert "TimeoutError" in run_command(["table", "--json"]).faults[0]


def test_a_case_depends_on_its_random_numbers_only(world: Path) -> None:
    first, second = (run_case(Random("7/3"), world, LIGHT) for _ in range(2))
    assert (first.words, first.spoilt) == (second.words, second.spoilt)


def test_every_command_is_asked_and_every_kind_of_file_is_spoilt(
    world: Path, tmp_path: Path
) -> None:
    from harness.cli import COMMANDS as ALL

    assert {asked.words.split()[0] for asked in COMMANDS} == {*ALL}
    for asked in COMMANDS:
        assert all([*world.glob(pattern)] for pattern in asked.files), asked
        for number in range(5):
            random_flags(Random(number), asked.words.split())
    changed = 0
    for number in range(40):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({"a": [1, {"b": None}], "c": "d"}), encoding="utf-8")
        before = path.read_bytes()
        tamper(Random(number), path)
        changed += not path.is_file() or path.read_bytes() != before
    assert changed > 30  # a value may be replaced by itself
