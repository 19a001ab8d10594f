"""The base model as verl can take it: the folder itself, or one of links with another config.

A config that points to Python files although transformers knows the architecture by now
(published models often do) makes verl copy code that is not the model's at every save, and
stop at the first one that is to be in Hugging Face format. The class of transformers is
taken then: code that was written for an older release rarely runs, and is not asked for.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks import UserError
from trainers.verl.export import weight_files


def prepare_base(model: Path, folder: Path, *, trust_remote_code: bool) -> Path:
    """Return the folder that verl shall be given for ``model``; ``folder`` if one has to be made.

    Raises:
        UserError: the model is none that can be trained here, or only by running code of its
            own that is not trusted.
    """
    config = _read(model / "config.json")
    if "quantization_config" in config:
        raise UserError(
            f"model {model}: its weights are quantized ({config['quantization_config']!s:.60}); "
            "training needs the ones that it was quantized from"
        )
    wanted = _as_verl_takes_it(config, model)
    _refuse_untrusted(model, wanted, trusted=trust_remote_code)
    if not weight_files(model):
        raise UserError(
            f"model {model}: it has no *.safetensors, which training needs; load it with "
            "transformers and save it again with save_pretrained"
        )
    if wanted == config:
        return model
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in model.iterdir():
        if file.is_file() and file.name != "config.json":
            (folder / file.name).symlink_to(file.resolve())
    (folder / "config.json").write_text(json.dumps(wanted, indent=2), encoding="utf-8")
    return folder


def declared_context(model: Path) -> int | None:
    """Return the context that a model's config declares, in tokens; None if it does not say."""
    context = _read(model / "config.json").get("max_position_embeddings")
    return context if isinstance(context, int) else None


def is_native(config: dict[str, Any]) -> bool:
    """Say whether transformers itself has the architecture that a config names."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    names = config.get("architectures") or []
    return config.get("model_type") in CONFIG_MAPPING and all(
        hasattr(transformers, name) for name in names
    )


def _as_verl_takes_it(config: dict[str, Any], model: Path) -> dict[str, Any]:
    names = config.get("architectures") or _usual_architecture(config)
    if len(names) != 1 or "ForCausalLM" not in names[0]:
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


def _refuse_untrusted(model: Path, config: dict[str, Any], *, trusted: bool) -> None:
    tokenizer = _read(model / "tokenizer_config.json").get("auto_map", {})
    own = [
        *(["model"] if config.get("auto_map") else []),
        *(["tokenizer"] if "AutoTokenizer" in tokenizer else []),
    ]
    if own and not trusted:
        raise UserError(
            f"model {model}: its {' and '.join(own)} is Python code in the checkpoint, and that "
            "code is not run unless asked for; read it, then add --trust-remote-code"
        )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
