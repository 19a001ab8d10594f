r"""Vectors that are written as sums of unit vectors, as multiples, or with the name of a point."""

from __future__ import annotations

import math
from fractions import Fraction

from benchmarks import Conventions
from harness.grading.answers.expressions import equal_expressions, is_constant
from harness.grading.answers.families import replaced
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Expression,
    Matrix,
    Number,
    Sequence,
    Symbol,
)
from harness.grading.answers.values import exact, symbols

_AXES = "ijk"
_ACCENTS = ("hat ", "vec ", "overrightarrow ", "bar ")
_ZERO, _ONE = Number(Fraction(0)), Number(Fraction(1))
_LARGEST_COUNT = 1_000


def scaled(factor: Expression, vector: Answer) -> Answer | None:
    """Return a vector or matrix times a number; None for anything else."""
    if isinstance(vector, Sequence) and vector.ordered:
        items = [_times(factor, item) for item in vector.items]
        if any(item is None for item in items):
            return None
        return Sequence(vector.opening, vector.closing, tuple(i for i in items if i is not None))
    if isinstance(vector, Matrix):
        rows = [[_times(factor, entry) for entry in row] for row in vector.rows]
        if any(entry is None for row in rows for entry in row):
            return None
        return Matrix(tuple(tuple(e for e in row if e is not None) for row in rows))
    return None


def _times(factor: Expression, item: Answer) -> Expression | None:
    return Apply("*", (factor, item)) if isinstance(item, Number | Symbol | Apply) else None


def components(expression: Expression, count: int) -> Sequence | None:
    r"""Return the components of ``2\hat{i} + 3\hat{j}``, or of a named point ``P(2, 3)``.

    None if the expression is no such vector of ``count`` components.
    """
    if isinstance(expression, Apply) and expression.function.startswith("call:"):
        name = expression.function.removeprefix("call:")
        named = name[:1].isupper() and len(expression.arguments) == count
        return Sequence("(", ")", expression.arguments) if named else None
    for accent in (*_ACCENTS, ""):
        names = [accent + axis for axis in _AXES[:count]]
        if count in (2, 3) and _letters(expression) <= {*names, accent + "k"}:
            return _along(expression, names)
    return None


def same_vector(gold: Expression, answer: Expression) -> bool | None:
    r"""Compare two sums of unit vectors, written as ``\hat{i}`` or ``\mathbf{i}``; None if none."""
    if not any(name.startswith(_ACCENTS) for side in (gold, answer) for name in symbols(side)):
        return None
    left, right = components(gold, 3), components(answer, 3)
    if left is None or right is None:
        return None
    pairs = zip(left.items, right.items, strict=True)
    return all(equal_expressions(a, b, Conventions()) is True for a, b in pairs) or None  # type: ignore[arg-type]


def _letters(expression: Expression) -> set[str]:
    """Return the names of the variables, among which ``i`` counts here."""
    if isinstance(expression, Symbol) and expression.name == "i":
        return {"i"}
    if isinstance(expression, Apply):
        return set().union(*map(_letters, expression.arguments))
    return set(symbols(expression))


def _along(expression: Expression, names: list[str]) -> Sequence | None:
    """Return the factor of each unit vector, if the expression is a sum of their multiples."""
    if not _letters(expression) & set(names[1:]):
        return None  # a complex number
    factors = []
    total: Expression = _ZERO
    stand_ins = {name: Symbol(f"axis {place}") for place, name in enumerate(names)}
    renamed = replaced(expression, stand_ins)
    for name in stand_ins.values():
        unit = {other.name: _ONE if other == name else _ZERO for other in stand_ins.values()}
        factor = replaced(renamed, unit)
        if not is_constant(factor):
            return None
        factors.append(factor)
        total = Apply("+", (total, Apply("*", (factor, name))))
    if equal_expressions(total, renamed, Conventions()) is not True:
        return None
    return Sequence("(", ")", tuple(factors))


def counted(expression: Expression) -> Expression:
    """Return ``C(10, 3)`` and ``P(10, 3)`` as the numbers of combinations and permutations."""
    if not isinstance(expression, Apply):
        return expression
    if expression.function in ("call:C", "call:P") and len(expression.arguments) == 2:
        above, below = (exact(part) for part in expression.arguments)
        if above is not None and below is not None and _are_counts(above, below):
            ways = math.comb if expression.function == "call:C" else math.perm
            return Number(Fraction(ways(int(above), int(below))))
    return Apply(expression.function, tuple(map(counted, expression.arguments)))


def _are_counts(above: Fraction, below: Fraction) -> bool:
    return above.denominator == below.denominator == 1 and 0 <= below <= above <= _LARGEST_COUNT
