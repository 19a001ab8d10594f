"""Tests of the `ray` engine's leases: each request ends exactly once, whichever replica dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from harness.engines import Request
from harness.engines.ray.leases import MOST_DEATHS, Leases
from harness.prompts.rendering import Prompt
from harness.runs.sample import SampleKey

PROMPT = Prompt(text="1 + 1 = ?")
LAST_TRY = MOST_DEATHS - 1


def request(number: int) -> Request:
    return Request(key=SampleKey("p", number), prompt=PROMPT, max_tokens=8, seed=number)


def requests(count: int) -> Iterator[Request]:
    return map(request, range(count))


class World:
    """A model of holders with their limits, and of the requests that each has under way."""

    def __init__(self, count: int, widths: list[int]) -> None:
        self.leases: Leases[int] = Leases(requests(count))
        self.widths = dict(enumerate(widths))
        self.under_way: dict[int, list[Request]] = {holder: [] for holder in self.widths}
        self.deaths: Counter[SampleKey] = Counter()
        self.ended: list[SampleKey] = []

    def deal(self, _: int = 0) -> None:
        for holder, dealt in self.leases.deal(self.widths).items():
            self.under_way[holder].extend(dealt)
            held = self.leases.held(holder)
            assert len(self.under_way[holder]) == held <= self.widths[holder]
            suspects = [one for one in self.under_way[holder] if self.deaths[one.key] == LAST_TRY]
            assert not suspects or held == 1, "a suspect is tried alone"

    def finish(self, holder: int) -> None:
        if not self.under_way[holder]:
            return
        done = self.under_way[holder].pop(0)
        assert self.leases.done(holder, done.key)
        assert not self.leases.done(holder, done.key), "a second answer is none"
        self.ended.append(done.key)

    def die(self, holder: int) -> None:
        again, given_up = self.leases.died(holder)
        lost, self.under_way[holder] = self.under_way[holder], []
        assert [one.key for one in lost] == [one.key for one in lost if one in again + given_up]
        assert len(lost) == len(again) + len(given_up)
        self.deaths.update(one.key for one in lost)
        assert all(self.deaths[one.key] == MOST_DEATHS for one in given_up)
        assert all(self.deaths[one.key] < MOST_DEATHS for one in again)
        self.ended.extend(one.key for one in given_up)

    def finish_all(self) -> None:
        self.deal()
        while any(self.under_way.values()):
            assert not self.leases.over
            for holder in self.widths:
                self.finish(holder)
            self.deal()
        assert self.leases.over


@given(
    st.integers(0, 30),
    st.lists(st.integers(1, 8), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(["deal", "finish", "die"]), st.integers(0, 99))),
)
def test_each_request_ends_once_whoever_dies(
    count: int, widths: list[int], happens: list[tuple[str, int]]
) -> None:
    world = World(count, widths)
    for what, number in happens:
        getattr(world, what)(number % len(widths))
    world.finish_all()
    assert sorted(world.ended) == [SampleKey("p", number) for number in range(count)]


def test_a_short_queue_is_shared_evenly_and_pulled_no_further_than_dealt() -> None:
    pulled: list[int] = []

    def owed() -> Iterator[Request]:
        for number in range(100):
            pulled.append(number)
            yield request(number)

    leases: Leases[str] = Leases(owed())
    dealt = leases.deal({"a": 3, "b": 5, "full": 0})
    assert {holder: len(got) for holder, got in dealt.items()} == {"a": 3, "b": 5, "full": 0}
    assert len(pulled) == 8
    few: Leases[str] = Leases(requests(5))
    assert sorted(len(got) for got in few.deal({"a": 256, "b": 256}).values()) == [2, 3]


def test_what_a_death_left_goes_first_and_a_stranger_has_nothing() -> None:
    leases: Leases[str] = Leases(requests(4))
    leases.deal({"a": 2})
    assert not leases.done("b", SampleKey("p", 0))
    leases.died("a")
    assert [one.key.index for one in leases.deal({"b": 3})["b"]] == [0, 1, 2]
    assert leases.died("never dealt") == ([], [])


def test_what_the_dead_had_under_way_is_still_owed_while_nobody_holds_anything() -> None:
    """Otherwise the run would end without the request if the last working replica died."""
    leases: Leases[str] = Leases(requests(2))
    leases.deal({"a": 8})
    leases.died("a")
    assert not leases.over
    assert leases.deal({}) == {}
    assert not leases.over


def test_one_poisonous_request_costs_its_neighbours_nothing() -> None:
    leases: Leases[str] = Leases(requests(20))
    ended: list[int] = []
    for _ in range(100):
        dealt = [one.key.index for one in leases.deal({"a": 8})["a"]]
        if 3 in dealt:
            ended += [-one.key.index for one in leases.died("a").given_up]
        else:
            for index in dealt:
                leases.done("a", SampleKey("p", index))
                ended.append(index)
    assert leases.over
    assert sorted(ended) == sorted([-3, *(index for index in range(20) if index != 3)])
