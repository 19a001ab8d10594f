r"""Find the part of a raw response that is the model's reply.

The one decision here: only markers that no prose contains (the tokens of chat
templates) decide what is cut away, never what the text says. Text that was
escaped twice on its way through JSON is unescaped once more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_FINAL_CHANNEL = "<|channel|>final<|message|>"
_THINKING = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|channel|>analysis", _FINAL_CHANNEL),
)
_TURN_START = re.compile(
    r"""\s{0,20}(?: <s> | <\|begin_of_text\|> | <\|assistant\|> | <\uff5cAssistant\uff5c>
      | <\|im_start\|>\s{0,3}assistant | <start_of_turn>model
      | <\|start_header_id\|>assistant<\|end_header_id\|> )\s{0,20}""",
    re.VERBOSE,
)
_TURN_END = (
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|start_header_id|>",
    "<|end|>",
    "<|return|>",
    "<|user|>",
    "<end_of_turn>",
    "<start_of_turn>",
    "<eos>",
    "</s>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<\uff5cUser\uff5c>",
)


class Reply(NamedTuple):
    """The part of a response in which an answer is looked for."""

    text: str
    """The text after the model's thinking, up to the end of its turn."""
    truncated: bool | None
    """Whether the token limit cut this text off; None if nobody knows."""


def reply_in(response: str, *, truncated: bool | None) -> Reply | None:
    """Return the model's reply, or None if the response ends inside its thinking block.

    A chat template may have opened the thinking block in the prompt, so ``</think>``
    alone closes one. A turn that ended was not cut off, whatever came after it.

    >>> reply_in("<think>7?</think>It is 8.<|im_end|>Next: 9", truncated=True)
    Reply(text='It is 8.', truncated=False)
    """
    turn = _turn(response.rpartition(_FINAL_CHANNEL)[2])
    text = _after_thinking(turn)
    if text is None:
        return None
    # The token limit cut the turn off only if the turn reaches the end of the response.
    cut_off = truncated if response.endswith(turn) else False
    return Reply(text=_unescaped(text), truncated=cut_off)


def _turn(response: str) -> str:
    if "<" not in response:  # every marker of a turn has it
        return response
    opening = _TURN_START.match(response)
    start = opening.end() if opening else 0
    ends = [end for marker in _TURN_END if (end := response.find(marker, start)) >= 0]
    return response[start : min(ends)] if ends else response[start:]


def _after_thinking(text: str) -> str | None:
    if "<" not in text and "[" not in text and "\u25c1" not in text:
        return text
    for opening, closing in _THINKING:
        text = text.rpartition(closing)[2]
        if opening in text:
            return None
    return text


_ESCAPED_COMMAND = re.compile(
    r"\\\\(?:(?:begin)?boxed|[dt]?frac|sqrt|text|left|begin|cdot|times|pi)(?![A-Za-z])"
)
# A backslash that stands alone and begins no escape of JSON. It shows that the text is LaTeX
# and was not escaped twice.
_LONE_BACKSLASH = re.compile(r'(?<!\\)(?:\\\\)*\\(?!\\|"|[nt](?![a-z]))')
_ESCAPE = re.compile(r'\\([\\"nt])')


def _unescaped(text: str) -> str:
    r"""Undo the second of two JSON escapings; return any other text as it is.

    >>> _unescaped(r"It is \\frac{1}{2}.\nDone"), _unescaped(r"\frac{1}{2} \\text{cm}")
    ('It is \\frac{1}{2}.\nDone', '\\frac{1}{2} \\\\text{cm}')
    """
    if "\\\\" not in text or not _ESCAPED_COMMAND.search(text) or _LONE_BACKSLASH.search(text):
        return text
    return _ESCAPE.sub(lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), text)
