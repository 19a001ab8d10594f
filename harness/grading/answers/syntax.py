"""The nodes of an answer's structure, which the parser makes and the comparison reads."""

from __future__ import annotations

from fractions import Fraction

import msgspec


class Node(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """A part of an answer. Nodes are compared by value, and hashed once since caches use them."""


class Number(Node, frozen=True):
    """A number written in digits."""

    value: Fraction
    decimals: int | None = None
    """How many digits follow the point of a decimal, which may be rounded; None for an integer."""
    digits: int = 0
    """How many significant digits are written."""


class Symbol(Node, frozen=True):
    r"""A variable or a constant by its name: ``x``, ``x_0``, ``\\pi``, ``e``, ``i``."""

    name: str


class Apply(Node, frozen=True):
    """A function or operator with its arguments."""

    function: str
    """Its name: ``+ * / ^ - sqrt sin …``, or ``call:f`` for a function that is only named."""
    arguments: tuple[Expression, ...]


Expression = Number | Symbol | Apply
EXPRESSIONS = (Number, Symbol, Apply)
"""The same for ``isinstance``, which is faster with a tuple."""


class Sequence(Node, frozen=True):
    """Items between delimiters: a tuple, an interval or a set; a list has no delimiters."""

    opening: str
    closing: str
    items: tuple[Answer, ...]

    @property
    def ordered(self) -> bool:
        """Whether the order of the items matters."""
        return self.opening in ("(", "[")


class Ratio(Node, frozen=True):
    """Two or more terms with colons between them."""

    terms: tuple[Answer, ...]
    clock: bool
    """Whether it is written as a time of day: ``12:05``."""


class Matrix(Node, frozen=True):
    """Rows of entries."""

    rows: tuple[tuple[Answer, ...], ...]


class Relation(Node, frozen=True):
    """An equation, an inequality or a chain of them: ``a < b <= c``."""

    signs: tuple[str, ...]
    """The signs between the sides, one fewer than sides."""
    sides: tuple[Answer, ...]


class Union(Node, frozen=True):
    """A union of intervals and finite sets."""

    parts: tuple[Answer, ...]


class Intersection(Node, frozen=True):
    """What several sets have in common."""

    parts: tuple[Answer, ...]


class Difference(Node, frozen=True):
    """A set without the elements of another."""

    whole: Answer
    removed: Answer


class Cases(Node, frozen=True):
    """A function in pieces: each row is a value and the condition under which it holds."""

    rows: tuple[tuple[Answer, Answer], ...]


class Quantity(Node, frozen=True):
    """An expression followed by a unit or a noun."""

    value: Expression
    unit: str


class Compound(Node, frozen=True):
    """A quantity in several units, 2 hours 30 minutes, as it is in each of them."""

    readings: tuple[Quantity, ...]


class Qualified(Node, frozen=True):
    """An answer with a remark: "7, where n = 3", "the minimum is 7"."""

    value: Answer
    remark: str
    is_condition: bool
    """Whether the remark says something of the answer's variables."""


class Based(Node, frozen=True):
    """A number in another base: its digits and the base."""

    digits: str
    base: int


class Words(Node, frozen=True):
    """Words that are an answer by themselves: a name, a colour, yes or no."""

    text: str


class Opaque(Node, frozen=True):
    """A side of a relation that is not understood, and only names what the other side is."""

    text: str


Answer = (
    Number
    | Symbol
    | Apply
    | Sequence
    | Ratio
    | Matrix
    | Relation
    | Union
    | Intersection
    | Difference
    | Cases
    | Quantity
    | Compound
    | Qualified
    | Based
    | Words
    | Opaque
)
