r"""How a question is asked in training, and in which form its answer is expected.

The two styles are those of "v1" and "v4": the same source, with the answer after ``####`` or
inside a box. Everything in which the data of the two differ is here: the instruction, the
order, and the columns. The columns are those of verl's own examples for GSM8K and MATH:
``data_source`` chooses among verl's built-in rewards (a custom reward function gets it too),
``prompt`` is a list of chat messages, ``reward_model.ground_truth`` is what a response is
compared with, and ``extra_info`` is passed to the reward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks import WrongValueError
from benchmarks.registry import suggest


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStyle:
    """One form of training data."""

    name: str
    about: str
    """One line: which recipe used it, and which reward it is made for."""
    instruction: str
    """The text that is appended to a question after one space."""
    opening: str
    """The text before a stated answer."""
    closing: str = ""
    """The text after a stated answer."""
    data_source: str
    """The name by which verl chooses a reward if none is configured."""
    shuffled: bool
    """Whether the source is shuffled before it is split."""
    keeps_solution: bool
    """Whether ``extra_info`` has the question and the whole response, instead of a column with
    the reasoning."""

    def ask(self, question: str) -> str:
        """Return the user's message that asks a question.

        >>> DATA_STYLES["boxed"].ask("What is 1+1?")
        "What is 1+1? Let's think step by step and output the final answer within \\\\boxed{}."
        """
        return f"{question} {self.instruction}"

    def state(self, answer: str) -> str:
        r"""Return an answer in the form that the instruction asks for.

        >>> DATA_STYLES["gsm8k"].state("42"), DATA_STYLES["boxed"].state("42")
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
        """Return the reasoning of a built row, wherever the style keeps it."""
        if not self.keeps_solution:
            return str(columns["reasoning"])
        stated = self.response("", columns["reward_model"]["ground_truth"])
        return str(columns["extra_info"]["answer"]).removesuffix(stated)


DATA_STYLES: Mapping[str, DataStyle] = MappingProxyType(
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


def find_data_style(name: str) -> DataStyle:
    """Return the style called ``name``; raise UserError if there is none."""
    if name not in DATA_STYLES:
        raise WrongValueError(suggest("data style", name, list(DATA_STYLES)))
    return DATA_STYLES[name]
