"""What errors say: they reach a caller of the Python API too, who has no flags."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ERRORS = ("UserError", "WrongValueError", "ValueError")
FOR_ONE_WHO_TYPES = re.compile(r"python -m harness[^;]*|`[^`]*`|\([^)]*\)")
"""A command that is given whole, and what stands in brackets beside a setting's own name."""


def outside_commands(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what is in it, but not what is in a command that is named whole."""
    yield node
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "hint"):
        for child in ast.iter_child_nodes(node):
            yield from outside_commands(child)


def messages() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of every error that a function below the API makes."""
    paths = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "harness").rglob("*.py")]
    for path in paths:
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS:
                constants = [one for one in outside_commands(node) if isinstance(one, ast.Constant)]
                texts = [one.value for one in constants if isinstance(one.value, str)]
                yield f"{path}:{node.lineno}", "".join(texts)


def test_an_error_names_settings_and_no_flags() -> None:
    found = {place: text for place, text in messages() if "--" in FOR_ONE_WHO_TYPES.sub("", text)}
    assert found == {}
