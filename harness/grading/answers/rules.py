r"""The rules that compare two answers without symbolic algebra, the cheapest first.

`decide` tries them in order, and the first rule that is sure is named in the
verdict. Most pairs in a mathematics benchmark are two numbers and take
microseconds. A pair of which no rule is sure goes to a symbolic comparison in a
worker process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmarks import Conventions
from harness.grading.answers import limits
from harness.grading.answers.brackets import mismatched
from harness.grading.answers.choices import read_choice
from harness.grading.answers.completeness import are_complete
from harness.grading.answers.effort import TooCostlyError, bounded
from harness.grading.answers.equality import equal
from harness.grading.answers.nouns import ARITHMETIC, DENYING, NUMERALS
from harness.grading.answers.parser import parse
from harness.grading.answers.syntax import (
    Answer,
    Apply,
    Based,
    Cases,
    Compound,
    Difference,
    Intersection,
    Matrix,
    Number,
    Qualified,
    Quantity,
    Ratio,
    Relation,
    Sequence,
    Symbol,
    Union,
    Words,
)
from harness.grading.answers.tokens import TooDeepError, UnreadableError, tokenize
from harness.grading.answers.unit_letters import with_degrees_of_sum, with_units
from harness.grading.answers.values import exact
from harness.grading.remembered import remembered

MATHEMATICS = Conventions()
"""The conventions where no benchmark is named: only mathematical equality counts."""


class Equivalence(StrEnum):
    """The result of comparing a candidate with a gold."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPARSABLE = "unparsable"
    """The candidate cannot be read as mathematics, or is refused as too costly to read."""
    TIMEOUT = "timeout"
    """The comparison took longer than its limit."""
    ERROR = "error"
    """The worker failed, by a crash or out of memory."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a comparison, and the name of the rule that was sure of it."""

    equivalence: Equivalence
    rule: str


def decide(gold: str, answer: str, conventions: Conventions = MATHEMATICS) -> Decision | None:
    r"""Compare a candidate with the gold by rules; None if no rule is sure.

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
    try:
        with bounded():
            found = structure(gold, answer, conventions)
            if found is None or found.equivalence is Equivalence.DIFFERENT:
                found = labelled(gold, answer, conventions) or found
    except (TooDeepError, TooCostlyError):
        return Decision(Equivalence.UNPARSABLE, "limits")
    if found is None and prose(answer):
        return Decision(Equivalence.UNPARSABLE, "prose")
    if found is None and mismatched(answer):
        return Decision(Equivalence.UNPARSABLE, "brackets")
    return found


INTEGER = re.compile(r"-?[0-9]{1,18}")
"""An integer of at most 18 digits, whose value is known without parsing."""


def _integers(gold: str, answer: str) -> Decision:
    """Compare two integers, as most pairs are. The rules below would give the same result."""
    if gold == answer:
        return Decision(Equivalence.EQUAL, "identical")
    same = int(gold) == int(answer)
    return Decision(Equivalence.EQUAL if same else Equivalence.DIFFERENT, "number")


def labelled(gold: str, answer: str, conventions: Conventions) -> Decision | None:
    """Compare two answers of which one or both have a choice's letter beside a value.

    If both have a letter, the letters decide, but two values beside equal letters may not differ.
    If only one has a letter, its value is compared with the other answer.
    """
    if len(set(_LABEL.findall(answer))) > 1:
        return None  # the answers of several parts, or several choices
    wanted, given = read_choice(gold), read_choice(answer)
    if wanted is None or not wanted.value:
        letter = _CHOICE.fullmatch(gold)
        if letter is not None:
            return None if given is None else _letters_alike(letter[1], given.letter)
    if given is not None and wanted is not None and wanted.value:
        if given.letter != wanted.letter:
            return _letters_alike(wanted.letter, given.letter)
        values = given.value and structure(wanted.value, given.value, conventions)
        if values and values.equivalence is Equivalence.DIFFERENT:
            return values
        return Decision(Equivalence.EQUAL, "choice")
    if given is not None and given.value and given.letter not in _LETTERS.findall(gold):
        return _alike(gold, given.value, conventions)
    if wanted is not None and wanted.value and wanted.letter not in _LETTERS.findall(answer):
        return _alike(wanted.value, answer, conventions)
    return None


def _letters_alike(wanted: str, given: str) -> Decision:
    same = wanted == given
    return Decision(Equivalence.EQUAL if same else Equivalence.DIFFERENT, "choice")


_LETTERS = re.compile(r"(?<![A-Za-z\\])[A-Z](?![A-Za-z])")


def _alike(gold: str, answer: str, conventions: Conventions) -> Decision | None:
    if identical(gold, answer):
        return Decision(Equivalence.EQUAL, "choice")
    return structure(gold, answer, conventions)


def identical(gold: str, answer: str) -> bool:
    r"""Say whether two answers differ in nothing but typesetting.

    >>> identical(r"\left( 1, \dfrac{1}{2} \right)", r"$(1,\frac{1}{2})$.")
    True

    An empty normal form equals nothing. Otherwise any two answers that consist of
    typesetting alone would be equal.
    """
    if max(len(gold), len(answer)) > limits.MAXIMUM_LENGTH:
        return gold == answer
    normal = typeset_alike(gold)
    return bool(normal) and normal == typeset_alike(answer)


_SIZED = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_SPACE = re.compile(r"\\[,;:> ]|\\q?quad(?![A-Za-z])|~|\s")
# A blank matters only where it separates two words or numbers.
_IDLE_BLANK = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


@remembered(room=16 << 20, size=lambda answer: 300 + 8 * len(answer))
def typeset_alike(answer: str) -> str:
    r"""Return the answer's normal form, in which nothing but typesetting is left out.

    >>> typeset_alike(r"$\dfrac{1}{ 2}\!$.")
    '\\frac{1}{2}'
    """
    text = strip_delimiters(answer)
    text = _SIZED.sub("", text.replace(r"\!", "").replace("{,}", ","))
    text = _FRACTION.sub(r"\\frac", text)
    text = _SPACE.sub(" ", text)
    return _IDLE_BLANK.sub("", re.sub(r" {2,}", " ", text).strip())


def strip_delimiters(answer: str) -> str:
    """Return the answer without the blanks, bold, full stop and one pair of signs around it."""
    text = answer.strip().removeprefix("**").removesuffix("**").removesuffix(".").strip()
    for opening, closing in _DELIMITERS:
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and opening not in inner:
            return inner.strip().removesuffix(".").rstrip()
    return text


_WRAPPED = r"(?:\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{\s?)?"
_CHOICE = re.compile(rf"\s?{_WRAPPED}\(?([A-J])\)?\}}?\s?")
_LABEL = re.compile(r"\(([A-Ja-j])\)")
_PAIR = re.compile(r"[(\[]\s?-?[0-9]{1,3},[0-9]{3}\s?[)\]]")
_PACKED = re.compile(r"(?<=[0-9]),(?=[1-9][0-9]{2}(?![0-9]))")
"""A comma that may also separate two items; no item begins with a zero, as in ``40,000``."""


def structure(gold: str, answer: str, conventions: Conventions) -> Decision | None:
    """Compare two answers by their structure; None if either is not understood.

    ``100,200`` is first read as a number with a thousands separator, and then as a list.
    """
    decision = _structure(gold, answer, conventions)
    if decision and decision.equivalence is Equivalence.EQUAL:
        return decision
    if _PACKED.search(gold) or _PACKED.search(answer):
        if _is_pair_and_number(gold, answer) or _is_pair_and_number(answer, gold):
            return decision  # a pair is no number, however its comma is read
        listed = _structure(_PACKED.sub(", ", gold), _PACKED.sub(", ", answer), conventions)
        if listed is None or listed.equivalence is Equivalence.EQUAL:
            return listed
    return decision


def _is_pair_and_number(pair: str, number: str) -> bool:
    """Say whether one text has a pair such as ``(61,400)``, and the other states one number."""
    if not _PAIR.search(pair) or _PAIR.search(number):
        return False
    stated = read(number)
    if isinstance(stated, Relation) and set(stated.signs) == {"="}:
        stated = stated.sides[-1]
    return isinstance(stated.value if isinstance(stated, Quantity) else stated, Number)


def _structure(gold: str, answer: str, conventions: Conventions) -> Decision | None:
    wanted, given = read(gold), read(answer)
    if wanted is None or given is None or {_logic(gold), _logic(answer)} == {"and", "or"}:
        return None
    wanted, given = with_units(wanted, gold, given, answer)
    same = equal(wanted, given, conventions)
    if not same and (whole := with_degrees_of_sum(given)) is not None:
        same = equal(wanted, whole, conventions) or same
    if same is None or not (same or are_complete(wanted, given)):
        return None
    return Decision(Equivalence.EQUAL if same else Equivalence.DIFFERENT, kind_of(wanted, given))


_LOGICAL = re.compile(r"\\(land|wedge|lor|vee)(?![A-Za-z])")


def _logic(text: str) -> str | None:
    r"""Return whether an answer has ``\land`` or ``\lor`` between names, as statements have."""
    signs = set(_LOGICAL.findall(text)) if "\\" in text and "=" not in text else set()
    return "and" if signs <= {"land", "wedge"} and signs else "or" if signs else None


@remembered(room=32 << 20, size=lambda text: 500 + 150 * len(text))
def read(text: str) -> Answer | None:
    """Return an answer's structure, or None if it is not understood or too costly to read.

    Raises:
        TooDeepError: its formula has too many levels.
    """
    if limits.too_costly(text):
        return None
    try:
        return parse(text)
    except UnreadableError:
        return None


_KINDS: tuple[tuple[Any, str], ...] = (
    (Union | Intersection | Difference, "interval"),
    (Relation, "relation"),
    (Matrix, "matrix"),
    (Cases, "relation"),
    (Sequence, "list"),
    (Words, "words"),
    (Based, "base"),
    (Ratio, "ratio"),
    (Quantity | Compound, "unit"),
)


def kind_of(gold: Answer, answer: Answer) -> str:
    """Return the name of the rule that compares two such answers, for the verdict."""
    sides = tuple(s.value if isinstance(s, Qualified) else s for s in (gold, answer))
    for kind, name in _KINDS:
        if any(isinstance(side, kind) for side in sides):
            ordered = name == "list" and any(
                isinstance(side, Sequence) and side.ordered for side in sides
            )
            return "tuple" if ordered else name
    return "number" if all(is_plain_number(side) for side in sides) else "expression"


def is_plain_number(answer: Answer) -> bool:
    """Say whether the answer is an expression whose value is exactly a rational number."""
    return isinstance(answer, Number | Symbol | Apply) and exact(answer) is not None


_PROSE = re.compile(
    r"(?<![\\A-Za-z{])[A-Za-z]{4,}(?![A-Za-z])|\\(?:text[a-z]*|mbox)\s?\{[^{}]*[A-Za-z]{2}"
)
_FORMULA_WORDS = frozenset(
    "sqrt frac arcsin arccos arctan sinh cosh tanh theta begin infty".split()
)


_CHANGES = "|".join(sorted(NUMERALS | DENYING | ARITHMETIC - {"and", "or", "to", "by"}))
_CHANGING_WORD = re.compile(rf"(?<![\\A-Za-z])(?:{_CHANGES})(?![A-Za-z])", re.IGNORECASE)
"""A word that changes the value beside it, as in ``not 5`` and ``5 dozen``."""


_DIGITS_AS_TEXT = re.compile(r"\\(?:text[a-z]*|mbox)\s?\{[^{}]*[0-9]")


def prose(answer: str) -> bool:
    """Say whether the candidate is a sentence; a LaTeX parser would drop its words."""
    if _CHANGING_WORD.search(answer) or _DIGITS_AS_TEXT.search(answer):
        return True
    try:
        words = sum(token.kind == "word" for token in tokenize(answer))
    except UnreadableError:
        words = sum(word not in _FORMULA_WORDS for word in _PROSE.findall(answer))
    return words >= 2
