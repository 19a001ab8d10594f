"""verl's own keys: which ones there are, and what a set of them resolves to.

Hydra reads them from verl's configuration files, as verl itself does. verl is not imported,
and a wrong key is found before anything is started.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from benchmarks import UserError, WrongValueError

GRPO, SFT = "ppo_trainer", "sft_trainer_engine"
"""The names of verl's configurations for its two trainers."""
RENAMED = {
    "actor_rollout_ref.actor.optim.warmup_style": "actor_rollout_ref.actor.optim.lr_scheduler_type",
    "actor_rollout_ref.rollout.update_weights_bucket_megabytes": (
        "actor_rollout_ref.rollout.checkpoint_engine.update_weights_bucket_megabytes"
    ),
    "critic.optim.warmup_style": "critic.optim.lr_scheduler_type",
    "custom_reward_function": "reward.custom_reward_function",
    "optim.warmup_style": "optim.lr_scheduler_type",
    "ray_init": "ray_kwargs.ray_init",
    "reward_model.enable": "reward.reward_model.enable",
    "reward_model.model.path": "reward.reward_model.model_path",
    "reward_model.reward_manager": "reward.reward_manager.name",
    "reward_model.sandbox_fusion": "reward.sandbox_fusion",
}
"""Key or group of keys of verl 0.5 to its name in verl 0.9.

Read in verl 0.9.1: `workers/config/optimizer.py` for the schedule, and for rewards
`migrate_legacy_reward_impl` in `experimental/reward_loop/reward_loop.py`; the others are keys that
only one of the two versions lists.
"""
OPEN = (
    "actor_rollout_ref.model.override_config.",
    "actor_rollout_ref.rollout.engine_kwargs.",
    "data.apply_chat_template_kwargs.",
    "model.override_config.",
    "ray_kwargs.ray_init.",
    "reward.custom_reward_function.reward_kwargs.",
    "trainer.v1.sampler.sampler_kwargs.",
)
"""Prefixes below which verl takes any key and passes it on."""
UNLISTED = (
    "actor_rollout_ref.rollout.enable_sleep_mode",
    *(
        f"{engine}.mixed_precision.{name}_dtype"
        for engine in (
            "actor_rollout_ref.actor.fsdp_config",
            "actor_rollout_ref.ref.fsdp_config",
            "engine",
        )
        for name in ("param", "reduce", "buffer")
    ),
)
"""Keys that verl reads although its configuration files do not list them."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


def require_verl() -> Path:
    """Return verl's folder of configurations.

    Raises:
        UserError: verl is not installed.
    """
    found = find_spec("verl")
    if found is None or not found.submodule_search_locations:
        raise UserError(
            "training needs verl, which is not installed here; 'make setup' installs it, "
            "or: pip install 'math-harness[train]'"
        )
    return Path(found.submodule_search_locations[0]) / "trainer" / "config"


def compose(configuration: str, overrides: Iterable[str]) -> dict[str, Any]:
    """Return the whole configuration as verl will read it.

    Args:
        configuration: one of `GRPO` and `SFT`.
        overrides: ``key=value`` and ``+key=value``, in Hydra's grammar.

    Raises:
        UserError: Hydra does not accept an override.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    given = list(overrides)
    try:
        with initialize_config_dir(str(require_verl()), version_base=None):
            composed = hydra_compose(configuration, overrides=given)
    except (HydraException, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        which = ", ".join(_unreadable(given)) or "these settings"
        raise UserError(f"verl's configuration does not take {which}: {reason}") from error
    plain: dict[str, Any] = OmegaConf.to_container(composed, resolve=False)  # type: ignore[assignment]
    return plain


def _unreadable(overrides: Iterable[str]) -> Iterator[str]:
    """Yield what is not in Hydra's grammar; Hydra's own message shows only a part of it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    for given in overrides:
        try:
            parser.parse_override(given)
        except HydraException:
            yield given


@cache
def known_keys(configuration: str) -> dict[str, Any]:
    """Return every key of a configuration, with verl's default."""
    return dict(_flat(compose(configuration, ())))


def _flat(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def current_name(key: str) -> str:
    """Return the name that a key has now, from how a script for verl 0.5 writes it.

    Such a script writes ``+`` before a key that verl did not list.

    >>> current_name("actor_rollout_ref.actor.optim.warmup_style")
    'actor_rollout_ref.actor.optim.lr_scheduler_type'
    >>> current_name("+custom_reward_function.reward_kwargs.a")
    'reward.custom_reward_function.reward_kwargs.a'
    """
    plain = key.removeprefix("+").removeprefix("+")
    for old, new in RENAMED.items():
        if plain == old or plain.startswith(f"{old}."):
            return new + plain.removeprefix(old)
    return plain


def override(configuration: str, key: str, value: str) -> str:
    """Return a setting in Hydra's grammar: ``key=value``, with ``+`` before a key not listed.

    Raises:
        UserError: verl has no such key.
    """
    if not _KEY.fullmatch(key):
        raise WrongValueError(
            f"--set {key}={value}: '{key}' is not a key; write it as part.part.name=value"
        )
    known = known_keys(configuration)
    if key in known:
        return f"{key}={value}"
    if key.startswith(OPEN) or key in UNLISTED:
        return f"+{key}={value}"
    raise WrongValueError(_unknown(key, value, list(known)))


def _unknown(key: str, value: str, known: list[str]) -> str:
    """Say which keys the user may mean: those in a group, with the same last part, or similar."""
    inside = [name for name in known if name.startswith(key + ".")]
    if inside:
        return f"--set {key}={value}: '{key}' is a group of {len(inside)} keys, such as {inside[0]}"
    ends = [name for name in known if name.endswith(f".{key}")]
    likely = ends or difflib.get_close_matches(key, known, n=1)
    best = next(
        (name for name in likely if name.startswith("actor_rollout_ref.actor")), "".join(likely[:1])
    )
    hint = f" -- did you mean '{best}'?" if likely else ""
    return f"--set {key}={value}: verl has no key '{key}'{hint}"


def parsed(key: str, value: str) -> Any:
    """Return the value that Hydra reads from what a person wrote.

    >>> parsed("a.b", "5"), parsed("a.b", "3e-4"), parsed("a.b", "[x,true]"), parsed("a.b", "null")
    (5, 0.0003, ['x', True], None)

    Raises:
        UserError: the text is not in Hydra's grammar.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import QuotedString
    from hydra.errors import HydraException

    try:
        found = OverridesParser.create().parse_override(f"{key}={value}").value()
        return _plain(found, QuotedString)
    except RecursionError:
        reason = "it is nested too deeply"
        raise WrongValueError(f"verl's configuration does not take {key}=…: {reason}") from None
    except (HydraException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise WrongValueError(
            f"verl's configuration does not take {key}={value}: {reason}"
        ) from error


def _plain(found: Any, quoted: type) -> Any:
    """Return a parsed value without Hydra's quotes.

    Raises:
        ValueError: it is a sweep, or no number that JSON has.
    """
    if isinstance(found, quoted):
        return found.text  # type: ignore[attr-defined]
    if isinstance(found, list):
        return [_plain(item, quoted) for item in found]
    if isinstance(found, dict):
        return {_plain(key, quoted): _plain(item, quoted) for key, item in found.items()}
    if isinstance(found, float) and not isfinite(found):
        raise ValueError(f"{found} is not a finite number")
    if found is not None and not isinstance(found, str | bool | int | float):
        raise ValueError("a training has one value for each key")
    return found


def hydra_value(value: Any) -> str:
    """Return a value as text from which Hydra reads the same value back.

    >>> hydra_value([0.9, 0.999]), hydra_value(None), hydra_value({"a": True}), hydra_value(1e-06)
    ('[0.9,0.999]', 'null', '{a:true}', '1e-06')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ",".join(hydra_value(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{hydra_value(key)}:{hydra_value(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) and text.lower() not in (
        "null",
        "true",
        "false",
        "nan",
        "inf",
    ):
        return text
    # Inside quotes a backslash stands for itself, unless a quote follows it.
    quoted = re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), text)
    return f"'{quoted}'"
