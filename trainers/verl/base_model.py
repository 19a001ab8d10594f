"""The base model in the form that verl needs: its own folder, or links with another config.

Configs of published models often point to Python files although transformers knows the
architecture by now. From such a config verl would copy code at every save that is not the
model's, and stop at the first save in Hugging Face format. So the pointer is removed, and
transformers' own class is used: code for an older release rarely runs.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import UserError
from harness.models.trust import (
    Part,
    declared_context,
    is_native,
    own_code,
    read_config,
    refuse_untrusted,
)
from harness.models.weights import refuse_redirected
from trainers.verl.export import trained_files


def prepare_base(model: Path, folder: Path, *, trust_remote_code: bool) -> Path:
    """Return the folder to give verl for ``model``: its own, or ``folder`` with links to it.

    Raises:
        UserError: the model cannot be trained, or only by running code of its own that is not
            trusted.
    """
    config = read_config(model / "config.json")
    wanted = require_trainable(model, trust_remote_code=trust_remote_code)
    if wanted == config:
        return model
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in model.iterdir():
        if file.is_file() and file.name != "config.json":
            (folder / file.name).symlink_to(file.resolve())
    (folder / "config.json").write_text(json.dumps(wanted, indent=2), encoding="utf-8")
    return folder


def require_trainable(model: Path, *, trust_remote_code: bool) -> dict[str, Any]:
    """Refuse a base model that cannot be trained, and return its config as verl takes it.

    Raises:
        UserError: its weights are quantized or missing; its architecture is none that generates
            text, or none that the installed transformers has; or it works only by running code of
            its own that is not trusted.
    """
    config = read_config(model / "config.json")
    if "quantization_config" in config:
        raise UserError(
            f"model {model}: its weights are quantized ({config['quantization_config']!s:.60}); "
            "train the model that it was quantized from"
        )
    wanted = _as_verl_takes_it(config, model)
    _refuse_untrusted(model, trust_remote_code=trust_remote_code)
    require_weights(model, trust_remote_code=trust_remote_code)
    if not is_native(wanted) and "model" not in own_code(model):
        raise UserError(
            f"model {model}: its config.json names {wanted['architectures'][0]} of the type "
            f"{config.get('model_type')!s:.60}, which the installed transformers "
            f"({version('transformers')}) does not have, and no Python file of its own that does; "
            "take another model, or one whose folder has the code"
        )
    return wanted


def require_weights(model: Path, *, trust_remote_code: bool) -> None:
    """Refuse a base model whose weights training cannot read, or not from its own folder.

    Raises:
        UserError: it has none in `*.safetensors`, or leads to others, or to code elsewhere that
            would run.
    """
    refuse_redirected(model, runs_code=trust_remote_code)
    if not trained_files(model):
        raise UserError(
            f"model {model}: it has no *.safetensors, which training needs; load it with "
            "transformers and save it again with save_pretrained"
        )


def context_length(model: Path, *, trust_remote_code: bool) -> int | None:
    """Return the context length that a model has in training, in tokens; None if none is declared.

    Raises:
        UserError: the model works only by running code of its own that is not trusted.
    """
    _refuse_untrusted(model, trust_remote_code=trust_remote_code)
    own = "model" in own_code(model)
    return declared_context(model, name=str(model), trust=trust_remote_code and own)


def _as_verl_takes_it(config: dict[str, Any], model: Path) -> dict[str, Any]:
    stated = config.get("architectures") or _usual_architecture(config)
    names = [str(name) for name in stated] if isinstance(stated, list) else [str(stated)]
    # A config may hold anything, which is no name then.
    if len(names) != 1 or not names[0].isidentifier() or "ForCausalLM" not in names[0]:
        raise UserError(
            f"model {model}: its config.json names {', '.join(names) or 'no architecture'}; "
            "training takes a model with exactly one, a …ForCausalLM"
        )
    wanted = {**config, "architectures": names}
    if is_native(wanted):
        wanted.pop("auto_map", None)
    return wanted


def _usual_architecture(config: dict[str, Any]) -> list[str]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    name = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(str(config.get("model_type")))
    return [name] if isinstance(name, str) else []


def _refuse_untrusted(model: Path, *, trust_remote_code: bool) -> None:
    parts: tuple[Part, ...] = ("model", "tokenizer")
    refuse_untrusted(
        model, name=str(model), trusted=parts if trust_remote_code else (), part_by_part=False
    )
