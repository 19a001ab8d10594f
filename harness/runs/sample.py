"""A sample: one response to one problem, as an engine returned it."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

FinishReason = Literal["stop", "length", "overflow", "error", "unknown"]
MOST_SAMPLES = 1_000_000
"""The most samples that one problem may have; a greater number in a file is an error."""


class SampleKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """Which sample: the problem, and its number among the problem's samples."""

    problem_id: str
    index: int


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One response to one problem; a line of the journal."""

    problem_id: str
    """The problem's id, the benchmark's name first."""
    index: int
    """Which of the problem's samples it is, from 0."""
    response: str
    """The response's text, without the token that ended it. Only this is graded."""
    finish_reason: FinishReason
    """`stop`: the model ended it; `length`: the token limit did; `overflow`: no room for any
    response; `error`: the engine failed on it; `unknown`: saved generations do not say."""
    seed: int
    """The seed it was drawn with."""
    prompt_sum: str
    """The first 16 hex digits of a sha256 over the prompt that was answered."""
    prompt_tokens: int | None = None
    """The prompt's length; None where the engine does not count."""
    completion_tokens: int | None = None
    """The response's length, its reasoning included; None where the engine does not count."""
    error: str | None = None
    """What the engine said, if it failed on this sample."""
    reasoning: str | UnsetType = UNSET
    """What the model reasoned, where a server returns it apart from the response. This and the next
    are left out of the line where there is none, so that other runs have the files they had."""
    reasoning_tokens: int | UnsetType = UNSET
    """How many of the completion's tokens are reasoning, where a server counts them."""

    @property
    def is_empty(self) -> bool:
        """Whether it ended with no text at all, although tokens were generated for one.

        A single token is the one that ended the response.
        """
        spent = bool(self.reasoning or self.reasoning_tokens or (self.completion_tokens or 0) > 1)
        return self.finish_reason in ("stop", "length") and not self.response.strip() and spent

    @property
    def last_said(self) -> str:
        """The text that ended last: the response, or the reasoning where no response followed."""
        return self.response if self.response.strip() else self.reasoning or ""

    @property
    def key(self) -> SampleKey:
        """Which sample this is."""
        return SampleKey(self.problem_id, self.index)

    def to_json(self) -> bytes:
        """Return the sample as one line of JSON, without the line break."""
        return _ENCODER.encode(self)

    @classmethod
    def from_json(cls, line: str | bytes) -> Sample:
        """Read what `to_json` wrote; raise ValueError for anything else."""
        try:
            return _DECODER.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"not a sample: {error}") from error


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Sample)


def sample_seed(run_seed: int, problem_id: str, index: int) -> int:
    """Return a sample's own seed, in [0, 2**31): a hash of run seed, problem and index.

    It depends on nothing else, so neither order, subset, resumption nor machine
    changes it, and 16 samples grown to 64 keep the first 16.

    >>> sample_seed(0, "gsm8k/7", 0)
    507149173
    """
    digest = hashlib.sha256(f"{run_seed}\x1f{problem_id}\x1f{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
