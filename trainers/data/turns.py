"""Conversations as training data have them: a list of turns, each with a role and a text.

Two forms are read: ``role`` and ``content`` (the messages of OpenAI's API, TRL, verl), and ``from``
and ``value`` (ShareGPT, Open-Reasoner-Zero). A turn of the assistant may carry the answer beside
the text: ``ground_truth.value`` in Open-Reasoner-Zero's files, ``info.reference_answer`` in
AM-DeepSeek-R1-Distilled (a-m-team), as code that reads them does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trainers.data.answers import UnusableError
from trainers.data.columns import TURNS, pick

_ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "system": "system",
    "developer": "system",
}
_ANSWERS = ("ground_truth.value", "info.reference_answer")
_MOST_TURNS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One question, and what was said in reply."""

    question: str
    solution: str = ""
    """The last turn of the assistant; empty if there is none."""
    answer: Any = None
    """The answer that was given beside the turn, as the source has it; None if none was."""
    system: bool = False
    """Whether there was a system prompt. It is left out: the style's instruction replaces it."""


def is_turns(value: Any) -> bool:
    """Say whether a value is a list of turns, as far as the first of them tells.

    >>> is_turns([{"from": "human", "value": "1+1?"}]), is_turns(["1+1?"])
    (True, False)
    """
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, Mapping) and ("role" in first or "from" in first)


def are_numbered_turns(names: Iterable[str]) -> bool:
    """Say whether columns, with their fields, are the turns of rows that are lists.

    `datasets` and pyarrow give such columns their numbers as names.
    """
    found = set(names)
    return "0" in found and bool(found & {"0.from", "0.role"})


def turns_gathered(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row whose columns are its turns as a row with a list of turns; any other as it is.

    >>> turns_gathered({"0": {"from": "human", "value": "1+1?"}})
    {'conversations': [{'from': 'human', 'value': '1+1?'}]}
    """
    if "0" not in values:
        return values
    turns = [values[name] for name in map(str, range(len(values))) if values.get(name)]
    return {TURNS: turns} if is_turns(turns) else values


def read_turns(turns: list[Any]) -> Conversation:
    """Return what a list of turns asks and answers.

    Raises:
        UnusableError: a turn has no known role or no text, or not exactly one question is asked: of
            several, the last one cannot be understood without the others.
    """
    if len(turns) > _MOST_TURNS:
        raise UnusableError(f"has more than {_MOST_TURNS:,} turns")
    asked: list[str] = []
    solution, answer, system = "", None, False
    for turn in turns:
        role = _role(turn)
        if role == "user":
            asked.append(_text(turn))
        elif role == "system":
            system = True
        else:
            solution = _text(turn)
            found = (pick(turn, name) for name in _ANSWERS)
            answer = next((value for value in found if value is not None), None)
    if len(asked) != 1:
        raise UnusableError("has several questions" if asked else "has no question of a user")
    return Conversation(question=asked[0], solution=solution, answer=answer, system=system)


def last_reply(turns: list[Any]) -> str:
    """Return the text of the last turn, which has to be the assistant's, as TRL's completion."""
    if _role(turns[-1]) != "assistant":
        raise UnusableError("does not end with a turn of the assistant")
    return _text(turns[-1])


def _role(turn: Any) -> str:
    named = (turn.get("role") or turn.get("from")) if isinstance(turn, Mapping) else None
    role = _ROLES.get(named.lower()) if isinstance(named, str) else None
    if role is None:
        raise UnusableError("has a turn without a known role (user, assistant or system)")
    return role


def _text(turn: Mapping[str, Any]) -> str:
    content = turn.get("content")
    if content is None:
        content = turn.get("value")
    if isinstance(content, list):  # OpenAI's content parts
        return "".join(_part(part) for part in content)
    if content is None:
        return ""
    if not isinstance(content, str):
        raise UnusableError("has a turn that is not text")
    return content


def _part(part: Any) -> str:
    text = part.get("text") if isinstance(part, Mapping) else None
    if not isinstance(text, str):
        raise UnusableError("has a part that is not text")
    return text
