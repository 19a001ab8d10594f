"""Where a folder has packages of our names, ours are imported, or what is imported is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FINDER = """
import importlib.machinery, sys

class Editable:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None and name in ("benchmarks", "harness", "trainers"):
            return importlib.machinery.PathFinder.find_spec(name, [{root!r}])

sys.meta_path.insert(1 + sys.meta_path.index(importlib.machinery.PathFinder), Editable)
"""
"""How setuptools lets packages be found that are installed to be edited: after the path."""


@pytest.fixture(params=["bare", "package"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with what is called as our packages are, with and without Python in it."""
    folder = tmp_path / "work"
    for name in ("benchmarks", "trainers", "results"):
        (folder / name).mkdir(parents=True)
        if request.param == "package":
            (folder / name / "__init__.py").write_text("raise SystemExit('theirs')\n")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder on the path by which the harness is found as an editable installation is."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(FINDER.format(root=str(ROOT)), encoding="utf-8")
    return site


def python(folder: Path, path: list[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        check=False, capture_output=True, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
    )  # fmt: skip


def test_the_command_imports_its_own(folder: Path, site: Path) -> None:
    done = python(folder, [site], "-m", "harness", "list", "benchmarks")
    assert (done.returncode, done.stderr) == (0, "")
    assert "minerva_math" in done.stdout


def test_what_pythonpath_puts_before_ours_is_named(folder: Path, site: Path) -> None:
    for arguments in (
        ["-m", "harness", "list"],
        ["-c", "from harness.__main__ import main; main()"],
        ["-P", "-c", "from harness import evaluate"],
    ):
        done = python(folder, [folder, site], *arguments)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert f"the package 'benchmarks' is found in {folder / 'benchmarks'}" in last
        assert f"not beside the harness in {ROOT}" in last
        assert ("Traceback" in done.stderr) == (arguments[0] == "-P")


def test_a_clone_works_in_its_own_folder() -> None:
    done = python(ROOT, [], "-m", "harness", "list", "benchmarks")
    assert done.returncode == 0
    assert "minerva_math" in done.stdout
