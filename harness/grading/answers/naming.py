r"""Say whether two names of a value can mean one thing: ``P(A)`` and ``P(B)`` cannot.

Most names can: "Area" and ``S``, or ``x`` and ``x_0``. Two contradict each other only if they are
of one form and differ in what it names.
"""

from __future__ import annotations

import re

from harness.grading.answers.nouns import are_opposite
from harness.grading.answers.syntax import Answer, Apply, Opaque, Symbol, Words

_OF_ANGLES = frozenset("sin cos tan cot sec csc".split())
_DERIVATIVE = re.compile(r"frac \{ (?:d|\\partial)")
_CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def contradict(gold: Answer, answer: Answer) -> bool:
    """Say whether two names are of one form, and name different things."""
    if gold == answer:
        return False
    if isinstance(gold, Symbol) and isinstance(answer, Symbol):
        return _symbols(gold.name, answer.name)
    if isinstance(gold, Apply) and isinstance(answer, Apply):
        return _formulas(gold, answer)
    if isinstance(gold, Words | Opaque) and isinstance(answer, Words | Opaque):
        return _texts(gold.text, answer.text)
    magnitude = [side for side in (gold, answer) if isinstance(side, Apply)]
    other = [side for side in (gold, answer) if isinstance(side, Symbol)]
    return len(magnitude) == len(other) == 1 and magnitude[0] == Apply("abs", (other[0],))


def _symbols(gold: str, answer: str) -> bool:
    """Say whether two indexed names differ: ``a_5`` and ``a_6``, ``S_n`` and ``a_n``."""
    wanted, given = gold.partition("_"), answer.partition("_")
    if gold.startswith("angle ") and answer.startswith("angle "):
        return len(gold) == len(answer)
    if not wanted[2] or not given[2]:
        return False
    if wanted[0] == given[0]:
        both_numbers = wanted[2].isdecimal() and given[2].isdecimal()
        return both_numbers or ("+" in wanted[2]) != ("+" in given[2])
    return wanted[2] == given[2]


def _formulas(gold: Apply, answer: Apply) -> bool:
    if gold.function.startswith("call:") and answer.function.startswith("call:"):
        if gold.function == answer.function == "call:P":
            return all(isinstance(part, Symbol) for part in (*gold.arguments, *answer.arguments))
        return ("^-1" in gold.function) != ("^-1" in answer.function)
    if {gold.function, answer.function} <= _OF_ANGLES:
        return True
    if gold.function == answer.function == "/":
        return all(_is_segment(part) for side in (gold, answer) for part in side.arguments)
    return len(_segment(gold)) == len(_segment(answer)) == 2 and _segment(gold) != _segment(answer)


def _segment(side: Answer) -> frozenset[str]:
    r"""Return the two points of a length such as ``AB``; nothing for anything else."""
    if not isinstance(side, Apply) or side.function != "*":
        return frozenset()
    names = {part.name for part in side.arguments if isinstance(part, Symbol)}
    return frozenset(names) if len(names) == 2 and names <= _CAPITALS else frozenset()


def _is_segment(side: Answer) -> bool:
    return bool(_segment(side))


def _texts(gold: str, answer: str) -> bool:
    if _DERIVATIVE.match(gold) and _DERIVATIVE.match(answer):
        return gold.replace("\\partial", "d") != answer.replace("\\partial", "d")
    heads = gold.split(" ", 1)[0], answer.split(" ", 1)[0]
    if heads[0] == heads[1] and heads[0] in ("P", "\\Pr"):
        return True
    if gold.startswith("angle ") and answer.startswith("angle "):
        return len(gold) == len(answer)
    return are_opposite(gold, answer)
