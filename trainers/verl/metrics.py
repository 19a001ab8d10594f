"""Reads verl's metrics: one row of its file logger becomes one of our steps.

verl's file logger writes ``{"step": n, "data": {name: value}}`` lines, with null for what is
not a finite number. Names are those of verl 0.9 (`ppo/metric_utils.py`,
`ppo/v1/trainer_base.py`, `ppo/v1/replay_buffer.py`, `workers/utils/losses.py`, `sft_trainer.py`).

An update whose gradient is not a finite number is skipped by verl, without an error (0.9.1,
`optimizer_step` in `workers/engine/fsdp/transformer_impl.py`): it logs the norm, and goes on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.bounded_json import LONGEST_LINE, parse_json
from trainers.curves import Step

GRADIENT_NORM = ("actor/grad_norm", "train/grad_norm")
"""verl's mean over the updates of a step, so one that is not a number makes the mean none."""
NAMES: dict[str, tuple[str, ...]] = {
    # Of several names, the first that the row has counts.
    "reward": ("critic/score/mean", "critic/rewards/mean"),
    "response_length": ("response_length/mean",),
    "clip_ratio": ("response_length/clip_ratio",),
    "prompt_length": ("prompt_length/mean",),
    "kl": ("actor/kl_loss", "actor/reward_kl_penalty"),
    "update_kl": ("actor/ppo_kl",),
    "clipped_tokens": ("actor/pg_clipfrac",),
    "entropy": ("actor/entropy", "actor/entropy_loss"),
    "policy_loss": ("actor/pg_loss",),
    "loss": ("train/loss",),
    "gradient_norm": GRADIENT_NORM,
    "learning_rate": ("actor/lr", "train/lr"),
    "tokens_per_second": ("perf/throughput",),
    "seconds": ("perf/time_per_step", "timing_s/step"),
    "validation_seconds": ("timing_s/testing",),
    "probability_difference": ("training/rollout_probs_diff_mean",),
    "probability_difference_max": ("training/rollout_probs_diff_max",),
    "memory": ("actor/perf/max_memory_allocated_gb", "perf/max_memory_allocated_gb"),
    "host_memory": ("actor/perf/cpu_memory_used_gb", "perf/cpu_memory_used_gb"),
    "evicted_groups": ("training/filter_groups/evicted_samples",),
    "surplus_groups": ("training/filter_groups/discarded_surplus_samples",),
}
SFT_TOKENS = "train/global_tokens"
"""The tokens in a step of verl's SFT trainer, which logs neither time nor throughput."""


def to_step(row: Mapping[str, Any]) -> Step | None:
    """Return a row of verl's file logger as a step; None if it is not such a row.

    >>> to_step({"step": 2, "data": {"critic/score/mean": 0.25, "actor/lr": None}}).reward
    0.25
    """
    step, data = row.get("step"), row.get("data")
    if not isinstance(step, int) or step < 0 or not isinstance(data, Mapping):
        return None
    values = {name: _first(data, theirs) for name, theirs in NAMES.items()}
    if values["memory"] == 0:  # the CPU plugin reports 0 where it cannot measure
        values["memory"] = None
    if any(name in data and number(data[name]) is None for name in GRADIENT_NORM):
        values["skipped_update"] = 1.0
    return Step.model_validate({"step": step, "validation": _validation(data), **values})


def _first(data: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((value for name in names if (value := number(data.get(name))) is not None), None)


def number(value: Any) -> float | None:
    """Return a finite number as such; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _validation(data: Mapping[str, Any]) -> dict[str, float]:
    """Pick the validation's means, such as ``val-core/SOURCE/acc/mean@1``.

    Of the auxiliary values only means are kept: the bootstrapped best-of-n values are not pass@k.
    """
    found = {}
    for name, value in data.items():
        section, _, rest = name.partition("/")
        wanted = section in ("val", "val-core") or (section == "val-aux" and "/mean@" in rest)
        if wanted and (mean := number(value)) is not None:
            found[rest] = mean
    return found


def follow(path: Path, position: int) -> tuple[list[dict[str, Any]], int]:
    """Return the rows that were written from ``position`` on, and the position after them.

    A line that is not yet complete is left for the next time; a line that is not a JSON object,
    or is too long, is left out.
    """
    if not path.is_file():
        return [], position
    with path.open("rb") as file:
        file.seek(position)
        content = file.read(LONGEST_LINE)
    whole, newline, _ = content.rpartition(b"\n")
    if not newline and len(content) == LONGEST_LINE:
        return [], position + len(content)
    rows = []
    for line in whole.split(b"\n"):
        try:
            row = parse_json(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows, position + len(whole) + len(newline)


class Follower:
    """The steps of a running training, each returned as soon as verl has logged it."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._position = 0
        self._last: float | None = None
        """When a training step was last seen."""

    def new(self) -> list[Step]:
        """Return the steps that were logged since the last call.

        A row of supervised training has no time: its step gets the time since the step before.
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
        """Return the seconds since the last step without a time; 0 at the first."""
        now = self._clock()
        since = 0.0 if self._last is None else now - self._last
        self._last = now
        return since


def _is_untimed(step: Step) -> bool:
    return step.loss is not None and step.seconds is None


def _timed(step: Step, seconds: float, data: Mapping[str, Any]) -> Step:
    tokens = number(data.get(SFT_TOKENS))
    speed = None if tokens is None else tokens / seconds
    return step.model_copy(update={"seconds": seconds, "tokens_per_second": speed})
