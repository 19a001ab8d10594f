"""Whether a GRPO training fits into its GPUs or its machine, and what would."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from trainers.verl import command as verl_command
from trainers.verl import cpu_memory, memory, placement
from trainers.verl.command import count
from trainers.verl.cpu_memory import CpuFit, Held, bytes_of
from trainers.verl.keys import hydra_value
from trainers.verl.memory import FORMAT, GIB, Fit, ModelSize
from trainers.verl.placement import Placement

PROMPT, RESPONSE = "data.max_prompt_length", "data.max_response_length"
KL_LOSS, KL_REWARD = "actor_rollout_ref.actor.use_kl_loss", "algorithm.use_kl_in_reward"
ROLLOUTS = "actor_rollout_ref.rollout.n"
TOKENS = "actor_rollout_ref.actor.ppo_max_token_len_per_gpu"
ROLLOUT_FORMAT = "actor_rollout_ref.rollout.dtype"
REFERENCE_FORMAT = "actor_rollout_ref.ref.fsdp_config.model_dtype"
CARDS = (16, 24, 32, 40, 48, 80, 96, 141, 192)
"""The sizes of GPUs that are named where one is too small, in GiB."""
SHORTEST = 64
"""The shortest prompt and response that are proposed where memory is short, in tokens."""


def longest(values: Mapping[str, Any]) -> int:
    """Return the most tokens of a prompt and its response together."""
    return count(values, PROMPT) + count(values, RESPONSE)


def sized_by_user(where: Placement, values: Mapping[str, Any]) -> str:
    """Return a key that the user set and with which the calculation would not be true."""
    named = next((key for key in memory.SIZED if key in values), "")
    if where.device == "cpu" or named:
        return named
    return "" if values[FORMAT] == "fp32" else FORMAT


# --- on GPUs --------------------------------------------------------------------------------


def fit_of(size: ModelSize, where: Placement, values: Mapping[str, Any]) -> Fit | None:
    """Return how a training fits into its GPUs; None if it does not, or if that is not known."""
    if where.card is None:
        return None
    return memory.fit(
        size,
        card=where.card,
        processes=where.processes,
        longest=longest(values),
        host=where.host or float("inf"),
        per_node=where.gpus,
        reference=_has_reference(values),
        padded=not placement.removes_padding(),
    )


def too_large(size: ModelSize, where: Placement, values: Mapping[str, Any]) -> str:
    """Say that a training does not fit into its GPUs, and what would."""
    here = where.card or 0
    responses = count(values, verl_command.MINI_BATCH) * count(values, ROLLOUTS)
    counts = [n for n in (2, 4, 8, 16, 32, 64) if n > where.processes and responses % n == 0]
    more = [replace(where, nodes=1, gpus=n) for n in counts]
    gpus = next((each.gpus for each in more if fit_of(size, each, values)), None)
    larger = [replace(where, card=gib * GIB) for gib in CARDS if gib * GIB > here]
    card = next((each.card for each in larger if fit_of(size, each, values)), None)
    ways = [f"on {gpus} GPUs of this size"] if gpus else []
    ways += [f"on {where.processes} of {card // GIB} GiB"] if card else []
    if fit_of(size, replace(where, host=None), values):
        ways.append("with more memory in the machine, to offload to")
    return (
        f"{_asked(size, values)} does not fit, by calculation, on {where.processes} "
        f"GPU{'s' * (where.processes > 1)} of {here / GIB:.0f} GiB, whatever is offloaded to the "
        f"machine's {(where.host or 0) / GIB:.0f} GiB; "
        + (f"it would {' or '.join(ways)}; " if ways else "")
        + "take a smaller model or shorter sequences, or try nevertheless with --set "
        "actor_rollout_ref.rollout.gpu_memory_utilization=…"
    )


# --- on the CPU -----------------------------------------------------------------------------


def fit_on_cpu(size: ModelSize, where: Placement, values: Mapping[str, Any]) -> CpuFit | None:
    """Return how a training fits into its machine; None if it does not, or is not known."""
    if where.free is None:
        return None
    return cpu_memory.fit(size, _held(values), available=where.free, longest=longest(values))


def bucket(size: ModelSize | None, values: Mapping[str, Any]) -> int:
    """Return the size of the bucket that carries weights to vLLM on a CPU, in MiB."""
    return cpu_memory.bucket_megabytes(size, bytes_of(values[FORMAT]))


def too_large_for_cpu(size: ModelSize, where: Placement, values: Mapping[str, Any]) -> str:
    """Say that a training does not fit into the machine, and with which settings it would."""
    least = CpuFit(tokens=None, parts=cpu_memory.parts(size, _held(values), None, longest(values)))
    ways = [_as_flags(changed) for changed in _smaller(values, size, where)]
    return (
        f"{_asked(size, values)} does not fit into this machine, by calculation: it needs {least}, "
        f"and {(where.free or 0) / GIB:.1f} GiB are available; "
        + (
            f"it would fit with {', or with '.join(ways)}, which changes what is trained; "
            if ways
            else "take a smaller model; "
        )
        + "end what else runs here, use a machine with more memory or a GPU, or try nevertheless "
        f"with --set {TOKENS}={longest(values)}"
    )


def _smaller(
    values: Mapping[str, Any], size: ModelSize, where: Placement
) -> Iterator[dict[str, Any]]:
    """Yield the settings with which a training would fit: each alone, or else all together."""
    alone = [
        *_shorter(values),
        {FORMAT: "bfloat16"},
        *([_without_reference(values)] if _has_reference(values) else []),
    ]
    fitting = [each for each in alone if fit_on_cpu(size, where, {**values, **each})]
    if fitting:
        shorter = [each for each in fitting if PROMPT in each][:1]
        yield from [*shorter, *(each for each in fitting if PROMPT not in each)]
        return
    rest = {key: value for each in alone if PROMPT not in each for key, value in each.items()}
    for each in ({}, *_shorter(values)):
        together = {**each, **rest}
        if fit_on_cpu(size, where, {**values, **together}):
            yield together
            return


def _shorter(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    prompt, response = count(values, PROMPT), count(values, RESPONSE)
    while max(prompt, response) > SHORTEST:
        prompt, response = (max(min(n, SHORTEST), n // 2) for n in (prompt, response))
        yield {PROMPT: prompt, RESPONSE: response}


def _without_reference(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: False for key in (KL_LOSS, KL_REWARD) if values.get(key)}


def _as_flags(changed: Mapping[str, Any]) -> str:
    return " ".join(f"--set {key}={hydra_value(value)}" for key, value in changed.items())


def _held(values: Mapping[str, Any]) -> Held:
    # verl's own default for the reference model is float32 (0.9.1, `ref/dp_ref.yaml`).
    reference = bytes_of(values.get(REFERENCE_FORMAT, "fp32")) if _has_reference(values) else 0
    return Held(
        weights=bytes_of(values[FORMAT]),
        reference=reference,
        rollouts=bytes_of(values[ROLLOUT_FORMAT]),
        cache=placement.cache_gib(os.environ) * GIB,
    )


def _has_reference(values: Mapping[str, Any]) -> bool:
    return bool(values.get(KL_LOSS) or values.get(KL_REWARD))


def _asked(size: ModelSize, values: Mapping[str, Any]) -> str:
    return (
        f"a model of {size.parameters / 1e9:.1f} billion parameters with sequences of "
        f"{longest(values)} tokens"
    )
