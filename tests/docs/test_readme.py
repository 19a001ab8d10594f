"""The README's Python example runs as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_readme_has_one_python_example_and_is_short() -> None:
    readme = ROOT / "README.md"

    assert len(_python_blocks(readme)) == 1
    assert readme.stat().st_size < 4_500


@pytest.mark.engine
def test_the_python_example_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # It stores a run under results/, and compares two results that a clone has there.
    shutil.copytree(ROOT / "results" / "published", tmp_path / "results" / "published")
    monkeypatch.chdir(tmp_path)
    (example,) = _python_blocks(ROOT / "README.md")

    exec(compile(example, "README.md", "exec"), {})

    printed = capsys.readouterr().out
    assert printed.startswith("correct\n")
    assert "no evidence is not evidence of no difference" in printed
    assert list((tmp_path / "results" / "runs" / "demo").glob("*/run.json"))
