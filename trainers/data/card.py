"""The data card: what a folder of training data was made from, and what is in it.

Above all it says how many of the rows each reward can reward. That number was the reason for v4.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import Field

from harness.common.schema import Frozen
from trainers.data.columns import Columns

CARD = "card.json"
CARD_FOR_PEOPLE = "CARD.md"


class SourceCard(Frozen):
    """The source that the rows were read from."""

    name: str
    """The source's name as the user gave it."""
    kind: Literal["benchmark", "file", "folder", "hugging-face"]
    split: str | None = None
    """The split of a benchmark or a Hugging Face data set."""
    revision: str | None = None
    """The revision as the user gave it."""
    commit: str | None = None
    """The commit that was downloaded, if the hub names it."""
    sha256: str
    """The checksum of the content: of a file's bytes, of a folder's file names and checksums, of a
    benchmark's pinned rows, or of the rows as canonical JSON."""
    files: dict[str, str] = Field(default_factory=dict)
    """The sha256 of each file, if the source is a folder."""


class BuildRequest(Frozen):
    """Everything that decides the rows of a build; equal requests make equal builds."""

    source: SourceCard
    style: str
    limit: int | None = None
    """How many rows of the source were read; None is all."""
    ngram: int
    """How many shared words in a row count as contamination."""
    drop_contaminated: bool = False
    """Whether contaminated rows were left out."""
    columns: Columns = Columns()
    """The source's columns that hold question, answer and solution."""
    benchmarks: dict[str, str] = Field(default_factory=dict)
    """For each benchmark, the checksum of the problems that the questions were compared with."""

    def content(self) -> BuildRequest:
        """Return the request without the source's name and place."""
        source = self.source.model_copy(update={"name": "", "files": {}, "revision": None})
        return self.model_copy(update={"source": source})


class RowCounts(Frozen):
    """How many rows were read, what became of them, and what they are like."""

    read: int
    """Rows that the source has."""
    bad: dict[str, int] = Field(default_factory=dict)
    """For each reason, how many rows were left out."""
    duplicate: int = 0
    """Rows that repeat the question and answer of an earlier row; they are kept."""
    conflicting: int = 0
    """Rows that repeat the question of an earlier row with another answer; they are kept, since
    it is not known which answer is right, and listed with the bad rows."""
    contaminated: int = 0
    """Usable rows whose question shares an n-gram with a benchmark's question."""
    templates: int = 0
    """Usable rows whose question is a benchmark's question with other numbers."""
    dropped: int = 0
    """Rows that were left out because they are contaminated, in the one way or the other."""
    train: int
    """Rows to train on."""
    test: int
    """Rows that are held out."""
    numeric: int
    """Rows of train and test whose answer is a plain decimal number."""
    without_reasoning: int = 0
    """Rows of train and test without reasoning."""
    end_marks_removed: int = 0
    """Rows of train and test from whose answer or solution an end mark was removed."""
    instructions_removed: int = 0
    """Rows of train and test from whose question the source's own instruction was removed."""
    system_prompts_left_out: int = 0
    """Rows of train and test whose conversation had a system prompt."""
    answers_from: dict[str, int] = Field(default_factory=dict)
    """For each place and form in which an answer was found, how many rows of train and test."""
    test_also_in_train: int = 0
    """Rows of test whose question is in train too: they say nothing about new questions."""

    @property
    def kept(self) -> int:
        """Rows of train and test together."""
        return self.train + self.test

    @property
    def unusable(self) -> int:
        """Rows that were left out as bad, for any reason."""
        return sum(self.bad.values())


class Rewardable(Frozen):
    """How many rows a reward can reward: those for which a perfect response earns it."""

    numeric: int
    """Rows with a numeric answer."""
    other: int
    """Rows with any other answer."""


class Overlap(Frozen):
    """What the training questions share with one benchmark."""

    problems: int
    """Problems of the benchmark."""
    met: int
    """Problems that share an n-gram with some row."""
    whole: int
    """Problems whose n-grams are all in one row."""
    rows: int
    """Rows that share an n-gram with some problem."""
    templates: int = 0
    """Problems that are some row's question with other numbers."""
    template_rows: int = 0
    """Rows that are some problem with other numbers."""


class DataCard(Frozen):
    """The card of a built folder."""

    schema_version: Literal[1] = 1
    asked: BuildRequest
    """What decided the rows."""
    instruction: str
    """The text that was appended to every question, after one space."""
    rows: RowCounts
    rewards: dict[str, Rewardable]
    """For each reward, how many rows of train and test it can reward."""
    overlap: dict[str, Overlap]
    """For each benchmark, what the questions share with it."""
    unchecked: tuple[str, ...] = ()
    """Benchmarks that were not compared with, because their files could not be loaded."""
    made_with: dict[str, str]
    """The versions of the grader and of the packages that wrote the files."""
    files: dict[str, str]
    """The sha256 of every file except the two of the card."""

    @property
    def sum(self) -> str:
        """The sha256 over the files' names and checksums: one checksum for all of the content."""
        named = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(self.files.items()))
        return hashlib.sha256(named.encode()).hexdigest()
