"""Compare equations, assignments and inequalities by what they state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fractions import Fraction

from benchmarks import Conventions
from harness.grading.answers.expressions import decimal_of, is_constant, proportional
from harness.grading.answers.families import is_residue, stated_residue
from harness.grading.answers.naming import contradict
from harness.grading.answers.syntax import (
    EXPRESSIONS,
    Answer,
    Apply,
    Based,
    Number,
    Opaque,
    Quantity,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Words,
)
from harness.grading.answers.values import UnknownValueError, functions, numeric, symbols

Equal = Callable[[Answer, Answer, Conventions], bool | None]
"""Compares the parts of two answers, as `equality.equal` does."""


def equal(gold: Answer, answer: Answer, conventions: Conventions, compare: Equal) -> bool | None:
    """Compare two answers of which one or both are relations; None if it cannot be decided.

    ``compare`` compares the values that the relations state.
    """
    gold, answer = member(gold), member(answer)
    if not (isinstance(gold, Relation) or isinstance(answer, Relation)):
        return compare(gold, answer, conventions)
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        same = _equations(gold, answer)
        if same:
            return True
        if contradict(gold.sides[0], answer.sides[0]):
            return False
        if _are_derivatives(gold.sides[0], answer.sides[0]):
            return False
        if not _same_name(gold, answer, compare):
            values = [assigned(side, compare) for side in (gold, answer)]
            return False if all(v is not None and is_constant(v) for v in values) else same
    if isinstance(answer, Relation) and _converts(answer, compare):
        results = [compare(gold, side, conventions) for side in answer.sides]
        return True if True in results else False if not any(results) else None
    values = [_stated(side, compare, of_gold=side is gold) for side in (gold, answer)]
    if values[0] is None or values[1] is None:
        return False if _states_no_value(gold, answer, compare) else None
    return compare(values[0], values[1], conventions)


def _converts(answer: Relation, compare: Equal) -> bool:
    """Say whether an answer only writes one quantity in several units, ``8 cm = 0.08 m``."""
    if not all(isinstance(side, Quantity) and _is_fixed(side) for side in answer.sides):
        return False
    return set(answer.signs) == {"="} and _consistent(answer, answer.sides[-1], compare)


def member(answer: Answer) -> Answer:
    r"""Return the set of an answer that only says where its variable lies, ``x \in \{1, 2\}``."""
    if isinstance(answer, Relation) and answer.signs == ("in",) and is_name(answer.sides[0]):
        return answer.sides[1]
    return answer


def _states_no_value(gold: Answer, answer: Answer, compare: Equal) -> bool:
    """Say whether one side is a value, and the other a relation that certainly states none."""
    relation, value = (gold, answer) if isinstance(gold, Relation) else (answer, gold)
    if not isinstance(relation, Relation) or not isinstance(value, (*EXPRESSIONS, Quantity, Based)):
        return False
    if any(sign not in "=~" for sign in relation.signs):
        return "in" not in relation.signs
    first, last = relation.sides[0], relation.sides[-1]
    if not _consistent(relation, last, compare) or (is_constant(first) and not names_value(first)):
        return True
    if _is_at_point(first) and not _is_fixed(last):
        return True
    if relation is gold:
        return not _may_be_name(first)
    if not isinstance(first, Apply) or not isinstance(last, EXPRESSIONS):
        return False
    solvable = first.function == "+" or any(isinstance(part, Number) for part in first.arguments)
    return solvable and not symbols(first).isdisjoint(symbols(last))


def _may_be_name(side: Answer) -> bool:
    """Say whether a side may be a name that was read as a product or quotient, as in ``p(x)``."""
    return not isinstance(side, Apply) or side.function in ("*", "/")


def without_rounding(answer: Answer) -> Answer:
    r"""Return what an answer states exactly before ``\approx``; any other answer as it is.

    In ``x = \sqrt{13} \approx 3.61`` the decimal is a remark, and ``x = \sqrt{13}`` is stated. In
    ``x \approx 3.61`` it is the value.
    """
    if not isinstance(answer, Relation) or "~" not in answer.signs:
        return answer
    before = answer.signs.index("~")
    value = answer.sides[before]
    plain = value.value if isinstance(value, Quantity) else value
    if not is_constant(plain) or any(sign != "=" for sign in answer.signs[:before]):
        return answer
    if not before:
        return value
    return Relation(answer.signs[:before], answer.sides[: before + 1])


def rounding(answer: Answer) -> Answer | None:
    """Return the decimal that ends an approximation, if it is the value before it, rounded."""
    if not isinstance(answer, Relation):
        return None
    exactly, last = (
        side.value if isinstance(side, Quantity) else side
        for side in (answer.sides[answer.signs.index("~")], answer.sides[-1])
    )
    if not isinstance(last, Number) or not isinstance(exactly, EXPRESSIONS):
        return None
    if last.decimals is None and decimal_of(exactly) is None:
        return None
    last_place = Number(Fraction(10) ** -(last.decimals or 0))
    difference = Apply("+", (exactly, Apply("-", (last,))))
    try:
        error = numeric(Apply("/", (difference, last_place)), {})
    except UnknownValueError:
        return None
    return answer.sides[-1] if abs(error) <= 0.5 * (1 + 1e-9) else None


def every(results: Iterable[bool | None]) -> bool | None:
    """Return True if all results are True, False if one is False, else None."""
    unknown = False
    for result in results:
        if result is False:
            return False
        unknown |= result is None
    return None if unknown else True


def is_inequality(answer: Answer) -> bool:
    """Say whether the answer is a relation whose first sign is neither ``=`` nor ``~``."""
    return isinstance(answer, Relation) and answer.signs[0] not in ("=", "~")


_NO_NAME = re.compile(
    r"^[-+]|(?:^| )(?:not|no|never|if|when|unless|or|and|except|excluding|without|but|unlike|"
    r"than)(?: |$)"
)
"""A sign, or a word that makes a statement of the name after it: ``not x = 5``."""


def is_name(side: Answer) -> bool:
    """Say whether a side is only a name: ``x``, ``f(x)``, ``|AB|``, ``(p, q)``."""
    if isinstance(side, Opaque | Words):
        return not _NO_NAME.search(side.text)
    if isinstance(side, Symbol):
        return not is_constant(side) or side in (Symbol("i"), Symbol("e"))
    if isinstance(side, Apply):
        if side.function.startswith("call:"):
            return True
        if side.function == "abs":
            return is_name(side.arguments[0])
        return side.function == "*" and all(_is_capital(part) for part in side.arguments)
    if isinstance(side, Sequence):
        return side.ordered and all(is_name(item) for item in side.items)
    if isinstance(side, Ratio):
        return all(is_name(term) for term in side.terms)
    return False


def _is_capital(part: Answer) -> bool:
    if isinstance(part, Apply) and part.function == "*":
        return all(_is_capital(inner) for inner in part.arguments)
    return isinstance(part, Symbol) and part.name[:1].isupper()


def assigned(answer: Answer, compare: Equal) -> Answer | None:
    """Return the value that ``x = 5`` or ``x = 1/3 = 0.333`` gives its name, or None.

    A chain that gives two values, such as ``x = 1 = 2``, gives none.
    """
    if not isinstance(answer, Relation) or any(sign not in "=~" for sign in answer.signs):
        return None
    sides = list(answer.sides)
    names = [side for side in sides if is_name(side)]
    values = [side for side in sides if not is_name(side)]
    if not names and names_value(sides[0]) and all(map(_is_fixed, sides[1:])):
        names, values = sides[:1], sides[1:]
    if any(map(_is_at_point, names)) and not any(map(_is_fixed, values)):
        return None  # f(2) is no function of t
    if not values and len(sides) == 2:  # "a = b": the second is the value
        return sides[1]
    if not names or not values:
        return None
    exactly = [s for s, sign in zip(sides[1:], answer.signs, strict=True) if sign == "="]
    stated = [side for side in exactly if side in values] or values
    return stated[-1] if _consistent(answer, stated[-1], compare) else None


_OF_ANGLES = frozenset("sin cos tan cot sec csc".split())


def names_value(side: Answer) -> bool:
    r"""Say whether a side names a number: ``\sin A``, ``\frac{AB}{CD}``, ``f(5) - f(2)``."""
    if not isinstance(side, Apply):
        return False
    if side.function == "/":
        return all(map(_is_capital, side.arguments))
    if side.function in _OF_ANGLES:
        return all(map(is_name, side.arguments))
    return is_constant(side) and any(name.startswith("call:") for name in functions(side))


def _is_at_point(name: Answer) -> bool:
    """Say whether a name is a function's value at a point, ``f(2)``."""
    return isinstance(name, Apply) and name.function.startswith("call:") and is_constant(name)


def _stated(answer: Answer, compare: Equal, *, of_gold: bool) -> Answer | None:
    """Return the value that an answer states, or None; an equation may end in its value."""
    if not isinstance(answer, Relation):
        return answer
    value = assigned(answer, compare)
    if value is not None:
        return value
    last = answer.sides[-1]
    residue = stated_residue(answer)
    if residue is not None:
        return residue
    if of_gold or any(sign not in "=~" for sign in answer.signs):
        return None
    if _is_fixed(last) and _consistent(answer, last, compare):
        return last
    return None


def _consistent(relation: Relation, value: Answer, compare: Equal) -> bool:
    """Say whether no fixed side differs from the value; a chain such as 1 = 2 states nothing."""
    approximate = dict(zip(relation.sides[1:], relation.signs, strict=True))
    fixed = [
        side
        for side in relation.sides
        if _is_fixed(side) and not is_name(side) and approximate.get(side) != "~"
    ]
    if not _is_fixed(value):
        return not fixed or not isinstance(value, EXPRESSIONS)  # x = 8 = 2t is to be solved
    return all(compare(value, side, Conventions()) is not False for side in fixed)


def _is_fixed(side: Answer) -> bool:
    """Say whether a side has no variable and no name, so that it has one value."""
    if isinstance(side, Quantity):
        return is_constant(side.value)
    if isinstance(side, Sequence):
        return all(map(_is_fixed, side.items))
    return isinstance(side, Based) or (is_constant(side) and not names_value(side))


def _are_derivatives(gold: Answer, answer: Answer) -> bool:
    """Say whether both name one function, but one more often derived than the other."""
    names = [side.function for side in (gold, answer) if isinstance(side, Apply)]
    return len(names) == 2 and names[0] != names[1] and len({n.strip("'") for n in names}) == 1


def _same_name(gold: Relation, answer: Relation, compare: Equal) -> bool:
    """Say whether two assignments may be compared by value; ``x = 5`` and ``y = 5`` may not."""
    values = [value for side in (gold, answer) if (value := assigned(side, compare)) is not None]
    if len(values) < 2:
        return False
    names = [next((s for s in side.sides if is_name(s)), None) for side in (gold, answer)]
    plain = [n.name.split("_")[0].casefold() for n in names if isinstance(n, Symbol)]
    if len(plain) == 2 and plain[0] != plain[1]:
        # "y = 2x" and "f = 2x" define one function, unless the letter ends an equation.
        first = all(is_name(side.sides[0]) for side in (gold, answer))
        return first and not all(is_constant(value) for value in values)
    return True


def _equations(gold: Relation, answer: Relation) -> bool | None:
    """Return True if the differences of two equations' sides are proportional, else None."""
    if gold.signs != ("=",) or answer.signs != ("=",):
        return True if gold == answer else None
    differences = [_difference(side) for side in (gold, answer)]
    if differences[0] is None or differences[1] is None:
        return None
    return proportional(differences[0], differences[1])


def _difference(relation: Relation) -> Apply | None:
    if any(map(is_residue, relation.sides)):
        return None  # its modulus counts, and not only its value
    left, right = (side.value if isinstance(side, Quantity) else side for side in relation.sides)
    if not isinstance(left, EXPRESSIONS) or not isinstance(right, EXPRESSIONS):
        return None
    difference = Apply("+", (left, Apply("-", (right,))))
    return difference if symbols(difference) else None
