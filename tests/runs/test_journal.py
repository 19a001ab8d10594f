"""The journal: what was appended is read again by its key, whatever came in between."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.runs.journal import Journal, Places, read_journal
from harness.runs.sample import MOST_SAMPLES, FinishReason, Sample, SampleKey


def sample(
    problem_id: str, index: int, response: str = "", reason: FinishReason = "stop"
) -> Sample:
    return Sample(
        problem_id=problem_id,
        index=index,
        response=response,
        finish_reason=reason,
        seed=0,
        prompt_sum="",
    )


numbers = st.integers(0, 40) | st.integers(0, 300) | st.integers(0, MOST_SAMPLES - 1)
keys = st.builds(SampleKey, st.sampled_from(["a", "b", "ü"]), numbers)


@given(said=st.lists(st.tuples(keys, st.text(max_size=20))))
def test_every_sample_is_read_again_by_its_key(
    said: list[tuple[SampleKey, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "samples.jsonl"
    expected: dict[SampleKey, Sample] = {}
    journal = Journal(path)
    for key, text in said:
        expected[key] = sample(key.problem_id, key.index, text)
        journal.append(expected[key])
        assert journal[key] == expected[key]
    assert dict(journal) == expected
    journal.close()
    again = Journal(path)
    assert dict(again) == expected
    again.close()
    assert (len(again), again.torn) == (len(expected), 0)
    assert len(list(read_journal(path))) == len(said)


@pytest.mark.parametrize("ended", [True, False])
def test_a_line_without_end_is_no_sample_and_fills_no_memory(
    ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.runs.journal.LONGEST_LINE", 1000)
    path = tmp_path / "samples.jsonl"
    first, last = sample("a", 0, "x"), sample("a", 1, "y")
    path.write_bytes(first.to_json() + b"\n" + b"x" * 5000 + b"\n" * ended)
    journal = Journal(path)
    journal.append(last)
    with pytest.raises(OSError, match="more than"):
        journal.append(sample("a", 2, "z" * 1000))
    assert dict(journal) == {first.key: first, last.key: last}
    journal.close()
    assert list(read_journal(path)) == [first, last]


@given(st.lists(st.tuples(keys, st.integers(0, 2**40))))
def test_places_are_a_mapping(put: list[tuple[SampleKey, int]]) -> None:
    places, expected = Places(), {}
    for key, place in put:
        assert places.put(key.problem_id, key.index, place) == (key not in expected)
        expected[key] = place
    assert dict(places) == expected
    assert len(places) == len(expected)
    assert all(key in places for key in expected)
    assert places.get(SampleKey("c", 0)) is None
    assert SampleKey("nobody", 0) not in places


@pytest.mark.parametrize("index", [-1, MOST_SAMPLES])
def test_a_number_that_no_sample_has_takes_no_memory(index: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"sample number {index} of a"):
        Places().put("a", index, 0)
    path = tmp_path / "samples.jsonl"
    path.write_bytes(sample("a", index).to_json() + b"\n")
    journal = Journal(path)
    assert (len(journal), journal.torn) == (0, 1)


def test_memory_grows_with_the_samples_and_not_with_their_numbers() -> None:
    tracemalloc.start()
    places = Places()
    for number in range(1000):
        assert places.put(f"p{number % 100}", MOST_SAMPLES - 1 - number, number)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    assert len(places) == len(list(places)) == 1000


def test_what_the_engine_failed_on_is_there_until_the_folder_is_opened_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "samples.jsonl"
    journal = Journal(path)
    journal.append(sample("a", 0, reason="error"))
    assert SampleKey("a", 0) in journal
    journal.close()
    assert SampleKey("a", 0) not in Journal(path)
    assert [s.key for s in read_journal(path, failed=True)] == [SampleKey("a", 0)]
    assert list(read_journal(path)) == []


def test_a_line_has_reasoning_only_where_there_is_some(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    plain = sample("a", 0, "4")
    reasoned = replace(sample("a", 1), reasoning="2 + 2", reasoning_tokens=3)
    journal = Journal(path)
    journal.append(plain)
    assert b"reasoning" not in path.read_bytes()
    assert not journal.has_reasoning
    journal.append(reasoned)
    assert journal.has_reasoning
    journal.close()
    again = Journal(path)
    assert again.has_reasoning
    assert [*again.values()] == [plain, reasoned]
    again.close()


@pytest.mark.parametrize(
    ("reason", "changes", "empty"),
    [
        ("stop", {"completion_tokens": 9}, True),
        ("length", {"response": " \n", "completion_tokens": 9}, True),
        ("stop", {"reasoning": "so"}, True),
        ("stop", {"reasoning_tokens": 5}, True),
        ("stop", {"response": "4", "completion_tokens": 9, "reasoning": "so"}, False),
        ("stop", {"completion_tokens": 1}, False),
        ("stop", {}, False),
        ("overflow", {"completion_tokens": 9}, False),
        ("error", {"completion_tokens": 9}, False),
    ],
)
def test_a_response_without_text_is_empty_if_tokens_were_generated_for_it(
    reason: FinishReason, changes: dict[str, Any], empty: bool
) -> None:
    assert replace(sample("a", 0, reason=reason), **changes).is_empty == empty
