"""The data card: what a folder of training data was made from, and what is in it.

Its one question is the one that made v4: how many of the rows can the reward see?
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field

from harness.common.schema import Frozen

CARD = "card.json"
CARD_FOR_PEOPLE = "CARD.md"


class SourceCard(Frozen):
    """What the rows were read from."""

    name: str
    """As it was asked for."""
    kind: Literal["benchmark", "file", "folder", "hugging-face"]
    split: str | None = None
    """Of a benchmark or a Hugging Face data set."""
    revision: str | None = None
    """As it was asked for."""
    commit: str | None = None
    """What was downloaded from, where the hub says so."""
    sha256: str
    """Of the content: a file's bytes, a folder's files and sums, a benchmark's pinned rows, or
    the rows as canonical JSON."""
    files: dict[str, str] = Field(default_factory=dict)
    """File name to sha256, of a folder."""


class Asked(Frozen):
    """Everything that decides the rows; equal requests make equal builds."""

    source: SourceCard
    style: str
    limit: int | None = None
    """Only the first rows of the source."""
    ngram: int
    """Words of an overlap that counts as contamination."""
    drop_contaminated: bool = False
    benchmarks: dict[str, str] = Field(default_factory=dict)
    """Benchmark to the sum of the problems that the questions were compared with."""

    def content(self) -> Asked:
        """Return the request without what the source is called and where it lies."""
        source = self.source.model_copy(update={"name": "", "files": {}, "revision": None})
        return self.model_copy(update={"source": source})


class RowCounts(Frozen):
    """How many rows came in, what became of them, and what they are like."""

    read: int
    bad: dict[str, int] = Field(default_factory=dict)
    """Reason to the rows left out for it."""
    duplicate: int = 0
    """Rows whose question and answer an earlier row has; kept, as the source has them."""
    conflicting: int = 0
    """Rows whose question an earlier row answers otherwise; kept, since nobody knows which
    answer is right, and listed with the bad rows."""
    contaminated: int = 0
    """Usable rows whose question shares an n-gram with a benchmark's."""
    dropped: int = 0
    """Those of them that were left out."""
    train: int
    test: int
    numeric: int
    """Of train and test together, rows whose answer is a plain decimal number."""
    without_reasoning: int = 0
    end_marks_removed: int = 0
    """Answers that ended in ``</s>``."""
    test_also_in_train: int = 0
    """Rows of test whose question train has too, so that test says less about new questions."""

    @property
    def kept(self) -> int:
        """Rows of train and test together."""
        return self.train + self.test

    @property
    def unusable(self) -> int:
        """Rows that were left out as bad, whatever the reason."""
        return sum(self.bad.values())


class Rewardable(Frozen):
    """How many rows a reward can reward at all: a perfect response earns it."""

    numeric: int
    """Rows with a numeric answer."""
    other: int
    """Rows with any other answer."""


class Overlap(Frozen):
    """What the training questions share with one benchmark."""

    problems: int
    """Of the benchmark, that the questions were compared with."""
    met: int
    """Problems that some row shares an n-gram with."""
    whole: int
    """Problems all of whose n-grams one row has."""
    rows: int
    """Rows that share an n-gram with some problem."""


class DataCard(Frozen):
    """What a built folder says of itself."""

    schema_version: Literal[1] = 1
    asked: Asked
    instruction: str
    """What was appended to every question, after one space."""
    rows: RowCounts
    rewards: dict[str, Rewardable]
    """By reward, of train and test together."""
    overlap: dict[str, Overlap]
    unchecked: tuple[str, ...] = ()
    """Benchmarks whose files could not be had, so that nothing is known of them."""
    made_with: dict[str, str]
    """Versions of the grader and of the packages that wrote the files."""
    files: dict[str, str]
    """File name to sha256 of every file but the card's own two."""

    @property
    def sum(self) -> str:
        """The sha256 over the files' names and sums: one name for all of the content."""
        named = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(self.files.items()))
        return hashlib.sha256(named.encode()).hexdigest()
