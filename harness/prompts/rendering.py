"""Prompt styles: how a question becomes token ids, once, by the model's own template.

Everything downstream gets ids, never text: a rendered template that is tokenised
a second time carries two BOS tokens, which has cost published runs several points.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks import Shot, UserError
from harness.prompts.styles import Message, Style

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What the model is given for one problem."""

    text: str
    token_ids: tuple[int, ...] | None = None
    """None for an engine that has no tokenizer, such as `replay`."""
    messages: tuple[Message, ...] | None = None
    """The conversation, where it is sent as it is and a server's template makes the text of it."""

    @cached_property
    def sum(self) -> str:
        """The first 16 hex digits of the sha256 over what the model is given.

        That is the token ids; without them the messages, and without those the text.
        """
        if self.token_ids is not None:
            content = ",".join(map(str, self.token_ids))
        elif self.messages is not None:
            content = json.dumps(self.messages, sort_keys=True)
        else:
            content = self.text
        return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]


def choose_shots(pool: Sequence[Shot], count: int, *, seed: int, benchmark: str) -> list[Shot]:
    """Draw ``count`` worked examples, the same for every problem of a benchmark."""
    if count > len(pool):
        raise UserError(
            f"--shots {count}: the train split of {benchmark} has only {len(pool)} examples"
        )
    return random.Random(f"{seed}/{benchmark}/shots").sample(list(pool), count)


def render(
    style: Style,
    questions: Iterable[str],
    *,
    tokenizer: PreTrainedTokenizerBase | None,
    shots: Sequence[Shot] = (),
    template_args: dict[str, Any] | None = None,
    as_messages: bool = False,
) -> list[Prompt]:
    """Render one prompt a question.

    Without a tokenizer the text is the conversation's turns, joined, and there are no ids. With
    ``as_messages`` it is what a server is sent: the turns themselves where its template is to
    speak, and where the style fixes the text, that.

    Raises:
        UserError: the style needs a chat template and the model has none.
    """
    conversations = [style.messages(question, shots) for question in questions]
    if tokenizer is None:
        return [_untokenized(style, turns, as_messages=as_messages) for turns in conversations]
    if style.raw or style.chatml:
        texts = [_chatml(turns) if style.chatml else _plain_text(turns) for turns in conversations]
        special = not _starts_with_bos(texts, tokenizer)
    else:
        texts = [_by_template(turns, tokenizer, template_args or {}) for turns in conversations]
        special = False  # the template has written them
    if not texts:
        return []
    ids = tokenizer(texts, add_special_tokens=special)["input_ids"]
    return [
        Prompt(text=text, token_ids=tuple(tokens)) for text, tokens in zip(texts, ids, strict=True)
    ]


def _untokenized(style: Style, turns: list[Message], *, as_messages: bool) -> Prompt:
    if not as_messages or style.raw:
        return Prompt(text=_plain_text(turns))
    if style.chatml:
        return Prompt(text=_chatml(turns))
    return Prompt(text=_plain_text(turns), messages=tuple(turns))


def _by_template(
    turns: list[Message], tokenizer: PreTrainedTokenizerBase, arguments: dict[str, Any]
) -> str:
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise UserError(
            "the model has no chat template, which this prompt style needs; "
            "for a base model use --prompt plain"
        )
    try:
        return str(
            tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **arguments
            )
        )
    except TemplateError as error:
        raise UserError(f"the model's chat template refuses the conversation: {error}") from error


def _chatml(turns: list[Message]) -> str:
    said = "".join(f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in turns)
    return said + "<|im_start|>assistant\n"


def _plain_text(turns: list[Message]) -> str:
    separator = {"user": "\n\n", "system": "\n\n", "assistant": " "}
    text = ""
    for turn in turns:
        text += (separator[turn["role"]] if text else "") + turn["content"]
    return text


def _starts_with_bos(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> bool:
    bos = tokenizer.bos_token
    return bool(bos) and any(text.startswith(str(bos)) for text in texts)


def prompts_sum(prompts: Iterable[Prompt]) -> str:
    """Return the sha256, in hex, over the sums of all prompts, in order."""
    return hashlib.sha256("".join(prompt.sum for prompt in prompts).encode()).hexdigest()
