r"""Find answers whose brackets do not match, as where a formula breaks off in the middle.

No LaTeX parser reads such a text, and to find that out takes it ten milliseconds and more.
"""

from __future__ import annotations

import re

_BRACKET = re.compile(r"\\?[{}]|[()\[\]]")
_OPENING = frozenset(("(", "[", r"\{"))
_INVISIBLE = (r"\left.", r"\right.")
"""Stand for a bracket that is not written."""


def mismatched(text: str) -> bool:
    r"""Say whether a bracket of a formula has no partner.

    A bracket may be closed by one of another kind, as in half-open intervals. Where there are
    square brackets, any pair will do: ``]0, 1[`` is an interval, too.

    >>> mismatched(r"(-\infty, 2"), mismatched(r"\frac{1}{2"), mismatched("x + 1)")
    (True, True, True)
    >>> mismatched(r"[0, 1)"), mismatched("]0, 1["), mismatched(r"\left\{1\right.")
    (False, False, False)
    """
    if any(stands in text for stands in _INVISIBLE):
        return False
    found = [(match[0], match.end()) for match in _BRACKET.finditer(text)]
    braces = [(sign, end) for sign, end in found if sign in "{}"]
    others = [sign for sign, _ in found if sign not in "{}"]
    if "[" in others or "]" in others:
        return len(others) % 2 == 1 or _braces_mismatch(text, braces)
    return _depth_left(others) != 0 or _braces_mismatch(text, braces)


def _depth_left(brackets: list[str]) -> int:
    """Return how many brackets stay open; -1 if one is closed that was not opened."""
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in _OPENING else -1
        if depth < 0:
            return -1
    return depth


def _braces_mismatch(text: str, braces: list[tuple[str, int]]) -> bool:
    """Say the same of the braces that group.

    Closing ones at the very end do not count: the text around the answer may have left them.
    """
    depth = 0
    for brace, end in braces:
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return bool(text[end:].strip("} "))
    return depth != 0
