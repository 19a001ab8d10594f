"""From a sample to its verdict: what of the response counts, and who is asked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from benchmarks import Conventions
from harness.grading import Grader, Outcome, Undecided, Verdict, grade_by_rules
from harness.runs.sample import FinishReason, Sample

_TRUNCATED: dict[FinishReason, bool | None] = {"length": True, "unknown": None}
"""Whether the token limit cut a response off, by how it ended; it did not where none is named."""


def grade_sample(
    sample: Sample, asked: Reference, *, read: Callable[[str], str], grader: Grader
) -> Verdict | Future[Verdict]:
    """Grade what counts of one sample's response; ``read`` is its prompt style's."""
    return grader.grade_undecided(grade_sample_by_rules(sample, asked, read=read))


def grade_sample_by_rules(
    sample: Sample, asked: Reference, *, read: Callable[[str], str]
) -> Verdict | Undecided:
    """Grade one sample as far as it can be done in this process."""
    if sample.finish_reason == "overflow":
        return Verdict(outcome=Outcome.OVERFLOW)
    if sample.finish_reason == "error":
        return Verdict(outcome=Outcome.ENGINE_ERROR)
    said = read(sample.response)
    # What the prompt style cuts away comes after the answer, whose end is known then.
    cut = _TRUNCATED.get(sample.finish_reason, False) if said == sample.response else False
    return grade_by_rules(
        said,
        asked.gold,
        truncated=cut,
        conventions=asked.conventions,
        thinking_opened=asked.thinking_opened,
    )


class Reference(NamedTuple):
    """What a response is graded against."""

    gold: str
    conventions: Conventions
    thinking_opened: bool = False
    """Whether the prompt is known to end in an open thinking block."""
