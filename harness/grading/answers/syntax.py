"""What an answer can be: the nodes that the parser makes and the comparison takes apart."""

from __future__ import annotations

from fractions import Fraction

import msgspec


class Node(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """A part of an answer, compared by value; it is looked up often, and hashed once."""


class Number(Node, frozen=True):
    """A number written in digits."""

    value: Fraction
    decimals: int | None = None
    """Digits after the point of a decimal, hence perhaps a rounding; None for an integer."""
    digits: int = 0
    """Significant digits as written."""


class Symbol(Node, frozen=True):
    r"""A variable or a constant by its name: ``x``, ``x_0``, ``\\pi``, ``e``, ``i``."""

    name: str


class Apply(Node, frozen=True):
    """A function of expressions; ``+ * / ^ - sqrt sin … call:f`` by name."""

    function: str
    arguments: tuple[Expression, ...]


Expression = Number | Symbol | Apply


class Sequence(Node, frozen=True):
    """Items between delimiters: a tuple, an interval, a set; without delimiters a list."""

    opening: str
    closing: str
    items: tuple[Answer, ...]

    @property
    def ordered(self) -> bool:
        """Whether the order of the items says something."""
        return self.opening in ("(", "[")


class Ratio(Node, frozen=True):
    """Two or more terms with colons between them."""

    terms: tuple[Answer, ...]
    clock: bool
    """Written as a time of day, ``12:05``."""


class Matrix(Node, frozen=True):
    """Rows of entries."""

    rows: tuple[tuple[Answer, ...], ...]


class Relation(Node, frozen=True):
    """Sides with signs between them; one sign fewer than sides."""

    signs: tuple[str, ...]
    sides: tuple[Answer, ...]


class Union(Node, frozen=True):
    """A union of intervals and finite sets."""

    parts: tuple[Answer, ...]


class Quantity(Node, frozen=True):
    """An expression with a unit or a noun behind it."""

    value: Expression
    unit: str


class Based(Node, frozen=True):
    """Digits with their base."""

    digits: str
    base: int


class Words(Node, frozen=True):
    """Words that say something by themselves: a name, a colour, yes or no."""

    text: str


class Opaque(Node, frozen=True):
    """The side of a relation that only names what the other side is."""

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
    | Quantity
    | Based
    | Words
    | Opaque
)
