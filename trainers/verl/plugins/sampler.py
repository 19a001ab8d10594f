"""verl's sampler of finished rollouts, with a shorter time between two looks.

verl looks every two seconds. On a GPU that does not matter. On a CPU a step of a small model
takes a few seconds, and half of the wait was for the next look.
"""

from __future__ import annotations

from typing import Any

from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

SECONDS = 0.1
"""Seconds between two looks."""


class PromptSampler(ReplayBuffer):  # type: ignore[misc] # verl has no types
    """verl's own sampler with a shorter wait."""

    def __init__(self, **given: Any) -> None:
        """Take the arguments that verl gives every sampler."""
        super().__init__(poll_interval=SECONDS, **given)
