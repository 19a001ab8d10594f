"""Twelve kinds of generated problems, each solved in exact arithmetic when it is drawn.

Only ``randrange`` and ``choice`` of a seeded ``random.Random`` are used, and
nothing is drawn from a set. So the same seed gives the same problems on every
platform and in every version of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from random import Random

NAMES = ("Ana", "Ben", "Chen", "Dina", "Emil", "Fatou", "Gita", "Hugo")
THINGS = ("apples", "books", "coins", "cards", "pens", "shells", "stamps", "stones")
CONTAINERS = ("bags", "boxes", "packs", "rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """A problem with its worked solution, before it gets an id in a split."""

    kind: str
    question: str
    solution: str
    """One or two lines of reasoning, without the final answer's marker."""
    answer: str
    """The answer in LaTeX, without dollar signs."""


@dataclass(frozen=True, slots=True)
class _Draft:
    question: str
    solution: str
    answer: str


def exercises(seed: int, *, avoid: Collection[str] = ()) -> Iterator[Exercise]:
    """Yield exercises without end and without repeating a question; the kinds take turns.

    The smallest kind has about four hundred questions, and both splits together use half of them.

    Args:
        seed: determines all exercises.
        avoid: questions that must not occur, such as those of the test split.
    """
    random = Random(seed)
    seen = set(avoid)
    while True:
        for kind, draw in KINDS.items():
            draft = draw(random)
            while draft.question in seen:
                draft = draw(random)
            seen.add(draft.question)
            yield Exercise(
                kind=kind,
                question=draft.question,
                solution=draft.solution,
                answer=draft.answer,
            )


def exercise(kind: str, random: Random) -> Exercise:
    """Draw one exercise of a kind; the same one may be drawn again later."""
    draft = KINDS[kind](random)
    return Exercise(
        kind=kind, question=draft.question, solution=draft.solution, answer=draft.answer
    )


def _integer(random: Random) -> _Draft:
    left, right = random.randrange(5, 61), random.randrange(5, 61)
    sign = random.choice("+-")
    answer = left + right if sign == "+" else left - right
    sentence = random.choice(("What is ${}$?", "Compute ${}$.", "Find the value of ${}$."))
    question = sentence.format(f"{left} {sign} {right}")
    return _Draft(question, f"{left} {sign} {right} = {answer}.", str(answer))


def _product(random: Random) -> _Draft:
    left, right = random.randrange(11, 60), random.randrange(3, 10)
    tens, units = left // 10 * 10, left % 10
    parts = (tens * right, units * right)
    sentence = random.choice(("What is ${}$?", "Compute ${}$.", "Find the product ${}$."))
    solution = (
        f"{tens} \\cdot {right} = {parts[0]} and {units} \\cdot {right} = {parts[1]}.\n"
        f"{parts[0]} + {parts[1]} = {sum(parts)}."
    )
    return _Draft(sentence.format(f"{left} \\cdot {right}"), solution, str(left * right))


def _story_one(random: Random) -> _Draft:
    name, things = random.choice(NAMES), random.choice(THINGS)
    small, large = sorted((random.randrange(3, 61), random.randrange(3, 61)))
    if random.choice((True, False)):
        verb = random.choice(("buys", "finds", "is given"))
        question = (
            f"{name} has {small} {things} and {verb} {large} more. "
            f"How many {things} does {name} have now?"
        )
        return _Draft(question, f"{small} + {large} = {small + large}.", str(small + large))
    verb = random.choice(("loses", "sells", "gives away"))
    start = f"{name} has {large} {things} and {verb} {small} of them."
    question = f"{start} How many {things} are left?"
    return _Draft(question, f"{large} - {small} = {large - small}.", str(large - small))


def _story_two(random: Random) -> _Draft:
    name, things = random.choice(NAMES), random.choice(THINGS)
    count, each = random.randrange(2, 11), random.randrange(2, 11)
    start = f"{name} has {count} {random.choice(CONTAINERS)} of {each} {things}"
    first = f"{count} \\cdot {each} = {count * each}."
    if random.choice((True, False)):
        other = random.randrange(3, 40)
        answer = count * each + other
        question = f"{start} and {other} single {things}. How many {things} does {name} have?"
        return _Draft(question, f"{first}\n{count * each} + {other} = {answer}.", str(answer))
    other = random.randrange(1, count * each)
    answer = count * each - other
    question = f"{start} and gives away {other} {things}. How many {things} are left?"
    return _Draft(question, f"{first}\n{count * each} - {other} = {answer}.", str(answer))


def _fraction(random: Random) -> _Draft:
    left, right = _proper(random), _proper(random)
    sign = random.choice("+-")
    answer = left + right if sign == "+" else left - right
    below = lcm(left.denominator, right.denominator)
    parts = [part.numerator * below // part.denominator for part in (left, right)]
    above = parts[0] + parts[1] if sign == "+" else parts[0] - parts[1]
    solution = (
        f"The common denominator is {below}.\n"
        f"({parts[0]} {sign} {parts[1]}) / {below} = {above}/{below} = {latex_fraction(answer)}."
    )
    sum_of = f"{latex_fraction(left)} {sign} {latex_fraction(right)}"
    question = f"Compute ${sum_of}$. Give the answer in lowest terms."
    return _Draft(question, solution, latex_fraction(answer))


def _proper(random: Random) -> Fraction:
    below = random.randrange(2, 10)
    return Fraction(random.randrange(1, below), below)


def _decimal(random: Random) -> _Draft:
    left, right = random.randrange(2, 61), random.randrange(2, 61)
    sign = random.choice("+-")
    answer = left + right if sign == "+" else left - right
    question = random.choice(("What is ${}$?", "Compute ${}$ as a decimal."))
    question = question.format(f"{tenths(left)} {sign} {tenths(right)}")
    solution = f"In tenths, {left} {sign} {right} = {answer}."
    return _Draft(question, solution, tenths(answer))


def _vector(random: Random) -> _Draft:
    left = (random.randrange(-12, 13), random.randrange(-12, 13))
    right = (random.randrange(-12, 13), random.randrange(-12, 13))
    answer = (left[0] + right[0], left[1] + right[1])
    if random.choice((True, False)):
        question = f"Find the sum of the vectors ${left}$ and ${right}$."
    else:
        question = f"The point ${left}$ is moved by the vector ${right}$. Where does it go?"
    steps = [
        f"{_bracketed(a)} + {_bracketed(b)} = {a + b}" for a, b in zip(left, right, strict=True)
    ]
    return _Draft(question, f"{steps[0]} and {steps[1]}.", str(answer))


def _interval(random: Random) -> _Draft:
    if random.choice((True, False)):
        return _bounded_interval(random)
    slope, shift, bound = (
        random.randrange(low, high) for low, high in ((2, 10), (1, 16), (-9, 10))
    )
    sign = random.choice(("<", "\\le", ">", "\\ge"))
    side = slope * bound + shift
    question = f"Solve ${slope}x + {shift} {sign} {side}$. Give the solution as an interval."
    solution = f"{slope}x {sign} {side - shift}, so x {sign} {bound}."
    answer = {
        "<": f"(-\\infty, {bound})",
        "\\le": f"(-\\infty, {bound}]",
        ">": f"({bound}, \\infty)",
        "\\ge": f"[{bound}, \\infty)",
    }[sign]
    return _Draft(question, solution, answer)


def _bounded_interval(random: Random) -> _Draft:
    shift, low = random.randrange(1, 13), random.randrange(-12, 13)
    high = low + random.randrange(1, 20)
    first, second = (random.choice(("<", "\\le")) for _ in range(2))
    middle = f"{low + shift} {first} x + {shift} {second} {high + shift}"
    question = f"Solve ${middle}$. Give the solution as an interval."
    left, right = "(" if first == "<" else "[", ")" if second == "<" else "]"
    answer = f"{left}{low}, {high}{right}"
    return _Draft(question, f"Subtract {shift}: {low} {first} x {second} {high}.", answer)


def _expansion(random: Random) -> _Draft:
    first, second = _nonzero(random, 11), _nonzero(random, 11)
    product = f"({polynomial(1, first)})({polynomial(1, second)})"
    answer = polynomial(1, first + second, first * second)
    solution = (
        f"{_bracketed(first)} + {_bracketed(second)} = {first + second} and "
        f"{_bracketed(first)} \\cdot {_bracketed(second)} = {first * second}."
    )
    question = random.choice(("Expand ${}$.", "Write ${}$ without brackets."))
    return _Draft(question.format(product), solution, answer)


def _derivative(random: Random) -> _Draft:
    cubic, square, line, constant = (random.randrange(-9, 10) for _ in range(4))
    square = square or 1
    function = polynomial(cubic, square, line, constant)
    answer = polynomial(3 * cubic, 2 * square, line)
    question = random.choice(
        ("Differentiate ${}$ with respect to $x$.", "Let $f(x) = {}$. Find $f'(x)$.")
    )
    return _Draft(question.format(function), f"f'(x) = {answer}.", answer)


def _roots(random: Random) -> _Draft:
    low = random.randrange(-10, 10)
    high = random.randrange(low + 1, 11)
    equation = polynomial(1, -low - high, low * high)
    factors = "".join(f"({polynomial(1, -root)})" for root in (low, high))
    question = random.choice(
        (
            "Find the set of solutions of ${} = 0$.",
            "Solve ${} = 0$. Give the set of all solutions.",
        )
    )
    solution = (
        f"{_bracketed(low)} + {_bracketed(high)} = {low + high} and "
        f"{_bracketed(low)} \\cdot {_bracketed(high)} = {low * high}.\n{equation} = {factors}."
    )
    return _Draft(question.format(equation), solution, f"\\{{{low}, {high}\\}}")


def _word(random: Random) -> _Draft:
    if random.choice((True, False)):
        number = random.randrange(100, 10_000)
        answer = "odd" if number % 2 else "even"
        question = f"Is the number ${number}$ even or odd?"
        return _Draft(question, f"The last digit is {number % 10}.", f"\\text{{{answer}}}")
    things, first = random.choice(THINGS), random.randrange(len(NAMES))
    second = (first + random.randrange(1, len(NAMES))) % len(NAMES)
    few = random.randrange(10, 990)
    many = few + random.randrange(1, 1000 - few)
    pair = [(NAMES[first], many), (NAMES[second], few)]
    ordered = pair if random.choice((True, False)) else pair[::-1]
    who = " and ".join(f"{name} has {count}" for name, count in ordered)
    question = f"{who} {things}. Who has more {things}?"
    return _Draft(question, f"{many} > {few}.", f"\\text{{{NAMES[first]}}}")


KINDS: Mapping[str, Callable[[Random], _Draft]] = {
    "integer": _integer,
    "product": _product,
    "story-one": _story_one,
    "story-two": _story_two,
    "fraction": _fraction,
    "decimal": _decimal,
    "vector": _vector,
    "interval": _interval,
    "expansion": _expansion,
    "derivative": _derivative,
    "roots": _roots,
    "word": _word,
}
"""The generator of each kind by name, in the order in which they take turns."""


def polynomial(*coefficients: int) -> str:
    """Write a polynomial in x as LaTeX, from the highest power down.

    >>> polynomial(1, -5, 0, 6), polynomial(-1, 0), polynomial(0)
    ('x^3 - 5x^2 + 6', '-x', '0')
    """
    text = ""
    for power, coefficient in zip(range(len(coefficients) - 1, -1, -1), coefficients, strict=True):
        if coefficient:
            sign = (" - " if coefficient < 0 else " + ") if text else "-" if coefficient < 0 else ""
            text += sign + _monomial(abs(coefficient), power)
    return text or "0"


def _monomial(size: int, power: int) -> str:
    if power == 0:
        return str(size)
    letter = "x" if power == 1 else f"x^{power}"
    return letter if size == 1 else f"{size}{letter}"


def latex_fraction(value: Fraction) -> str:
    r"""Write a fraction as LaTeX, the sign in front; a whole number stays one.

    >>> latex_fraction(Fraction(-3, 4)), latex_fraction(Fraction(4, 2))
    ('-\\frac{3}{4}', '2')
    """
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def tenths(value: int) -> str:
    """Write a count of tenths as a decimal, a whole number without a point.

    >>> tenths(34), tenths(-5), tenths(20)
    ('3.4', '-0.5', '2')
    """
    whole, rest = divmod(abs(value), 10)
    digits = f"{whole}.{rest}" if rest else str(whole)
    return f"-{digits}" if value < 0 else digits


def _nonzero(random: Random, bound: int) -> int:
    return random.randrange(1, bound) * random.choice((1, -1))


def _bracketed(value: int) -> str:
    return f"({value})" if value < 0 else str(value)
