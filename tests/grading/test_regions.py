"""Laws of the regions to which sets of real numbers are reduced before they are compared."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.grading.answers.notation import plain
from harness.grading.answers.pieces import Region, complement, intersected, joined
from harness.grading.answers.regions import region
from harness.grading.answers.rules import read

ENDS = st.integers(-6, 6)


@st.composite
def intervals(draw: st.DrawFn) -> str:
    low, high = sorted((draw(ENDS), draw(ENDS)))
    if low == high:
        return rf"\{{{low}\}}"
    return f"{draw(st.sampled_from('(['))}{low},{high}{draw(st.sampled_from(')]'))}"


PARTS = st.lists(intervals(), min_size=1, max_size=5)


def region_of(text: str) -> Region:
    answer = read(text)
    assert answer is not None
    found = region(answer)
    assert found is not None
    return found


def bounds(found: Region) -> list[tuple[float, float, bool, bool]]:
    return [(float(p.low.place), float(p.high.place), p.with_low, p.with_high) for p in found]


@given(PARTS, st.randoms())
def test_a_union_is_the_same_in_any_order(parts: list[str], random: object) -> None:
    shuffled = [*parts]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    left, right = (r"\cup".join(side) for side in (parts, [*shuffled, parts[0]]))
    assert bounds(region_of(left)) == bounds(region_of(right))


@given(PARTS)
def test_pieces_are_in_order_and_do_not_touch(parts: list[str]) -> None:
    found = region_of(r"\cup".join(parts))
    for left, right in pairwise(found):
        assert left.high.place <= right.low.place
        assert left.high.place < right.low.place or not (left.with_high or right.with_low)


@given(PARTS)
def test_the_complement_of_the_complement_is_the_set_itself(parts: list[str]) -> None:
    found = region_of(r"\cup".join(parts))
    assert bounds(complement(complement(found))) == bounds(found)
    assert joined(intersected(found, complement(found))) == []


@given(PARTS, PARTS)
def test_a_difference_is_what_lies_outside_the_other(left: list[str], right: list[str]) -> None:
    whole, removed = region_of(r"\cup".join(left)), region_of(r"\cup".join(right))
    rest = joined(intersected(whole, complement(removed)))
    assert joined(intersected(rest, removed)) == []
    assert bounds(joined([*rest, *intersected(whole, removed)])) == bounds(whole)


@given(st.text(alphabet="\\{}[]()^_,;:| 1ax\u00b2\uff11", max_size=60))
def test_a_notation_that_is_written_plainly_stays(text: str) -> None:
    once = plain(text)
    assert once.isascii()
    assert plain(once) == once
