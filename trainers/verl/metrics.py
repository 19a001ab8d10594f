"""verl's own metrics, one of its rows into one of our steps.

verl's file logger writes ``{"step": n, "data": {name: value}}`` lines; what is not a finite
number it writes as null. Names are those of verl 0.9 (`ppo/metric_utils.py`,
`ppo/v1/trainer_base.py`, `workers/utils/losses.py`, `sft_trainer.py`).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainers.curves import Step

NAMES: dict[str, tuple[str, ...]] = {
    # The first name that the row has is taken.
    "reward": ("critic/score/mean", "critic/rewards/mean"),
    "response_length": ("response_length/mean",),
    "clip_ratio": ("response_length/clip_ratio",),
    "prompt_length": ("prompt_length/mean",),
    "kl": ("actor/kl_loss", "actor/reward_kl_penalty"),
    "update_kl": ("actor/ppo_kl",),
    "entropy": ("actor/entropy", "actor/entropy_loss"),
    "policy_loss": ("actor/pg_loss",),
    "loss": ("train/loss",),
    "gradient_norm": ("actor/grad_norm", "train/grad_norm"),
    "learning_rate": ("actor/lr", "train/lr"),
    "tokens_per_second": ("perf/throughput",),
    "seconds": ("perf/time_per_step", "timing_s/step"),
    "validation_seconds": ("timing_s/testing",),
    "probability_difference": ("training/rollout_probs_diff_mean",),
    "probability_difference_max": ("training/rollout_probs_diff_max",),
    "memory": ("actor/perf/max_memory_allocated_gb", "perf/max_memory_allocated_gb"),
    "host_memory": ("actor/perf/cpu_memory_used_gb", "perf/cpu_memory_used_gb"),
}
SFT_TOKENS = "train/global_tokens"
"""Tokens of a step of verl's SFT trainer, which logs neither time nor throughput."""


def to_step(row: Mapping[str, Any]) -> Step | None:
    """Return a row of verl's file logger as a step; None if it is no such row.

    >>> to_step({"step": 2, "data": {"critic/score/mean": 0.25, "actor/lr": None}}).reward
    0.25
    """
    number, data = row.get("step"), row.get("data")
    if not isinstance(number, int) or number < 0 or not isinstance(data, Mapping):
        return None
    values = {name: _first(data, theirs) for name, theirs in NAMES.items()}
    if values["memory"] == 0:  # the CPU's stand-in for a device counts nothing
        values["memory"] = None
    return Step.model_validate({"step": number, "validation": _validation(data), **values})


def _first(data: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((value for name in names if (value := _number(data.get(name))) is not None), None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _validation(data: Mapping[str, Any]) -> dict[str, float]:
    """Pick the validation's means: ``val-core/SOURCE/acc/mean@1`` and the like.

    Of the auxiliary values only means are kept: bootstrapped best-of-n ones are no pass@k.
    """
    found = {}
    for name, value in data.items():
        section, _, rest = name.partition("/")
        wanted = section in ("val", "val-core") or (section == "val-aux" and "/mean@" in rest)
        if wanted and (number := _number(value)) is not None:
            found[rest] = number
    return found


def follow(path: Path, position: int) -> tuple[list[dict[str, Any]], int]:
    """Return the rows that were written from ``position`` on, and where to go on.

    A line that is not yet written to its end is left for the next time; one that is no JSON
    object is passed over.
    """
    if not path.is_file():
        return [], position
    with path.open("rb") as file:
        file.seek(position)
        whole, newline, _ = file.read().rpartition(b"\n")
    rows = []
    for line in whole.split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows, position + len(whole) + len(newline)


class Follower:
    """The steps of a running training, each handed out as soon as verl has logged it."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._position = 0
        self._last: float | None = None
        """When a training step was last seen."""

    def new(self) -> list[Step]:
        """Return what was logged since the last call.

        A step of supervised training, whose row has no time, gets the time since the one before.
        """
        rows, self._position = follow(self._path, self._position)
        found = [(step, row["data"]) for row in rows if (step := to_step(row)) is not None]
        untimed = sum(_is_untimed(step) for step, _ in found)
        seconds = self._since_last() / untimed if untimed else 0.0
        return [
            _timed(step, seconds, data) if seconds and _is_untimed(step) else step
            for step, data in found
        ]

    def _since_last(self) -> float:
        """Return the time since the last such step was seen; 0 if this is the first."""
        now = self._clock()
        since = 0.0 if self._last is None else now - self._last
        self._last = now
        return since


def _is_untimed(step: Step) -> bool:
    return step.loss is not None and step.seconds is None


def _timed(step: Step, seconds: float, data: Mapping[str, Any]) -> Step:
    tokens = _number(data.get(SFT_TOKENS))
    speed = None if tokens is None else tokens / seconds
    return step.model_copy(update={"seconds": seconds, "tokens_per_second": speed})
