r"""Parse what describes a set of numbers: alternatives, set-builders, unions and differences.

A set-builder ``\{x \in \mathbb{R} \mid x > 2\}`` is read as its conditions, ``x \in \mathbb{R},
x > 2``, since both describe the same numbers.
"""

from __future__ import annotations

from fractions import Fraction

from harness.grading.answers.splitting import CLOSING, Reader, outside, split, texts
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Difference,
    Intersection,
    Number,
    Relation,
    Sequence,
    Symbol,
    Union,
)
from harness.grading.answers.tokens import Token, UnreadableError

INFINITY = Symbol("\\infty")
NEGATIVE_INFINITY = Apply("-", (INFINITY,))
WHOLE = Sequence("(", ")", (NEGATIVE_INFINITY, INFINITY))
"""The real line."""
_NUMBERS = frozenset("ZNQC")
_PREFIX = "\\mathbb "


def number_set(name: str) -> Symbol:
    """Return the symbol of a set of numbers: Z, N, Q or C. The real numbers are `WHOLE`."""
    return Symbol(_PREFIX + name)


def is_number_set(answer: Answer) -> bool:
    """Say whether an answer is the set of all integers, rational, real or complex numbers."""
    return answer == WHOLE or (isinstance(answer, Symbol) and answer.name.startswith(_PREFIX))


def alternatives(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Read ``x < -1 \text{ or } x > 3`` as a union; None if no alternative is a condition."""
    parts = _between_or(tokens)
    if len(parts) < 2:
        return _both(tokens, depth, read)
    if not any(map(_is_condition, parts)):
        return None
    return Union(tuple(read(part, depth) for part in parts))


def _both(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Read ``x > 1 \text{ and } x < 3``, conditions on one variable, as what fulfils both."""
    parts = split(tokens, lambda token: token.kind in (",", "separator"))
    joined_by_and = all(t.text == "and" for t in outside(tokens) if t.kind in (",", "separator"))
    letters = {t.text for t in tokens if t.kind == "symbol"} - {"\\pi", "e", "\\infty"}
    if (
        len(parts) < 2
        or not joined_by_and
        or len(letters) != 1
        or not all(map(_is_condition, parts))
    ):
        return None
    return Intersection(tuple(read(part, depth) for part in parts))


def grouped(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Read ``x = 1, y = 2 \text{ or } x = 2, y = 1`` as a list of two lists."""
    parts = _between_or(tokens)
    if len(parts) > 1 and len({part[0].text for part in parts if _is_assignment(part)}) > 1:
        return Union(tuple(read(part, depth) for part in parts))
    if len(parts) < 2 or not all(map(_is_assignments, parts)):
        return None
    return Sequence("", "", tuple(read(part, depth) for part in parts))


def _between_or(tokens: list[Token]) -> list[list[Token]]:
    """Return what stands before, between and after the words "or", where anything does."""
    parts = split(tokens, lambda token: token.kind == "separator" and token.text == "or")
    return [part for part in parts if part]


def _is_assignment(tokens: list[Token]) -> bool:
    """Say whether tokens are ``x = 5``, with one letter before the sign."""
    return len(tokens) > 2 and tokens[0].kind == "symbol" and tokens[1].text == "="


def _is_assignments(tokens: list[Token]) -> bool:
    """Say whether tokens are two equations or more, with commas between them."""
    parts = split(tokens, lambda token: token.kind in (",", "separator"))
    return len(parts) > 1 and all(
        [t.text for t in outside(part) if t.kind == "relation"] == ["="] for part in parts
    )


def _is_condition(tokens: list[Token]) -> bool:
    """Say whether tokens have a sign of relation other than one of equality."""
    signs = {token.text for token in outside(tokens) if token.kind == "relation"}
    if "=" in signs and signs <= {"=", "in"}:
        return False  # a value, and the set of its letter
    return bool(signs - {"=", "~"})


_SIGNS = frozenset(("mathbb", "cup", "cap", "setminus", "\\{"))


def combined(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    """Read unions, intersections and differences of sets, and the name of a set of numbers."""
    if _SIGNS.isdisjoint(token.text for token in tokens):
        return None
    if _is_named(tokens):
        name = texts(tokens)[1]
        return WHOLE if name == "R" else number_set(name)
    if len(tokens) > 2 and texts(tokens)[1:] == ["mathbb", "Z"] and tokens[0].kind == "number":
        letter = Token("symbol", "k")
        declared = [Token(",", ","), letter, Token("relation", "in"), *tokens[1:]]
        return read([tokens[0], letter, *declared], depth)
    half = _half(texts(tokens)) if tokens[0].text == "mathbb" else None
    if half is not None:
        return half
    signs = {token.text for token in outside(tokens)} & {"cup", "cap", "setminus"}
    if len(signs) > 1:
        raise UnreadableError("which sets belong together is not certain")
    if "cup" in signs:
        return Union(tuple(_parts(tokens, "cup", depth, read)))
    if "cap" in signs:
        return Intersection(tuple(_parts(tokens, "cap", depth, read)))
    if "setminus" in signs:
        return _difference(_parts(tokens, "setminus", depth, read))
    return _without(tokens, depth, read)


def _parts(tokens: list[Token], sign: str, depth: int, read: Reader) -> list[Answer]:
    return [read(part, depth) for part in split(tokens, lambda token: token.text == sign)]


def _difference(parts: list[Answer]) -> Answer:
    whole = parts[0]
    for removed in parts[1:]:
        whole = Difference(whole, removed)
    return whole


def _is_named(tokens: list[Token]) -> bool:
    found = texts(tokens)
    return len(found) == 2 and found[0] == "mathbb" and (found[1] in _NUMBERS or found[1] == "R")


def _half(found: list[str]) -> Answer | None:
    r"""Return the positive or the negative real numbers, as ``\mathbb{R}^+`` and the like."""
    sign = "".join(found[2:]).lstrip("_^")
    if found[1:2] != ["R"] or sign not in _HALVES:
        return None
    low, high, opening, closing = _HALVES[sign]
    return Sequence(opening, closing, (low, high))


_ZERO = Number(Fraction(0), None, 0)
_HALVES: dict[str, tuple[Answer, Answer, str, str]] = {
    "+": (_ZERO, INFINITY, "(", ")"), ">0": (_ZERO, INFINITY, "(", ")"),
    ">=0": (_ZERO, INFINITY, "[", ")"), "-": (NEGATIVE_INFINITY, _ZERO, "(", ")"),
    "<0": (NEGATIVE_INFINITY, _ZERO, "(", ")"), "<=0": (NEGATIVE_INFINITY, _ZERO, "(", "]"),
}  # fmt: skip


def _may_be_removed(opening: Token, before: list[Token]) -> bool:
    return opening.kind == "\\{" or (opening.kind in ("[", "(") and _is_named(before))


def _without(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Read ``\mathbb{R} - \{0\}`` and ``(0, 9) - \{3\}``."""
    for index, token in enumerate(tokens[:-1]):
        before, after = tokens[:index], tokens[index + 1 :]
        if token.kind == "-" and before and _may_be_removed(after[0], before):
            if _is_named(before) or before[-1].kind in CLOSING - {"}"}:
                return Difference(read(before, depth), read(after, depth))
            return None
    return None


_ALL_REALS = frozenset("all any every the set of real reals number numbers x".split())
_EXCEPT = frozenset("except excluding besides but other".split())


def excepted(tokens: list[Token], depth: int, read: Reader) -> Answer | None:
    """Read "all real numbers except 0"; None if the tokens are no such words."""
    words = [token.text.lower() for token in tokens[:8]]
    place = next((i for i, word in enumerate(words) if word not in _ALL_REALS), 0)
    if not place or words[place] not in _EXCEPT or not {"real", "reals"} & set(words[:place]):
        return None
    rest = tokens[place + 1 :]
    while rest and rest[0].text.lower() in ("than", "for", "at"):
        rest = rest[1:]
    return Difference(WHOLE, read(rest, depth)) if rest else None


def builder(inner: list[Token], depth: int, read: Reader) -> Answer | None:
    r"""Return the conditions of a set-builder, given what stands in its braces; None if it is none.

    Only sets of a variable are read: ``\{x^2 : x > 3\}`` is no condition on its elements.
    """
    index = next((i for i, token in enumerate(inner) if token.kind in ("|", ":", ";")), 0)
    element, conditions = inner[:index], inner[index + 1 :]
    if not element or not conditions or not _has_relation(conditions):
        return None
    name, *rest = split(element, lambda token: token.kind == "relation")
    if not rest and len(name) > 1 and _is_any_integer(conditions, element):
        return read([*element, Token(",", ","), *conditions], depth)
    if len(name) != 1 or name[0].kind != "symbol":
        if _has_relation(element) or len(split(conditions, lambda t: t.kind == "relation")) > 1:
            raise UnreadableError("a set of other things than the values of a variable")
        return None
    stated = read(conditions, depth)
    if not rest:
        return stated
    if len(rest) > 1 or element[1].text != "in":
        raise UnreadableError("more than a variable and its domain")
    domain = Relation(("in",), (Symbol(name[0].text), read(rest[0], depth)))
    if isinstance(stated, Sequence) and stated.opening == "":
        return Sequence("", "", (domain, *stated.items))
    if isinstance(stated, Union):
        return Intersection((domain, stated))
    return Sequence("", "", (domain, stated))


def _is_any_integer(conditions: list[Token], element: list[Token]) -> bool:
    r"""Say whether the condition is ``k \in \mathbb{Z}`` for a letter of the element."""
    found = texts(conditions)
    return found[1:] == ["in", "mathbb", "Z"] and found[0] in texts(element)


def _has_relation(tokens: list[Token]) -> bool:
    return any(token.kind == "relation" for token in tokens)
