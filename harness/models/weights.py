"""The files that hold a checkpoint's weights, so that its identity sums all that an engine reads.

Engines differ in what they read. vLLM takes every ``*.safetensors`` file of the folder, or those
that an index names; where there are none ``*.bin``, and where there are none ``*.pt``
(``model_executor/model_loader/default_loader.py`` of vLLM 0.30.0). transformers takes
``model.safetensors``, or the files that its index names, wherever they are, or
``pytorch_model.bin``; ``transformers_weights`` in the config names another file
(``_get_resolved_checkpoint_files`` in ``modeling_utils.py`` of transformers 5.10.4), and
``adapter_config.json`` another model (``models/auto/auto_factory.py``). So what leads out of the
folder is refused, and the identity has every file that one of the two could take.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from benchmarks import UserError
from harness.models.trust import read_config

SAFE = ".safetensors"
PICKLED = (".bin", ".pt")
"""The suffixes of weights in Python's pickle format, which can hold code."""
BOOKKEEPING = ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scaler.pt")
"""The ends of file names that no engine takes for weights (vLLM's
``filter_files_not_needed_for_inference``)."""
ADAPTER = "adapter_config.json"


def refuse_redirected(folder: Path) -> None:
    """Refuse a checkpoint that leads some engine to weights other than those in its folder.

    Raises:
        UserError: its config, or an adapter in it, names other weights.
    """
    if "transformers_weights" in read_config(folder / "config.json"):
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
            "made it, set allow_pickle; or load it with transformers and save it again with "
            "save_pretrained"
        )
    raise UserError(
        f"model {folder}: it has no weights (*.safetensors). Was its download broken off? If its "
        "weights are *.bin or *.pt, and you trust whoever made them, set allow_pickle"
    )


def _named(folder: Path, suffix: str) -> list[Path]:
    """Return the weights that the folder's indices name."""
    indices = sorted(folder.glob(f"*{suffix}.index.json"))
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
