"""Compare formulas up to the names of their arbitrary constants: ``x^2 + C`` and ``x^2 + c``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations

from benchmarks import Conventions
from harness.grading.answers.expressions import equal_expressions
from harness.grading.answers.families import replaced
from harness.grading.answers.syntax import Apply, Expression, Symbol
from harness.grading.answers.values import symbols

_ARBITRARY = re.compile(r"[CcKABD](?:_[0-9])?")


def same_constants(gold: Expression, answer: Expression) -> bool:
    """Say whether two formulas differ only in what they call their arbitrary constants.

    The gold has to call them ``C_1`` and ``C_2``, or ``C`` as a term of its own.
    """
    wanted = sorted(name for name in symbols(gold) if _is_constant_of(gold, name))
    others = symbols(gold) - frozenset(wanted)
    given = sorted(symbols(answer) - others)
    if not 0 < len(wanted) == len(given) < 3 or not all(map(_ARBITRARY.fullmatch, given)):
        return False
    renamed = (_renamed(answer, dict(zip(given, n, strict=True))) for n in permutations(wanted))
    return any(equal_expressions(gold, other, Conventions()) is True for other in renamed)


def _is_constant_of(gold: Expression, name: str) -> bool:
    if re.fullmatch(r"[Cc]_[0-9]", name):
        return True
    added = isinstance(gold, Apply) and gold.function == "+" and Symbol(name) in gold.arguments
    return name == "C" and added


def _renamed(value: Expression, names: Mapping[str, str]) -> Expression:
    renamed: Expression = replaced(value, {name: Symbol(other) for name, other in names.items()})
    return renamed
