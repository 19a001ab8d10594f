r"""Parse tokens into an answer's structure, by splitting at the loosest sign first.

``;`` and ``,`` (or "and", "or") separate the items of lists. Then come relations,
unions, brackets, ``\pm`` and ratios. An answer with none of these is an
expression, with or without a unit, or words. Nothing is guessed: tokens that do
not fit raise `UnreadableError`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Tokens
from fractions import Fraction

from harness.grading.answers import families, lists, sets, vectors, wording
from harness.grading.answers.declarations import separated
from harness.grading.answers.environments import determinant, environment, system
from harness.grading.answers.expressions import is_constant
from harness.grading.answers.formula import parse_formula
from harness.grading.answers.labels import label
from harness.grading.answers.nouns import is_noun
from harness.grading.answers.quantities import compound
from harness.grading.answers.remarks import without_remarks
from harness.grading.answers.spellings import MONTHS
from harness.grading.answers.splitting import CLOSING, OPENING, closes_before_end, outside, split
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Based,
    Expression,
    Number,
    Opaque,
    Qualified,
    Quantity,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Words,
)
from harness.grading.answers.tokens import DOTS, Token, UnreadableError, tokenize
from harness.grading.answers.units import UNIT_LETTERS, read_unit

MAXIMUM_ITEMS = 64
_POINTS = frozenset("point points vertex center centre focus vector coordinates".split())
_HEDGES = frozenset(
    "about approximately approx roughly exactly precisely just simply equals is the only "
    "thus hence "
    "therefore so".split()
)
_ALL = frozenset(("all real numbers", "all reals", "any real number"))
_DEPTH = 12


def parse(text: str) -> Answer:
    r"""Return the structure of an answer; raise `UnreadableError` if it is not understood.

    >>> parse("x = y").sides
    (Symbol(name='x'), Symbol(name='y'))
    """
    tokens = _lines(tokenize(text))
    found = sets.excepted(tokens, _DEPTH, _answer)
    if found is not None:
        return found
    decided = _decided(tokens)
    if decided is not None:
        return decided
    declared = separated(tokens)
    if declared is not tokens:
        return _answer(declared, _DEPTH)
    stated = without_remarks(tokens)
    if not stated.remark:
        return _answer(tokens, _DEPTH)
    return Qualified(_answer(stated.tokens, _DEPTH), stated.remark, stated.is_condition)


def _lines(tokens: list[Token]) -> list[Token]:
    """Return the tokens with a comma for each end of a line outside of all environments."""
    if not any(token.kind == "row" for token in tokens):
        return tokens
    ends = {id(token) for token in outside(tokens) if token.kind == "row"}
    return [Token(",", ",") if id(token) in ends else token for token in tokens]


_HEADS = frozenset(("yes", "no", "true", "false"))
_TURNS = _HEADS | frozenset("but except unless only if not or".split())


def _decided(tokens: list[Token]) -> Words | None:
    """Return "Yes, it is continuous at 0" as words: what follows yes or no only explains it."""
    if len(tokens) < 4 or tokens[0].text.lower() not in _HEADS or tokens[1].kind not in (",", ";"):
        return None
    rest = tokens[2:]
    if not any(token.kind == "word" for token in rest):
        return None
    if any(token.text.lower() in _TURNS for token in rest):
        return None
    return Words(f"{tokens[0].text.lower()}, " + " ".join(token.text.lower() for token in rest))


def _answer(tokens: list[Token], depth: int) -> Answer:
    if not tokens or depth == 0:
        raise UnreadableError("empty, or nested too deeply")
    for rule in (
        _compound,
        _groups,
        _listed,
        _related,
        _united,
        _bracketed,
        _scaled,
        _doubled,
        _ratio,
    ):
        found = rule(tokens, depth - 1)
        if found is not None:
            return found
    return _single(tokens)


def _compound(tokens: list[Token], depth: int) -> Answer | None:
    """Read "2 hours 30 minutes" and "2 hours and 30 minutes" as one quantity."""
    numbers = [index for index, token in enumerate(tokens) if token.kind == "number"]
    if len(numbers) < 2 or numbers[0] or any(tokens[i - 1].kind != "word" for i in numbers[1:]):
        tokens = [
            token
            for index, token in enumerate(tokens)
            if token.text not in (",", "and") or index + 1 not in numbers
        ]
        numbers = [index for index, token in enumerate(tokens) if token.kind == "number"]
        if len(numbers) < 2 or numbers[0]:
            return None
    ends = [*numbers[1:], len(tokens)]
    parts = [tokens[start:end] for start, end in zip(numbers, ends, strict=True)]
    if any(len(part) != 2 or part[1].kind not in ("word", "symbol") for part in parts):
        return None
    return compound([Quantity(parse_formula([n]), unit.text) for n, unit in parts])


def _groups(tokens: list[Token], depth: int) -> Answer | None:
    return _sequence(split(tokens, lambda token: token.kind == ";"), depth)


def _listed(tokens: list[Token], depth: int) -> Answer | None:
    if not any(token.kind in (",", "separator") for token in tokens):
        return None
    found = sets.alternatives(tokens, depth, _answer) or sets.grouped(tokens, depth, _answer)
    if found is not None:
        return found
    return _sequence(split(tokens, lambda t: t.kind in (",", "separator")), depth)


def _sequence(parts: list[list[Token]], depth: int) -> Answer | None:
    if len(parts) == 1:
        return None
    filled = [part for part in parts if part]
    if not 0 < len(filled) <= MAXIMUM_ITEMS:
        raise UnreadableError("no items, or too many")
    if len(filled) == 1:
        return _answer(filled[0], depth)
    parsed = _flat([_answer(part, depth) for part in filled])
    stated = _clauses(parsed)
    if stated is not None:
        return stated
    items = families.settled(families.with_modulus(lists.expanded(parsed)))
    return items[0] if len(items) == 1 else Sequence("", "", tuple(items))


_DECIDED = (Words("yes"), Words("no"))


def _clauses(items: list[Answer]) -> Words | None:
    """Return yes or no with the words after it, as in "Yes, it converges"."""
    if items[0] not in _DECIDED or any(item in _DECIDED for item in items[1:]):
        return None
    texts = [item.text for item in items if isinstance(item, Words)]
    return Words(", ".join(texts)) if len(texts) == len(items) else None


def _flat(items: list[Answer]) -> list[Answer]:
    r"""Return the items, with each ``\pm`` replaced by the two items that it stands for."""
    flat: list[Answer] = []
    for item in items:
        if isinstance(item, Sequence) and item.opening == "±":
            flat.extend(item.items)
        elif isinstance(item, Relation) and item.signs == ("=",) and _is_double(item.sides[1]):
            both = item.sides[1]
            flat.extend(
                Relation(item.signs, (item.sides[0], value))
                for value in (both.items if isinstance(both, Sequence) else ())
            )
        else:
            flat.append(item)
    return flat


def _is_double(answer: Answer) -> bool:
    return isinstance(answer, Sequence) and answer.opening == "±"


def _related(tokens: list[Token], depth: int) -> Answer | None:
    signs = [token for token in outside(tokens) if token.kind == "relation"]
    parts = split(tokens, lambda token: token.kind == "relation")
    if len(parts) == 1 or len(parts) != len(signs) + 1 or not any(parts):
        return None
    if not parts[0]:  # "= 5"
        if signs[0].text not in "=~":
            raise UnreadableError("an inequality without a left side")
        return _answer(tokens[1:], depth)
    first, *rest = parts
    named = label(first) if signs[0].text in "=~" else None
    # Between an integral and its value may stand what is computed on the way.
    *between, last = rest
    read = _step if isinstance(named, Opaque) and first[0].text in _COMPUTED else _side
    steps = (read(part, depth) for part in between)
    sides = (named or _side(first, depth), *steps, _side(last, depth))
    return Relation(tuple(sign.text for sign in signs), sides)


_COMPUTED = frozenset(("int", "sum", "prod", "lim"))


def _step(tokens: list[Token], depth: int) -> Answer:
    try:
        return _answer(tokens, depth)
    except UnreadableError:
        return Opaque(" ".join(token.text for token in tokens))


def _side(tokens: list[Token], depth: int) -> Answer:
    try:
        return _answer(tokens, depth)
    except UnreadableError:
        named = tokens and tokens[0].text in ("angle", "triangle")
        if not named and (not tokens or any(token.kind == "number" for token in tokens)):
            raise
        return Opaque(" ".join(token.text for token in tokens))


def _united(tokens: list[Token], depth: int) -> Answer | None:
    return sets.combined(tokens, depth, _answer)


def _doubled(tokens: list[Token], depth: int) -> Answer | None:
    signs = {"pm": ("+", "-"), "mp": ("-", "+")}
    if not any(token.text in signs and token.kind == "command" for token in tokens):
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
        return environment(tokens, depth, _answer)
    if tokens[0].kind == "\\{" and len(tokens) > 3:
        found = system(tokens, depth, _answer)
        if found is not None:
            return found
    if tokens[0].kind == "|" and len(tokens) > 3 and tokens[1].kind == "begin":
        return determinant(tokens, depth, _answer)
    opening, closing = tokens[0].kind, tokens[-1].kind
    if opening not in OPENING or closing not in CLOSING or closes_before_end(tokens):
        return None
    inner = tokens[1:-1]
    if opening in ("{", "\\{") and closing in ("}", "\\}"):
        return _braced(opening, inner, depth)
    inside = _pair(inner) or _answer(inner, depth)
    if isinstance(inside, Sequence) and inside.opening == "±":
        return inside
    if isinstance(inside, Sequence) and inside.opening == "":
        return Sequence(opening, closing, inside.items)
    grouped = (opening, closing) in (("(", ")"), ("[", "]"))
    return inside if grouped and not isinstance(inside, Number | Symbol | Apply) else None


def _braced(opening: str, inner: list[Token], depth: int) -> Answer:
    """Return a set by its elements or by a condition on them; bare braces may only group."""
    if not inner:
        return Words("no solution")
    stated = sets.builder(inner, depth, _answer)
    if stated is not None:
        return stated
    inside = _answer(inner, depth)
    if isinstance(inside, Sequence) and (
        inside.opening == "" or (inside.opening == "±" and opening == "\\{")
    ):
        return Sequence("{", "}", inside.items)
    return inside if opening == "{" else Sequence("{", "}", (inside,))


def _scaled(tokens: list[Token], depth: int) -> Answer | None:
    """Read a vector after a number or a name: ``\\frac{1}{2}(1, 3)`` and "point (1, 3)"."""
    start = next((i for i, token in enumerate(tokens) if token.kind in ("(", "begin")), 0)
    if not start or tokens[-1].kind not in (")", "end") or closes_before_end(tokens[start:]):
        return None
    factor, rest = tokens[:start], tokens[start:]
    if all(token.kind == "word" for token in factor):
        words = [token.text.lower() for token in factor]
        named = words[-1] in _POINTS or (words[-1] in ("at", "is") and _POINTS & set(words))
        return _answer(rest, depth) if named else None
    if len(split(rest[1:-1], lambda token: token.kind == ",")) < 2 and rest[0].kind == "(":
        return None
    if rest[0].kind == "begin" and sum(token.kind == "begin" for token in rest) != 1:
        return None
    value = _plain_factor(factor)
    vector = _answer(rest, depth) if value is not None else None
    return None if vector is None or value is None else vectors.scaled(value, vector)


def _plain_factor(tokens: list[Token]) -> Expression | None:
    """Return a constant that may stand before a vector; a letter before it may be its name."""
    if tokens[-1].kind in ("+", "-") and len(tokens) == 1:
        return Apply("-", (Number(Fraction(1)),)) if tokens[0].kind == "-" else None
    if tokens[-1].kind == "*":
        tokens = tokens[:-1]
    try:
        value = parse_formula(tokens)
    except UnreadableError:
        return None
    return value if is_constant(value) else None


def _pair(inner: list[Token]) -> Answer | None:
    """Return two integers between brackets, whose comma separates no thousands: ``(12,345)``."""
    if len(inner) != 1 or inner[0].kind != "number" or "," not in inner[0].text:
        return None
    return Sequence(
        "", "", tuple(parse_formula([Token("number", t)]) for t in inner[0].text.split(","))
    )


def _ratio(tokens: list[Token], depth: int) -> Answer | None:
    parts = split(tokens, lambda token: token.kind == ":")
    if len(parts) == 1:
        return None
    terms = tuple(_answer(part, depth) for part in parts)
    last = parts[-1]
    said = len(last) == 2 and last[1].text.lower() in ("am", "pm")
    clock = (len(last) == 1 or said) and last[0].kind == "number" and len(last[0].text) == 2
    return Ratio(terms, clock and len(parts[0]) == 1 and parts[0][0].kind == "number")


def _single(tokens: list[Token]) -> Answer:
    """Return an expression, a quantity, a number with its base, or words."""
    found = _named(tokens)
    return _valued(tokens) if found is None else found


def _named(tokens: list[Token]) -> Answer | None:
    """Return what is named and not calculated: words, a day, an angle, the empty set, dots."""
    if all(token.kind in ("word", "symbol") for token in tokens) and any(
        token.kind == "word" for token in tokens
    ):
        if tokens[0].text in ("\\pi", "e") and is_noun(_unit_text(tokens[1:])):
            return Quantity(Symbol(tokens[0].text), _unit_text(tokens[1:]))
        return _words(tokens)
    if len(tokens) == 2 and tokens[0].text in MONTHS and tokens[1].kind == "number":
        return Words(f"{tokens[0].text.lower()} {tokens[1].text}")
    if len(tokens) == 1 and tokens[0].text in ("\\emptyset", "\\varnothing"):
        return Words("no solution")
    if tokens[0].text == "angle" and len(tokens) > 1 and all(map(_is_vertex, tokens[1:])):
        return Symbol("angle " + "".join(token.text for token in tokens[1:]))
    if len(tokens) == 1 and tokens[0].kind == "dots":
        return Symbol(DOTS)
    return None


def _valued(tokens: list[Token]) -> Answer:
    """Return an expression, a quantity, or a number with its base."""
    while tokens and tokens[0].text.lower() in _HEDGES:
        tokens = tokens[1:]
    based = _based(tokens)
    if based is not None:
        return based
    length = _unit_length(tokens)
    value = parse_formula(tokens[: len(tokens) - length])
    if not length:
        return _degrees(value)
    unit = _unit_text(tokens[len(tokens) - length :])
    if unit == "of them":
        unit = "them"
    if unit in _CHANCES:
        unit = "%"
    part = _PART_OF.fullmatch(unit)
    return Quantity(value, part[1] if part and read_unit(part[1]) else unit)


_CHANCES = frozenset(("% chance", "% probability", "percent chance", "percent probability"))
_PART_OF = re.compile(r"of an? (.{1,60})")
"""What follows the fraction in "5/8 of a mile"."""


def _is_vertex(token: Token) -> bool:
    return token.kind in ("symbol", "word") and token.text.isupper()


def _words(tokens: Tokens[Token]) -> Answer:
    text = ""
    for before, token in zip((None, *tokens), tokens, strict=False):
        letters = before and before.kind == token.kind == "symbol" and not token.spaced
        text += token.text.lower() if letters else " " + token.text.lower()
    text = text.strip()
    if text in _ALL:
        return sets.WHOLE
    return Words("no solution" if wording.canonical(text) == wording.NOTHING else text)


def _degrees(value: Expression) -> Answer:
    if isinstance(value, Apply) and value.function == "degrees":
        return Quantity(value.arguments[0], "degree")
    if isinstance(value, Apply) and value.function == "*":
        left, right = value.arguments
        if isinstance(right, Apply) and right.function == "degrees":  # of the whole product
            return Quantity(Apply("*", (left, right.arguments[0])), "degree")
    return value


def _unit_length(tokens: list[Token]) -> int:
    """Return how many of the last tokens are a unit: from the first word or percent sign on."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        if depth == 0 and index and token.kind in ("word", "%"):
            rest = tokens[index:]
            start = index
            # In "5 m per second" and "5 m/hour" the letter before the word belongs to the unit.
            before = tokens[index - 1]
            if (index >= 2 and _begins_unit(tokens[index - 2], before, token)) or (
                before.text == "\\Omega" and index >= 2
            ):
                start = index - 1
            elif (before.kind == "*" and index >= 3 and tokens[index - 2].text == "\\Omega") or (
                before.kind == "/" and index >= 3 and tokens[index - 2].kind in ("symbol", "word")
            ):
                start = index - 2
            if _are_unit_parts(rest):
                return len(tokens) - start
            raise UnreadableError("words inside a formula")
    return 0


def _begins_unit(value: Token, letter: Token, word: Token) -> bool:
    r"""Say whether the letter before a word is part of the unit, as in ``5 m per hour``."""
    if letter.text == "\\mu":
        return True
    return letter.text in UNIT_LETTERS and word.text.lower() == "per" and value.kind == "number"


_UNIT_POWERS = frozenset("123456789")


def _is_unit_part(token: Token) -> bool:
    return token.kind in ("word", "symbol", "%", "/", "^", "*", "{", "}", "-") or (
        token.kind == "number" and token.text in _UNIT_POWERS
    )


def _is_counted(noun: Token) -> bool:
    return noun.kind == "word" and read_unit(noun.text) is None


_UNIT_SIGNS = frozenset(("\\mu", "\\Omega", "\\AA", "\\hbar", "\\odot", "\\oplus"))


def _is_raised(before: Token, number: Token) -> bool:
    """Say whether a number is a power, as in ``cm^2`` and ``cm2``."""
    if before.kind in ("^", "{", "-"):
        return True
    return before.kind in ("word", "symbol") and not number.spaced


def _are_unit_parts(tokens: list[Token]) -> bool:
    """Say whether tokens may be a unit, in which brackets stand below a bar: ``J/(mol K)``."""
    below = False
    for before, token in zip((None, *tokens), tokens, strict=False):
        below |= token.kind == "(" and before is not None and before.kind == "/"
        if token.kind == "number" and (before is None or not _is_raised(before, token)):
            if before is not None and before.text in ("in", "to") and _is_counted(tokens[0]):
                continue  # "22 apples in 3 boxes"
            return False  # "5 cm * 2" is 10 cm
        if token.kind == "symbol" and token.text[0] == "\\" and token.text not in _UNIT_SIGNS:
            return False
        if not _is_unit_part(token) and not (below and token.kind in "()"):
            return False
    return True


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
