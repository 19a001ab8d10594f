r"""Parse tokens into an answer's structure, by splitting at the loosest sign first.

``;`` and ``,`` (or "and", "or") separate the items of lists. Then come relations,
unions, brackets, ``\pm`` and ratios. An answer with none of these is an
expression, with or without a unit, or words. Nothing is guessed: tokens that do
not fit raise `UnreadableError`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Tokens
from itertools import pairwise

from harness.grading.answers.formula import parse_formula
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Based,
    Expression,
    Matrix,
    Number,
    Opaque,
    Quantity,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Union,
    Words,
)
from harness.grading.answers.tokens import Token, UnreadableError, tokenize

MAXIMUM_ITEMS = 64
_OPENING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_CLOSING = frozenset(_OPENING.values())
_HEDGES = frozenset("about approximately approx roughly exactly equals is the only".split())
_NOTHING = frozenset(("no solution", "no solutions", "none", "empty set", "no real solutions"))
_ALL = frozenset(("all real numbers", "all reals", "any real number"))
_DEPTH = 12


def parse(text: str) -> Answer:
    r"""Return the structure of an answer; raise `UnreadableError` if it is not understood.

    >>> parse("x = y").sides
    (Symbol(name='x'), Symbol(name='y'))
    """
    return _answer(tokenize(text), _DEPTH)


def _answer(tokens: list[Token], depth: int) -> Answer:
    if not tokens or depth == 0:
        raise UnreadableError("empty, or nested too deeply")
    for split in (_groups, _listed, _related, _united, _bracketed, _doubled, _ratio):
        found = split(tokens, depth - 1)
        if found is not None:
            return found
    return _single(tokens)


def _split(tokens: list[Token], at: Callable[[Token], bool]) -> list[list[Token]]:
    """Split at the tokens for which ``at`` is true, outside brackets and environments."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind in _OPENING or token.kind == "begin" or token.text in ("lfloor", "lceil"):
            depth += 1
        elif token.kind in _CLOSING or token.kind == "end" or token.text in ("rfloor", "rceil"):
            depth -= 1
        if depth == 0 and at(token):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _groups(tokens: list[Token], depth: int) -> Answer | None:
    return _sequence(_split(tokens, lambda token: token.kind == ";"), depth)


def _listed(tokens: list[Token], depth: int) -> Answer | None:
    return _sequence(_split(tokens, lambda t: t.kind in (",", "separator")), depth)


def _sequence(parts: list[list[Token]], depth: int) -> Answer | None:
    if len(parts) == 1:
        return None
    filled = [part for part in parts if part]
    if not 0 < len(filled) <= MAXIMUM_ITEMS:
        raise UnreadableError("no items, or too many")
    if len(filled) == 1:
        return _answer(filled[0], depth)
    return Sequence("", "", tuple(_flat([_answer(part, depth) for part in filled])))


def _flat(items: list[Answer]) -> list[Answer]:
    r"""Return the items, with each ``\pm`` replaced by the two items that it stands for."""
    flat: list[Answer] = []
    for item in items:
        if isinstance(item, Sequence) and item.opening == "±":
            flat.extend(item.items)
        else:
            flat.append(item)
    return flat


def _related(tokens: list[Token], depth: int) -> Answer | None:
    signs = [part for part in tokens if part.kind == "relation"]
    parts = _split(tokens, lambda token: token.kind == "relation")
    if len(parts) == 1 or len(parts) != len(signs) + 1 or not any(parts):
        return None
    if not parts[0]:  # "= 5"
        if signs[0].text not in "=~":
            raise UnreadableError("an inequality without a left side")
        return _answer(tokens[1:], depth)
    return Relation(tuple(sign.text for sign in signs), tuple(_side(part, depth) for part in parts))


def _side(tokens: list[Token], depth: int) -> Answer:
    try:
        return _answer(tokens, depth)
    except UnreadableError:
        named = tokens and tokens[0].text in ("angle", "triangle")
        if not named and (not tokens or any(token.kind == "number" for token in tokens)):
            raise
        return Opaque(" ".join(token.text for token in tokens))


def _united(tokens: list[Token], depth: int) -> Answer | None:
    parts = _split(tokens, lambda token: token.text == "cup")
    if len(parts) > 1:
        return Union(tuple(_answer(part, depth) for part in parts))
    parts = _split(tokens, lambda token: token.text == "setminus")
    if len(parts) == 2 and _is_reals(parts[0]):
        return _punctured(_answer(parts[1], depth))
    return Sequence("(", ")", _WHOLE) if _is_reals(tokens) else None


def _is_reals(tokens: list[Token]) -> bool:
    return [t.text for t in tokens if t.kind not in "{}"] == ["mathbb", "R"]


_INFINITY = Symbol("\\infty")
_WHOLE: tuple[Answer, Answer] = (Apply("-", (_INFINITY,)), _INFINITY)


def _punctured(holes: Answer) -> Answer:
    """Return the real line without one point, or without several points in ascending order."""
    points = holes.items if isinstance(holes, Sequence) else (holes,)
    ends = [_WHOLE[0], *points, _WHOLE[1]]
    return Union(tuple(Sequence("(", ")", pair) for pair in pairwise(ends)))


def _doubled(tokens: list[Token], depth: int) -> Answer | None:
    signs = {"pm": ("+", "-"), "mp": ("-", "+")}
    if not any(token.text in signs for token in tokens):
        return None
    both = []
    for index in (0, 1):
        chosen = [
            Token(signs[t.text][index], signs[t.text][index], t.spaced) if t.text in signs else t
            for t in tokens
        ]
        both.append(_answer(chosen, depth))
    return Sequence("±", "±", tuple(both))


def _bracketed(tokens: list[Token], depth: int) -> Answer | None:
    """Return what the pair of brackets around everything holds, unless it only groups a value."""
    if tokens[0].kind == "begin":
        return _environment(tokens, depth)
    opening, closing = tokens[0].kind, tokens[-1].kind
    if opening not in _OPENING or closing not in _CLOSING or _closes_before_end(tokens):
        return None
    inner = tokens[1:-1]
    braces = opening in ("{", "\\{") and closing in ("}", "\\}")
    if braces and not inner:
        return Words("no solution")
    if braces and opening == "{":
        item = _answer(inner, depth)
        if isinstance(item, Sequence) and item.opening == "":
            return Sequence("{", "}", item.items)
        return item
    inside = _answer(inner, depth)
    if isinstance(inside, Sequence) and inside.opening == "±" and not braces:
        return inside
    if isinstance(inside, Sequence) and inside.opening in ("", "±"):
        ends = ("{", "}") if braces else (opening, closing)
        return Sequence(*ends, inside.items)
    if braces:
        return Sequence("{", "}", (inside,))
    grouped = (opening, closing) in (("(", ")"), ("[", "]"))
    return inside if grouped and not isinstance(inside, Number | Symbol | Apply) else None


def _closes_before_end(tokens: list[Token]) -> bool:
    depth = 0
    for token in tokens[:-1]:
        depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
        if depth == 0:
            return True
    return False


def _environment(tokens: list[Token], depth: int) -> Answer | None:
    if tokens[-1].kind != "end" or not tokens[0].text.rstrip("*").endswith(("matrix", "array")):
        return None
    inner = tokens[1:-1]
    rows = [row for row in _split(inner, lambda token: token.kind == "row") if row]
    cells = [_split(row, lambda token: token.kind == "cell") for row in rows]
    if len(cells) > MAXIMUM_ITEMS or len({len(row) for row in cells}) > 1 or not cells:
        raise UnreadableError("not a matrix")
    return Matrix(tuple(tuple(_answer(cell, depth) for cell in row) for row in cells))


def _ratio(tokens: list[Token], depth: int) -> Answer | None:
    parts = _split(tokens, lambda token: token.kind == ":")
    if len(parts) == 1:
        return None
    terms = tuple(_answer(part, depth) for part in parts)
    last = parts[-1]
    clock = len(last) == 1 and last[0].kind == "number" and len(last[0].text) == 2
    return Ratio(terms, clock and len(parts[0]) == 1 and parts[0][0].kind == "number")


def _single(tokens: list[Token]) -> Answer:
    """Return an expression, a quantity, a number with its base, or words."""
    if all(token.kind in ("word", "symbol") for token in tokens) and any(
        token.kind == "word" for token in tokens
    ):
        return _words(tokens)
    if [token.text for token in tokens] in (["\\emptyset"], ["\\varnothing"]):
        return Words("no solution")
    while tokens and tokens[0].text.lower() in _HEDGES:
        tokens = tokens[1:]
    based = _based(tokens)
    if based is not None:
        return based
    unit = _unit_length(tokens)
    value = parse_formula(tokens[: len(tokens) - unit])
    if not unit:
        return _degrees(value)
    return Quantity(value, _unit_text(tokens[len(tokens) - unit :]))


def _words(tokens: Tokens[Token]) -> Answer:
    text = " ".join(token.text.lower() for token in tokens)
    if text in _ALL:
        return Sequence("(", ")", _WHOLE)
    return Words("no solution" if text in _NOTHING else text)


def _degrees(value: Expression) -> Answer:
    if isinstance(value, Apply) and value.function == "degrees":
        return Quantity(value.arguments[0], "degree")
    return value


def _unit_length(tokens: list[Token]) -> int:
    """Return how many of the last tokens are a unit: from the first word or percent sign on."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
        if depth == 0 and index and token.kind in ("word", "%"):
            rest = tokens[index:]
            start = index
            # In "5 m per second" and "5 m/hour" the letter before the word belongs to the unit.
            before = tokens[index - 1]
            if before.kind == "symbol" and index >= 2 and tokens[index - 2].kind == "number":
                start = index - 1
            elif before.kind == "/" and index >= 3 and tokens[index - 2].kind in ("symbol", "word"):
                start = index - 2
            if all(_is_unit_part(part) for part in rest):
                return len(tokens) - start
            raise UnreadableError("words inside a formula")
    return 0


_UNIT_POWERS = frozenset("123456789")


def _is_unit_part(token: Token) -> bool:
    return token.kind in ("word", "symbol", "%", "/", "^", "*", "{", "}", "-") or (
        token.kind == "number" and token.text in _UNIT_POWERS
    )


def _unit_text(tokens: list[Token]) -> str:
    words = [token.text for token in tokens if token.kind not in "{}"]
    return " ".join(words).replace(" ^ ", "^").replace(" / ", "/").replace("^- ", "^-")


def _based(tokens: list[Token]) -> Based | None:
    """Return a number with its base, as in ``1A_{16}`` and ``(101)_2``; None if it has none."""
    marks = [index for index, token in enumerate(tokens) if token.kind == "_"]
    if len(marks) != 1 or tokens[-1].kind not in ("number", "}"):
        return None
    digits = [t for t in tokens[: marks[0]] if t.kind not in ("(", ")", "{", "}")]
    base = [t.text for t in tokens[marks[0] + 1 :] if t.kind not in "{}"]
    if not digits or digits[0].kind != "number" or len(base) != 1 or not base[0].isdecimal():
        return None
    text = "".join(token.text for token in digits)
    return Based(text.upper(), int(base[0])) if text.isalnum() and len(base[0]) < 3 else None
