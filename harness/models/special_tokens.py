"""Decode a response: special tokens are left out, but not those that mark the model's thinking.

Tokenizers declare as special what frames a conversation, and `skip_special_tokens` leaves it all
out of the text. For gpt-oss, Cohere, Mistral, Gemma and others the marks between the thinking and
the reply are such tokens, and without them the thinking would count as the reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.extraction.thinking import kept_marks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """The special tokens of a tokenizer whose responses have marks of thinking among them."""

    kept: Mapping[int, str]
    """The marks of thinking, by id."""
    skipped: frozenset[int]
    """The ids of all others."""


NO_MARKS = SpecialTokens(kept={}, skipped=frozenset())
"""Of a tokenizer without marks of thinking among its special tokens."""


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> SpecialTokens:
    """Return which special tokens a response keeps, by what the tokenizer declares as special.

    Those are its `all_special_ids` and the added tokens that it marks as special, since its
    `decode` leaves out both (transformers 5.10.4: `convert_ids_to_tokens` of the Python
    tokenizers, and the `tokenizers` library for the fast ones).
    """
    added = tokenizer.added_tokens_decoder
    declared = added if isinstance(added, Mapping) else {}  # mistral-common's has none
    texts = {number: token.content for number, token in declared.items() if token.special}
    others = [number for number in tokenizer.all_special_ids if number not in texts]
    texts |= {number: str(tokenizer.convert_ids_to_tokens(number)) for number in others}
    marks = kept_marks(set(texts.values()))
    if not marks:
        return NO_MARKS
    return SpecialTokens(
        kept={number: text for number, text in sorted(texts.items()) if text in marks},
        skipped=frozenset(number for number, text in texts.items() if text not in marks),
    )


def decoded(
    tokens: Sequence[int], tokenizer: PreTrainedTokenizerBase, special: SpecialTokens
) -> str:
    """Return the text of a response's tokens, with the marks of thinking that are among them."""
    if special.kept.keys().isdisjoint(tokens):
        return str(tokenizer.decode(list(tokens), skip_special_tokens=True))
    shown = [token for token in tokens if token not in special.skipped]
    return str(tokenizer.decode(shown, skip_special_tokens=False))
