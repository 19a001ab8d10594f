r"""Recognise what only names the value on the other side of an equals sign.

``y(x) = 2x``, ``\frac{dy}{dx} = 2x`` and ``P(X > 2) = 0.1`` state the value on the right, although
their left side is a product or nothing that the formula parser reads.
"""

from __future__ import annotations

from harness.grading.answers.syntax import Answer, Apply, Opaque, Symbol
from harness.grading.answers.tokens import FUNCTIONS, Token

_OPERATORS = frozenset(
    "sum prod int iint oint lim \\nabla \\det \\Pr \\arg \\deg \\dim \\ker \\sup \\inf angle "
    "triangle rank Var Cov tr "
    "trace ord".split()
)
_DIFFERENTIALS = frozenset(("d", "\\partial", "\\delta", "\\Delta"))


def label(tokens: list[Token]) -> Answer | None:
    """Return the name that the left side of an equation is, or None if it is a formula."""
    if not tokens:
        return None
    first = tokens[0]
    if first.text in _OPERATORS:
        return _opaque(tokens)
    if _is_derivative(tokens) or _is_difference(tokens):
        return _opaque(tokens)
    return _call(tokens)


def _opaque(tokens: list[Token]) -> Opaque:
    return Opaque(" ".join(token.text for token in tokens))


def _is_derivative(tokens: list[Token]) -> bool:
    r"""Say whether the tokens are ``\frac{dy}{dx}``, ``dy/dx`` or ``\frac{d^2}{dx^2} y``."""
    plain = [token for token in tokens if token.kind not in ("{", "}")]
    if plain[0].text == "frac" and plain[0].kind == "command":
        depth = parts = 0
        opening = []
        for index, token in enumerate(tokens):
            if token.kind == "{" and depth == 0 and parts < 2 and index + 1 < len(tokens):
                opening.append(tokens[index + 1].text)
                parts += 1
            depth += (token.kind == "{") - (token.kind == "}")
        return len(opening) == 2 and set(opening) <= _DIFFERENTIALS
    if plain[0].text not in _DIFFERENTIALS:
        return False
    bars = [index for index, token in enumerate(plain) if token.kind == "/"]
    return len(bars) == 1 and bars[0] + 2 < len(plain) and plain[bars[0] + 1].text == plain[0].text


def _is_difference(tokens: list[Token]) -> bool:
    r"""Say whether the tokens are ``\Delta p``, with or without an index."""
    if tokens[0].text != "\\Delta" or len(tokens) < 2 or tokens[1].kind != "symbol":
        return False
    return len(tokens) == 2 or tokens[2].kind == "_"


def _call(tokens: list[Token]) -> Answer | None:
    r"""Read ``y(x)``, ``f^{-1}(x)``, ``y'(t)``, ``S_n(x)``, ``E[X]`` and ``P(X > 2)``."""
    opening = next((i for i, token in enumerate(tokens) if token.kind in ("(", "[")), 0)
    closing = {"(": ")", "[": "]"}.get(tokens[opening].kind)
    if not opening or tokens[-1].kind != closing or _closes_before_end(tokens[opening:]):
        return None
    name, inner = tokens[:opening], tokens[opening + 1 : -1]
    spelled = _name(name)
    if spelled is None:
        return None
    arguments = _arguments(inner)
    if arguments is not None and spelled not in [a.name for a in arguments]:
        return Apply(f"call:{spelled}", tuple(arguments))
    event = name[0].text in ("P", "mathbb") or name[0].kind == "word" or closing == "]"
    event |= any(token.kind == "relation" for token in inner)
    return _opaque(tokens) if event and inner else None


def _closes_before_end(tokens: list[Token]) -> bool:
    depth = 0
    for token in tokens[:-1]:
        depth += (token.kind in ("(", "[")) - (token.kind in (")", "]"))
        if depth == 0:
            return True
    return False


def _name(tokens: list[Token]) -> str | None:
    r"""Return a function's name: a letter or a word, with index, primes or ``^{-1}``."""
    first = tokens[0]
    if first.text == "mathbb":
        return " ".join(token.text for token in tokens if token.kind not in ("{", "}"))
    if first.kind not in ("symbol", "word") or first.text in FUNCTIONS:
        return None
    rest = [token for token in tokens[1:] if token.kind not in ("{", "}")]
    while rest and rest[0].kind == "'":
        rest = rest[1:]
    if rest and rest[0].kind == "_" and len(rest) >= 2:
        rest = rest[2:]
    inverse = [token.text for token in rest] == ["^", "-", "1"]
    if rest and not inverse and any(token.text not in ("^", "'") for token in rest):
        return None
    return "".join(token.text for token in tokens if token.kind not in ("{", "}"))


def _arguments(tokens: list[Token]) -> list[Symbol] | None:
    """Return a call's arguments if all are letters."""
    arguments: list[Symbol] = []
    letters = [token for token in tokens if token.kind != ","]
    if len(tokens) != 2 * len(letters) - 1 or any(t.kind != "symbol" for t in letters):
        return None
    arguments = [Symbol(token.text) for token in letters]
    return arguments if len(set(arguments)) == len(arguments) else None
