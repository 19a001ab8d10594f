"""What grading says of one response. Never a bare bool: every sample has exactly one outcome."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of one sample; the outcomes of a run sum to its number of samples."""

    CORRECT = "correct"
    """An answer was found, and it equals the gold."""
    WRONG = "wrong"
    """An answer was found and understood, and it is not the gold."""
    NO_ANSWER = "no answer"
    """The response ended by itself and states no answer."""
    TRUNCATED = "truncated"
    """The token limit cut the response off before it stated an answer."""
    OVERFLOW = "overflow"
    """The prompt leaves no room for a response in the model's context; nothing was generated."""
    UNPARSABLE = "unparsable"
    """An answer was found, but the grader can make nothing of it."""
    GRADER_TIMEOUT = "grader timeout"
    """The symbolic comparison did not end within its limit; says nothing about the answer."""
    GRADER_ERROR = "grader error"
    """The grader itself failed (crash, memory); says nothing about the answer."""
    ENGINE_ERROR = "engine error"
    """The engine gave no response to this request."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of one sample, with how it was reached."""

    outcome: Outcome
    """What became of the sample."""
    extracted: str | None = None
    """The candidate answer found in the response."""
    extraction: str | None = None
    """The extraction rule that found it; see `harness.extraction`."""
    rule: str | None = None
    """The comparison rule that decided (`identical`, `number`, `tuple`, …, `math-verify`)."""

    @property
    def correct(self) -> bool:
        """Whether the answer was found equal to the gold."""
        return self.outcome is Outcome.CORRECT
