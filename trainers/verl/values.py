"""Values that verl would take and that mean nothing, or not what is written.

verl checks few of its values, and those only after its processes have started. What can be seen
from a key's name, and from the value that verl's own configuration has for it, is refused before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from benchmarks import WrongValueError
from harness.common.secrets import secrets_in
from trainers.base import Setting
from trainers.verl import keys

_COUNT = re.compile(
    r".*(batch_size|max_length|prompt_length|response_length|token_len|max_model_len"
    r"|parallel_size|num_seqs|batched_tokens|epochs)(_per_gpu)?|n|total_training_steps"
)
"""Names of keys whose value is a count of one or more."""
_SHARE = ("gpu_memory_utilization", "top_p")
"""Names of keys whose value is more than 0 and at most 1."""
_RATE = ("lr",)
"""Names of keys whose value is more than 0."""


def refuse_nonsense(configuration: str, settings: Iterable[Setting]) -> None:
    """Refuse what a user set to a value that no training can mean.

    Raises:
        UserError: a count is not a whole number of one or more, a number is not one, or is
            negative where verl's own value is not, or a switch is neither true nor false.
    """
    known = keys.known_keys(configuration)
    for setting in settings:
        expected = _expected(setting.key, setting.value, known.get(setting.key))
        if expected:
            raise WrongValueError(
                f"--set {setting.key}={keys.hydra_value(setting.value)}: this key takes {expected}"
            )


def refuse_secrets(configuration: str, settings: Iterable[Setting]) -> None:
    """Refuse a key or a password, which the training's record and the lineage would hold.

    Many of verl's own keys end in ``_key`` and name a column of the data: of these the value alone
    tells.

    Raises:
        WrongValueError: which setting; its value is not repeated.
    """
    known = keys.known_keys(configuration)
    for setting in settings:
        name = "value" if setting.key in known else setting.key
        if any(secrets_in({name: setting.value})):
            raise WrongValueError(
                f"--set {setting.key}: this holds a secret, and settings are stored with the "
                "training, so it is refused; leave it out, and put the secret into the "
                "environment, such as WANDB_API_KEY or HF_TOKEN"
            )


def refuse_adapters(settings: Iterable[Setting]) -> None:
    """Refuse to train an adapter (LoRA) in place of the weights.

    A save of verl's then has the names of peft's modules, of which `trainers.verl.export` can make
    no checkpoint; and verl's rollouts died where the model's input and output embeddings are one
    (tried with verl 0.9.1 and vLLM 0.30.0).

    Raises:
        WrongValueError: a setting asks for an adapter.
    """
    for setting in settings:
        group, _, name = setting.key.rpartition(".")
        rank = name == "lora_rank" or (name == "rank" and group.endswith(".lora"))
        path = name == "lora_adapter_path" or (name == "adapter_path" and group.endswith(".lora"))
        if (rank or path) and setting.value not in (None, 0):
            raise WrongValueError(
                f"--set {setting.key}={keys.hydra_value(setting.value)}: LoRA is not supported, "
                "since no checkpoint could be made of what verl saves then; leave it out, which "
                "trains all weights. Where memory is short, take a smaller model, shorter "
                "sequences or more GPUs: the plan calculates what fits"
            )


def _expected(key: str, value: Any, usual: Any) -> str:
    """Return what a key takes, if the value is none of that; ``usual`` is verl's own value."""
    name = key.rpartition(".")[2]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None:
        return ""
    if isinstance(usual, bool):
        return "" if isinstance(value, bool) else "true or false"
    negative = isinstance(usual, int | float) and usual < 0  # as -1, which stands for none or all
    if _COUNT.fullmatch(name) and not negative:
        whole = number and isinstance(value, int)
        return "" if whole and 1 <= value < 2**31 else "a whole number, 1 or more"
    if name in _SHARE:
        return "" if number and 0 < value <= 1 else "a number above 0, and at most 1"
    if name in _RATE:
        return "" if number and value > 0 else "a number above 0"
    if not isinstance(usual, int | float):
        return ""
    if not number:
        return "a number"
    least = usual if negative else 0
    return "" if value >= least else f"a number, {least} or more"


def refuse_interpolation(settings: Iterable[Setting]) -> None:
    """Refuse texts that OmegaConf takes for something else than themselves.

    ``${…}`` is the value of another key or of an environment variable, also within a path, and
    ``???`` is no value at all (OmegaConf's manual, "Variable interpolation" and "Mandatory
    values"). verl resolves its configuration more than once, so that no escape is safe; and what
    is recorded of a training would not be what it ran with.

    Raises:
        UserError: a value has one of them.
    """
    for setting in settings:
        for text in _texts(setting.value):
            if "${" in text or text == "???":
                raise WrongValueError(
                    f"{setting.key} would be {text[:200]!r}, and verl's configuration does not "
                    "take that for what it is: ${…} stands for another value there, and ??? for "
                    "none; write the value itself, or rename the file or folder"
                )


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
