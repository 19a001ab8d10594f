r"""Find where an answer ends in a remark on which numbers its letters stand for."""

from __future__ import annotations

from collections.abc import Callable

from harness.grading.answers.splitting import texts
from harness.grading.answers.tokens import Token

_DECLARING = frozenset(
    "where whenever with for all any every each some and is an are given forall".split()
)
_INTEGERS = frozenset(("integer", "integers"))
_COMMAS = frozenset((",", ";"))

_Declaration = tuple[list[Token], list[str], str]
"""The tokens before the letters, the letters, and the name of the set of which they are."""


def separated(tokens: list[Token]) -> list[Token]:
    r"""Return the tokens with a comma before a declaration that they end with.

    ``k\pi (k \in \mathbb{Z})``, ``k\pi \text{ for } k \in \mathbb{Z}`` and ``k\pi, \text{ where } k
    \text{ is an integer}`` become ``k\pi, k \in \mathbb{Z}``.
    """
    bracketed = bool(tokens) and tokens[-1].kind == ")"
    inner = tokens[:-1] if bracketed else tokens
    found = _in_set(inner) or _called_integer(inner)
    if found is None:
        return tokens
    rest, names, domain = found
    rest = _without_end(rest, lambda token: token.text.lower() in _DECLARING)
    if bracketed:
        if not rest or rest[-1].kind != "(":
            return tokens
        rest = rest[:-1]
    rest = _without_end(rest, lambda token: token.kind in _COMMAS)
    if not rest:
        return tokens
    for name in names:
        rest = [*rest, Token(",", ","), Token("symbol", name), Token("relation", "in")]
        rest += [Token("command", "mathbb"), Token("symbol", domain)]
    return rest


def _without_end(tokens: list[Token], idle: Callable[[Token], bool]) -> list[Token]:
    end = len(tokens)
    while end and idle(tokens[end - 1]):
        end -= 1
    return tokens[:end]


def _in_set(tokens: list[Token]) -> _Declaration | None:
    r"""Read ``k \in \mathbb{Z}`` at the end of the tokens."""
    tail = texts(tokens[-5:])[-3:]
    if len(tail) < 3 or tail[:2] != ["in", "mathbb"]:
        return None
    place = max(index for index, token in enumerate(tokens) if token.text == "in")
    return _declared(tokens[:place], tail[2])


def _called_integer(tokens: list[Token]) -> _Declaration | None:
    """Read "k is an integer" and "for any integer k" at the end of the tokens."""
    last = [token.text.lower() for token in tokens[-2:]]
    if not _INTEGERS & set(last):
        return None
    if last[-1] in _INTEGERS:
        words = _INTEGERS | _DECLARING
        return _declared(_without_end(tokens, lambda token: token.text.lower() in words), "Z")
    return _declared([*tokens[:-2], Token("word", "for"), tokens[-1]], "Z")


def _declared(tokens: list[Token], domain: str) -> _Declaration | None:
    """Return the letters at the end; several only after a word or a bracket, as in "for m, n"."""
    names: list[str] = []
    start = len(tokens)
    while start and tokens[start - 1].kind == "symbol":
        start -= 1
        names.insert(0, tokens[start].text)
        if not start or tokens[start - 1].kind != ",":
            break
        start -= 1
    if len(names) > 1 and not (start and _introduces(tokens[start - 1])):
        names, start = names[-1:], len(tokens) - 1
    before = tokens[start - 1] if names and start else None
    if before is None or not (_introduces(before) or before.kind in _COMMAS):
        return None
    return tokens[:start], names, domain


def _introduces(token: Token) -> bool:
    return token.kind in ("(", "word", "separator") or token.text == "forall"
