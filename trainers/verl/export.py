"""From verl's save to a checkpoint: the base model's folder with the trained weights in it.

Training changes weights and nothing else. So tensor names, dtypes, config, tokenizer, chat
template, generation config and Python files are the base's, byte for byte. What verl wrote of
them is not used: verl replaces the end-of-response tokens of the config by the tokenizer's
one, adds a padding token, and copies torch's files as if they were the model's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import UserError
from benchmarks.bounded_json import read_json
from harness.common.files import replacing_folder, write_atomically
from harness.models.checkpoint import RECORDS, identity_files
from harness.models.lineage import LINEAGE, Lineage
from harness.models.trust import is_native, read_config
from harness.models.weights import named_files
from trainers.verl.shards import merged_tensors

if TYPE_CHECKING:
    from torch import Tensor

SHARD_SIZE = "5GB"
WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json")
PUBLISHED = ".published"
"""The JSON file that lists which files of the output folder are the last checkpoint's."""


def export(saved: Path, base: Path, output: Path, *, lineage: Lineage) -> None:
    """Make ``output`` a checkpoint: ``base``'s files with the weights of the save ``saved``.

    ``output`` is there complete or not at all; what was there is replaced. Tensors of the base
    that are not trained (such as those for multi-token prediction) are copied, and the lineage
    names them.

    Raises:
        UserError: the save cannot be read, is of another model, or holds NaN or infinity; or
            the folder cannot be written.
    """
    weights = _trained(saved, base)
    untrained = sorted(set(_base_tensors(base)) - set(weights))
    if untrained:
        weights |= {name: _read_tensor(base, name) for name in untrained}
        lineage = lineage.model_copy(update={"untrained_tensors": untrained})
    with _replacing_folder(output) as folder:
        _write_weights(weights, folder)
        for file in carried_files(base):
            shutil.copyfile(file, folder / file.name)
        text = lineage.model_dump_json(indent=2)
        (folder / LINEAGE).write_text(text + "\n", encoding="utf-8")


def carried_files(base: Path) -> list[Path]:
    """List the files that a checkpoint takes over from its base: all but the weights."""
    return [file for file in identity_files(base) if not file.name.endswith(WEIGHTS)]


def publish(checkpoint: Path, output: Path) -> None:
    """Replace the checkpoint in ``output`` by the one in ``checkpoint``, with hard links.

    Other files and folders in ``output`` stay. Everything that can fail because the disk is
    full happens before the old checkpoint is touched. Then config.json is removed first and
    written last: a kill in between leaves a folder that nothing takes for a checkpoint, never
    a mixture of two.

    Raises:
        UserError: ``output`` cannot be written.
    """
    files = [*identity_files(checkpoint), *(checkpoint / name for name in RECORDS)]
    new = {file.name: file for file in files if file.is_file()}
    staged = output / f".publishing-{os.getpid()}"
    try:
        staged.mkdir(parents=True)
        for name, file in new.items():
            _link(file, staged / name)
        old = _published(output)
        _note_published(output, old | new.keys())
        (output / "config.json").unlink(missing_ok=True)
        for name in sorted(new, key=lambda name: name == "config.json"):
            if name == "config.json":
                for stale in old - new.keys():
                    (output / stale).unlink(missing_ok=True)
            (staged / name).replace(output / name)
        _note_published(output, set(new))
    except OSError as error:
        raise _cannot_write(output, error) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _trained(saved: Path, base: Path) -> dict[str, Tensor]:
    """Return the trained tensors by the base's names and in the base's dtypes."""
    layout = _base_tensors(base)
    found = {
        name: tensor.to(layout[name].dtype) if name in layout else tensor
        for name, tensor in merged_tensors(saved)
    }
    if not found.keys() <= layout.keys():
        found = _without_ties(_as_in_files(found, base), layout)
    missing = [name for name in layout.keys() - found.keys() if not _may_be_untrained(name, base)]
    strange = sorted(found.keys() - layout.keys())
    shapes = [
        name for name in found.keys() & layout.keys() if found[name].shape != layout[name].shape
    ]
    for names, what in (
        (strange, "the base has no"),
        (sorted(missing), "the save has no"),
        (sorted(shapes), "the two differ in the shape of"),
    ):
        if names:
            raise UserError(
                f"export of {saved}: it was not trained from {base}: {what} {names[0]} "
                f"({len(names)} tensors in all); name the model that was trained"
            )
    weights = {name: tensor.to(layout[name].dtype) for name, tensor in found.items()}
    _refuse_broken(weights, saved)
    return weights


def _refuse_broken(weights: Mapping[str, Tensor], saved: Path) -> None:
    import torch

    broken = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise UserError(
            f"export of {saved}: the weights hold NaN or infinity, first "
            f"in {broken[0]} ({len(broken)} of {len(weights)} tensors); the training diverged: "
            "take an earlier checkpoint, and train with a smaller learning rate"
        )


def _as_in_files(tensors: dict[str, Tensor], base: Path) -> dict[str, Tensor]:
    """Rename and split tensors as in the architecture's published files.

    transformers keeps the experts of a layer in one tensor, unlike the files.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.core_model_loading import revert_weight_conversion

    if not is_native(read_config(base / "config.json")):
        return tensors  # the checkpoint's own architecture: its names are those in its files
    architectures: Any = AutoModelForCausalLM
    config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    with torch.device("meta"):
        model = architectures.from_config(config)
    return dict(revert_weight_conversion(model, tensors))


def _without_ties(tensors: dict[str, Tensor], layout: Mapping[str, Any]) -> dict[str, Tensor]:
    """Leave out tensors that the base does not store because another one is equal to them."""
    stored = [tensor for name, tensor in tensors.items() if name in layout]
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name in layout or not any(_equal(tensor, other) for other in stored)
    }


def _equal(one: Tensor, other: Tensor) -> bool:
    import torch

    return one.shape == other.shape and torch.equal(one.to(other.dtype), other)


def _may_be_untrained(name: str, base: Path) -> bool:
    """Say whether a tensor is in a part that verl's actor leaves out, or is not a parameter."""
    layer = re.search(r"\.layers\.(\d+)\.", name)
    layers = read_config(base / "config.json").get("num_hidden_layers")
    extra_layer = bool(layer and isinstance(layers, int) and int(layer[1]) >= layers)
    return extra_layer or name.startswith("mtp.") or name.endswith("rotary_emb.inv_freq")


def trained_files(base: Path) -> list[Path]:
    """List the safetensors files from which transformers, and so verl, loads the weights.

    There may be others, as ``consolidated.safetensors`` for another engine.
    """
    whole, index = base / "model.safetensors", base / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    return named_files(index) if index.is_file() else sorted(base.glob("*.safetensors"))


def _base_tensors(base: Path) -> dict[str, Tensor]:
    """Return the base's tensors by name, with shapes and dtypes but without data."""
    import torch

    layout = {}
    for file in trained_files(base):
        with _opened(file) as opened:
            for name in opened.keys():  # noqa: SIM118 - `opened` is not a mapping
                part = opened.get_slice(name)
                layout[name] = torch.empty(part.get_shape(), dtype=_dtype(part), device="meta")
    if not layout:
        raise UserError(
            f"export: {base} has no *.safetensors; load it with transformers and save it "
            "again with save_pretrained, which writes them"
        )
    return layout


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            yield opened
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"the weights in {file} cannot be read ({error}); was the download broken off? "
            "Download them again"
        ) from error


def _dtype(part: Any) -> Any:
    return part[tuple([slice(0, 0)] * len(part.get_shape()))].dtype


def _read_tensor(base: Path, name: str) -> Tensor:
    for file in trained_files(base):
        with _opened(file) as opened:
            if name in opened.keys():  # noqa: SIM118
                tensor: Tensor = opened.get_tensor(name)
                return tensor
    raise KeyError(name)


def _write_weights(weights: dict[str, Tensor], folder: Path) -> None:
    from huggingface_hub import save_torch_state_dict
    from safetensors import SafetensorError

    try:
        save_torch_state_dict(weights, folder, max_shard_size=SHARD_SIZE)
    except SafetensorError as error:
        raise _cannot_write(folder, error) from error
    # safetensors makes files that only their owner may read, whatever the user's umask says.
    (probe := folder / ".mode").touch()
    mode = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    for file in folder.glob("*.safetensors"):
        file.chmod(mode)


@contextmanager
def _replacing_folder(output: Path) -> Iterator[Path]:
    try:
        with replacing_folder(output) as folder:
            yield folder
    except OSError as error:
        raise _cannot_write(output, error) from error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _published(output: Path) -> set[str]:
    try:
        return set(map(str, read_json(output / PUBLISHED)))
    except (OSError, ValueError, TypeError):
        return set()


def _note_published(output: Path, names: set[str]) -> None:
    write_atomically(output / PUBLISHED, json.dumps(sorted(names)))


def _cannot_write(folder: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(
        f"the checkpoint {folder} cannot be written: {reason}; what was there before is still "
        "there; make room, and give the same command again"
    )
