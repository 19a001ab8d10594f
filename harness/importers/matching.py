"""Find the problem that a saved response answers, by our id or else by the question's text.

A row's place in its file never decides, because files may be shuffled, filtered or continued.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import BENCHMARKS, Problem, UserError
from benchmarks.source import load_problems
from harness.importers.base import SavedResponse

SHORTEST_CONTAINED = 16
"""A question of fewer characters is not searched for in prompts, where it may occur by chance."""


class Match(NamedTuple):
    """The problem that a response answers."""

    benchmark: str
    problem: Problem


class _Questions(NamedTuple):
    """One benchmark's problems, prepared for the three ways to find one."""

    by_id: dict[str, Problem]
    by_key: dict[str, list[Problem]]
    """By `question_key`; two problems may have the same question."""
    spaced: list[tuple[str, Problem]]
    """Each problem with the `spaced_text` of its question, to search for in prompts."""


class ProblemIndex:
    """Finds problems; a benchmark is loaded when a response may answer one of its problems."""

    def __init__(self, names: Sequence[str], data_dir: Path | None = None) -> None:
        self.names = tuple(names)
        self.faults: dict[str, str] = {}
        """The benchmarks whose problems cannot be read, and why."""
        self._data_dir = data_dir
        self._questions: dict[str, _Questions | None] = {}
        self._found: dict[bytes, Match | None] = {}

    def find(self, response: SavedResponse, place: str) -> Match | None:
        """Return the problem that a response answers; None if no problem or several match.

        Raises:
            UserError: the response names a benchmark whose problems cannot be read.
        """
        return self._by_id(response.problem_id) or self._by_text(response, place)

    def problems(self, name: str) -> list[Problem]:
        """Return all problems of a benchmark; none if they cannot be read."""
        questions = self._load(name)
        return [] if questions is None else list(questions.by_id.values())

    def _by_id(self, problem_id: str | None) -> Match | None:
        name = (problem_id or "").partition("/")[0]
        questions = self._load(name) if name in self.names else None
        if name in self.faults:  # the id names this benchmark, so no other one can match
            raise UserError(self.faults[name])
        problem = questions.by_id.get(problem_id or "") if questions else None
        return Match(name, problem) if problem else None

    def _by_text(self, response: SavedResponse, place: str) -> Match | None:
        if not response.question and not response.prompt:
            return None
        order = self._order(f"{response.task or ''} {place}")
        asked = (response.question, response.prompt, response.gold, order)
        key = hashlib.sha256(repr(asked).encode("utf-8", "replace")).digest()
        if key not in self._found:
            self._found[key] = next(self._matches(response, order), None)
        return self._found[key]

    def _order(self, hint: str) -> list[str]:
        """Return the benchmarks to search in; those that the hint mentions come first."""
        return sorted(self.names, key=lambda name: name not in hint.lower())

    def _matches(self, response: SavedResponse, order: Sequence[str]) -> Iterator[Match]:
        for name in order:
            questions = self._load(name)
            if questions is None:
                continue
            problem = _exact(questions, response) or _contained(questions, response.prompt)
            if problem is not None:
                yield Match(name, problem)

    def _load(self, name: str) -> _Questions | None:
        if name not in self._questions:
            try:
                problems = load_problems(BENCHMARKS[name], data_dir=self._data_dir)
            except UserError as fault:
                self.faults[name] = str(fault)
                self._questions[name] = None
            else:
                self._questions[name] = _indexed(problems)
        return self._questions[name]


def _indexed(problems: Sequence[Problem]) -> _Questions:
    by_key: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_key[question_key(problem.question)].append(problem)
    spaced = [(spaced_text(problem.question), problem) for problem in problems]
    return _Questions({problem.id: problem for problem in problems}, by_key, spaced)


def question_key(text: str) -> str:
    """Return a question without white space, so that it is found however it is spaced.

    >>> question_key("What is  $1+ 1$?") == question_key("What is $1 + 1$?\\n")
    True
    """
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def spaced_text(text: str) -> str:
    """Return a text in which each sequence of white space is replaced by one space."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _exact(questions: _Questions, response: SavedResponse) -> Problem | None:
    if not response.question:
        return None
    found = questions.by_key.get(question_key(response.question), [])
    if len(found) > 1:  # several problems have this question: only the gold tells them apart
        found = [problem for problem in found if problem.answer == response.gold]
    return found[0] if len(found) == 1 else None


def _contained(questions: _Questions, prompt: str | None) -> Problem | None:
    """Return the only problem whose question occurs in a prompt; None if there is not one.

    One question may be a part of another one. Then the longer one is the one that was asked.
    """
    if not prompt:
        return None
    text = spaced_text(prompt)
    found = [
        (question, problem) for question, problem in questions.spaced if _occurs(question, text)
    ]
    if not found:
        return None
    longest, problem = max(found, key=lambda pair: len(pair[0]))
    only_parts = all(other == problem or question in longest for question, other in found)
    same = [other for question, other in found if question == longest]
    return problem if only_parts and len(same) == 1 else None


def _occurs(question: str, text: str) -> bool:
    """Return whether a question occurs in a text and neither begins nor ends inside a word."""
    start = text.find(question) if len(question) >= SHORTEST_CONTAINED else -1
    if start < 0:
        return False
    end = start + len(question)
    return not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())
