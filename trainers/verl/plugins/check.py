"""Ask verl's own classes and registries what they say of settings, in a process of its own.

    python -m trainers.verl.plugins.check < question.json

The question has the trainer's ``configuration``, the composed ``config``, and the ``keys`` that the
user set. The answer is one line of JSON: a list of pairs of keys and verl's reason to refuse them.
Nothing is decided here: a value is refused because a function or a class of verl, which a training
would call minutes later, raises an error for it. Read in verl 0.9.1.
"""

from __future__ import annotations

import json
import os
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import is_dataclass
from functools import partial
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

Check = tuple[tuple[str, ...], Callable[[], object]]
"""Keys, or groups of keys, and what raises an error where verl refuses their values."""
ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
CORRECTION = "algorithm.rollout_correction"
MOST = 500
"""Characters of a reason that are kept."""


def refusals(config: DictConfig, asked: Sequence[str], checks: Iterable[Check]) -> Iterator[Any]:
    """Yield the user's keys and verl's reason, for each check that fails."""
    for names, check in checks:
        concerned = [key for key in asked if any(f"{key}.".startswith(f"{n}.") for n in names)]
        if concerned:
            try:
                check()
            except Exception as error:  # noqa: BLE001 - any would end a training
                reason = " ".join(str(error).split()) or type(error).__name__
                yield concerned, reason[:MOST]


def types(config: DictConfig, asked: Sequence[str]) -> Iterator[Check]:
    """Yield a check for each key whose type verl's own dataclass states."""
    for key in asked:
        group, _, name = key.rpartition(".")
        stated = _stated(OmegaConf.select(config, group) if group else config, name)
        if stated is not None:
            value = OmegaConf.select(config, key)
            plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            yield (key,), partial(_require, stated, plain)


def _stated(group: Any, name: str) -> Any:
    """Return the type that the dataclass of a group states for a field; None if it states none."""
    target = group.get("_target_") if isinstance(group, DictConfig) else None
    if not isinstance(target, str):
        return None
    described = get_class(target)
    stated = typing.get_type_hints(described).get(name) if is_dataclass(described) else None
    parts = (stated, *typing.get_args(stated))
    return None if any(is_dataclass(part) for part in parts) else stated


def _require(stated: Any, value: Any) -> None:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticSchemaGenerationError

    try:
        TypeAdapter(stated).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    except PydanticSchemaGenerationError:
        return


def of_grpo(config: DictConfig) -> Iterator[Check]:
    """Yield what verl's trainer of GRPO would call before or within its first step."""
    import torch
    import verl.utils.torch_functional as functions
    from verl.trainer.ppo import core_algos
    from verl.trainer.ppo.reward import get_custom_reward_fn
    from verl.trainer.ppo.rollout_corr_helper import compute_rollout_correction_weights
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    algorithm, nothing = config.algorithm, torch.zeros(1, 1)
    correction = algorithm.rollout_correction

    def corrected() -> None:
        if correction.rollout_is is not None:
            compute_rollout_correction_weights(
                nothing,
                torch.ones(1, 1),
                rollout_is=correction.rollout_is,
                rollout_is_threshold=correction.rollout_is_threshold,
            )

    yield from (
        (("algorithm.adv_estimator",), lambda: _advantage(algorithm.adv_estimator)),
        ((f"{ACTOR}.policy_loss.loss_mode",),
         lambda: core_algos.get_policy_loss_fn(actor.policy_loss.loss_mode)),
        ((f"{ACTOR}.kl_loss_type",), lambda: _divergence(actor.kl_loss_type)),
        (("algorithm.kl_penalty",), lambda: _divergence(algorithm.kl_penalty)),
        ((CORRECTION,), corrected),
        (("reward.custom_reward_function",), lambda: get_custom_reward_fn(config)),
        (("data.truncation",),
         lambda: functions.postprocess_data(
             torch.ones(1, 2), torch.ones(1, 2), 2, 0, truncation=config.data.truncation)),
        ((f"{ROLLOUT}.dtype",), lambda: _format_of_vllm(rollout.dtype)),
        (("trainer.v1.trainer_mode",), lambda: _trainer(config.trainer.v1.trainer_mode)),
        *_of_engine(actor.fsdp_config, f"{ACTOR}.fsdp_config"),
        *_of_engine(config.actor_rollout_ref.ref.fsdp_config, "actor_rollout_ref.ref.fsdp_config"),
        *_of_optimizer(actor.optim, f"{ACTOR}.optim"),
        ((ACTOR,), lambda: omega_conf_to_dataclass(actor)),
        ((ROLLOUT,), lambda: omega_conf_to_dataclass(rollout)),
        (("algorithm",), lambda: omega_conf_to_dataclass(algorithm)),
        (("actor_rollout_ref", "algorithm", "data", "critic"),
         lambda: validate_config(config, need_reference_policy(config), need_critic(config))),
    )  # fmt: skip


def of_sft(config: DictConfig) -> Iterator[Check]:
    """Yield what verl's supervised trainer would call before its first step."""
    from verl.utils.config import omega_conf_to_dataclass
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset

    class Empty(MultiTurnSFTDataset):  # type: ignore[misc] # verl has no types
        """The class that reads the rows, without any."""

        def _download(self) -> None: ...

        def _read_files_and_process(self) -> None: ...

    yield from (
        (("data.truncation", "data.pad_mode"), lambda: Empty([], None, config.data)),
        *_of_engine(config.engine, "engine"),
        *_of_optimizer(config.optim, "optim"),
        (("engine",), lambda: omega_conf_to_dataclass(config.engine)),
        (("checkpoint",), lambda: omega_conf_to_dataclass(config.checkpoint)),
    )


def _of_engine(engine: DictConfig, group: str) -> Iterator[Check]:
    from verl.utils.torch_dtypes import PrecisionType

    yield (f"{group}.model_dtype",), lambda: PrecisionType.to_dtype(engine.model_dtype)
    for name, value in (engine.get("mixed_precision") or {}).items():
        key = f"{group}.mixed_precision.{name}"
        yield (key,), partial(PrecisionType.to_dtype, value)


def _of_optimizer(optim: DictConfig, group: str) -> Iterator[Check]:
    import torch
    from verl.utils.config import omega_conf_to_dataclass
    from verl.workers.config.optimizer import build_optimizer

    one = torch.nn.Parameter(torch.zeros(1))
    yield (group,), lambda: build_optimizer([one], omega_conf_to_dataclass(optim))


def _advantage(name: str) -> None:
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, get_adv_estimator_fn

    try:
        get_adv_estimator_fn(name)
    except ValueError as error:
        raise ValueError(f"{error}; there are {', '.join(ADV_ESTIMATOR_REGISTRY)}") from error


def _divergence(name: str) -> None:
    import torch
    from verl.trainer.ppo.core_algos import kl_penalty

    try:
        kl_penalty(torch.zeros(1), torch.zeros(1), name)
    except NotImplementedError as error:
        raise ValueError("verl has no such estimate of the KL divergence") from error


def _format_of_vllm(name: str) -> None:
    from vllm.config.model import ModelDType

    if name not in typing.get_args(ModelDType):
        raise ValueError(f"vLLM takes {', '.join(typing.get_args(ModelDType))}")


def _trainer(mode: str) -> None:
    from verl.trainer.ppo.v1 import get_trainer_cls

    get_trainer_cls(mode)


def main() -> None:
    """Read the question, and print the answer alone, whatever verl prints."""
    question = json.load(sys.stdin)
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with redirect_stdout(sys.stderr):
        config = OmegaConf.create(question["config"])
        OmegaConf.resolve(config)
        asked = question["keys"]
        by_name = {"ppo_trainer": of_grpo, "sft_trainer_engine": of_sft}
        checks = [*types(config, asked), *by_name[question["configuration"]](config)]
        refused = list(refusals(config, asked, checks))
    print(json.dumps(refused), file=answer, flush=True)
    os._exit(0)  # what was imported may have started threads that do not end


if __name__ == "__main__":
    main()
