"""What decides a run's numbers (`Identity`); its hash is the run's fingerprint.

A spec (`harness.runs.spec`) names things: a path, a benchmark. An identity holds the checksums
of what those names stood for when the run began. The fingerprint is the identity's, so a
checkpoint that moves keeps its run, and a path that is overwritten does not.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from harness.common.schema import Frozen
from harness.grading.version import comparable_version, equivalent_versions
from harness.runs.spec import PromptSpec, Sampling


class BenchmarkIdentity(Frozen):
    """Which problems were asked."""

    problems: int
    """How many problems were asked."""
    sum: str
    """The sha256 over the id, question and answer of each problem, in order."""
    samples: int
    """How many samples each problem has."""
    conventions: str = ""
    """Eight digits of a sha256 over what is accepted beside each problem's exact gold."""


UNKNOWN_STYLE = "unknown"
"""The prompt style of a run over saved generations that do not say how they were asked for."""


REWARD_GRADER = "reward:"
"""How the grader of a run begins whose verdicts are a training reward's."""


THINKING_OPENED = "thinking_opened"
"""The engine's setting that says that the prompts end in an open thinking block.

It is left out where they do not, and runs from before it was recorded do not have it."""


class EngineIdentity(Frozen):
    """Which code turned prompts into responses."""

    name: str
    """The engine's name."""
    versions: dict[str, str]
    """Installed versions of the packages that compute the responses."""
    settings: dict[str, Any]
    """Everything of the engine's spec that can change a response."""


class Identity(Frozen):
    """Everything that decides a run's numbers; its hash is the run's fingerprint."""

    model: dict[str, str]
    """File name to sha256: weights, configuration, tokenizer, template, code."""
    benchmarks: dict[str, BenchmarkIdentity]
    """Benchmark to which of its problems were asked."""
    prompt: PromptSpec
    """How questions became prompts."""
    prompts_sum: str
    """The sha256 over the token ids (or text) of every rendered prompt, in order."""
    stop_token_ids: tuple[int, ...]
    """Tokens that end a response."""
    sampling: Sampling
    """How responses were drawn."""
    engine: EngineIdentity
    """Which code drew them."""
    grader: str
    """The version of the grader, or the reward whose verdicts these are."""

    @property
    def reward(self) -> str | None:
        """The training reward whose verdicts the run has; None where they are the grader's."""
        if not self.grader.startswith(REWARD_GRADER):
            return None
        return self.grader.removeprefix(REWARD_GRADER).rpartition("+")[0]

    @property
    def thinking_opened(self) -> bool:
        """Whether the prompts are known to end in a thinking block that they have opened."""
        return self.engine.settings.get(THINKING_OPENED) is True

    @property
    def shown_grader(self) -> str:
        """The recorded grader, and the one it counts as where that is another one."""
        counts_as = comparable_version(self.grader)
        return self.grader if counts_as == self.grader else f"{self.grader} (counts as {counts_as})"

    @property
    def comparable(self) -> Identity:
        """The same identity, with the latest grader that gives the recorded one's verdicts."""
        return self.model_copy(update={"grader": comparable_version(self.grader)})

    @property
    def fingerprints(self) -> frozenset[str]:
        """The fingerprints of this identity with each grader that gives the same verdicts."""
        graders = equivalent_versions(self.grader)
        return frozenset(self.model_copy(update={"grader": g}).fingerprint for g in graders)

    @property
    def fingerprint(self) -> str:
        """The sha256, in hex, of the identity's canonical JSON."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
