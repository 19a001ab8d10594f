"""Render questions to token ids, exactly once, by the model's own chat template.

Engines get token ids and not text. A rendered template that is tokenised a second
time begins with two BOS tokens, which has cost published runs several points.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks import Shot, UserError, WrongValueError
from benchmarks.hints import setting
from harness.prompts.styles import Message, Style

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PATIENCE, PATIENCE_EACH = 20.0, 0.1
"""Seconds that a template has for all conversations, and for each; it takes about a thousandth."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The input to the model for one problem."""

    text: str
    """The rendered text, or the conversation's turns joined if a server renders them."""
    token_ids: tuple[int, ...] | None = None
    """The text as token ids; None for an engine without a tokenizer, such as `replay`."""
    messages: tuple[Message, ...] | None = None
    """The conversation, if it is sent to a server whose template renders it; else None."""

    @cached_property
    def checksum(self) -> str:
        """The first 16 hex digits of the sha256 over the model's input.

        The input is the token ids, or else the messages, or else the text.
        """
        if self.token_ids is not None:
            content = ",".join(map(str, self.token_ids))
        elif self.messages is not None:
            content = json.dumps(self.messages, sort_keys=True)
        else:
            content = self.text
        return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]


def choose_shots(pool: Sequence[Shot], count: int, *, seed: int, benchmark: str) -> list[Shot]:
    """Draw ``count`` worked examples; they are the same for all problems of a benchmark.

    Raises:
        UserError: the pool has fewer examples.
    """
    if count > len(pool):
        raise WrongValueError(
            f"shots {count}: the train split of {benchmark} has only {len(pool)} examples; "
            "ask for fewer"
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
    """Render one prompt for each question; see `render_conversations`."""
    return render_conversations(
        style,
        [style.messages(question, shots) for question in questions],
        tokenizer=tokenizer,
        template_args=template_args,
        as_messages=as_messages,
    )


def render_conversations(
    style: Style,
    conversations: Sequence[list[Message]],
    *,
    tokenizer: PreTrainedTokenizerBase | None,
    template_args: dict[str, Any] | None = None,
    as_messages: bool = False,
) -> list[Prompt]:
    """Render one prompt for each conversation. Each call starts a process for the template.

    Without a tokenizer, a prompt has no token ids, and its text is the conversation's turns,
    joined. With ``as_messages`` as well, a prompt has what a server is sent: the turns, which the
    server's template renders, or the text if the style fixes it.

    Raises:
        UserError: the style needs a chat template and the model has none, or the model's template
            refuses the conversation, fails, or needs more time or memory than any should.
    """
    if tokenizer is None:
        return [_untokenized(style, turns, as_messages=as_messages) for turns in conversations]
    if style.raw or style.chatml:
        texts = [_chatml(turns) if style.chatml else _plain_text(turns) for turns in conversations]
        special = not _starts_with_bos(texts, tokenizer)
    else:
        texts = _by_template(conversations, tokenizer, template_args or {})
        special = False  # the template has written the special tokens
    if not texts:
        return []
    _require_text(texts)
    ids = tokenizer(texts, add_special_tokens=special)["input_ids"]
    return [
        Prompt(text=text, token_ids=tuple(tokens)) for text, tokens in zip(texts, ids, strict=True)
    ]


def _require_text(texts: Iterable[str]) -> None:
    """Refuse what is no text for a tokenizer: JSON and Python can hold half of a surrogate pair."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            around = text[max(0, error.start - 20) : error.end]
            raise UserError(
                f"a prompt has half of a surrogate pair, which no model can be asked: {around!a}; "
                "mend the question"
            ) from None


def _untokenized(style: Style, turns: list[Message], *, as_messages: bool) -> Prompt:
    if not as_messages or style.raw:
        return Prompt(text=_plain_text(turns))
    if style.chatml:
        return Prompt(text=_chatml(turns))
    return Prompt(text=_plain_text(turns), messages=tuple(turns))


def _by_template(
    conversations: Sequence[list[Message]],
    tokenizer: PreTrainedTokenizerBase,
    arguments: dict[str, Any],
) -> list[str]:
    """Render by the checkpoint's own template: a program, which may do anything with its time."""
    from harness.common.bounded_child import BoundsError, bounded_texts

    if not tokenizer.chat_template:
        raise UserError(
            "the model has no chat template, which this prompt style needs; "
            "for a base model use the prompt style plain"
        )

    def rendered(turns: list[Message]) -> str:
        return str(
            tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **arguments
            )
        )

    try:
        seconds = PATIENCE + PATIENCE_EACH * len(conversations)
        return bounded_texts(rendered, conversations, seconds=seconds)
    except BoundsError as error:
        raise UserError(
            f"the model's chat template does not render the conversation: {error}; mend the "
            f"template, give it what it asks for in {setting('template_args')}, or choose a prompt "
            "style that needs none, such as plain"
        ) from error


def _chatml(turns: list[Message]) -> str:
    text = "".join(f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in turns)
    return text + "<|im_start|>assistant\n"


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
    """Return the sha256, in hex, over the checksums of all prompts, in order."""
    return hashlib.sha256("".join(prompt.checksum for prompt in prompts).encode()).hexdigest()
