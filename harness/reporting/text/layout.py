"""Tables in the forms that people ask for: rows and footnotes in, text out. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from tabulate import tabulate

from harness.common.text import one_line

FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet takes for a formula (OWASP, "CSV Injection")."""
_NUMBER = re.compile(r"[+-]?[0-9.,]+(e[+-]?[0-9]+)?%?")
Format = Literal["text", "markdown", "csv", "latex", "json"]
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{mark: "\\" + mark for mark in "&%$#_{}"},
    }
)
_TABULATE = {"text": "simple", "markdown": "github", "latex": "latex_booktabs"}


_ALIGNMENT = {"l": "left", "r": "right"}
_WIDEST = 200
"""The most characters that a cell shows."""


def text_table(rows: Iterable[Sequence[object]], headers: Sequence[str], align: str = "") -> str:
    r"""Return rows under their headers as aligned columns for the terminal.

    Cells are shown as they are: "1.10" stays "1.10", None is empty, and control characters
    become visible.

    Args:
        rows: the cells, one sequence a row.
        headers: one text a column.
        align: one letter a column, ``l`` or ``r``; columns without a letter are left-aligned.

    >>> print(text_table([["gsm8k", "1.10"], ["a\x1b[2J", None]], ["name", "score"], "lr"))
    name        score
    --------  -------
    gsm8k        1.10
    a\x1b[2J
    """
    safe = [["" if cell is None else one_line(str(cell), limit=_WIDEST) for cell in row]
            for row in (headers, *rows)]  # fmt: skip
    columns = [_ALIGNMENT[letter] for letter in align]
    table = tabulate(
        safe[1:], safe[0], tablefmt=_TABULATE["text"], disable_numparse=True, colalign=columns
    )
    return "\n".join(map(str.rstrip, table.splitlines()))


def shown_table(rows: Sequence[Mapping[str, str]], notes: Sequence[str], form: Format) -> str:
    """Return rows under their common keys, and footnotes, as text, Markdown or LaTeX."""
    names = list(rows[0]) if rows else ["name", "average"]
    headers = [_escaped(one_line(name, limit=_WIDEST), form) for name in names]
    body = [[_escaped(one_line(v, limit=_WIDEST), form) for v in row.values()] for row in rows]
    align = ["left" if name in ("name", "run") else "right" for name in names]
    table = tabulate(body, headers, tablefmt=_TABULATE[form], disable_numparse=True, colalign=align)
    if form == "latex":
        table = table.replace("≥", r"$\geq$")  # tabulate leaves it, and pdflatex lacks it
    return f"{table}\n\n{_joined(notes, form)}".rstrip()


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV under their common keys; an empty text without rows.

    A text that a spreadsheet would take for a formula, such as a model called ``=1+1``, gets an
    apostrophe in front (OWASP, "CSV Injection"). Numbers stay as they are.
    """
    if not rows:
        return ""
    target = io.StringIO()
    writer = csv.DictWriter(target, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writerow({name: _inert(name) for name in rows[0]})
    writer.writerows({name: _inert(cell) for name, cell in row.items()} for row in rows)
    return target.getvalue().rstrip("\n")


def _inert(cell: Any) -> Any:
    """Return a cell that no spreadsheet computes.

    >>> [_inert(cell) for cell in ("=1+1", "@x", "+a", "-", "-1.5", -1.5, "v1", None)]
    ["'=1+1", "'@x", "'+a", '-', '-1.5', -1.5, 'v1', None]
    """
    if not isinstance(cell, str) or cell[:1] not in FORMULA_BEGINS or cell in ("", "-"):
        return cell
    return cell if _NUMBER.fullmatch(cell) else f"'{cell}"


def _joined(lines: Sequence[str], form: Format) -> str:
    """Join footnotes so that each keeps a line of its own when the text is rendered."""
    lines = [one_line(line, limit=None) for line in lines]
    if form == "markdown":
        return "\n".join(f"- {_escaped(line, form)}" for line in lines)
    if form == "latex":
        return "\n\n".join(line.translate(_LATEX) for line in lines)
    return "\n".join(lines)


def _escaped(text: str, form: Format) -> str:
    """Escape what would end a cell of a Markdown table, or be HTML in it.

    Cells of a LaTeX table are escaped by tabulate.
    """
    return text.replace("|", "\\|").replace("<", "&lt;") if form == "markdown" else text
