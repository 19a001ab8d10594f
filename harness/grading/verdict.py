"""The verdict on one response. It is not a bool: every sample has exactly one of nine outcomes."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of one sample; the counts of all outcomes add up to the number of samples."""

    CORRECT = "correct"
    """An answer was found, and it equals the gold."""
    WRONG = "wrong"
    """An answer was found and read, and it does not equal the gold."""
    NO_ANSWER = "no answer"
    """The response states no answer; it ended by itself, or nobody knows how it ended."""
    TRUNCATED = "truncated"
    """The token limit cut the response off before it stated an answer."""
    OVERFLOW = "overflow"
    """The prompt leaves no room for a response in the model's context; nothing was generated."""
    UNPARSABLE = "unparsable"
    """The response states an answer that the grader cannot read as mathematics."""
    GRADER_TIMEOUT = "grader timeout"
    """The symbolic comparison did not end within its limit, which says nothing about the answer."""
    GRADER_ERROR = "grader error"
    """The grader failed; this says nothing about the answer."""
    ENGINE_ERROR = "engine error"
    """The engine gave no response to this request."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of one sample, and how it was decided."""

    outcome: Outcome
    """What became of the sample."""
    extracted: str | None = None
    """The candidate answer found in the response; None if there is none."""
    extraction: str | None = None
    """The extraction rule that found it; the rules are listed in `harness.extraction`."""
    rule: str | None = None
    """The comparison rule that decided (`identical`, `number`, `tuple`, …, `math-verify`)."""

    @property
    def correct(self) -> bool:
        """Whether the answer was found equal to the gold."""
        return self.outcome is Outcome.CORRECT
