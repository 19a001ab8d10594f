"""A rule calls two answers different only if it has read both of them whole.

Whether an answer was read is asked here without the rules' own claim: a letter or digit was read
if the answer's structure changes with it. An answer of which a part has no influence was not read
whole, nor was one with a part that the parser only keeps as text.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from benchmarks import BENCHMARKS, STANDARD
from benchmarks.source import load_problems
from harness.extraction import extract
from harness.grading.answers import rules
from harness.grading.answers.choices import read_choice
from harness.grading.answers.rules import Equivalence, decide
from harness.grading.answers.syntax import Opaque

HERE = Path(__file__).parent
COLLECTION = os.environ.get("HARNESS_GRADING_CORPUS")
AT_HAND = (*STANDARD, "demo") if "HARNESS_DATA" in os.environ else ("demo",)

Pair = tuple[str, str]


# --- whether an answer was read whole -------------------------------------------------------

_TYPESETTING = re.compile(
    r"\\(?:begin|end)\s?\{[a-z*]*\}(?:\{[lcr|]*\})?|\\(?:[hv]space\*?|phantom)\{[^{}]*\}"
    r"|\\[A-Za-z]+|(?<=\\\{)[a-z](?=\s?(?:\\mid|\\colon|[|:]))"
    r"|^(?:the )?(?:final )?answer(?: is)?"
    r"|\b(?:about|approximately|approx|roughly|exactly|equals|is|the|only)\b",
    re.IGNORECASE,
)
"""Commands, columns, spacing, what is not shown, the name in front of a set's condition (any other
would do), and the words that say nothing of the value."""


def unread(text: str) -> str:
    """Return the letters and digits of an answer that have no influence on how it is read."""
    whole = rules.read(text)
    spans = [match.span() for match in _TYPESETTING.finditer(text)]
    return "".join(
        character
        for place, character in enumerate(text)
        if character.isascii()
        and character.isalnum()
        and not any(start <= place < end for start, end in spans)
        and rules.read(text[:place] + _other(character) + text[place + 1 :]) == whole
    )


def _other(character: str) -> str:
    if character.isdecimal():
        return str((int(character) + 4) % 10)
    return {"z": "y", "Z": "Y"}.get(character, chr(ord(character) + 1))


def opaque(node: object) -> bool:
    """Say whether a structure has a part that is only kept as text."""
    if isinstance(node, tuple):
        return any(map(opaque, node))
    if isinstance(node, Opaque):
        return True
    return isinstance(node, msgspec.Struct) and any(
        opaque(getattr(node, field)) for field in node.__struct_fields__
    )


def read_whole(text: str) -> bool:
    """Say whether every part of an answer was read; a choice's letter is read by another rule."""
    choice = read_choice(text)
    if choice is not None:
        return not choice.value or read_whole(choice.value)
    return not opaque(rules.read(text)) and not unread(text)


def called_different_unread(pairs: Iterable[Pair]) -> list[str]:
    """Return the answers that were not read whole, although a rule called them different."""
    sides: dict[str, None] = {}
    for gold, answer in pairs:
        decision = decide(gold, answer)
        if decision and decision.equivalence is Equivalence.DIFFERENT:
            sides |= dict.fromkeys((gold, answer))
    return [side for side in sides if not read_whole(side)]


# --- the pairs ------------------------------------------------------------------------------


def rows(path: Path) -> Iterator[dict[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def own_pairs() -> Iterator[Pair]:
    for path in sorted((HERE / "corpus").glob("*.jsonl")):
        for row in rows(path):
            yield row["gold"], row.get("answer") or answer_in(row["response"])


def answer_in(response: str) -> str:
    found = extract(response)
    return found.answer if found else ""


def golds() -> list[str]:
    listed = (HERE / "golds.txt").read_text(encoding="utf-8").splitlines()
    published = [p.answer for name in AT_HAND for p in load_problems(BENCHMARKS[name])]
    return list(dict.fromkeys([*listed, *published]))


def of_every_kind(answers: list[str]) -> list[str]:
    """Return one answer of every kind, by how their structures begin."""
    kinds: dict[str, list[str]] = {}
    for answer in answers:
        structure = rules.read(answer)
        opening = getattr(structure, "opening", "")
        kinds.setdefault(f"{type(structure).__name__} {opening}", []).append(answer)
    return [answer for group in kinds.values() for answer in group[:1]]


def collected_pairs(file: str) -> Iterator[Pair]:
    for row in rows(Path(COLLECTION or "") / file):
        pair = row.get("level") == "pair"
        yield row["gold"], row["response"] if pair else answer_in(row["response"])


# --- the law --------------------------------------------------------------------------------


def test_our_own_cases_are_called_different_only_if_read_whole() -> None:
    assert called_different_unread(own_pairs()) == []


def test_golds_are_called_different_only_if_read_whole() -> None:
    answers = golds()
    others = of_every_kind(answers)
    assert len(others) >= 12
    assert called_different_unread((gold, other) for gold in answers for other in others) == []


@pytest.mark.skipif(COLLECTION is None, reason="HARNESS_GRADING_CORPUS names no folder")
@pytest.mark.parametrize("file", ["suites.jsonl", "negatives.jsonl"])
def test_a_collected_pair_is_called_different_only_if_read_whole(file: str) -> None:
    assert called_different_unread(collected_pairs(file)) == []


HALF_READ = [
    ("(1,2)", r"\triangle ABC = 3"),
    ("x=7", r"\overline{AB}\cdot CD = 8"),
    ("12", r"3 \text{ if } n \text{ is odd}"),
]
"""Pairs of which a part is not understood, so that no rule may call them different."""


def test_a_pair_that_is_half_read_is_left_undecided() -> None:
    for gold, answer in HALF_READ:
        decision = decide(gold, answer)
        assert decision is None or decision.equivalence is not Equivalence.DIFFERENT, answer


def test_a_rule_that_ignores_what_it_has_not_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "are_complete", lambda gold, answer: True)
    monkeypatch.setattr(rules, "equal", lambda gold, answer, conventions: False)
    assert called_different_unread(HALF_READ)


def test_a_reader_that_loses_a_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rules.read
    monkeypatch.setattr(rules, "read", lambda text: whole(text.partition(";")[0]))
    assert called_different_unread([("7", "8; 9")]) == ["8; 9"]
