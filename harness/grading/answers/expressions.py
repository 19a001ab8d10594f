"""Compare two expressions: constants by their value, functions by their values at points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from benchmarks import Conventions
from harness.grading.answers.effort import spend
from harness.grading.answers.syntax import Answer, Apply, Expression, Number, Symbol
from harness.grading.answers.values import (
    UnknownValueError,
    count_work,
    exact,
    functions,
    numeric,
    same_value,
    symbols,
)

ENOUGH_DIGITS = 6
"""A decimal with at least this many significant digits may be a rounding of the exact value."""
_FLOAT_DIGITS = 15
_STEPPED = frozenset(("floor", "ceil", "!", "binom"))
_WHOLE_LETTERS = frozenset("abcdijklmnpqrNMKLR")
"""Letters that stand for integers in a formula with a factorial, binomial, floor or ceiling."""
_POINTS = 7
_ENOUGH_POINTS = 3


def is_constant(answer: Answer) -> bool:
    """Say whether the answer is an expression without variables."""
    return isinstance(answer, Number | Symbol | Apply) and not symbols(answer)


def equal_expressions(
    gold: Expression, answer: Expression, conventions: Conventions
) -> bool | None:
    """Compare two expressions; None if too few of their values can be computed."""
    spend(1)
    if gold == answer:
        return True
    if symbols(gold) or symbols(answer):
        return _equal_functions(gold, answer)
    infinite = _infinity(gold), _infinity(answer)
    if infinite != (0, 0):
        return infinite[0] == infinite[1]
    same = same_value(gold, answer, {})
    if same is False and _has_decimal(gold, answer):
        return _close(gold, answer, conventions)
    return same


def _infinity(expression: Expression) -> int:
    """Return the sign of an infinity, 0 for anything else."""
    if isinstance(expression, Apply) and expression.function == "-":
        return -_infinity(expression.arguments[0])
    if isinstance(expression, Apply) and expression.function == "+":
        return _infinity(expression.arguments[0]) if len(expression.arguments) == 1 else 0
    return int(expression == Symbol("\\infty"))


def _has_decimal(*sides: Expression) -> bool:
    return any(decimal_of(side) is not None for side in sides)


def decimal_of(expression: Expression) -> Number | None:
    r"""Return the number if an expression is a decimal, as ``-1.25`` or ``7.8\times 10^{2}``."""
    if isinstance(expression, Number):
        return expression if expression.decimals is not None else None
    if not isinstance(expression, Apply):
        return None
    if expression.function == "-":
        inner = decimal_of(expression.arguments[0])
        return Number(-inner.value, inner.decimals, inner.digits) if inner else None
    return _scientific(expression)


def _scientific(expression: Apply) -> Number | None:
    if expression.function != "*" or not isinstance(expression.arguments[0], Number):
        return None
    mantissa, power = expression.arguments
    if not isinstance(power, Apply) or power.function != "^" or not isinstance(mantissa, Number):
        return None
    base, exponent = (exact(part) for part in power.arguments)
    value = exact(expression)
    if base != 10 or exponent is None or value is None or exponent.denominator != 1:
        return None
    return Number(value, (mantissa.decimals or 0) - int(exponent), mantissa.digits)


def _close(gold: Expression, answer: Expression, conventions: Conventions) -> bool | None:
    """Compare two numbers of which one is a decimal, by rounding or within the tolerance."""
    try:
        values = [_real(gold), _real(answer)]
    except UnknownValueError:
        return None
    if values[0] is None or values[1] is None:
        return False
    count_work(values[0], values[1])
    difference = abs(values[0] - values[1])
    allowed = max(
        Fraction(conventions.absolute_tolerance),
        Fraction(conventions.relative_tolerance) * abs(values[0]),
    )
    if difference <= allowed:
        return True
    return any(
        decimal is not None and _rounds(decimal, value, of_float=_never_ends(other))
        for decimal, value, other in (
            (decimal_of(gold), values[1], answer),
            (decimal_of(answer), values[0], gold),
        )
    )


def _never_ends(expression: Expression) -> bool:
    """Say whether no finite decimal is the value; a long decimal was then printed from a float."""
    value = exact(expression)
    if value is None:
        return True
    count_work(value, value)
    # A decimal ends if its denominator divides a power of ten, which then is one of at most as
    # high an exponent as the denominator has bits.
    return pow(10, value.denominator.bit_length(), value.denominator) != 0


def _real(expression: Expression) -> Fraction | None:
    value = exact(expression)
    if value is not None:
        return value
    number = numeric(expression, {})
    if getattr(number, "imag", 0):
        return None
    # A float has enough digits to check any rounding but its own, for which `_rounds` adds slack.
    try:
        return Fraction(float(number))
    except (OverflowError, ValueError) as error:
        raise UnknownValueError("too large") from error


def _rounds(decimal: Number, value: Fraction, *, of_float: bool) -> bool:
    """Say whether a decimal of enough digits is the other value, rounded or cut off."""
    if decimal.digits < ENOUGH_DIGITS or decimal.decimals is None:
        return False
    unit = Fraction(10) ** -decimal.decimals
    count_work(decimal.value, value)
    error = abs(decimal.value - value)
    # The last printed digit of a float belongs to the nearest double, not to the value.
    slack = abs(value) / 2**52 if of_float and decimal.digits >= _FLOAT_DIGITS else 0
    cut_off = error < unit and abs(decimal.value) <= abs(value)
    return error <= unit / 2 + slack or (cut_off and decimal.value * value > 0)


def _equal_functions(gold: Expression, answer: Expression) -> bool | None:
    agreed = 0
    for point, positive in _points(gold, answer):
        same = same_value(gold, answer, point)
        if not positive and same is False and not _both_real(gold, answer, point):
            continue  # a root of a negative variable is not real: positive values decide
        if same is False:
            return False
        agreed += same is True
    return True if agreed >= _ENOUGH_POINTS else None


def _both_real(gold: Expression, answer: Expression, at: Mapping[str, Fraction]) -> bool:
    try:
        return not any(getattr(numeric(side, at), "imag", 0) for side in (gold, answer))
    except UnknownValueError:
        return False


def _points(*sides: Expression) -> Iterator[tuple[dict[str, Fraction], bool]]:
    """Yield fixed points; for each, say whether all of its coordinates are positive."""
    names = sorted(frozenset().union(*map(symbols, sides)))
    used = frozenset().union(*map(functions, sides))
    stepped = bool(used & _STEPPED)
    for number in range(_POINTS):
        spend(1 + len(names) // 4)
        negative = number >= _POINTS - 2 and not stepped
        point = {
            name: _coordinate(name, place, number, stepped, negative)
            for place, name in enumerate(names)
        }
        yield point, not negative


_PRIMES = (3, 7, 2, 11, 5, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


def _coordinate(name: str, place: int, number: int, stepped: bool, negative: bool) -> Fraction:
    """Return one coordinate: an integer for an index, else a fraction in general position."""
    if stepped and name[0] in _WHOLE_LETTERS:
        # Later letters are larger, so that binomials of n over k are not zero. From point to point
        # the integers have different residues.
        return Fraction(5 + number + 7 * (place % 3) + (number * place) % 4)
    prime = _PRIMES[(place + 3 * number) % len(_PRIMES)]
    value = Fraction(prime, _PRIMES[(2 * place + number + 1) % len(_PRIMES)] + 1) + Fraction(
        place + number, 97
    )
    return -value if negative and (place + number) % 2 else value


def proportional(left: Expression, right: Expression) -> bool | None:
    """Return True if one expression is a constant multiple of the other, else None."""
    ratio: Expression = Apply("/", (left, right))
    values = []
    for point, _ in _points(left, right):
        try:
            values.append(numeric(ratio, point))
        except UnknownValueError:
            continue
    if len(values) < _ENOUGH_POINTS:
        return None
    first = values[0]
    return (
        bool(first) and all(abs(value - first) <= 1e-30 * abs(first) for value in values)
    ) or None
