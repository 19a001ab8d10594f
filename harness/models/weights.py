"""The files that hold a checkpoint's weights, so that its identity sums all that an engine reads.

Engines differ in what they read. vLLM takes every ``*.safetensors`` file of the folder, or those
that an index names; where there are none ``*.bin``, and where there are none ``*.pt``
(``model_executor/model_loader/default_loader.py`` of vLLM 0.30.0). transformers takes
``model.safetensors``, or the files that its index names, wherever they are, or
``pytorch_model.bin``; ``transformers_weights`` in the config names another file
(``_get_resolved_checkpoint_files`` in ``modeling_utils.py`` of transformers 5.10.4), and
``adapter_config.json`` another model (``models/auto/auto_factory.py``); a tokenizer's config may
name files, too. So what leads out of the folder is refused, and the identity has every file that
one of the two could take.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from benchmarks import UserError
from benchmarks.hints import setting
from harness.models.trust import read_config

SAFE = ".safetensors"
PICKLED = (".bin", ".pt")
"""The suffixes of weights in Python's pickle format, which can hold code."""
BOOKKEEPING = ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scaler.pt")
"""The ends of file names that no engine takes for weights (vLLM's
``filter_files_not_needed_for_inference``)."""
ADAPTER = "adapter_config.json"
IN_THE_FOLDER = (
    "added_tokens_file", "special_tokens_map_file", "tokenizer_config_file", "chat_template_file",
)  # fmt: skip
"""Keys of a tokenizer's config that transformers does not follow, and that often hold a path of
whoever saved it: it takes these files from the folder (`_from_pretrained` in
``tokenization_utils_base.py``)."""


def refuse_redirected(folder: Path, *, runs_code: bool = False) -> None:
    """Refuse a checkpoint that leads some engine to files that its identity does not have.

    Args:
        folder: the checkpoint.
        runs_code: whether the checkpoint's own Python code may run.

    Raises:
        UserError: its config, its tokenizer's, or an adapter in it names files elsewhere.
    """
    config = read_config(folder / "config.json")
    tokenizer = read_config(folder / "tokenizer_config.json")
    if "transformers_weights" in _keys(config):
        raise UserError(
            f"model {folder}: its config.json names its weights (transformers_weights), which "
            "only some engines follow; remove the key, and name the file model.safetensors"
        )
    if (folder / ADAPTER).is_file():
        raise UserError(
            f"model {folder}: it has an {ADAPTER}, and an engine would take its weights from the "
            "model that is named there; merge the adapter into that model (merge_and_unload of "
            "peft), save it, and name the merged model"
        )
    for key, value in tokenizer.items():
        elsewhere = isinstance(value, str) and PurePosixPath(value).name != value
        if key.endswith("_file") and key not in IN_THE_FOLDER and elsewhere:
            raise UserError(
                f"model {folder}: its tokenizer_config.json names a file in another folder "
                f"({key}), which no run's record would cover; remove the key"
            )
    if runs_code:
        _refuse_code_elsewhere(folder, [config.get("auto_map"), tokenizer.get("auto_map")])


def _refuse_code_elsewhere(folder: Path, maps: list[Any]) -> None:
    """Refuse code that decides responses and that the identity does not have.

    transformers takes a class from another repository where its name has ``--``
    (`dynamic_module_utils.py`), and runs ``custom_generate/generate.py`` in place of its own
    `generate` (`generation/utils.py`).
    """
    if any("--" in name for names in maps for name in _texts(names)):
        raise UserError(
            f"model {folder}: its auto_map takes Python code from another repository, which no "
            "run's record would cover; copy the files into the folder, and remove the "
            "repository from the names"
        )
    if (folder / "custom_generate").exists():
        raise UserError(
            f"model {folder}: it has code of its own to draw responses (custom_generate), which "
            "would not sample as the run says; remove that folder"
        )


def _keys(value: Any) -> Iterator[str]:
    """Yield the keys of nested objects."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield key
        yield from _keys(inner)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in nested objects and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def weight_files(folder: Path, *, allow_pickle: bool = False) -> list[Path]:
    """Return the files of a checkpoint that an engine may take its weights from, sorted.

    Args:
        folder: the checkpoint.
        allow_pickle: whether pickled weights may be read.

    Raises:
        UserError: there are none of an allowed kind, or an index names files in another folder.
    """
    safe = {*folder.glob(f"*{SAFE}"), *_named(folder, SAFE)}
    pickled = {
        file
        for suffix in PICKLED
        for file in (*folder.glob(f"*{suffix}"), *_named(folder, suffix))
        if not file.name.endswith(BOOKKEEPING)
    }
    found = {file for file in (safe | pickled if allow_pickle else safe) if file.is_file()}
    if found:
        return sorted(found)
    if pickled:
        raise UserError(
            f"model {folder}: its weights are Python pickles ({sorted(pickled)[0].name}), which "
            "can run code when they are read, and it has no *.safetensors. If you trust whoever "
            f"made it, set {setting('allow_pickle')}; or load it with transformers and save it "
            "again with save_pretrained"
        )
    raise UserError(
        f"model {folder}: it has no weights (*.safetensors). Was its download broken off? If its "
        f"weights are *.bin or *.pt, and you trust whoever made them, set {setting('allow_pickle')}"
    )


def _named(folder: Path, suffix: str) -> list[Path]:
    """Return the weights that the folder's indices name."""
    indices = sorted(folder.glob(f"*{suffix}.index*.json"))
    return [file for index in indices for file in named_files(index)]


def named_files(index: Path) -> list[Path]:
    """Return the files that an index of weights names, sorted; all are in its folder.

    Raises:
        UserError: the file is no index, or names files in another folder.
    """
    places = read_config(index).get("weight_map")
    if not isinstance(places, dict):
        raise UserError(f"{index} has no weight_map, which says in which file each tensor is")
    names = sorted(set(map(str, places.values())))
    for name in names:
        if PurePosixPath(name).name != name:
            raise UserError(
                f"{index} names weights in another folder ({name[:100]!r}), which no run's "
                "record would cover; put them beside the index"
            )
    return [index.parent / name for name in names]
