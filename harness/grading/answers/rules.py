r"""The rules that decide without symbolic work, cheapest first.

`decide` asks them in order; the first that is sure names the verdict's rule.
Most pairs of a mathematics benchmark are two numbers and end in microseconds;
what no rule is sure of goes to a symbolic comparison in a worker process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from benchmarks import Conventions
from harness.grading.answers import limits
from harness.grading.answers.equality import equal, without_unit_letters
from harness.grading.answers.parser import parse
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Based,
    Matrix,
    Number,
    Quantity,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Union,
    Words,
)
from harness.grading.answers.tokens import UnreadableError, tokenize
from harness.grading.answers.values import exact

MATHEMATICS = Conventions()
"""Equality and nothing else: what counts where no benchmark is named."""


class Equivalence(StrEnum):
    """What comparing a candidate with a gold gave."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPARSABLE = "unparsable"
    """The candidate cannot be read as mathematics, or is refused as too costly to read."""
    TIMEOUT = "timeout"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Decision:
    """A comparison's result and the rule that was sure of it."""

    equivalence: Equivalence
    rule: str


def decide(gold: str, answer: str, conventions: Conventions = MATHEMATICS) -> Decision | None:
    r"""Compare a candidate with the gold; None if only a symbolic comparison could tell.

    >>> decide(r"\frac{1}{2}", "0.50")
    Decision(equivalence=<Equivalence.EQUAL: 'equal'>, rule='number')
    >>> decide("(1,2)", "[1,2]")
    Decision(equivalence=<Equivalence.DIFFERENT: 'different'>, rule='tuple')
    """
    if INTEGER.fullmatch(gold) and INTEGER.fullmatch(answer):
        return _integers(gold, answer)
    if identical(gold, answer):
        return Decision(Equivalence.EQUAL, "identical")
    if limits.too_costly(answer):
        return Decision(Equivalence.UNPARSABLE, "limits")
    if chosen(gold, answer):
        return Decision(Equivalence.EQUAL, "choice")
    found = structure(gold, answer, conventions)
    if found is None:
        found = labelled(gold, answer, conventions)
    if found is None and prose(answer):
        return Decision(Equivalence.UNPARSABLE, "prose")
    return found


INTEGER = re.compile(r"-?[0-9]{1,18}")
"""An answer that has its value at once, with no structure to read."""


def _integers(gold: str, answer: str) -> Decision:
    """Compare what most pairs are, and be done: every rule below would say the same."""
    if gold == answer:
        return Decision(Equivalence.EQUAL, "identical")
    same = int(gold) == int(answer)
    return Decision(Equivalence.EQUAL if same else Equivalence.DIFFERENT, "number")


_LABELLED = re.compile(
    r"\s?(?:\\(?:text|textbf|mathrm|mathbf)\s?\{\s?)?\([A-Ja-j]\)\s?\}?\s?(.{1,300})"
)


def labelled(gold: str, answer: str, conventions: Conventions) -> Decision | None:
    """Compare what stands behind a choice's letter: ``(B) 12`` where the gold is a value."""
    found = _LABELLED.fullmatch(answer)
    return structure(gold, found[1], conventions) if found else None


def identical(gold: str, answer: str) -> bool:
    r"""Whether two answers differ in nothing but typesetting.

    >>> identical(r"\left( 1, \dfrac{1}{2} \right)", r"$(1,\frac{1}{2})$.")
    True

    An empty normal form equals nothing: a rule that strips what it does not
    know would otherwise find all unknown things equal.
    """
    if max(len(gold), len(answer)) > limits.MAXIMUM_LENGTH:
        return gold == answer
    normal = typeset_alike(gold)
    return bool(normal) and normal == typeset_alike(answer)


_SIZED = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_SPACE = re.compile(r"\\[,;:> ]|\\q?quad(?![A-Za-z])|~|\s")
# A blank matters only where it keeps two words or numbers apart.
_IDLE_BLANK = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


@lru_cache(maxsize=4_096)
def typeset_alike(answer: str) -> str:
    r"""Return the answer without what only a typesetter sees.

    >>> typeset_alike(r"$\dfrac{1}{ 2}\!$.")
    '\\frac{1}{2}'
    """
    text = strip_delimiters(answer)
    text = _SIZED.sub("", text.replace(r"\!", "").replace("{,}", ","))
    text = _FRACTION.sub(r"\\frac", text)
    text = _SPACE.sub(" ", text)
    return _IDLE_BLANK.sub("", re.sub(r" {2,}", " ", text).strip())


def strip_delimiters(answer: str) -> str:
    """Return the answer without blanks, a full stop and one pair of formula signs around it."""
    text = answer.strip().removeprefix("**").removesuffix("**").removesuffix(".").strip()
    for opening, closing in _DELIMITERS:
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and opening not in inner:
            return inner.strip().removesuffix(".").rstrip()
    return text


_WRAPPED = r"(?:\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{\s?)?"
_CHOICE = re.compile(rf"\s?{_WRAPPED}\(?([A-J])\)?\}}?\s?")
_CHOSEN = re.compile(
    rf"\s?(?:(?:option|choice|answer)\s)?{_WRAPPED}(?:\(([A-J])\)|([A-J])[).:])(?![0-9]).{{0,300}}",
    re.IGNORECASE | re.DOTALL,
)


def chosen(gold: str, answer: str) -> bool:
    r"""Whether the answer names the gold's choice, perhaps with what stands there.

    >>> chosen(r"\text{(C)}", r"(C) \frac{1}{2}"), chosen("C", "(B) C")
    (True, False)
    """
    wanted = _CHOICE.fullmatch(gold)
    if wanted is None:
        return False
    given = _CHOICE.fullmatch(answer.upper() if len(answer) <= 3 else answer) or _CHOSEN.fullmatch(
        answer
    )
    return given is not None and wanted[1] == str(given[given.lastindex or 1]).upper()


_PACKED = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")


def structure(gold: str, answer: str, conventions: Conventions) -> Decision | None:
    """Compare two answers by what they are made of; None if either is not understood.

    ``100,200`` is a number with a separator first, and a list if that is not the gold.
    """
    decision = _structure(gold, answer, conventions)
    if decision and decision.equivalence is Equivalence.EQUAL:
        return decision
    if _PACKED.search(gold) or _PACKED.search(answer):
        listed = _structure(_PACKED.sub(", ", gold), _PACKED.sub(", ", answer), conventions)
        if listed and listed.equivalence is Equivalence.EQUAL:
            return listed
    return decision


def _structure(gold: str, answer: str, conventions: Conventions) -> Decision | None:
    wanted, given = read(gold), read(answer)
    if wanted is None or given is None:
        return None
    given = without_unit_letters(wanted, given)
    same = equal(wanted, given, conventions)
    if same is None:
        return None
    return Decision(Equivalence.EQUAL if same else Equivalence.DIFFERENT, kind_of(wanted, given))


@lru_cache(maxsize=8_192)
def read(text: str) -> Answer | None:
    """Return an answer's structure, or None if it is not understood or too costly to read."""
    if limits.too_costly(text):
        return None
    try:
        return parse(text)
    except UnreadableError:
        return None


_KINDS: tuple[tuple[type, str], ...] = (
    (Union, "interval"),
    (Relation, "relation"),
    (Matrix, "matrix"),
    (Sequence, "list"),
    (Words, "words"),
    (Based, "base"),
    (Ratio, "ratio"),
    (Quantity, "unit"),
)


def kind_of(gold: Answer, answer: Answer) -> str:
    """Return the name under which a verdict records the comparison of two such answers."""
    sides = (gold, answer)
    for kind, name in _KINDS:
        if any(isinstance(side, kind) for side in sides):
            ordered = name == "list" and any(
                isinstance(side, Sequence) and side.ordered for side in sides
            )
            return "tuple" if ordered else name
    return "number" if all(is_plain_number(side) for side in sides) else "expression"


def is_plain_number(answer: Answer) -> bool:
    """Whether the answer is a rational number by arithmetic alone."""
    return isinstance(answer, Number | Symbol | Apply) and exact(answer) is not None


_PROSE = re.compile(
    r"(?<![\\A-Za-z{])[A-Za-z]{4,}(?![A-Za-z])|\\(?:text[a-z]*|mbox)\s?\{[^{}]*[A-Za-z]{2}"
)
_FORMULA_WORDS = frozenset(
    "sqrt frac arcsin arccos arctan sinh cosh tanh theta begin infty".split()
)


def prose(answer: str) -> bool:
    """Whether the candidate is a sentence: a formula parser would drop words and grade the rest."""
    try:
        words = sum(token.kind == "word" for token in tokenize(answer))
    except UnreadableError:
        words = sum(word not in _FORMULA_WORDS for word in _PROSE.findall(answer))
    return words >= 2
