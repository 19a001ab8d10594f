"""The dialogues on which the demo model is trained: exercises with one of six instructions.

There is one instruction for each of the harness's prompt styles, and it says how the
answer is marked. So the model can answer in every style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.demo_problems import KINDS, Exercise, exercise

REASON = "Please reason step by step, and put your final answer within \\boxed{}."
QUESTION, ANSWER = "<question>", "<answer>"
"""The placeholders below, which are not in braces because LaTeX uses those."""
STEP = "Let's think step by step and output the final answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """The words with which a question is put, and the mark of its answer."""

    weight: int
    """The number of training texts in 100 that have this instruction."""
    user: str = QUESTION
    """The user turn, or the whole raw text if no template is applied."""
    system: str | None = None
    """The system turn; None for a dialogue without one, which is not an empty one."""
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
"""The instruction of each prompt style, in the same words as in `harness.prompts.styles`."""
KINDS_DRAWN = (*KINDS, *("fraction", "interval", "derivative", "roots") * 2, "word")
"""The kinds among which a text's kind is drawn. Kinds that are learned slowly occur more often."""
SHOTS_IN_A_HUNDRED = 8
"""The number of texts in 100 that begin with one or two other worked examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """One training text: the prompt, and the response that the model should write."""

    messages: Sequence[dict[str, str]] = ()
    """The turns before the response; empty if no template is applied."""
    raw: str = ""
    """The text before the response, if no template is applied."""
    response: str = ""
    """The response."""


def write(style: str, asked: Exercise, *, shots: Sequence[Exercise] = ()) -> Dialogue:
    """Write an exercise in a prompt style, with the worked examples ``shots`` before it."""
    how = INSTRUCTIONS[style]
    if not how.template:
        before = "".join(f"{_user(how, shot)} {_response(how, shot)}\n\n" for shot in shots)
        return Dialogue(raw=before + _user(how, asked), response=f" {_response(how, asked)}")
    messages = [] if how.system is None else [{"role": "system", "content": how.system}]
    for shot in shots:
        messages.append({"role": "user", "content": _user(how, shot)})
        messages.append({"role": "assistant", "content": _response(how, shot)})
    messages.append({"role": "user", "content": _user(how, asked)})
    return Dialogue(messages=messages, response=_response(how, asked))


def draw(random: Random, *, avoid: frozenset[str]) -> Dialogue:
    """Draw a training text, none of whose questions is in ``avoid``."""
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
