"""Drills: lines of sums and products, on which the demo model is trained before dialogues.

A dialogue of eighty tokens has one or two equations, and a drill of the same
length has nine. So the model learns arithmetic in a fraction of the time.
"""

from __future__ import annotations

from random import Random

EQUATIONS = 9
"""How many equations a drill has."""


def drill(random: Random) -> list[tuple[str, str]]:
    """Draw one drill. Each equation has two parts: the text up to its sign, and the result."""
    return [_equation(random) for _ in range(EQUATIONS)]


def _equation(random: Random) -> tuple[str, str]:
    form = random.randrange(5)
    if form == 0:
        left, right = random.randrange(2, 61), random.randrange(2, 61)
        return f"{left} + {right} =", f" {left + right}.\n"
    if form == 1:
        left, right = random.randrange(2, 61), random.randrange(2, 61)
        return f"{left} - {right} =", f" {left - right}.\n"
    if form == 2:
        left, right = random.randrange(-12, 13), random.randrange(-12, 13)
        return f"{_bracketed(left)} + {_bracketed(right)} =", f" {left + right}.\n"
    if form == 3:
        left, right = random.randrange(-10, 11), random.randrange(-10, 11)
        return f"{_bracketed(left)} \\cdot {_bracketed(right)} =", f" {left * right}.\n"
    left, right = random.randrange(1, 6) * 10, random.randrange(3, 10)
    other = random.randrange(3, 82)
    return f"{left} \\cdot {right} = {left * right}.\n{left * right} + {other} =", (
        f" {left * right + other}.\n"
    )


def _bracketed(value: int) -> str:
    return f"({value})" if value < 0 else str(value)
