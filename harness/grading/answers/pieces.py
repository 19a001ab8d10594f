"""Unions, intersections and complements of intervals and points on the real line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.grading.answers.effort import spend
from harness.grading.answers.sets import INFINITY, NEGATIVE_INFINITY
from harness.grading.answers.syntax import Expression

_SAME = 1e-40
"""How far two places may be apart, relative to their size, that are the same."""


@dataclass(frozen=True, slots=True)
class End:
    """An end of a piece, as it is written and as a number."""

    written: Expression
    place: Any


@dataclass(frozen=True, slots=True)
class Piece:
    """All numbers between two ends; a point lies between itself and itself."""

    low: End
    high: End
    with_low: bool
    with_high: bool

    @property
    def is_empty(self) -> bool:
        """Whether no number is between the ends."""
        if _differ(self.low.place, self.high.place):
            return bool(self.low.place > self.high.place)
        return not (self.with_low and self.with_high)


Region = list[Piece]
LOWEST = End(NEGATIVE_INFINITY, float("-inf"))
HIGHEST = End(INFINITY, float("inf"))


def _differ(left: Any, right: Any) -> bool:
    if left == right:
        return False
    if abs(left) == float("inf") or abs(right) == float("inf"):
        return True
    return bool(abs(left - right) > _SAME * (1 + abs(left)))


def _below(left: Any, right: Any) -> bool:
    return bool(left < right) and _differ(left, right)


def joined(pieces: Region) -> Region:
    """Return the pieces in ascending order, with those joined that touch or overlap."""
    rest = [piece for piece in pieces if not piece.is_empty]
    rest.sort(key=lambda piece: (piece.low.place, not piece.with_low))
    found: Region = []
    for piece in rest:
        spend(1)
        last = found[-1] if found else None
        if last is None or not _touch(last, piece):
            found.append(piece)
            continue
        with_low = last.with_low or (
            piece.with_low and not _differ(last.low.place, piece.low.place)
        )
        if _below(last.high.place, piece.high.place):
            high, with_high = piece.high, piece.with_high
        else:
            same_end = not _differ(last.high.place, piece.high.place)
            high, with_high = last.high, last.with_high or (same_end and piece.with_high)
        found[-1] = Piece(last.low, high, with_low, with_high)
    return found


def _touch(left: Piece, right: Piece) -> bool:
    """Say whether nothing lies between two pieces, of which the left one begins first."""
    if _differ(left.high.place, right.low.place):
        return bool(left.high.place > right.low.place)
    return left.with_high or right.with_low


def complement(pieces: Region) -> Region:
    """Return the rest of the real line."""
    gaps: Region = []
    start, with_start = LOWEST, False
    for piece in joined(pieces):
        gaps.append(Piece(start, piece.low, with_start, not piece.with_low))
        start, with_start = piece.high, not piece.with_high
    gaps.append(Piece(start, HIGHEST, with_start, False))
    return [gap for gap in gaps if not gap.is_empty and _is_line(gap)]


def _is_line(gap: Piece) -> bool:
    """Say whether a gap is more than one of the infinities."""
    infinite = abs(gap.low.place) == float("inf") and gap.low.place == gap.high.place
    return not infinite


def intersected(left: Region, right: Region) -> Region:
    """Return what two regions have in common."""
    spend(1 + len(left) * len(right) // 4)
    both: Region = []
    for a in left:
        for b in right:
            low, with_low = _later(a, b)
            high, with_high = _earlier(a, b)
            piece = Piece(low, high, with_low, with_high)
            if not piece.is_empty:
                both.append(piece)
    return both


def _later(a: Piece, b: Piece) -> tuple[End, bool]:
    if not _differ(a.low.place, b.low.place):
        return a.low, a.with_low and b.with_low
    return (b.low, b.with_low) if a.low.place < b.low.place else (a.low, a.with_low)


def _earlier(a: Piece, b: Piece) -> tuple[End, bool]:
    if not _differ(a.high.place, b.high.place):
        return a.high, a.with_high and b.with_high
    return (a.high, a.with_high) if a.high.place < b.high.place else (b.high, b.with_high)
