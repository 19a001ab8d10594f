r"""Read the letters after a value as a unit: ``10 m``, ``12\pi cm^2``, ``7.6 M_\odot``.

The parser takes them for factors, since ``2 m`` may be a product. They are a unit if the other
answer has no variable, and they make one that is known. Some letters need a blank before them.
"""

from __future__ import annotations

import re

from harness.grading.answers.expressions import is_constant
from harness.grading.answers.relations import is_name
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Compound,
    Expression,
    Number,
    Qualified,
    Quantity,
    Relation,
    Sequence,
    Symbol,
)
from harness.grading.answers.units import UNIT_LETTERS, read_unit
from harness.grading.answers.values import functions

_AFTER_BLANK = frozenset(("C", "F", "T", "H", "S", "M", "u", "\\hbar"))
_SIGNS = frozenset(("\\Omega", "\\AA"))
"""Names of one sign that are units by themselves; ``5\\mu`` and ``5\\hbar`` are products."""


def with_units(
    gold: Answer, gold_text: str, answer: Answer, answer_text: str
) -> tuple[Answer, Answer]:
    """Return two answers with the units that their letters spell, if the other has no variable.

    The gold's own letters are a unit only if the answer has one: ``5m`` may be a product.
    """
    if _states_numbers(gold):
        return gold, _read(answer, answer_text)
    if isinstance(answer, Quantity | Compound) and _states_numbers(answer):
        return _read(gold, gold_text), answer
    return gold, answer


def _states_numbers(answer: Answer) -> bool:
    """Say whether an answer states numbers only, so that a letter in another one may be a unit."""
    if isinstance(answer, Qualified | Quantity):
        return _states_numbers(answer.value)
    if isinstance(answer, Sequence):
        return all(map(_states_numbers, answer.items))
    if isinstance(answer, Relation):
        return _states_numbers(answer.sides[-1])
    return isinstance(answer, Compound) or is_constant(answer)


def _read(answer: Answer, text: str) -> Answer:
    if isinstance(answer, Qualified):
        return Qualified(_read(answer.value, text), answer.remark, answer.is_condition)
    if isinstance(answer, Relation):
        first, *rest = answer.sides
        named = is_name(first) or not is_constant(first)
        sides = (first if named else _read(first, text), *(_read(side, text) for side in rest))
        return Relation(answer.signs, sides)
    if isinstance(answer, Sequence):
        items = tuple(_read(item, text) for item in answer.items)
        return Sequence(answer.opening, answer.closing, items)
    if not isinstance(answer, Apply) or is_constant(answer):
        return answer
    if answer.function != "+":
        return _product(answer, text)
    *others, last = answer.arguments
    found = _product(last, text) if isinstance(last, Apply) else last
    if not isinstance(found, Quantity) or not all(map(is_constant, others)):
        return answer
    return Quantity(Apply("+", (*others, found.value)), found.unit)  # 16 + 13 pi cm^2


def with_degrees_of_sum(answer: Answer) -> Answer | None:
    r"""Return ``x + 1^\circ`` as a sum in degrees; None if it has no degrees at its end alone.

    That is how people write it. The strict reading adds degrees to a number without a unit.
    """
    if isinstance(answer, Relation):
        *sides, last = answer.sides
        found = with_degrees_of_sum(last)
        return None if found is None else Relation(answer.signs, (*sides, found))
    if not isinstance(answer, Apply) or answer.function != "+":
        return None
    *others, last = answer.arguments
    if "degrees" in frozenset().union(*map(functions, others)):
        return None
    if isinstance(last, Apply) and last.function == "*":
        left, right = last.arguments
        if isinstance(right, Apply) and right.function == "degrees":
            last = Apply("degrees", (Apply("*", (left, right.arguments[0])),))
    if not isinstance(last, Apply) or last.function != "degrees":
        return None
    return Quantity(Apply("+", (*others, last.arguments[0])), "degree")


def _product(answer: Apply, text: str) -> Answer:
    factors: list[tuple[str, str]] = []
    value: Expression = answer
    while isinstance(value, Apply) and value.function in ("*", "/") and not is_constant(value):
        name = _factor(value.arguments[1])
        if name is None:
            return answer
        factors.insert(0, (value.function, name))
        value = value.arguments[0]
    negative = isinstance(value, Apply) and value.function == "-" and not is_constant(value)
    if negative and isinstance(value, Apply):
        found = _read(value.arguments[0], text)
        if not isinstance(found, Quantity) or factors:
            return answer
        return Quantity(Apply("-", (found.value,)), found.unit)
    if not is_constant(value) or not factors or factors[0][0] == "/":
        return answer
    names = [name for _, name in factors]
    unit = "".join(
        ("/" if sign == "/" else "") + name + (" " if name in _SIGNS else "")
        for sign, name in factors
    )
    if len(names) == 1 and not _may_stand_alone(names[0], text):
        return answer
    return answer if read_unit(unit) is None else Quantity(value, unit)


def _may_stand_alone(name: str, text: str) -> bool:
    """Say whether one letter is a unit by itself: ``12 C``, but not ``12C``, perhaps a choice."""
    letter = name.partition("^")[0].strip()
    if letter in UNIT_LETTERS or letter in _SIGNS or "_" in letter:
        return True
    blank = rf"(?:\s|~|\\[,;: ])\s?(?:\\[a-z]{{2,6}}\s?\{{\s?)?{re.escape(letter)}(?![A-Za-z])"
    return letter in _AFTER_BLANK and re.search(blank, text) is not None


def _factor(side: Expression) -> str | None:
    """Return a symbol, or a whole power of one, as a unit is written; None for anything else."""
    if isinstance(side, Symbol):
        return side.name
    if not isinstance(side, Apply) or side.function != "^":
        return None
    base, power = side.arguments
    sign = "-" if isinstance(power, Apply) and power.function == "-" else ""
    whole = power.arguments[0] if isinstance(power, Apply) and sign else power
    if not isinstance(base, Symbol) or not isinstance(whole, Number):
        return None
    if whole.value.denominator != 1 or not 0 < whole.value < 10:
        return None
    return f"{base.name}^{sign}{whole.value} "
