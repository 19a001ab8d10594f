"""Imports point one way, and the light commands import nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {
    "torch", "vllm", "ray", "verl", "sympy", "datasets", "pandas", "transformers", "pyarrow",
    "matplotlib", "scipy",
}  # fmt: skip
RESULTS = str(ROOT / "results")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", modules("benchmarks"), ids=str)
def test_benchmarks_know_nothing_of_the_harness(path: Path) -> None:
    assert not {name for name in imports_of(path) if name.split(".")[0] == "harness"}


@pytest.mark.parametrize("path", modules("harness"), ids=str)
def test_only_the_command_line_knows_the_command_line(path: Path) -> None:
    if "cli" in path.parts or path.name == "__main__.py":
        return
    assert not {name for name in imports_of(path) if name.startswith("harness.cli")}


@pytest.mark.parametrize(
    "path", [*modules("harness/grading"), *modules("harness/extraction")], ids=str
)
def test_grading_stands_alone(path: Path) -> None:
    """A trainer takes its reward from here; it must not drag the pipeline along."""
    allowed = ("harness.grading", "harness.extraction", "harness.orphans")
    ours = {name for name in imports_of(path) if name.startswith("harness.")}
    assert not {name for name in ours if not name.startswith(allowed)}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["eval", "--help"],
        ["list"],
        ["table", "--json"],
        ["table", "--results", RESULTS],
        ["diff", "openseek-v1", "openseek-v4", "--results", RESULTS],
        ["show", "openseek-v1", "--results", RESULTS],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_the_light_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from harness.cli import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "HEAVY []" in done.stderr
