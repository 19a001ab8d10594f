"""Prompt styles: the words with which a question is put to the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import Shot, WrongValueError
from benchmarks.registry import suggest

Message = dict[str, str]
"""One turn of a conversation: ``role`` and ``content``."""

BOXED_INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One way to put a question to the model.

    A style either uses the model's chat template (neither `chatml` nor `raw`), or it fixes the
    text, as ChatML or as raw text without turns.
    """

    name: str
    about: str
    """One line that describes the style, for `list prompts`."""
    user: Callable[[str], str]
    """Returns the user's turn, or the raw text, for a question."""
    answer: Callable[[Shot], str]
    """Returns the response that a worked example shows."""
    system: str | None = None
    """The system turn; None for a conversation without one, which is not an empty one."""
    chatml: bool = False
    """Whether the turns are written as ChatML, whatever the model's chat template is."""
    raw: bool = False
    """Whether the prompt is raw text, without turns."""
    end: str | None = None
    """The text at which a response to a raw prompt ends, since a base model goes on there with a
    next question of its own; None for the whole response."""

    def messages(self, question: str, shots: Sequence[Shot] = ()) -> list[Message]:
        """Return the conversation: the system turn, the worked examples, and the question."""
        turns = [] if self.system is None else [_message("system", self.system)]
        for shot in shots:
            turns.append(_message("user", self.user(shot.question)))
            turns.append(_message("assistant", self.answer(shot)))
        return [*turns, _message("user", self.user(question))]

    def read(self, response: str) -> str:
        """Return the part of a response that answers the question: all before `end`."""
        return response if self.end is None else response.partition(self.end)[0]


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _boxed_answer(shot: Shot) -> str:
    return f"{shot.solution}\n\\boxed{{{shot.answer}}}"


def _hash_answer(shot: Shot) -> str:
    return f"{shot.solution}\n#### {shot.answer}"


_STYLES = (
    Style(
        name="boxed",
        about="the model's chat template; reason step by step, answer in \\boxed{}",
        user=lambda question: f"{question}\n{BOXED_INSTRUCTION}",
        answer=_boxed_answer,
    ),
    Style(
        name="openseek-sft",
        about="OpenSeek's evaluation kit: ChatML, empty system turn, instruction then question",
        user=lambda question: f"{BOXED_INSTRUCTION}\nQuestion:\n{question}",
        answer=_boxed_answer,
        system="",
        chatml=True,
    ),
    Style(
        name="qwen25-math",
        about="Qwen2.5-Math's evaluation kit: ChatML, the instruction as the system turn",
        user=lambda question: question,
        answer=_boxed_answer,
        system=BOXED_INSTRUCTION,
        chatml=True,
    ),
    Style(
        name="gsm8k-hash",
        about="the model's chat template; GRPO v1's training instruction, answer after \"####\"",
        user=lambda question: (
            f'{question} Let\'s think step by step and output the final answer after "####".'
        ),
        answer=_hash_answer,
    ),
    Style(
        name="boxed-step",
        about="the model's chat template; GRPO v4's training instruction, answer in \\boxed{}",
        user=lambda question: (
            f"{question} Let's think step by step and output the final answer within \\boxed{{}}."
        ),
        answer=_boxed_answer,
    ),
    Style(
        name="plain",
        about="no template, for base models: 'Question: … Answer:'",
        user=lambda question: f"Question: {question}\nAnswer:",
        answer=_boxed_answer,
        raw=True,
        end="\nQuestion:",
    ),
)


PROMPT_STYLES = {style.name: style for style in _STYLES}
"""Every prompt style by name."""


def find_prompt_style(name: str) -> Style:
    """Return the style called ``name``; raise UserError if there is none."""
    if name not in PROMPT_STYLES:
        raise WrongValueError(suggest("prompt style", name, list(PROMPT_STYLES)))
    return PROMPT_STYLES[name]
