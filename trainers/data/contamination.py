"""Which training questions are in a benchmark: shared n-grams of words.

The measure is that of Brown et al. 2020 (arXiv:2005.14165, appendix C), which
lm-evaluation-harness follows with the same 13 words: one shared n-gram is an overlap. It is
stricter in one thing: mathematical signs between the words are not dropped as punctuation.
It overstates, since stock phrases of competitions are that long; so each overlap says how many
of the problem's n-grams are shared. It does not find a reworded problem.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import BENCHMARKS, Problem, UserError
from trainers.data.card import Overlap

# A hyphen inside a word is not a sign; any other minus is.
_TERM = re.compile(r"(?P<word>[^\W_]+)|[+/=<>^!|≤≥−×÷·±]|(?<![a-z]{2})-|-(?![a-z]{2})")


def terms(text: str) -> tuple[list[str], list[int]]:
    r"""Return a text's words and signs in lower case, and which of them are words.

    Punctuation is dropped. A LaTeX command is a word. Signs stay, since two different exercises
    may differ in one sign only.

    >>> terms(r"Well-known: $\frac{1}{2} - X$?")
    (['well', 'known', 'frac', '1', '2', '-', 'x'], [0, 1, 2, 3, 4, 6])
    """
    found: list[str] = []
    words: list[int] = []
    for term in _TERM.finditer(text.lower()):
        if term["word"]:
            words.append(len(found))
        found.append(term[0])
    return found, words


def ngrams(text: str, n: int) -> list[str]:
    """Return all runs of ``n`` words with the signs between them; a shorter text is one run.

    >>> ngrams("One, two = three!", 2), ngrams("Find 1 - x.", 4)
    (['one two', 'two = three'], ['=find 1 - x'])
    """
    found, words = terms(text)
    if len(words) < n:  # with the mark it equals no run of a longer text
        return ["=" + " ".join(found)] if words else []
    ends = zip(words, words[n - 1 :], strict=False)
    return [" ".join(found[first : last + 1]) for first, last in ends]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A benchmark's problem that shares n-grams with a training question."""

    benchmark: str
    problem: str
    shared: int
    """How many different n-grams both have."""
    of: int
    """How many different n-grams the problem has."""


class Contamination:
    """An index of benchmark problems that checks questions and counts what it found."""

    def __init__(self, problems: Mapping[str, Sequence[Problem]], n: int) -> None:
        """Index the problems of each benchmark by their runs of ``n`` words."""
        self._n = n
        self._problems: list[tuple[str, str, int]] = []
        self._holders: dict[str, list[int]] = {}
        for benchmark, several in problems.items():
            for problem in several:
                self._add(benchmark, problem)
        self._sizes = {benchmark: len(several) for benchmark, several in problems.items()}
        self._rows: Counter[str] = Counter()
        self._met: set[int] = set()
        self._whole: set[int] = set()

    def _add(self, benchmark: str, problem: Problem) -> None:
        grams = set(ngrams(problem.question, self._n))
        for gram in grams:
            self._holders.setdefault(gram, []).append(len(self._problems))
        self._problems.append((benchmark, problem.id, len(grams)))

    def check(self, question: str) -> list[Match]:
        """Return every problem that a question overlaps with, the largest overlap first."""
        known = self._holders.keys() & ngrams(question, self._n)
        if not known:
            return []
        shared = Counter(holder for gram in sorted(known) for holder in self._holders[gram])
        matches = [self._match(holder, count) for holder, count in shared.most_common()]
        self._rows.update({match.benchmark for match in matches})
        return matches

    def _match(self, holder: int, shared: int) -> Match:
        benchmark, problem, of = self._problems[holder]
        self._met.add(holder)
        if shared == of:
            self._whole.add(holder)
        return Match(benchmark=benchmark, problem=problem, shared=shared, of=of)

    def summary(self) -> dict[str, Overlap]:
        """Return what was found so far, for each benchmark."""
        met, whole = self._by_benchmark(self._met), self._by_benchmark(self._whole)
        return {
            benchmark: Overlap(
                problems=size,
                met=met[benchmark],
                whole=whole[benchmark],
                rows=self._rows[benchmark],
            )
            for benchmark, size in self._sizes.items()
        }

    def _by_benchmark(self, holders: Iterable[int]) -> Counter[str]:
        return Counter(self._problems[holder][0] for holder in holders)


def watched(source: str) -> Iterator[str]:
    """Yield the benchmarks that training data must not contain: all of them.

    `demo`, whose problems are generated, is among them only if it is the source.
    """
    yield from (name for name in BENCHMARKS if name != "demo" or source == "demo")


def load(
    names: Iterable[str], data_dir: Path | None
) -> tuple[dict[str, list[Problem]], dict[str, str]]:
    """Return the problems of benchmarks, and for those that cannot be loaded the reason."""
    from benchmarks.source import load_problems

    loaded: dict[str, list[Problem]] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            loaded[name] = load_problems(BENCHMARKS[name], data_dir=data_dir)
        except UserError as error:
            missing[name] = str(error)
    return loaded, missing
