"""The vllm engine with response lengths that a real model had, so that a batch has real tails.

The demo model answers in thirty tokens, all of them alike; what makes an evaluation slow is that
most responses of a real one are short, and a few run to the limit. The lengths are those of a
0.5B chat model's 470 greedy responses to the six benchmarks (a stored run, limit 1,024), halved
to fit the demo model's context: each request ignores its stop token and ends at the length of the
response that stands at its problem's place. What is computed for each token is the same as ever.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.engines import Request
from harness.engines.vllm.engine import VllmEngine
from harness.engines.vllm.queue import VllmQueue
from harness.runs.verdicts import read_verdicts

if TYPE_CHECKING:
    from vllm import SamplingParams

RUNS = Path(__file__).parent.parent.parent / "results" / "runs"
NAME = "qwen2.5-coder-0.5b-boxed"
SHRUNK = 2
LIMIT = 1024 // SHRUNK
"""Tokens of the longest response."""


@cache
def recorded_lengths() -> dict[str, list[int]]:
    """Return by benchmark the tokens of each response of the stored run, in order of problems."""
    # The oldest of that name is the one that the repository has; others are the user's.
    folder = min(path.parent for path in (RUNS / NAME).glob("*/run.json"))
    lengths: dict[str, list[int]] = {}
    for row in read_verdicts(folder) or ():
        (tokens,) = row.tokens
        lengths.setdefault(row.benchmark, []).append(max(1, (tokens or 0) // SHRUNK))
    return lengths


def length_of(problem_id: str) -> int:
    """Return how many tokens the response to a made problem has.

    A benchmark of which the stored run has the first hundred begins with them again.

    >>> length_of("made-gsm8k/0") == length_of("made-gsm8k/100") <= LIMIT
    True
    """
    name, _, number = problem_id.removeprefix("made-").partition("/")
    lengths = recorded_lengths()[name]
    return lengths[int(number) % len(lengths)]


class BareQueue(VllmQueue):
    """vLLM's queue, and what it does if it is asked for everything in one call."""

    def bare(self, requests: list[Request]) -> int:
        """Draw everything by `LLM.generate`, and return the number of tokens."""
        prompts = [{"prompt_token_ids": list(r.prompt.token_ids or ())} for r in requests]
        parameters = [self.parameters(request) for request in requests]
        outputs = self.llm.generate(prompts, parameters, use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)


class RecordedQueue(BareQueue):
    """The same with the recorded lengths."""

    def parameters(self, request: Request) -> SamplingParams:
        """Return vLLM's sampling parameters, with the recorded length as the limit."""
        parameters = super().parameters(request)
        parameters.max_tokens = min(request.max_tokens, length_of(request.key.problem_id))
        parameters.ignore_eos = True
        parameters.stop_token_ids = []
        return parameters


class NaturalLengths(VllmEngine):
    """vLLM that can be measured."""

    about = "vLLM, for measuring time"
    queue = BareQueue


class RecordedLengths(VllmEngine):
    """The same, every response as long as a real model's."""

    about = "vLLM with response lengths of a stored run; for measuring time"
    queue = RecordedQueue
