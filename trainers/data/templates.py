"""Which training questions are a benchmark's questions with other numbers.

Shared n-grams miss such a question where its numbers stand close together, and elsewhere they say
only that something is shared. So questions are compared a second time with every number masked:
digits, number words, and a row of numbers, however long. A benchmark's whole question has to be in
the row's, so that an instruction before or after it hides nothing.

A short template is no sign of a copy: "What is the greatest common factor of # and #?" is asked
everywhere. A template counts only if it has as many words besides its numbers as a shared n-gram
has words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import Problem
from trainers.data.contamination import terms

_DIGITS = re.compile(r"[0-9]+")
_MASK = "#"
_NUMBER_WORDS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand million".split()
)


def template(text: str) -> list[str]:
    """Return a text's words and signs with its numbers masked.

    >>> " ".join(template("Add 1,200.5 apples to 2x, then two or three."))
    'add # apples to #x then # or #'
    """
    masked: list[str] = []
    for term in terms(text)[0]:
        mask = _MASK if term in _NUMBER_WORDS else _DIGITS.sub(_MASK, term)
        if mask != _MASK or masked[-1:] != [_MASK]:
            masked.append(mask)
    return masked


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateMatch:
    """A benchmark's problem that a training question is with other numbers."""

    benchmark: str
    problem: str
    template_words: int
    """The words of the template, without its numbers."""


class Templates:
    """An index of benchmark problems by their templates, which counts what it finds."""

    def __init__(self, problems: Mapping[str, Sequence[Problem]], n: int) -> None:
        """Index the templates with numbers and with at least ``n`` words besides them."""
        self._n = n
        self._known: dict[tuple[str, ...], list[tuple[list[str], TemplateMatch]]] = {}
        self.rows: Counter[str] = Counter()
        """For each benchmark, the rows that were found."""
        self._met: set[tuple[str, str]] = set()
        for benchmark, several in problems.items():
            for problem in several:
                self._add(benchmark, problem)

    def _add(self, benchmark: str, problem: Problem) -> None:
        masked = template(problem.question)
        words = sum(_MASK not in term and term.isalnum() for term in masked)
        if words < self._n or words == len(masked):
            return
        match = TemplateMatch(benchmark=benchmark, problem=problem.id, template_words=words)
        self._known.setdefault(tuple(masked[: self._n]), []).append((masked, match))

    def check(self, question: str, same: Collection[str] = ()) -> list[TemplateMatch]:
        """Return every problem that a question is with other numbers.

        ``same`` names the problems that it is with the same numbers.
        """
        found = {match.problem: match for match in self._found(template(question))}
        matches = [match for problem, match in found.items() if problem not in same]
        self.rows.update({match.benchmark for match in matches})
        self._met.update((match.benchmark, match.problem) for match in matches)
        return matches

    def _found(self, masked: list[str]) -> Iterator[TemplateMatch]:
        for start in range(len(masked) - self._n + 1):
            beginning = tuple(masked[start : start + self._n])
            for wanted, match in self._known.get(beginning, ()):
                if masked[start : start + len(wanted)] == wanted:
                    yield match

    def met(self) -> Counter[str]:
        """Return for each benchmark how many of its problems were found."""
        return Counter(benchmark for benchmark, _ in self._met)
