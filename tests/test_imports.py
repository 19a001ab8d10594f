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


LENT = (
    "harness.grading", "harness.extraction", "harness.checkpoint", "harness.lineage",
    "harness.spec", "harness.guard", "harness.orphans", "harness.text",
)  # fmt: skip
"""What `trainers` may use of the harness."""


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("path", modules("trainers"), ids=str)
def test_a_trainer_knows_of_the_harness_what_it_is_lent(path: Path) -> None:
    ours = {name for name in imports_of(path) if name.startswith("harness")}
    assert not {name for name in ours if not is_within(name, LENT)}


@pytest.mark.parametrize("path", [*modules("benchmarks"), *modules("harness")], ids=str)
def test_only_the_command_line_knows_the_trainers(path: Path) -> None:
    if path.is_relative_to(ROOT / "harness" / "cli"):
        return
    assert not {name for name in imports_of(path) if is_within(name, ("trainers",))}


PLUGINS = ("trainers.verl.plugins",)


@pytest.mark.parametrize("path", modules("trainers"), ids=str)
def test_no_trainer_imports_anything_heavy_when_it_is_imported(path: Path) -> None:
    """verl loads the rewards in every worker, and `plan` has to answer at once."""
    if path.parent.name == "plugins":  # what verl itself loads, in its own processes
        return
    assert not {name for name in imports_of(path) if is_within(name, PLUGINS)}
    assert not {name.split(".")[0] for name in imported_at_once(path)} & HEAVY


def imported_at_once(path: Path) -> set[str]:
    """Return what a module imports outside of functions, and not for type checkers alone."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("module", ["trainers.rewards", "trainers.rollouts", "trainers.verl.keys"])
def test_what_verl_or_a_plan_loads_first_is_light(module: str) -> None:
    program = f"import sys, {module}\nprint(sorted({HEAVY!r} & set(sys.modules)))\n"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["eval", "--help"],
        ["list"],
        ["list", "trainers"],
        ["train", "--help"],
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
