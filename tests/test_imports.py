"""Imports go one way between the rooms, and the light commands import nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
RESULTS = str(ROOT / "results")
ORDER = (
    ("benchmarks",),
    ("harness.common",),
    ("harness.stats", "harness.extraction", "harness.demo"),
    ("harness.grading", "harness.models", "harness.prompts"),
    ("harness.runs", "trainers"),
    ("harness.engines", "harness.analysis"),
    ("harness.evaluation",),
    ("harness.importers", "harness.reporting"),
    ("harness.api",),
    ("harness.documentation", "harness.cli"),
    ("harness.__main__",),
)
"""The rooms, the lowest first. A room imports itself and rooms in lines above its own."""
EXCEPTIONS = {
    # What a person sees of the house as a whole, each loaded when it is asked for.
    "harness": {
        "benchmarks", "harness.api", "harness.common", "harness.engines", "harness.grading",
        "harness.reporting", "harness.runs", "trainers",
    },
    # The registry of trainers is asked for by name, like every other one.
    "harness.api": {"trainers"},
}  # fmt: skip
HEAVY = {
    "torch", "vllm", "ray", "verl", "sympy", "datasets", "pandas", "transformers", "pyarrow",
    "matplotlib", "scipy",
}  # fmt: skip
PLUGINS = "trainers.verl.plugins"
"""What verl and vLLM load themselves, in their own processes: they may be heavy."""


class Edge(NamedTuple):
    """One import of a module by another."""

    source: str
    target: str
    at_once: bool
    """It happens when the module is imported, not when a function is called."""


def rooms() -> list[str]:
    return [room for line in ORDER for room in line]


def room_of(module: str) -> str | None:
    """Return the room that a module is in: the longest name of `ORDER` that it begins with."""
    holding = [room for room in rooms() if is_within(module, room)]
    return max(holding, key=len, default="harness" if module == "harness" else None)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def level(room: str) -> int:
    return next(number for number, line in enumerate(ORDER) if room in line)


@cache
def edges() -> tuple[Edge, ...]:
    """Return every import in the product."""
    found = []
    for folder in ("benchmarks", "harness", "trainers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found += edges_of(module.removesuffix(".__init__"), path)
    return tuple(found)


def edges_of(module: str, path: Path) -> list[Edge]:
    found = []
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), True)]
    while waiting:
        node, at_once = waiting.pop()
        if isinstance(node, ast.Import):
            found += [Edge(module, alias.name, at_once) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name if is_module(name) else node.module for name in names]
            found += [Edge(module, name, at_once) for name in dict.fromkeys(modules)]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += [(child, False) for child in node.body]
            waiting += [(child, at_once) for child in node.orelse]
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            waiting += [(child, at_once and not inside) for child in ast.iter_child_nodes(node)]
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_every_module_is_in_a_room() -> None:
    assert not [edge.source for edge in edges() if room_of(edge.source) is None]


def test_a_room_imports_only_lower_rooms() -> None:
    wrong = []
    for edge in edges():
        source, target = room_of(edge.source), room_of(edge.target)
        if source is None or target is None or source == target:
            continue
        if target in EXCEPTIONS.get(source, ()):
            continue
        if source == "harness" or target == "harness" or level(target) >= level(source):
            wrong.append(f"{edge.source} -> {edge.target}")
    assert not wrong, "these imports go up or sideways:\n" + "\n".join(sorted(set(wrong)))


def test_grading_stands_alone() -> None:
    """A training takes its reward from here, and it must not load the evaluation with it."""
    allowed = ("benchmarks", "harness.common", "harness.extraction", "harness.grading")
    wrong = [
        edge
        for edge in edges()
        if is_within(edge.source, "harness.grading")
        and edge.target.split(".")[0] in ("benchmarks", "harness", "trainers")
        and not any(is_within(edge.target, room) for room in allowed)
    ]
    assert not wrong


def test_trainers_use_only_the_rooms_that_they_need() -> None:
    allowed = ("harness.common", "harness.extraction", "harness.grading", "harness.models")
    wrong = [
        edge
        for edge in edges()
        if is_within(edge.source, "trainers")
        and is_within(edge.target, "harness")
        and not any(is_within(edge.target, room) for room in allowed)
    ]
    assert not wrong


def test_no_trainer_imports_anything_heavy_when_it_is_imported() -> None:
    """verl loads the rewards in every worker, and a dry run has to answer at once."""
    wrong = [
        edge
        for edge in edges()
        if is_within(edge.source, "trainers")
        and not is_within(edge.source, PLUGINS)
        and (
            is_within(edge.target, PLUGINS) or (edge.at_once and edge.target.split(".")[0] in HEAVY)
        )
    ]
    assert not wrong


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
