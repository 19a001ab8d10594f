"""What a checkpoint's config says, and whether the checkpoint's own Python code may run.

Evaluation and training both ask here, so that they never disagree about one checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from benchmarks import UserError
from benchmarks.bounded_json import read_json
from benchmarks.hints import setting

Part = Literal["model", "tokenizer"]
"""A part of a checkpoint that may bring Python code of its own."""

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
"""Names that configs have for the context length; the first that is there counts."""
_TEXT_CONFIGS = ("text_encoder", "decoder", "generator", "text_config")
"""Where transformers looks for a nested text config (`PreTrainedConfig.get_text_config`)."""


def read_config(path: Path) -> dict[str, Any]:
    """Return the JSON object in a checkpoint's file; an empty one if there is no such file.

    Raises:
        UserError: the file is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not JSON that can be read: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object")
    return value


def load_config(folder: Path, *, name: str, trust: bool) -> Any:
    """Return a checkpoint's config as transformers reads it.

    Args:
        folder: the checkpoint.
        name: what the user calls the checkpoint, for the message.
        trust: whether a config class of the checkpoint's own may run.

    Raises:
        UserError: transformers does not know or cannot read it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=trust)
    except Exception as error:
        raise UserError(
            f"model {name}: its config.json cannot be read: {first_line(error)}"
        ) from error


def declared_context(folder: Path, *, name: str, trust: bool = False) -> int | None:
    """Return the context length that a checkpoint declares, in tokens; None if it declares none.

    What transformers says counts: it knows the other names of the length, nested configs, and
    the defaults of each architecture. Loading transformers takes seconds, so it is not asked
    about a config that states the length plainly.

    Args:
        folder: the checkpoint.
        name: what the user calls the checkpoint, for the message.
        trust: whether a config class of the checkpoint's own may run.

    Raises:
        UserError: transformers does not know or cannot read the config.
    """
    stated = read_config(folder / "config.json")
    nested = any(isinstance(stated.get(name), dict) for name in _TEXT_CONFIGS)
    length = _length(stated, CONTEXT_KEYS[:1])
    if length is not None and not nested and "auto_map" not in stated:
        return length
    config = load_config(folder, name=name, trust=trust)
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return _length({key: getattr(text, key, None) for key in CONTEXT_KEYS}, CONTEXT_KEYS)


def _length(values: Mapping[str, Any], names: Collection[str]) -> int | None:
    lengths = (values.get(name) for name in names)
    return next((n for n in lengths if isinstance(n, int) and n > 0), None)


def is_native(config: Mapping[str, Any]) -> bool:
    """Say whether transformers itself has the config class and the model classes that are named.

    Published configs often still point to Python files although transformers knows the
    architecture by now.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind, named = config.get("model_type"), config.get("architectures") or []
    if not isinstance(kind, str) or not isinstance(named, list):
        return False  # a config may hold anything
    return kind in CONFIG_MAPPING and _names_of_transformers().issuperset(map(str, named))


@cache
def _names_of_transformers() -> frozenset[str]:
    """Return all that transformers offers; to list it takes a fifth of a second.

    `hasattr` would import the model's module, and torch with it.
    """
    import transformers

    return frozenset(dir(transformers))


def own_code(folder: Path) -> list[Part]:
    """List the parts of a checkpoint that work only by running Python code in the checkpoint."""
    config = read_config(folder / "config.json")
    tokenizer = read_config(folder / "tokenizer_config.json")
    parts: list[Part] = []
    if config.get("auto_map") and not is_native(config):
        parts.append("model")
    classes = tokenizer.get("auto_map")
    if isinstance(classes, dict) and "AutoTokenizer" in classes:
        parts.append("tokenizer")
    return parts


def refuse_untrusted(
    folder: Path, *, name: str, trusted: Collection[Part], part_by_part: bool
) -> None:
    """Refuse a checkpoint whose own Python code would have to run and is not trusted.

    transformers would refuse it too, but asks on the terminal or names no flag of ours.

    Args:
        folder: the checkpoint.
        name: what the user calls the checkpoint, for the message.
        trusted: the parts whose code may run.
        part_by_part: whether trust_remote_code takes the name of a part.

    Raises:
        UserError: a part needs code that is not trusted.
    """
    own = [part for part in own_code(folder) if part not in trusted]
    if not own:
        return
    trust = f"to '{own[0]}' (or 'all')" if part_by_part else "on"
    raise UserError(
        f"model {name}: its {' and '.join(own)} is Python code in the checkpoint (its config has "
        f"auto_map), and that code is not run unless asked for; read it, then set "
        f"{setting('trust_remote_code')} {trust}"
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its type's name if there is no message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
