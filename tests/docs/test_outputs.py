"""What the pages show of commands on stored runs is what these commands print now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs() -> ModuleType:
    """The script, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("docs_outputs", DOCS / "outputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_output_is_stale(outputs: ModuleType) -> None:
    pages = dict(outputs.pages())
    assert {"README.md", "compare.md", "index.md"} <= {path.name for path in pages}
    stale = [path.name for path, text in pages.items() if path.read_text("utf-8") != text]

    assert not stale, "print them again with python docs/outputs.py"


def test_a_block_keeps_its_indent_and_its_cut(
    outputs: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "output", lambda asked: f"{asked} 1\n\n  two\nthree\n")
    cut = "    $ python -m harness show x\n    old\n    …\n\nAfter it.\n"
    whole = "```text\n$ python -m harness show y\nold\n```\n"

    assert outputs.printed_again(cut + whole) == (
        "    $ python -m harness show x\n    show x 1\n    …\n\nAfter it.\n"
        "```text\n$ python -m harness show y\nshow y 1\n\n  two\nthree\n```\n"
    )
