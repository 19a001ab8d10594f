"""Which columns of a source hold the question, the answer and the solution.

Published data sets name these three in many ways. Each role has a list of names, in order: the
first name that the source has is taken. So two names for one role are decided by their order, and
the card says which was taken and which was passed over. A name with a dot is a field of a column
that holds objects. Upper and lower case are the same.

Where the names were read, in each case on the data set's card or in code that reads it:

- ``problem``, ``answer``, ``solution``: Big-Math (SynthLabsAI/Big-Math-RL-Verified), NuminaMath-CoT
  and 1.5 (AI-MO), DeepScaleR-Preview (agentica-org), OpenR1-Math-220k (open-r1), Polaris
  (POLARIS-Project/Polaris-Dataset-53K), and raw MATH, whose solution states the answer in a box
  (verl, examples/data_preprocess/math_dataset.py).
- ``question``, ``answer``: GSM8K (openai/gsm8k; verl, examples/data_preprocess/gsm8k.py), LIMO
  (GAIR/LIMO, with ``solution``), s1K and s1K-1.1 (simplescaling; ``solution`` is the answer or a
  solution that states it).
- ``query``, ``response``: MetaMathQA (meta-math/MetaMathQA).
- ``generated_solution``, ``expected_answer``: OpenMathInstruct-2 (nvidia).
- ``deepseek_solution``, ``ground_truth_solution``: OpenThoughts-114k (open-thoughts), subset
  metadata.
- ``prompt``, ``reward_model.ground_truth``, ``extra_info.answer``: verl's own files, of which
  DAPO-Math-17k (BytedTsinghua-SIA) and Skywork-OR1-RL-Data (Skywork) are some.
- ``prompt``, ``solution``: DAPO-Math-17k-Processed (open-r1, its create_dataset.py), whose solution
  is the answer alone; and the data of TRL's GRPO.
- ``prompt``, ``completion``; ``messages``: TRL's documentation, "Dataset formats and types".
- ``conversations``: ShareGPT's lists of turns, as in OpenThoughts-114k. `reading` gives this name
  to a row that is itself a list of turns, as in Open-Reasoner-Zero's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import UserError, WrongValueError
from benchmarks.hints import hint
from harness.common.schema import Frozen
from harness.common.text import printable

TURNS = "conversations"
"""The column's name for a row that is a list of turns and nothing else."""
QUESTION = ("problem", "question", "query", "prompt", "instruction", "messages", TURNS)
ANSWER = (
    "final_answer",
    "expected_answer",
    "reference_answer",
    "ground_truth",
    "reward_model.ground_truth",
    "answer",
    "target",
    "gold",
)
"""A name that says that the answer alone is there comes before ``answer``, which GSM8K and others
give to a whole solution."""
SOLUTION = (
    "ground_truth_solution",
    "solution",
    "generated_solution",
    "deepseek_solution",
    "response",
    "completion",
    "output",
    "extra_info.answer",
    "answer",
)
REASONING = ("reasoning", "rationale", *SOLUTION)
"""What is imitated in supervised training. What a model only attempted (``generations``,
``attempt``, ``deepseek_attempt``) is never taken unless it is named: it may be wrong."""
_SOLUTIONS = frozenset(SOLUTION) - {"answer"}
_CONVERSATIONS = frozenset({"messages", TURNS, "prompt"})
"""Columns whose turns may hold the solution or the answer, too."""
_LISTED = 40
"""The most columns that a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedColumns:
    """The columns that the user named."""

    question: str | None = None
    answer: str | None = None
    solution: str | None = None


class Columns(Frozen):
    """The columns that are read; the defaults are those of this project's own sources."""

    question: str = "prompt"
    answer: str | None = "answer"
    """None if only the question's turns can hold it."""
    solution: str | None = "reasoning"
    stated: bool = False
    """Whether the column of the answer holds solutions, which state the answer."""
    passed_over: tuple[str, ...] = ()
    """Other columns that could have been taken by their names."""

    @property
    def solution_place(self) -> str:
        """Say in words where the solution is read."""
        if self.solution is not None:
            return self.solution
        if self.answer is not None:
            return f"what {self.answer} says before the answer"
        return f"the last turn of {self.question}"

    def read(self) -> list[str]:
        """Return the columns of the file that have to be read, each once, in order."""
        named = (self.question, self.answer, self.solution)
        return list(dict.fromkeys(name for name in named if name is not None))


def choose(found: Iterable[str], asked: AskedColumns, source: str) -> Columns:
    """Choose among the columns that a source has.

    Raises:
        UserError: there is no such column, or none is known for the question or the answer.

    >>> choose(["problem", "level", "solution"], AskedColumns(), "MATH").stated
    True
    """
    names = {name.lower(): name for name in found}
    question = _named(asked.question, "question", names, source) or _first(QUESTION, names)
    if question is None:
        raise UserError(_nothing_known(source, "question", QUESTION, names))
    free = {key: name for key, name in names.items() if name != question}
    answer = _named(asked.answer, "answer", names, source) or _first(ANSWER, free)
    solution = _named(asked.solution, "solution", names, source)
    stated = answer is None or answer.lower() in _SOLUTIONS
    if answer is None:
        # A named solution states the answer, unless there is another column that may.
        answer = _first(SOLUTION, free) or solution
    if solution is None:
        left = {key: name for key, name in free.items() if stated or name != answer}
        solution = _first(REASONING, left)
    if answer is None and question.lower() not in _CONVERSATIONS:
        raise UserError(_nothing_known(source, "answer", (*ANSWER, *SOLUTION), names))
    taken = {question, answer, solution}
    known = (*QUESTION, *ANSWER, *REASONING)
    also = dict.fromkeys(names[name] for name in known if name in names)
    return Columns(
        question=question,
        answer=answer,
        solution=solution,
        stated=stated,
        passed_over=tuple(name for name in also if name not in taken),
    )


def _first(known: Sequence[str], names: Mapping[str, str]) -> str | None:
    return next((names[name] for name in known if name in names), None)


def _named(asked: str | None, role: str, names: Mapping[str, str], source: str) -> str | None:
    if asked is None:
        return None
    found = asked if asked in names.values() else names.get(asked.lower())
    if found is not None and found.isprintable():  # any other could not be written on the card
        return found
    raise WrongValueError(
        f"{source} has no column {printable(asked)}, which --{role}-column names; its columns are "
        f"{_listed(names.values())}"
    )


def _nothing_known(source: str, role: str, known: Sequence[str], names: Mapping[str, str]) -> str:
    return (
        f"{source}: no column is known to hold the {role} (known names: "
        f"{', '.join(dict.fromkeys(known))}); its columns are {_listed(names.values())}; "
        f"name it with --{role}-column of `{hint('data build')}`, which takes any of "
        "--question-column, --answer-column and --solution-column"
    )


def _listed(names: Iterable[str]) -> str:
    every = [printable(name, limit=80) for name in names]
    more = f" and {len(every) - _LISTED:,} more" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + more


def flat_names(row: Mapping[str, Any]) -> list[str]:
    """Return a row's columns; after one that holds an object, that object's fields.

    >>> flat_names({"prompt": "?", "reward_model": {"ground_truth": "1"}})
    ['prompt', 'reward_model', 'reward_model.ground_truth']
    """
    names = []
    for name, value in row.items():
        names.append(str(name))
        if isinstance(value, Mapping):
            names.extend(f"{name}.{field}" for field in value)
    return names


def pick(values: Mapping[str, Any], name: str) -> Any:
    """Return the value of a column or of a column's field; None if there is none.

    >>> pick({"reward_model": {"ground_truth": "1"}}, "reward_model.ground_truth")
    '1'
    """
    if name in values:
        return values[name]
    column, dot, field = name.partition(".")
    inner = values.get(column) if dot else None
    return inner.get(field) if isinstance(inner, Mapping) else None
