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


def test_two_plug_ins_of_one_name_are_told_by_it(site: Path) -> None:
    done = harness(site, "[harness.benchmarks]\ngsm8k = mybench:BENCHMARK\n", "list", "benchmarks")
    assert done.returncode == 1
    assert "two benchmarks are called 'gsm8k'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("nothing:BENCHMARK", "cannot be imported: No module named 'nothing'"),
        ("mybench:Problem", "is left out: "),
    ],
)
def test_a_broken_plug_in_is_told_in_one_line_and_the_others_are_listed(
    site: Path, target: str, why: str
) -> None:
    points = "".join(f"[harness.{kind}]\nmine = {target}\n" for kind in ("benchmarks", "engines"))
    done = harness(site, points, "list")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("minerva_math", "vllm", "verl-grpo-v4"))
    assert "mine " not in done.stdout
    assert [line.count(why) for line in done.stderr.splitlines()] == [1, 1]
    assert "'mine'" in done.stderr


def test_a_command_that_names_a_broken_plug_in_fails_with_its_reason(site: Path) -> None:
    points = "[harness.benchmarks]\nmine = nothing:BENCHMARK\n"
    for asked in (["eval", "--model", "demo", "--benchmarks", "mine"], ["data", "fetch", "mine"]):
        done = harness(site, points, *asked)
        assert done.returncode == 1
        assert "'mine' (nothing:BENCHMARK) cannot be imported: No module named" in done.stderr
    source = harness(site, points, "data", "build", "none.jsonl", "--style", "boxed", "-o", "out")
    assert "there is no such file" in source.stderr
    verified = harness(site, points, "data", "verify", "--data", "empty")
    assert verified.returncode == 1
    assert "cannot be imported" in verified.stderr
    assert "minerva_math" in verified.stdout


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
