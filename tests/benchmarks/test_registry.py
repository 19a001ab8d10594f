"""The registry: lazy, helpful about names, and open to other packages."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import UserError
from benchmarks.registry import Registry, suggest

ROW = {"id": 1, "question": "What is 6 times 7?", "answer": "42"}
CONTENT = (json.dumps(ROW) + "\n").encode()
MODULE = f"""
from benchmarks import Benchmark, Problem, Split

BENCHMARK = Benchmark(
    name="mybench", about="one problem", licence="MIT", paper="none",
    test=Split(rows=1, sha256="{hashlib.sha256(CONTENT).hexdigest()}"),
    to_problem=lambda row: Problem(
        id=f"mybench/{{row['id']}}", question=row["question"], answer=row["answer"]
    ),
)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder on the path where another package has been installed."""
    site = tmp_path / "site"
    data = tmp_path / "data" / "mybench"
    info = site / "mybench-1.0.dist-info"
    info.mkdir(parents=True)
    data.mkdir(parents=True)
    (site / "mybench.py").write_text(MODULE, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mybench\nVersion: 1.0\n")
    (data / "test.jsonl").write_bytes(CONTENT)
    return site


def harness(site: Path, points: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (site / "mybench-1.0.dist-info" / "entry_points.txt").write_text(points, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ["PYTHONPATH"]])},
        cwd=site.parent,
    )


def test_another_packages_benchmark_is_found_verified_and_evaluated(site: Path) -> None:
    points = "[harness.benchmarks]\nmybench = mybench:BENCHMARK\n"
    listed = harness(site, points, "list", "benchmarks", "--json")
    assert "mybench" in [row["name"] for row in json.loads(listed.stdout)["benchmarks"]]
    verified = harness(site, points, "data", "verify", "mybench", "--data", "data")
    assert verified.returncode == 0, verified.stderr
    (site.parent / "r.jsonl").write_text(
        json.dumps({"problem_id": "mybench/1", "response": "It is 42."}) + "\n"
    )
    done = harness(
        site, points, "eval", "--engine", "replay", "--responses", "r.jsonl",
        "--benchmarks", "mybench", "--data", "data", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["average"]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("[harness.benchmarks]\ngsm8k = mybench:BENCHMARK\n", "two benchmarks are called 'gsm8k'"),
        ("[harness.benchmarks]\nmybench = nothing:BENCHMARK\n", "cannot be imported"),
    ],
)
def test_a_bad_plug_in_is_told_by_name(site: Path, points: str, message: str) -> None:
    done = harness(site, points, "list", "benchmarks")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_names_are_lazy_and_unknown_ones_are_answered() -> None:
    registry: Registry[object] = Registry(
        "thing", group="harness.nothing", builtin={"path": "os:sep", "lost": "nowhere:x"}
    )
    assert list(registry) == ["path", "lost"]
    assert "lost" in registry
    assert registry["path"] == os.sep
    with pytest.raises(UserError, match="no thing is called 'pth' -- did you mean 'path'"):
        registry["pth"]
    assert suggest("thing", "zzz", ["a"]) == "no thing is called 'zzz' (known: a)"
