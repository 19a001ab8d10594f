"""The list of doubtful golds: well formed, reasoned, and about problems that exist."""

from __future__ import annotations

import json
import os
from importlib import resources

import pytest

from benchmarks import BENCHMARKS, STANDARD
from benchmarks.errata import Erratum, errata_for
from benchmarks.source import load_problems

LISTED = [erratum for name in STANDARD for erratum in errata_for(name)]


def test_each_line_is_given_under_its_benchmark_once():
    lines = resources.files("benchmarks").joinpath("errata.jsonl").read_text(encoding="utf-8")
    ids = [json.loads(line)["problem_id"] for line in lines.splitlines()]
    assert sorted(erratum.problem_id for erratum in LISTED) == sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize("erratum", LISTED, ids=lambda erratum: erratum.problem_id)
def test_each_has_a_reason_and_a_source(erratum: Erratum):
    assert 20 <= len(erratum.reason) <= 120
    assert erratum.source.startswith(("https://", "own check: "))
    assert len(erratum.source) > len("own check: ") + 20


def test_a_benchmark_without_errata_has_none():
    assert errata_for("demo") == errata_for("") == errata_for("gsm") == ()


@pytest.mark.skipif("HARNESS_DATA" not in os.environ, reason="HARNESS_DATA names no folder")
@pytest.mark.parametrize("name", STANDARD)
def test_every_listed_problem_exists(name: str):
    published = {problem.id for problem in load_problems(BENCHMARKS[name])}
    assert {erratum.problem_id for erratum in errata_for(name)} <= published
