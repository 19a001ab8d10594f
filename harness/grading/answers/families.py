r"""Read and compare solutions that depend on any integer: ``\frac{\pi}{4} + k\pi``, ``3 \bmod 7``.

The letter of a family says nothing, and neither does the member that it starts from. A letter is
known to stand for any integer if the answer declares it, as in ``k \in \mathbb{Z}``. Another letter
in the other answer may then be the same parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeGuard

from harness.grading.answers.expressions import equal_expressions, is_constant
from harness.grading.answers.sets import WHOLE, is_number_set, number_set
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Cases,
    Expression,
    Intersection,
    Matrix,
    Node,
    Number,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    Union,
)
from harness.grading.answers.values import PI, UnknownValueError, exact, numeric, symbols

ANY_INTEGER = Symbol("\\integer")
"""What replaces a letter that stands for any integer."""
_PARAMETERS = frozenset("kKlmMnNjpqtrs")
_FREE = frozenset((WHOLE, number_set("C"), number_set("Q")))


# --- declarations -----------------------------------------------------------------------------


def settled(items: list[Answer]) -> list[Answer]:
    r"""Return the items of a list without the declarations of the letters in the others.

    A letter that stands for any integer becomes `ANY_INTEGER`. A letter that stands for any real or
    complex number stays as it is.
    """
    for item in items:
        declared = _declared(item)
        if declared is None:
            continue
        name, domain = declared
        others = [other for other in items if other is not item]
        using = [other for other in others if name in letters(other)]
        if not using or any(_bounds(other) for other in using):
            continue
        if domain in _FREE:
            return settled(others)
        if domain == number_set("Z"):
            return settled([replaced(other, {name: ANY_INTEGER}) for other in others])
    return items


def with_modulus(items: list[Answer]) -> list[Answer]:
    r"""Return the items of ``3, 5 \pmod{7}``, each with the modulus that stands after the last."""
    last = items[-1].sides[-1] if isinstance(items[-1], Relation) else items[-1]
    if not is_residue(last):
        return items
    full: list[Answer] = []
    for item in items[:-1]:
        value = item.sides[-1] if isinstance(item, Relation) else item
        if not isinstance(value, Number | Symbol | Apply) or not is_constant(value):
            return items
        if not is_residue(value):
            value = Apply("mod", (value, last.arguments[1]))
        if isinstance(item, Relation):
            full.append(Relation(item.signs, (*item.sides[:-1], value)))
        else:
            full.append(value)
    return [*full, items[-1]]


def _declared(item: Answer) -> tuple[str, Answer] | None:
    if not isinstance(item, Relation) or item.signs != ("in",):
        return None
    name, domain = item.sides
    return (name.name, domain) if isinstance(name, Symbol) and is_number_set(domain) else None


def _bounds(item: Answer) -> bool:
    return isinstance(item, Relation) and any(sign not in "=~" for sign in item.signs)


def letters(answer: Answer) -> frozenset[str]:
    """Return the names of all variables in an answer."""
    if isinstance(answer, Number | Symbol | Apply):
        return symbols(answer)
    return frozenset().union(*map(letters, _children(answer)))


def _children(answer: Answer) -> tuple[Answer, ...]:
    if isinstance(answer, Sequence):
        return answer.items
    if isinstance(answer, Relation):
        return answer.sides
    if isinstance(answer, Union):
        return answer.parts
    if isinstance(answer, Matrix | Cases):
        return tuple(entry for row in answer.rows for entry in row)
    return (answer.value,) if isinstance(answer, Quantity) else ()


def replaced(answer: Any, names: Mapping[str, Expression]) -> Any:
    """Return an answer, or a tuple of answers, in which variables are replaced by expressions."""
    if isinstance(answer, tuple):
        return tuple(replaced(part, names) for part in answer)
    if isinstance(answer, Symbol):
        return names.get(answer.name, answer)
    if not isinstance(answer, _COMPOUND):
        return answer
    fields = {field: getattr(answer, field) for field in answer.__struct_fields__}
    return type(answer)(
        **{
            field: replaced(value, names) if isinstance(value, tuple | Node) else value
            for field, value in fields.items()
        }
    )


_COMPOUND = (Apply, Sequence, Relation, Union, Intersection, Matrix, Cases, Quantity)


# --- comparison -------------------------------------------------------------------------------


def is_residue(answer: Answer) -> TypeGuard[Apply]:
    r"""Say whether an answer is a residue with its modulus, ``3 \bmod 7``."""
    return isinstance(answer, Apply) and answer.function == "mod"


def same_residue(gold: Expression, answer: Expression) -> bool | None:
    """Compare two answers of which one or both are residues with their modulus."""
    if is_residue(gold) and is_residue(answer):
        (left, modulus), (right, other) = gold.arguments, answer.arguments
        values = [exact(part) for part in (left, modulus, right, other)]
        if None in values:
            return None
        first, size, second, size_too = values
        return size == size_too and bool(size) and (first - second) % size == 0  # type: ignore[operator]
    if is_residue(gold):
        return False if is_constant(answer) else _same(_progression(gold), answer)
    if not is_residue(answer):
        return None
    if is_constant(gold):  # the question names the modulus
        given, size = (exact(part) for part in answer.arguments)
        stated = given is not None and size is not None and abs(given) < size
        return exact(gold) == exact(answer) or (stated and exact(gold) == given)
    return _same(gold, _progression(answer))


def stated_residue(relation: Relation) -> Apply | None:
    r"""Return the residue that ``17 \equiv 2 \pmod{5}`` states, if the congruence holds."""
    left, last = relation.sides[0], relation.sides[-1]
    if not is_residue(last) or len(relation.sides) != 2:
        return None
    if not isinstance(left, Number | Apply) or not is_constant(left):
        return None
    return last if same_residue(Apply("mod", (left, last.arguments[1])), last) else None


def _progression(residue: Apply) -> Expression:
    first, modulus = residue.arguments
    return Apply("+", (first, Apply("*", (modulus, ANY_INTEGER))))


def same_family(gold: Expression, answer: Expression) -> bool | None:
    """Say whether two expressions are the same family of numbers; None if they may be none."""
    if ANY_INTEGER in (gold, answer):
        return None
    declared = [ANY_INTEGER.name in symbols(side) for side in (gold, answer)]
    if any(declared):
        return _same(gold, answer)
    sides = []
    for side in (gold, answer):
        name = _parameter(side, frozenset())
        if name is None:
            return None
        sides.append(replaced(side, {name: ANY_INTEGER}))
    # Without a declaration the letter may be one of the question's, as in (n - 2) pi.
    return _same(*sides) if all(map(_is_angle, sides)) else None


def _parameter(side: Expression, taken: frozenset[str]) -> str | None:
    """Return the only letter of an expression that may stand for any integer, or None."""
    own = symbols(side) - taken
    return next(iter(own)) if len(own) == 1 and own <= _PARAMETERS else None


def _same(gold: Expression, answer: Expression) -> bool | None:
    sides = []
    for side, other in ((gold, answer), (answer, gold)):
        if ANY_INTEGER.name not in symbols(side):
            name = _parameter(side, symbols(other))
            if name is None:
                return None
            sides.append(replaced(side, {name: ANY_INTEGER}))
        else:
            sides.append(side)
    line, other_line = map(_line, sides)
    if line is None or other_line is None:
        mirrored = replaced(sides[1], {ANY_INTEGER.name: Apply("-", (ANY_INTEGER,))})
        return any(_equal(sides[0], side) for side in (sides[1], mirrored)) or None
    (first, step), (second, other_step) = line, other_line
    if min(abs(step - other_step), abs(step + other_step)) > 1e-30 * abs(step):
        return False
    return _is_whole((first - second) / step)


def _equal(left: Expression, right: Expression) -> bool:
    from benchmarks import Conventions

    return equal_expressions(left, right, Conventions()) is True


def _line(side: Expression) -> tuple[Any, Any] | None:
    """Return the first member and the step of an arithmetic progression, or None."""
    if symbols(side) != {ANY_INTEGER.name}:
        return None
    try:
        values = [numeric(side, {ANY_INTEGER.name: Fraction(place)}) for place in (0, 1, 2, 5)]
    except UnknownValueError:
        return None
    first, step = values[0], values[1] - values[0]
    size = 1e-30 * (abs(first) + abs(step))
    straight = (
        abs(values[2] - first - 2 * step) <= size and abs(values[3] - first - 5 * step) <= size
    )
    return (first, step) if straight and abs(step) > 1e-20 else None


def _is_whole(number: Any) -> bool:
    nearest = round(float(number.real))
    return bool(abs(number - nearest) < 1e-25 * (1 + abs(number)))


def _is_angle(side: Expression) -> bool:
    """Say whether a progression has pi in it and does not pass through zero."""
    line = _line(side)
    if line is None or not _has_pi(side):
        return False
    first, step = line
    return not _is_whole(first / step)


def _has_pi(side: Expression) -> bool:
    if isinstance(side, Apply):
        return any(map(_has_pi, side.arguments))
    return side == Symbol(PI)
