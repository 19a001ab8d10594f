r"""Tell a model's thinking from its reply, by the marks with which chat templates divide them.

Only marks that no prose contains decide, never what the text says. They are read one after the
other, so the time is linear in the text. What they mean was read in

- vLLM 0.30.0: the parsers in `vllm/reasoning/` (the tags of Qwen, DeepSeek, Seed, MiniMax, K2 and
  Hunyuan, Kimi K3's and Muse's channels, Granite's two sentences) and `vllm/parser/` (`mistral.py`,
  `cohere_command.py`, `gemma4.py`, `harmony.py`, `inkling.py`);
- SGLang's `python/sglang/srt/parser/reasoning_parser.py` (Kimi's triangles, Cohere's text block);
- llama.cpp's `models/templates/` (Apriel's final response);
- the tags of Open WebUI's `DEFAULT_REASONING_TAGS` (`<thought>`, `<reason>`, `<reasoning>`, and
  `<|begin_of_thought|>`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

__all__ = ["kept_marks", "opens_thinking", "said"]


class _Does(Enum):
    """What a mark does to the text around it."""

    OPEN = auto()
    """Thinking begins."""
    CLOSE = auto()
    """Thinking of the same kind ends; so does all that stands before, if none was open."""
    MESSAGE = auto()
    """A message of its own ends, the thinking in it included; without one, the turn."""
    REPLY = auto()
    """The reply begins, whatever stands before."""
    TURN = auto()
    """The model's turn ends."""


class _Mark(NamedTuple):
    does: _Does
    kind: str = ""
    """Which opening and closing marks belong together."""


_PAIRS = {
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|channel>": "<channel|>",
    "<|open|>think<|sep|>": "<|close|>think<|sep|>",
    "[THINK]": "[/THINK]",
    "\u25c1think\u25b7": "\u25c1/think\u25b7",
}
_IN_MESSAGE = _Mark(_Does.OPEN, "message")
_REPLIES = (
    "<|START_RESPONSE|>",
    "<|START_TEXT|>",
    "<|begin_of_solution|>",
    "<|content_text|>",
    "<|open|>response<|sep|>",
    "to=user<|message|>",
    "[BEGIN FINAL RESPONSE]",
)
_MESSAGE_ENDS = ("<|end|>", "<|eom|>", "<|end_message|>")
_TURN_ENDS = (
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|start_header_id|>",
    "<|return|>",
    "<|call|>",
    "<|user|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|END_RESPONSE|>",
    "<|END_TEXT|>",
    "<|end_of_solution|>",
    "<|content_model_end_sampling|>",
    "<|close|>response<|sep|>",
    "<|close|>message<|sep|>",
    "<end_of_turn>",
    "<start_of_turn>",
    "<turn|>",
    "<|turn>",
    "<eos>",
    "<seed:eos>",
    "</s>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<\uff5cUser\uff5c>",
    "[END FINAL RESPONSE]",
)
_KNOWN = {
    **{opening: _Mark(_Does.OPEN, opening) for opening in _PAIRS},
    **{closing: _Mark(_Does.CLOSE, opening) for opening, closing in _PAIRS.items()},
    **dict.fromkeys(("<|channel|>", "<|content_thinking|>", "to=self<|message|>"), _IN_MESSAGE),
    **dict.fromkeys(_REPLIES, _Mark(_Does.REPLY)),
    **dict.fromkeys(_MESSAGE_ENDS, _Mark(_Does.MESSAGE)),
    **dict.fromkeys(_TURN_ENDS, _Mark(_Does.TURN)),
}
_TAG = re.compile(
    r"""<\s{0,3}(?P<close>/?)\s{0,3}(?P<kind>
          (?:seed:|mm:|ifm\|)?
          (?:think(?:ing|_fast(?:er)?)?|thoughts?|reason(?:ing)?)
          (?::[^\s<>]{1,40})?           # Hunyuan gives a checkpoint's tags a suffix of their own
        )\s{0,3}>""",
    re.VERBOSE | re.IGNORECASE,
)
_FINAL = re.compile(r"<\|channel\|>\s{0,3}final\b")
_CANDIDATE = re.compile(
    r"""<\|channel\|>[^<>]{0,80}(?:<\|constrain\|>[^<>]{0,40})?<\|message\|>   # gpt-oss's header
      | <\|(?:open|close)\|>\s?(?:think|response|message)\s?<\|sep\|>          # Kimi K3's
      | <[^<>\[\u25c1\n]{1,60}>
      | \[/?THINK\] | \[(?:BEGIN|END)[ ]FINAL[ ]RESPONSE\]
      | \u25c1/?think\u25b7""",
    re.VERBOSE,
)
_BEGINNINGS = "<[\u25c1"
"""The characters with which marks begin."""
_THE_PROMPT = "the prompt"
_BETWEEN_MESSAGES = "between messages"
_MESSAGES = (_IN_MESSAGE.kind, _BETWEEN_MESSAGES, _THE_PROMPT)
"""The kinds of thinking that the end of a message ends."""
_RECIPIENT = re.compile(r"to=[^\s<>]{1,40}$")
"""Muse names in front of `<|message|>` whom a message is for."""
_GRANITE = re.compile(r"\s{0,20}Here(?:'s| is) my thought process:")
_GRANITE_REPLY = re.compile(r"Here(?:'s| is) my response:")
_FRAMES = (
    (("<|channel|>", "<|message|>"), ("<|start|>", "<|end|>", "<|constrain|>")),
    (("<|message|>", "<|eom|>"), ("<|start|>",)),
    (("<|open|>", "<|close|>", "<|sep|>"), ()),
    (("<|content_thinking|>", "<|end_message|>"), ("<|content_text|>",)),
)
"""Tokens that are marks only together, each with others that belong to them where they exist."""
_BARE_ANALYSIS = re.compile(r"\s{0,20}analysis(?=[A-Z])")
_BARE_FINAL = "assistantfinal"
"""What is left of gpt-oss's channels where something else removed their marks."""


class Said(NamedTuple):
    """What a response says to its reader."""

    text: str
    turn_ended: bool
    """Whether a mark ended the turn, so that nothing cut this text off."""


def said(response: str, *, opened: bool = False) -> Said | None:
    """Return what stands outside the thinking, up to the end of the turn; None if nothing can.

    Nothing can where the thinking never ends. ``opened`` says that the prompt has opened it
    already. Text in front of all thinking does not count: the prompt may have opened that.

    >>> said("<think>7?</think>It is 8.<|im_end|>Next: 9")
    Said(text='It is 8.', turn_ended=True)
    >>> said("7?</think>8 <think>or 9?</think>Yes.").text, said("<think>7?")
    ('8 \\nYes.', None)
    """
    unframed = response if opened else _without_bare_thinking(response)
    if unframed is None:
        return None
    if not opened and not any(character in unframed for character in _BEGINNINGS):
        return Said(unframed, turn_ended=False)
    return _outside(unframed, _THE_PROMPT if opened else None)


def _outside(text: str, inside: str | None) -> Said | None:
    """Follow the marks of a text; ``inside`` is the kind of thinking that it begins in."""
    reading = _Reading(text, inside)
    for found in _CANDIDATE.finditer(text):
        mark, start = _mark_at(text, found.start(), found.end())
        if mark is not None:
            reading.follow(mark, start, found.end())
            if reading.turn_ended:
                break
    return reading.result()


class _Reading:
    """What was read of a text so far."""

    def __init__(self, text: str, inside: str | None) -> None:
        self.turn_ended = False
        self._text, self._inside = text, inside
        self._said: list[str] = []
        self._begin = 0
        """Where the part begins that stands outside the thinking, if none is open."""
        self._thought = False
        """Whether any thinking was found, so that the text between two blocks is said."""

    def follow(self, mark: _Mark, start: int, end: int) -> None:
        """Read on up to a mark, which stands from ``start`` to ``end``."""
        match mark.does:
            case _Does.OPEN:
                self._open(mark.kind, start)
            case _Does.CLOSE:
                self._close(mark.kind, end)
            case _Does.REPLY:
                self._say_only_what_follows(end)
            case _Does.MESSAGE if self._inside in _MESSAGES:
                self._inside = _BETWEEN_MESSAGES
            case _:
                self._said.append(self._text[self._begin : start])
                self.turn_ended = True

    def _open(self, kind: str, start: int) -> None:
        if self._inside is None:
            if self._thought:
                self._said.append(self._text[self._begin : start])
            self._inside, self._thought = kind, True
        elif self._inside == _BETWEEN_MESSAGES:
            self._inside = kind

    def _close(self, kind: str, end: int) -> None:
        if self._inside is None:  # the prompt has opened it
            self._say_only_what_follows(end)
        elif self._inside in (kind, _THE_PROMPT):
            self._inside, self._thought, self._begin = None, True, end

    def _say_only_what_follows(self, end: int) -> None:
        self._said.clear()
        self._inside, self._thought, self._begin = None, True, end

    def result(self) -> Said | None:
        """Return what the text says; None if it ends inside the thinking."""
        if self._inside is not None:
            return None
        said = self._said if self.turn_ended else [*self._said, self._text[self._begin :]]
        return Said("\n".join(part for part in said if part.strip()), self.turn_ended)


def _mark_at(text: str, start: int, end: int) -> tuple[_Mark | None, int]:
    """Return the mark that a candidate is, and where it begins; None if it is none."""
    candidate = text[start:end]
    if candidate == "<|message|>":
        recipient = _RECIPIENT.search(text[max(0, start - 44) : start])
        if recipient is None:
            return None, start
        to_user = recipient[0] == "to=user"
        return (_Mark(_Does.REPLY) if to_user else _IN_MESSAGE), start - len(recipient[0])
    if candidate.endswith(("<|message|>", "<|sep|>")):
        if candidate.startswith("<|channel|>"):
            return (_Mark(_Does.REPLY) if _FINAL.match(candidate) else _IN_MESSAGE), start
        candidate = "".join(candidate.split())
    return _mark(candidate), start


@lru_cache(maxsize=1024)
def _mark(candidate: str) -> _Mark | None:
    known = _KNOWN.get(candidate)
    if known is not None:
        return known
    tag = _TAG.fullmatch(candidate)
    if tag is None:
        return None
    return _Mark(_Does.CLOSE if tag["close"] else _Does.OPEN, tag["kind"].lower())


def _without_bare_thinking(response: str) -> str | None:
    """Cut thinking away that is divided from the reply by words alone; None if it has no end.

    They are Granite's, and those that are left of gpt-oss's channels where a program that is not
    ours removed their marks. Both begin the response, and no prose begins so.
    """
    if _BARE_ANALYSIS.match(response):
        _, final, reply = response.rpartition(_BARE_FINAL)
        return reply if final else None
    if _GRANITE.match(response) and (reply_begins := _GRANITE_REPLY.search(response)):
        return response[reply_begins.end() :]
    return response


def opens_thinking(prompt: str) -> bool:
    r"""Say whether a prompt ends inside a thinking block that it has opened.

    >>> opens_thinking("assistant\n<think>\n"), opens_thinking("<think>\n\n</think>\n\n")
    (True, False)
    """
    tail = prompt[-_LONGEST_TAIL:]
    last = None
    for found in _CANDIDATE.finditer(tail):
        mark, _ = _mark_at(tail, found.start(), found.end())
        if mark is not None:
            last = mark, tail[found.end() :].strip()
    # Gemma names its channel behind the mark that opens it.
    return last is not None and last[0].does is _Does.OPEN and last[1] in ("", "thought")


_LONGEST_TAIL = 200
"""Characters at the end of a prompt in which a mark is looked for."""


def kept_marks(tokens: Collection[str]) -> frozenset[str]:
    """Return those of a tokenizer's special tokens that divide thinking from the reply.

    A decoder that leaves out special tokens must keep these, or nobody can tell the two apart.

    >>> sorted(kept_marks(["<|endoftext|>", "[THINK]", "[/THINK]"])), kept_marks(["<|end|>"])
    (['[/THINK]', '[THINK]'], frozenset())
    """
    divide = {
        token
        for token in tokens
        if (mark := _mark(token)) is not None and mark.does in (_Does.OPEN, _Does.CLOSE)
    }
    for together, others in _FRAMES:
        if all(token in tokens for token in together):
            divide |= {*together, *(token for token in others if token in tokens)}
    if not divide:
        return frozenset()
    return frozenset(divide | {token for token in tokens if token in _REPLIES})
