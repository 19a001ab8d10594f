r"""Parse LaTeX environments: matrices, systems of equations and functions in pieces."""

from __future__ import annotations

from harness.grading.answers.splitting import Reader, split
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Cases,
    Expression,
    Matrix,
    Number,
    Relation,
    Sequence,
    Symbol,
    Words,
)
from harness.grading.answers.tokens import Token, UnreadableError

MAXIMUM_ROWS = 64
_MAXIMUM_DETERMINANT = 4
_LINES = ("align", "aligned", "equation", "gather", "gathered", "split", "multline", "alignedat")
_CONDITION_WORDS = frozenset("if for when where provided with that and".split())
_REST = ("otherwise", "else", "elsewhere", "other")


def environment(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Read ``\begin{…} … \end{…}`` around all tokens; None if they are no environment alone."""
    name = tokens[0].text
    ends = [index for index, token in enumerate(tokens) if token.kind in ("begin", "end")]
    if len(ends) != 2 or ends[1] != len(tokens) - 1 or tokens[-1].text != name:
        return None
    rows = [row for row in split(tokens[1:-1], lambda token: token.kind == "row") if row]
    if not 0 < len(rows) <= MAXIMUM_ROWS:
        raise UnreadableError("no rows, or too many")
    if name in _LINES or name.endswith("cases"):
        return _system(rows, depth, read)
    if name.endswith(("matrix", "array")):
        if name == "array" and len(rows) == 1 and not any(t.kind == "cell" for t in rows[0]):
            return read(rows[0], depth)  # it only places one formula
        return _matrix(name, rows, depth, read)
    return None


def system(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Read ``\left\{ \begin{array}{l} … \end{array} \right.``, a brace before several rows."""
    if tokens[1].kind != "begin" or tokens[-1].kind != "end":
        return None
    if sum(token.kind in ("begin", "end") for token in tokens) != 2:
        return None
    rows = [row for row in split(tokens[2:-1], lambda token: token.kind == "row") if row]
    if not 0 < len(rows) <= MAXIMUM_ROWS:
        raise UnreadableError("no rows, or too many")
    return _system(rows, depth, read)


def determinant(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Read ``\left| \begin{array}{cc} … \end{array} \right|``; None if it is something else."""
    found = environment(tokens[1:-1], depth, read)
    if not isinstance(found, Matrix) or tokens[-1].kind != "|":
        return None
    return _determinant(found.rows)


def _matrix(name: str, rows: list[list[Token]], depth: int, read: Reader) -> Answer:
    cells = [split(row, lambda token: token.kind == "cell") for row in rows]
    if len({len(row) for row in cells}) > 1:
        raise UnreadableError("not a matrix")
    matrix = Matrix(tuple(tuple(read(cell, depth) for cell in row) for row in cells))
    if name == "Vmatrix":
        raise UnreadableError("a norm")
    return _determinant(matrix.rows) if name == "vmatrix" else matrix


def _determinant(rows: tuple[tuple[Answer, ...], ...]) -> Expression:
    """Return the determinant as a formula, by its expansion along the first row."""
    if len(rows) != len(rows[0]) or len(rows) > _MAXIMUM_DETERMINANT:
        raise UnreadableError("no determinant, or a large one")
    entries = [
        [entry for entry in row if isinstance(entry, Number | Symbol | Apply)] for row in rows
    ]
    if any(len(row) != len(rows) for row in entries):
        raise UnreadableError("entries that are no numbers")
    return _expanded(entries)


def _expanded(rows: list[list[Expression]]) -> Expression:
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Expression] = []
    for column, entry in enumerate(rows[0]):
        minor = [row[:column] + row[column + 1 :] for row in rows[1:]]
        term: Expression = Apply("*", (entry, _expanded(minor)))
        terms.append(Apply("-", (term,)) if column % 2 else term)
    return Apply("+", tuple(terms))


def _system(rows: list[list[Token]], depth: int, read: Reader) -> Answer:
    """Read rows of relations as a list, and rows of a value and its condition as cases."""
    cells = [split(row, lambda token: token.kind == "cell") for row in rows]
    if all(len(row) == 2 and _is_piece(row) for row in cells):
        return Cases(tuple(_piece(row, depth, read) for row in cells))
    if len(cells) > 1 and all(_continues(row) for row in cells[1:]):
        return read([token for row in cells for cell in row for token in cell], depth)
    items: list[Answer] = []
    for row in cells:
        item = read(_trimmed([token for cell in row for token in cell]), depth)
        if len(rows) > 1 and not isinstance(item, Relation):
            raise UnreadableError("rows that are no relations")
        items.append(item)
    return items[0] if len(items) == 1 else Sequence("", "", tuple(items))


def _continues(row: list[list[Token]]) -> bool:
    """Say whether a row goes on with the chain of the row before, as ``&= 12`` does."""
    return next((cell for cell in row if cell), [Token("", "")])[0].kind == "relation"


def _is_piece(row: list[list[Token]]) -> bool:
    """Say whether a row is a value and a condition, and not two sides of an aligned relation."""
    value, condition = row
    related = condition and condition[0].kind == "relation"
    return bool(value and condition) and not related and value[-1].kind != "relation"


def _piece(row: list[list[Token]], depth: int, read: Reader) -> tuple[Answer, Answer]:
    value, condition = _trimmed(row[0]), _trimmed(row[1])
    while condition and condition[0].text.lower() in _CONDITION_WORDS:
        condition = condition[1:]
    if not value or not condition:
        raise UnreadableError("a piece without a value or a condition")
    if condition[0].text.lower() in _REST:
        return read(value, depth), Words("otherwise")
    return read(value, depth), read(condition, depth)


def _trimmed(tokens: list[Token]) -> list[Token]:
    """Return the tokens without a comma or the like at their end."""
    while tokens and tokens[-1].kind in (",", ";", "separator"):
        tokens = tokens[:-1]
    return tokens
