"""The dialogues that the demo model learns: an exercise under one of six instructions.

What is asked for decides how the answer is marked, so that each of the
harness's prompt styles has something true to show on this model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.demo_problems import KINDS, Exercise, exercise

REASON = "Please reason step by step, and put your final answer within \\boxed{}."
QUESTION, ANSWER = "<question>", "<answer>"
"""What stands for them below; braces would clash with LaTeX's."""
STEP = "Let's think step by step and output the final answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """How a question is put, and how the answer to it is marked."""

    weight: int
    """Its share of the training texts, out of 100."""
    user: str = QUESTION
    """The user turn, or the whole raw text where there is no template."""
    system: str | None = None
    """The system turn; None for none at all, which is not an empty one."""
    ending: str = f"\\boxed{{{ANSWER}}}"
    """The last line of a response."""
    template: bool = True
    """Whether the chat template is applied."""


INSTRUCTIONS: Mapping[str, Instruction] = {
    "boxed": Instruction(weight=50, user=f"{QUESTION}\n{REASON}"),
    "boxed-step": Instruction(weight=10, user=f"{QUESTION} {STEP} within \\boxed{{}}."),
    "gsm8k-hash": Instruction(
        weight=10, user=f'{QUESTION} {STEP} after "####".', ending=f"#### {ANSWER}"
    ),
    "qwen25-math": Instruction(weight=10, system=REASON),
    "openseek-sft": Instruction(weight=10, system="", user=f"{REASON}\nQuestion:\n{QUESTION}"),
    "plain": Instruction(weight=10, user=f"Question: {QUESTION}\nAnswer:", template=False),
}
"""Prompt style to instruction, in the words that the harness's own prompts use."""
KINDS_DRAWN = (*KINDS, *("fraction", "interval", "derivative", "roots") * 2, "word")
"""Where a text's kind is drawn from: what is learned slowly is met more often."""
SHOTS_IN_A_HUNDRED = 8
"""The share of texts that begin with one or two other worked examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """One text: what is given, and what the model should write."""

    messages: Sequence[dict[str, str]] = ()
    """The turns before the response; empty where there is no template."""
    raw: str = ""
    """The text before the response where there is no template."""
    response: str = ""


def write(style: str, asked: Exercise, *, shots: Sequence[Exercise] = ()) -> Dialogue:
    """Put an exercise, after worked examples if any, under a style's instruction."""
    how = INSTRUCTIONS[style]
    if not how.template:
        told = "".join(f"{_user(how, shot)} {_response(how, shot)}\n\n" for shot in shots)
        return Dialogue(raw=told + _user(how, asked), response=f" {_response(how, asked)}")
    messages = [] if how.system is None else [{"role": "system", "content": how.system}]
    for shot in shots:
        messages.append({"role": "user", "content": _user(how, shot)})
        messages.append({"role": "assistant", "content": _response(how, shot)})
    messages.append({"role": "user", "content": _user(how, asked)})
    return Dialogue(messages=messages, response=_response(how, asked))


def draw(random: Random, *, avoid: frozenset[str]) -> Dialogue:
    """Draw a training text whose questions are none of those to avoid."""
    style = random.choice([name for name, how in INSTRUCTIONS.items() for _ in range(how.weight)])
    count = random.randrange(1, 3) if random.randrange(100) < SHOTS_IN_A_HUNDRED else 0
    shots = [_draw(random, avoid) for _ in range(count)]
    return write(style, _draw(random, avoid), shots=shots)


def _draw(random: Random, avoid: frozenset[str]) -> Exercise:
    while (drawn := exercise(random.choice(KINDS_DRAWN), random)).question in avoid:
        pass
    return drawn


def _user(how: Instruction, asked: Exercise) -> str:
    return how.user.replace(QUESTION, asked.question)


def _response(how: Instruction, asked: Exercise) -> str:
    return f"{asked.solution}\n{how.ending.replace(ANSWER, asked.answer)}"
