r"""The value of an expression: exact if it is rational, else to many digits.

Nothing is simplified. Two expressions with variables are compared by their
values at fixed points (Schwartz 1980, "Fast probabilistic algorithms for
verification of polynomial identities"). A difference at one point proves them
different. Agreement to 35 digits at every point where both have a value, and at
three points at least, counts as equality. The cost of each step is counted before it is done
(see `effort`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from harness.grading.answers.effort import once, spend
from harness.grading.answers.syntax import Apply, Expression, Number, Symbol

DIGITS = 50
MAXIMUM_BITS = 100_000
MAXIMUM_FACTORIAL = 3_000
_FACTORS_A_STEP = 100
"""How many factors of a factorial are multiplied in a step, and four times those of a binomial."""
_LARGEST_ARGUMENT = 1e12
_LARGEST_ABOVE = 1e100

IMAGINARY, EULER, PI, INFINITY = "i", "e", "\\pi", "\\infty"
CONSTANTS = frozenset((IMAGINARY, EULER, PI, INFINITY))


class UnknownValueError(ArithmeticError):
    """The value does not exist, or would cost too much to compute."""


def symbols(expression: Expression) -> frozenset[str]:
    """Return the names of an expression's variables."""
    if isinstance(expression, Symbol):
        return frozenset() if expression.name in CONSTANTS else frozenset((expression.name,))
    if isinstance(expression, Apply):
        return frozenset().union(*map(symbols, expression.arguments))
    return frozenset()


def functions(expression: Expression) -> frozenset[str]:
    """Return the names of the functions in an expression."""
    if not isinstance(expression, Apply):
        return frozenset()
    return frozenset((expression.function,)).union(*map(functions, expression.arguments))


def exact(expression: Expression) -> Fraction | None:
    """Return the value if exact arithmetic shows that it is rational, else None.

    Raises:
        TooCostlyError: the pair has had its steps.
    """
    if isinstance(expression, Number):
        return expression.value
    return once(_exact, expression) if isinstance(expression, Apply) else None


def _exact(expression: Expression) -> Fraction | None:
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Symbol) or expression.function not in _EXACT:
        return None
    arguments = []
    for argument in expression.arguments:
        value = _exact(argument)
        if value is None:
            return None
        arguments.append(value)
    return _EXACT[expression.function](*arguments)


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


_BITS_A_STEP = 1_000
"""How many bits of a power are computed in a step."""
_BITS_BY_BITS_A_STEP = 5_000_000
"""The bits of two fractions that are added or multiplied in a step, multiplied by one another: the
greatest common divisor by which the result is reduced takes time in proportion."""


def count_work(left: Fraction, right: Fraction) -> None:
    """Count the work of an operation on two fractions, before it is done.

    Raises:
        TooCostlyError: the pair has had its steps.
    """
    spend(1 + _bits(left) * _bits(right) // _BITS_BY_BITS_A_STEP)


def _add(*terms: Fraction) -> Fraction:
    total, *others = terms
    for term in others:
        count_work(total, term)
        total += term
    return total


def _multiply(left: Fraction, right: Fraction) -> Fraction:
    count_work(left, right)
    return left * right


def _divide(above: Fraction, below: Fraction) -> Fraction | None:
    count_work(above, below)
    return above / below if below else None


def _raise(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or (base == 0 and exponent <= 0):
        return None
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    size = abs(int(exponent)) * bits
    if size > MAXIMUM_BITS:
        return None
    spend(1 + size // _BITS_A_STEP)
    return base ** int(exponent)


def _factorial(value: Fraction) -> Fraction | None:
    import math

    if value.denominator != 1 or not 0 <= value <= MAXIMUM_FACTORIAL:
        return None
    spend(1 + int(value) // _FACTORS_A_STEP)
    return Fraction(math.factorial(int(value)))


def _binomial(above: Fraction, below: Fraction) -> Fraction | None:
    import math

    whole = above.denominator == below.denominator == 1
    if not whole or not 0 <= below <= above <= 4 * MAXIMUM_FACTORIAL:
        return None
    spend(1 + int(above) // (_FACTORS_A_STEP // 4))
    return Fraction(math.comb(int(above), int(below)))


def _square_root(value: Fraction) -> Fraction | None:
    import math

    if value < 0 or value.numerator.bit_length() > MAXIMUM_BITS:
        return None
    count_work(value, value)
    above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
    root = Fraction(above, below)
    return root if root * root == value else None


def _floor(value: Fraction) -> Fraction:
    count_work(value, value)
    return Fraction(value.numerator // value.denominator)


def _divisor(left: Fraction, right: Fraction) -> Fraction | None:
    import math

    if left.denominator != 1 or right.denominator != 1:
        return None
    count_work(left, right)
    return Fraction(math.gcd(int(left), int(right)))


def _multiple(left: Fraction, right: Fraction) -> Fraction | None:
    divisor = _divisor(left, right)
    return abs(left * right) / divisor if divisor else None


def _residue(value: Fraction, modulus: Fraction) -> Fraction | None:
    if modulus <= 0:
        return None
    count_work(value, modulus)
    return value - modulus * _floor(value / modulus)


_EXACT: Mapping[str, Callable[..., Fraction | None]] = {
    "+": _add,
    "-": lambda value: -value,
    "*": _multiply,
    "/": _divide,
    "^": _raise,
    "!": _factorial,
    "binom": _binomial,
    "sqrt": _square_root,
    "abs": abs,
    "floor": _floor,
    "ceil": lambda value: -_floor(-value),
    "mod": _residue,
    "max": max,
    "min": min,
    "gcd": _divisor,
    "lcm": _multiple,
}


_STEPS = {"+": 1, "-": 1, "*": 1, "/": 1, "!": 3, "binom": 12}
"""What an operation on real numbers of `DIGITS` digits takes, in steps; any other takes two."""
_COMPLEX = 5
"""How many times as long an operation on complex numbers takes."""


class _Contexts(threading.local):
    """One thread's mpmath contexts by precision, since a context's precision is shared state."""

    def __init__(self) -> None:
        from mpmath import MPContext

        self.by_digits = {}
        for digits in (DIGITS, 2 * DIGITS):
            context = MPContext()
            context.dps = digits
            self.by_digits[digits] = context


@lru_cache(maxsize=1)
def _contexts() -> _Contexts:
    return _Contexts()


def numeric(expression: Expression, at: Mapping[str, Fraction], digits: int = DIGITS) -> Any:
    """Return the value at a point as an mpmath number of ``digits`` digits.

    ``at`` gives each variable its value.

    Raises:
        UnknownValueError: the value does not exist at the point, or would cost too much to compute.
    """
    return _rounded(_value(expression, at, digits), digits)


def _rounded(value: Any, digits: int = DIGITS) -> Any:
    if not isinstance(value, Fraction):
        return value
    return _contexts().by_digits[digits].mpf(value.numerator) / value.denominator


def _value(expression: Expression, at: Mapping[str, Fraction], digits: int = DIGITS) -> Any:
    """Return the value at a point, as a fraction if it is rational in every step."""
    context = _contexts().by_digits[digits]
    try:
        value = _Numeric(context, at).value(expression)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError, ArithmeticError) as error:
        raise UnknownValueError(str(error)) from error
    if not isinstance(value, Fraction) and not context.isfinite(value):
        raise UnknownValueError("infinite")  # the logarithm of 0 equals nothing
    return value


class _Numeric:
    """Evaluates one expression at one point."""

    def __init__(self, context: Any, at: Mapping[str, Fraction]) -> None:
        self._context, self._at = context, at

    def value(self, expression: Expression) -> Any:
        """Return the value as a fraction while it is rational, else as an mpmath number."""
        if isinstance(expression, Number):
            return expression.value
        if isinstance(expression, Symbol):
            return self._symbol(expression.name)
        name = expression.function
        arguments = [self.value(argument) for argument in expression.arguments]
        if name in _EXACT and all(isinstance(argument, Fraction) for argument in arguments):
            rational = _EXACT[name](*arguments)
            if rational is not None:
                return rational
        arguments = [self._rounded(argument) for argument in arguments]
        spend(self._steps(name, arguments))
        return self._apply(name, arguments)

    def _steps(self, name: str, arguments: list[Any]) -> int:
        is_complex = any(isinstance(argument, self._context.mpc) for argument in arguments)
        steps = _STEPS.get(name, 2) * (_COMPLEX if is_complex else 1)
        return steps * int(self._context.dps) // DIGITS

    def _rounded(self, value: Any) -> Any:
        return self._rational(value) if isinstance(value, Fraction) else value

    def _rational(self, value: Fraction) -> Any:
        return self._context.mpf(value.numerator) / value.denominator

    def _symbol(self, name: str) -> Any:
        if name in self._at:
            return self._at[name]
        constants = {IMAGINARY: self._context.mpc(0, 1), EULER: +self._context.e}
        if name == PI:
            return +self._context.pi
        if name not in constants:
            raise UnknownValueError(f"{name} has no value")
        return constants[name]

    def _apply(self, name: str, arguments: list[Any]) -> Any:
        if name.startswith("call:"):
            return self._unknown_function(name, arguments)
        if name not in ("+", "-", "*", "/") and abs(arguments[-1]) > _LARGEST_ARGUMENT:
            raise UnknownValueError(f"{name} of a huge number")
        first = arguments[0]
        if name == "+":
            return self._context.fsum(arguments)
        if name == "^":
            return self._power(first, arguments[1])
        simple = {
            "-": lambda: -first,
            "*": lambda: first * arguments[1],
            "/": lambda: first / arguments[1],
            "root": lambda: self._root(first, arguments[1]),
            "!": lambda: self._factorial(first),
            "binom": lambda: self._binomial(first, arguments[1]),
            "abs": lambda: abs(first),
            "degrees": lambda: first * self._context.pi / 180,
            "log10": lambda: self._context.log(first, 10),
            "log": lambda: self._context.log(first, *arguments[1:]),
            "ln": lambda: self._context.log(first),
            "exp": lambda: self._power(+self._context.e, first),
            "arcsin": lambda: self._context.asin(first),
            "arccos": lambda: self._context.acos(first),
            "arctan": lambda: self._context.atan(first),
            "arccot": lambda: self._context.acot(first),
            "cis": lambda: self._context.expj(first),
        }
        if name in simple:
            return simple[name]()
        if name in ("max", "min"):
            return max(arguments) if name == "max" else min(arguments)
        if name in ("gcd", "lcm", "mod"):
            raise UnknownValueError(f"{name} of numbers that are not rational")
        return getattr(self._context, name)(first)

    def _power(self, base: Any, exponent: Any) -> Any:
        size = abs(self._context.log(abs(base))) * abs(exponent) if base else 0
        if size > 1e9:
            raise UnknownValueError("a huge power")
        return self._context.power(base, exponent)

    def _root(self, value: Any, index: Any) -> Any:
        real = not self._context.im(value)
        if real and value < 0 and self._context.isint(index) and int(index) % 2:
            return -self._power(-value, 1 / index)  # the real root is meant
        return self._power(value, 1 / index)

    def _factorial(self, value: Any) -> Any:
        if abs(value) > 1e6:
            raise UnknownValueError("a huge factorial")
        return self._context.factorial(value)

    def _binomial(self, above: Any, below: Any) -> Any:
        if abs(above) > _LARGEST_ABOVE:  # mpmath takes memory for all digits of its logarithm
            raise UnknownValueError("a huge binomial coefficient")
        return self._context.binomial(above, below)

    def _unknown_function(self, name: str, arguments: list[Any]) -> Any:
        """Return a number that depends on nothing but the function's name and its arguments."""
        written = ";".join(str(self._context.nstr(argument, 20)) for argument in arguments)
        digest = hashlib.sha256(f"{name}({written})".encode()).digest()
        return 1 + self._context.mpf(int.from_bytes(digest[:8], "big")) / 2**64


def same_value(left: Expression, right: Expression, at: Mapping[str, Fraction]) -> bool | None:
    """Compare the values of two expressions at a point; None if one has no value there."""
    spend(2)
    if not at:
        exactly = exact(left), exact(right)
        if exactly[0] is not None and exactly[1] is not None:
            return exactly[0] == exactly[1]
    try:
        exactly = _value(left, at), _value(right, at)
        if isinstance(exactly[0], Fraction) and isinstance(exactly[1], Fraction):
            return exactly[0] == exactly[1]  # without rounding: x + 10**100 is not 10**100
        values = _rounded(exactly[0]), _rounded(exactly[1])
        if _agree(*values):
            return True
        if min(map(abs, values)) > 1e-25:
            return False
        # Near zero, cancellation leaves noise. More digits distinguish it from a tiny value.
        finer = [numeric(side, at, 2 * DIGITS) for side in (left, right)]
        small = [
            abs(value) < 1e-70 < abs(rough) for value, rough in zip(finer, values, strict=True)
        ]
        if any(small) or not any(finer):
            return all(abs(value) < 1e-45 for value in finer)
        return _agree(*finer)
    except UnknownValueError:
        return None


def _agree(left: Any, right: Any) -> bool:
    return bool(abs(left - right) <= 1e-35 * max(abs(left), abs(right)))
