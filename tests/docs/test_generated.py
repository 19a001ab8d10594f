"""The generated pages are those that the code would make now."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The generator, which is a script and no part of the package."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up the module they are in
    spec.loader.exec_module(module)
    return module


def test_no_page_is_stale(generate: ModuleType) -> None:
    stale = [path.name for path, text in generate.pages() if path.read_text("utf-8") != text]

    assert not stale, "generate them again with python docs/generate.py"


def test_every_command_and_option_has_help(generate: ModuleType) -> None:
    from harness.cli import cli

    silent = []
    for path, command in _commands(cli, ()):
        options = [option for option in command.params if isinstance(option, click.Option)]
        silent += [(*path, option.name) for option in options if not option.help]
        silent += [] if command.help else [path]

    assert not silent


def test_every_stored_field_says_what_it_is(generate: ModuleType) -> None:
    silent = [
        f"{name}.{field.name}"
        for name, kind in generate._stored_classes().items()
        for field in generate.Source(kind).fields
        if not field.about
    ]

    assert not silent


def test_every_public_name_has_a_docstring(generate: ModuleType) -> None:
    import harness

    names = getattr(harness, "__all__", ())

    assert not [name for name in names if not getattr(harness, name).__doc__]


def test_a_docstring_becomes_markdown(generate: ModuleType) -> None:
    docstring = "Add ``a`` to `b` <here>.\n\nRaises:\n    UserError: it cannot\n        be done.\n\n>>> 1 + 1\n2\n\nExample:\n    add(1)"  # noqa: E501

    assert generate.prose(docstring) == (
        "Add `a` to `b` &lt;here&gt;.\n\n"
        "**Raises:**\n\n- `UserError`: it cannot be done.\n\n"
        "```pycon\n>>> 1 + 1\n2\n```\n\n"
        "**Example:**\n\n```python\nadd(1)\n```\n"
    )


def _commands(
    group: click.Group, path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += _commands(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found
