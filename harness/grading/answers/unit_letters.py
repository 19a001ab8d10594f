r"""Read the letters after a value as a unit: ``10 m``, ``12\pi cm^2``, ``7.6 M_\odot``.

The parser takes them for factors, since ``2 m`` may be a product. They are a unit if the other
answer has no variable, and they make one that is known.
"""

from __future__ import annotations

from harness.grading.answers.expressions import is_constant
from harness.grading.answers.syntax import Answer, Apply, Expression, Number, Quantity, Symbol
from harness.grading.answers.units import UNIT_LETTERS, read_unit


def without_unit_letters(gold: Answer, answer: Answer) -> Answer:
    """Return the answer with a unit for its last factors, if the gold is without any variable."""
    wanted = gold.value if isinstance(gold, Quantity) else gold
    if not isinstance(answer, Apply) or not is_constant(wanted) or is_constant(answer):
        return answer
    factors: list[tuple[str, str]] = []
    value: Expression = answer
    while isinstance(value, Apply) and value.function in ("*", "/") and not is_constant(value):
        name = _factor(value.arguments[1])
        if name is None:
            return answer
        factors.insert(0, (value.function, name))
        value = value.arguments[0]
    if not is_constant(value):
        return answer
    names = [name for _, name in factors]
    if isinstance(value, Apply) and value.function == "degrees" and names in (["C"], ["F"]):
        return Quantity(value.arguments[0], f"°{names[0]}")
    unit = "".join(f"/{name}" if sign == "/" else name for sign, name in factors)
    if unit != "C" and read_unit(unit) is not None:  # "12C" may name a choice
        return Quantity(value, unit)
    letters = UNIT_LETTERS.issuperset(names)
    return value if letters and not isinstance(gold, Quantity) else answer


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
