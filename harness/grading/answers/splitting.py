"""Split tokens at signs that stand outside all brackets."""

from __future__ import annotations

from collections.abc import Callable

from harness.grading.answers.syntax import Answer
from harness.grading.answers.tokens import Token

Reader = Callable[[list[Token], int], Answer]
"""Reads tokens as an answer; the number is how many more levels may be nested."""

OPENING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
CLOSING = frozenset(OPENING.values())


def split(tokens: list[Token], at: Callable[[Token], bool]) -> list[list[Token]]:
    """Split at the tokens for which ``at`` is true, outside brackets and environments."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += step(token)
        if depth == 0 and at(token):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def outside(tokens: list[Token]) -> list[Token]:
    """Return the tokens that stand outside all brackets and environments."""
    depth, found = 0, []
    for token in tokens:
        depth += step(token)
        if depth == 0:
            found.append(token)
    return found


def step(token: Token) -> int:
    """Return 1 for a token that opens a group, -1 for one that closes a group, else 0."""
    if token.kind in OPENING or token.kind == "begin" or token.text in ("lfloor", "lceil"):
        return 1
    return -(token.kind in CLOSING or token.kind == "end" or token.text in ("rfloor", "rceil"))


def closes_before_end(tokens: list[Token]) -> bool:
    """Say whether the group that the first token opens ends before the last token."""
    depth = 0
    for token in tokens[:-1]:
        depth += step(token)
        if depth == 0:
            return True
    return False


def texts(tokens: list[Token]) -> list[str]:
    """Return the tokens' texts without braces."""
    return [token.text for token in tokens if token.kind not in "{}"]
