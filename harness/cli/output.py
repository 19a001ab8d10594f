"""Print what a command has to say: the one place through which its text reaches a terminal.

Records, tables of samples, published files and model names may come from strangers. Whatever of
them could steer a terminal, such as an escape sequence or a mark that reverses the writing
direction, is escaped here, so that no command has to think of it.
"""

from __future__ import annotations

import io

import click

from harness.common.text import disarmed


def echo(text: str, *, err: bool = False) -> None:
    """Print a text or a JSON document to standard output, or to standard error."""
    click.echo(disarmed(text), err=err)


def echo_click_error(error: click.ClickException) -> None:
    """Print what click has to say of a wrong use; it quotes arguments and values."""
    said = io.StringIO()
    error.show(said)
    echo(said.getvalue().rstrip("\n"), err=True)
