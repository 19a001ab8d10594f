r"""Find the part of a raw response that is the model's reply.

What the model thinks is told from what it says in `harness.extraction.thinking`. Text that was
escaped twice on its way through JSON is unescaped once more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.extraction.thinking import said

_TURN_START = re.compile(
    r"""\s{0,20}(?: <s> | <\|begin_of_text\|> | <\|assistant\|> | <\uff5cAssistant\uff5c>
      | <\|im_start\|>\s{0,3}assistant | <start_of_turn>model
      | <\|start_header_id\|>assistant<\|end_header_id\|> )\s{0,20}""",
    re.VERBOSE,
)


class Reply(NamedTuple):
    """The part of a response in which an answer is looked for."""

    text: str
    """The text after the model's thinking, up to the end of its turn."""
    truncated: bool | None
    """Whether the token limit cut this text off; None if nobody knows."""


def reply_in(
    response: str, *, truncated: bool | None, thinking_opened: bool = False
) -> Reply | None:
    """Return the model's reply, or None if the response ends inside its thinking block.

    ``thinking_opened`` says that the prompt has opened the thinking block. Where that is not
    known, ``</think>`` alone closes one. A turn that ended was not cut off, whatever came after it.

    >>> reply_in("<think>7?</think>It is 8.<|im_end|>Next: 9", truncated=True)
    Reply(text='It is 8.', truncated=False)
    """
    opening = _TURN_START.match(response)
    reply = said(response[opening.end() :] if opening else response, opened=thinking_opened)
    if reply is None:
        return None
    return Reply(text=_unescaped(reply.text), truncated=not reply.turn_ended and truncated)


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
