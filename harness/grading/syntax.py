"""What an answer can be: the nodes that the parser makes and the comparison takes apart."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Number:
    """A number written in digits."""

    value: Fraction
    decimals: int | None = None
    """Digits after the point of a decimal, hence perhaps a rounding; None for an integer."""
    digits: int = 0
    """Significant digits as written."""


@dataclass(frozen=True, slots=True)
class Symbol:
    r"""A variable or a constant by its name: ``x``, ``x_0``, ``\\pi``, ``e``, ``i``."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of expressions; ``+ * / ^ - sqrt sin … call:f`` by name."""

    function: str
    arguments: tuple[Expression, ...]


Expression = Number | Symbol | Apply


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items between delimiters: a tuple, an interval, a set; without delimiters a list."""

    opening: str
    closing: str
    items: tuple[Answer, ...]

    @property
    def ordered(self) -> bool:
        """Whether the order of the items says something."""
        return self.opening in ("(", "[")


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two or more terms with colons between them."""

    terms: tuple[Answer, ...]
    clock: bool
    """Written as a time of day, ``12:05``."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """Sides with signs between them; one sign fewer than sides."""

    signs: tuple[str, ...]
    sides: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Union:
    """A union of intervals and finite sets."""

    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """An expression with a unit or a noun behind it."""

    value: Expression
    unit: str


@dataclass(frozen=True, slots=True)
class Based:
    """Digits with their base."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Words:
    """Words that say something by themselves: a name, a colour, yes or no."""

    text: str


@dataclass(frozen=True, slots=True)
class Opaque:
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
