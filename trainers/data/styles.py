r"""How a question is asked in training, and in what form its answer is wanted.

The two styles are those of the runs "v1" and "v4": the same source, with the
answer after ``####`` or inside a box. Whatever differs between the two runs'
data is said here, and nowhere else: instruction, order, and the columns that
each leaves. Columns as verl's own examples for GSM8K and MATH have them:
``data_source`` chooses among verl's built-in rewards (a custom reward function is
told it too), ``prompt`` is a list of chat messages, ``reward_model.ground_truth``
is what a response is compared with, and ``extra_info`` is handed to the reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks import UserError
from benchmarks.registry import suggest

END_MARK = "</s>"
"""What some answers of the published source end in, and no answer contains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStyle:
    """One form of training data."""

    name: str
    about: str
    """One line: which run had it, and which reward it is made for."""
    instruction: str
    """Appended to the question after one space."""
    opening: str
    closing: str = ""
    """What stands before and after a stated answer."""
    data_source: str
    """The name by which verl chooses a reward, if it is given none."""
    shuffled: bool
    """Whether the source is shuffled before it is split."""
    keeps_solution: bool
    """Whether ``extra_info`` has the question and the whole response; the reasoning is
    then no column of its own."""

    def ask(self, question: str) -> str:
        """Return the user's message that asks a question.

        >>> STYLES["boxed"].ask("What is 1+1?")
        "What is 1+1? Let's think step by step and output the final answer within \\\\boxed{}."
        """
        return f"{question} {self.instruction}"

    def state(self, answer: str) -> str:
        r"""Return an answer in the form that the instruction asks for.

        >>> STYLES["gsm8k"].state("42"), STYLES["boxed"].state("42")
        ('#### 42', '\\boxed{42}')
        """
        return f"{self.opening}{answer}{self.closing}"

    def response(self, reasoning: str, answer: str) -> str:
        """Return a perfect response: the reasoning, and the answer on a line of its own."""
        return f"{reasoning}\n{self.state(answer)}"

    def columns(self, row: Mapping[str, Any], index: int, *, split: str) -> dict[str, Any]:
        """Return verl's columns for one row of prompt, reasoning and answer."""
        question, reasoning, answer = row["prompt"], row["reasoning"], row["answer"]
        extra = {"split": split, "index": index}
        if self.keeps_solution:
            extra |= {"answer": self.response(reasoning, answer), "question": question}
        return {
            "data_source": self.data_source,
            "prompt": [{"role": "user", "content": self.ask(question)}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": answer},
            "extra_info": extra,
        }

    def reasoning(self, columns: Mapping[str, Any]) -> str:
        """Return the reasoning that a built row was made from, wherever the style keeps it."""
        if not self.keeps_solution:
            return str(columns["reasoning"])
        stated = self.response("", columns["reward_model"]["ground_truth"])
        return str(columns["extra_info"]["answer"]).removesuffix(stated)


STYLES: Mapping[str, DataStyle] = MappingProxyType(
    {
        style.name: style
        for style in (
            DataStyle(
                name="gsm8k",
                about='answer after "####", as in v1; made for the reward gsm8k-strict',
                instruction=('Let\'s think step by step and output the final answer after "####".'),
                opening="#### ",
                data_source="openai/gsm8k",
                shuffled=False,
                keeps_solution=True,
            ),
            DataStyle(
                name="boxed",
                about=r"answer in \boxed{}, as in v4; made for the reward hendrycks-boxed",
                instruction=(
                    "Let's think step by step and output the final answer within \\boxed{}."
                ),
                opening="\\boxed{",
                closing="}",
                data_source="jouw/math",
                shuffled=True,
                keeps_solution=False,
            ),
        )
    }
)
"""Every style by name."""


def find_style(name: str) -> DataStyle:
    """Return the style called ``name``; raise UserError if there is none."""
    if name not in STYLES:
        raise UserError(suggest("data style", name, list(STYLES)))
    return STYLES[name]
