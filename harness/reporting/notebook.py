"""HTML for a notebook's cell: a table and the lines below it. Everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from harness.common.text import printable


def html_table(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str]
) -> str:
    """Return a table with its first column to the left, the others to the right.

    >>> html_table("v1", ["benchmark", "%"], [["<b>", "3.3"]], ["a note"]).count("<b>")
    1
    """
    head = "".join(_cell("th", text, number) for number, text in enumerate(headers))
    body = "".join(
        f"<tr>{''.join(_cell('td', text, number) for number, text in enumerate(row))}</tr>"
        for row in rows
    )
    below = "".join(f"<div>{_text(note)}</div>" for note in notes)
    return (
        f"<div><b>{_text(title)}</b>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"
    )


def folded(title: str, text: str) -> str:
    """Return a text of fixed width that is shown when its title is clicked."""
    return f"<details><summary>{_text(title)}</summary><pre>{_text(text)}</pre></details>"


def _cell(tag: str, text: str, number: int) -> str:
    return f'<{tag} style="text-align: {"right" if number else "left"}">{_text(text)}</{tag}>'


def _text(text: str) -> str:
    return escape(printable(text))
