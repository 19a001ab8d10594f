"""Tests which special tokens a response keeps, with fast tokenizers and with Python's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_models import make_pocket, make_scripted

from harness.models.checkpoint import open_checkpoint
from harness.models.special_tokens import NO_MARKS, decoded, special_tokens

HARMONY = (
    "<|channel|>", "analysis", "<|message|>", "7?", "<|end|>", "<|start|>", "assistant", "final",
    "9", "<|other|>", "<|return|>",
)  # fmt: skip


@pytest.fixture(scope="module")
def harmony(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scripted(tmp_path_factory.mktemp("harmony") / "model", HARMONY)


def test_marks_of_thinking_are_decoded_and_other_special_tokens_are_not(harmony: Path) -> None:
    checkpoint = open_checkpoint(str(harmony))
    ids = checkpoint.tokenizer.convert_tokens_to_ids(list(HARMONY))
    assert checkpoint.decoded(ids).split() == list(HARMONY[:-2])
    kept = {"<|channel|>", "<|message|>", "<|end|>", "<|start|>"}
    assert set(checkpoint.special.kept.values()) == kept


def test_a_text_without_marks_is_decoded_as_ever(harmony: Path) -> None:
    checkpoint = open_checkpoint(str(harmony))
    tokens = ["<pad>", "assistant", "9", "<|other|>", "7?", "<|return|>"]
    ids = checkpoint.tokenizer.convert_tokens_to_ids(tokens)
    assert checkpoint.decoded(ids) == "assistant 9 7?"
    assert checkpoint.decoded(ids) == checkpoint.tokenizer.decode(ids, skip_special_tokens=True)


def test_a_model_without_marks_keeps_none(tmp_path: Path) -> None:
    assert open_checkpoint("demo").special is NO_MARKS
    pocket = open_checkpoint(str(make_pocket(tmp_path / "pocket")), trust_tokenizer=True,
                             trust_model=True)  # fmt: skip
    assert pocket.special is NO_MARKS, "its <|end|> ends a turn, not a message of several"
    ids = pocket.tokenizer("a<|end|>b", add_special_tokens=False)["input_ids"]
    assert pocket.decoded(ids) == pocket.tokenizer.decode(ids, skip_special_tokens=True)


def test_a_tokenizer_in_python_keeps_its_marks(tmp_path: Path) -> None:
    pocket = open_checkpoint(str(make_pocket(tmp_path / "pocket")), trust_tokenizer=True,
                             trust_model=True)  # fmt: skip
    tokenizer = pocket.tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]", "<|x|>"]})
    special = special_tokens(tokenizer)
    assert sorted(special.kept.values()) == ["[/THINK]", "[THINK]"]
    ids = tokenizer("[THINK]a[/THINK]b<|x|>c", add_special_tokens=False)["input_ids"]
    assert decoded(ids, tokenizer, special) == "[THINK]a[/THINK]bc"


def test_a_tokenizer_that_does_not_list_its_added_tokens_is_asked_for_each() -> None:
    """Mistral's has a method in the property's place that only raises."""
    pieces = {0: "</s>", 1: "[THINK]", 2: "[/THINK]", 3: "a"}
    tokenizer = SimpleNamespace(
        added_tokens_decoder=lambda: None,
        all_special_ids=[0, 1, 2],
        convert_ids_to_tokens=pieces.__getitem__,
        decode=lambda ids, skip_special_tokens: "".join(pieces[one] for one in ids),
    )
    special = special_tokens(tokenizer)
    assert dict(special.kept) == {1: "[THINK]", 2: "[/THINK]"}
    assert decoded([1, 3, 2, 3, 0], tokenizer, special) == "[THINK]a[/THINK]a"
