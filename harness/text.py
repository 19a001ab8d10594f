"""Model output is hostile: what of it reaches a terminal goes through here."""

from __future__ import annotations

import unicodedata


def printable(text: str | None, *, limit: int | None = None) -> str:
    r"""Return ``text`` with control characters made visible, cut at ``limit`` characters.

    Line breaks and tabs stay; escape sequences, which could rewrite the screen,
    and the invisible marks that reverse the writing direction do not.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    if text is None:
        return ""
    cut = text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c in "\n\t" or _harmless(c) else _visible(c) for c in cut)


def one_line(text: str | None, *, limit: int = 60) -> str:
    """Return ``text`` printable and on one line."""
    return printable(" ".join((text or "").split()), limit=limit)


def _harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
