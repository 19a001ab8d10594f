"""The registry: lazy, helpful about names, and open to other packages."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import BENCHMARKS, UserError
from benchmarks.registry import Registry, suggest
from harness.cli import cli
from harness.engines import ENGINES
from trainers import TRAINERS

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


def test_two_plug_ins_of_one_name_are_told_and_neither_is_taken(site: Path) -> None:
    points = "[harness.benchmarks]\ngsm8k = mybench:BENCHMARK\n"
    listed = harness(site, points, "list", "benchmarks")
    assert listed.returncode == 0
    assert "two benchmarks are called 'gsm8k'" in listed.stderr
    assert "BROKEN: two benchmarks are called 'gsm8k': benchmarks.gsm8k" in listed.stdout
    asked = harness(site, points, "eval", "--model", "demo", "--benchmarks", "gsm8k")
    assert asked.returncode == 1
    assert "two benchmarks are called 'gsm8k'" in asked.stderr


BROKEN = r"""
import sys
from abc import abstractmethod
from benchmarks import Benchmark, Problem, Split
from harness.engines import Engine
from trainers import Trainer

class Half(Engine):
    about = "an engine that generates nothing"

class Nameless(Engine):
    def generate(self, requests):
        yield from ()

class Untold(Trainer):
    about = "a trainer without a name"
    plan = train = lambda self, *_: None

OTHER = Benchmark(
    name="other", about="", licence="", paper="", test=Split(rows=1, sha256=""), to_problem=dict
)
UNTOLD = Benchmark(name="mine", about="", licence="", paper="", test=[], to_problem=dict)
def __getattr__(name):
    if name == "LEAVES":
        sys.exit("goodbye")
    if name == "FAILS":
        raise ZeroDivisionError("in two\nlines")
    raise AttributeError(name)
"""


@pytest.mark.parametrize(
    ("kind", "target", "why"),
    [
        ("benchmarks", "nothing:BENCHMARK", "cannot be imported: No module named 'nothing'"),
        ("engines", "nothing:Engine", "cannot be imported: No module named 'nothing'"),
        ("benchmarks", "broken:NONE", "cannot be imported: AttributeError: "),
        ("benchmarks", "broken:LEAVES", "cannot be imported: SystemExit: goodbye"),
        ("trainers", "broken:FAILS", "cannot be imported: ZeroDivisionError: in two lines"),
        ("benchmarks", "mybench:Problem", "is no Benchmark, but the class Problem"),
        ("benchmarks", "broken:OTHER", "calls itself 'other'"),
        (
            "benchmarks",
            "broken:UNTOLD",
            "has a 'test' that is no Split, but an object of type list",
        ),
        ("engines", "mybench:BENCHMARK", "is no subclass of Engine, but an object of type Bench"),
        ("engines", "broken:Half", "is an abstract class: it does not define generate"),
        ("engines", "broken:Nameless", "has no 'about'"),
        ("trainers", "broken:Half", "is no subclass of Trainer, but the class Half"),
        ("trainers", "broken:Untold", "has no 'name'"),
    ],
)
def test_a_broken_plug_in_is_told_and_listed_and_disturbs_no_other(
    kind: str, target: str, why: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "broken.py").write_text(BROKEN, encoding="utf-8")
    points = f"[harness.{kind}]\nmine = {target}\n"
    (site / "mybench-1.0.dist-info" / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    registry = {"benchmarks": BENCHMARKS, "engines": ENGINES, "trainers": TRAINERS}[kind]
    monkeypatch.setattr(registry, "_found", None)

    listed = CliRunner().invoke(cli, ["list", kind])
    rows = json.loads(CliRunner().invoke(cli, ["list", kind, "--json"]).stdout)[kind]

    assert listed.exit_code == 0, listed.output
    assert [line.count(why) for line in listed.stderr.splitlines()] == [1], listed.stderr
    assert f"'mine' ({target}) {why}" in listed.stderr
    assert f"BROKEN: the {kind[:-1]} 'mine' ({target}) {why}"[:60] in listed.stdout
    assert all(name in listed.stdout for name in registry.builtin)
    assert [set(row) for row in rows if row["name"] == "mine"] == [{"name", "broken"}]
    assert registry.get("mine") is None
    with pytest.raises(UserError, match=re.escape(why)):
        registry["mine"]
    monkeypatch.setattr(registry, "_found", None)
    for name in ("broken", "mybench"):
        sys.modules.pop(name, None)


def test_a_broken_plug_in_disturbs_no_evaluation(site: Path) -> None:
    """The command whole, with a plug-in of each kind that cannot be imported."""
    kinds = ("benchmarks", "engines", "trainers", "rewards")
    points = "".join(f"[harness.{kind}]\nmine = nothing:HERE\n" for kind in kinds)
    (site.parent / "r.jsonl").write_text('{"problem_id": "demo/test-0001", "response": "42"}\n')
    asked = ["eval", "--engine", "replay", "--responses", "r.jsonl", "--benchmarks", "demo"]
    done = harness(site, points, *asked, "--limit", "1", "--json")
    assert done.returncode == 0, done.stderr


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
