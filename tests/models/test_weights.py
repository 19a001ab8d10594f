"""Tests that a checkpoint's identity has all the weights that an engine could read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks import UserError, WrongValueError
from harness.demo import MODEL_PATH
from harness.engines import ENGINES
from harness.models.checkpoint import file_sums, identity_files, open_checkpoint
from harness.models.weights import weight_files
from harness.runs.spec import EngineSpec

LAYOUTS = {
    "whole": ["model.safetensors"],
    "whole and pickled": ["model.safetensors", "pytorch_model.bin", "model.pt"],
    "sharded": ["a.safetensors", "b.safetensors", "model.safetensors.index.json"],
    "sharded and more": [
        "a.safetensors", "b.safetensors", "model.safetensors.index.json",
        "consolidated.safetensors", "model.safetensors",
    ],
    "pickled": ["pytorch_model.bin", "training_args.bin", "optimizer.pt"],
    "sharded and pickled": ["a.bin", "b.bin", "pytorch_model.bin.index.json"],
    "the older suffix": ["model.pt", "scheduler.pt"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the demo model's folder without weights."""
    copy = Path(shutil.copytree(MODEL_PATH, tmp_path / "model"))
    (copy / "model.safetensors").unlink()
    return copy


def fill(folder: Path, names: list[str]) -> None:
    suffix = ".bin" if any(name.endswith(".bin") for name in names) else ".safetensors"
    index = {"metadata": {}, "weight_map": {"one": f"a{suffix}", "two": f"b{suffix}"}}
    for name in names:
        text = json.dumps(index) if name.endswith(".json") else name
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("names", LAYOUTS.values(), ids=LAYOUTS)
def test_what_transformers_would_read_is_summed(names: list[str], folder: Path) -> None:
    from transformers.modeling_utils import _get_resolved_checkpoint_files

    fill(folder, names)
    try:
        read, _ = _get_resolved_checkpoint_files(
            pretrained_model_name_or_path=str(folder), variant=None, gguf_file=None,
            use_safetensors=None, user_agent=None, is_remote_code=False,
        )  # fmt: skip
    except OSError:
        read = None  # it takes no *.pt
    summed = file_sums(identity_files(folder, allow_pickle=True))
    assert {Path(one).name for one in read or ()} <= summed.keys()


@pytest.mark.engine
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("names", LAYOUTS.values(), ids=LAYOUTS)
def test_what_vllm_would_read_is_summed(names: list[str], folder: Path) -> None:
    from vllm.config.load import LoadConfig
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    fill(folder, names)
    loader = DefaultModelLoader(LoadConfig())
    _, read, _ = loader._prepare_weights(str(folder), None, None, True, None)
    assert read
    for allow in (False, True):
        if not allow and not any(name.endswith(".safetensors") for name in names):
            continue  # refused
        found = set(map(str, weight_files(folder, allow_pickle=allow)))
        assert set(read) <= found


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_are_read_only_when_asked_for(name: str, folder: Path) -> None:
    fill(folder, [name])
    with pytest.raises(UserError, match=rf"Python pickles \({name}\).*set allow_pickle"):
        open_checkpoint(str(folder))
    before = open_checkpoint(str(folder), allow_pickle=True).files
    (folder / name).write_text("zeroed", encoding="utf-8")
    after = open_checkpoint(str(folder), allow_pickle=True).files
    assert {key for key in before if before[key] != after[key]} == {name}


def test_a_checkpoint_without_weights_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="it has no weights"):
        open_checkpoint(str(folder))


def test_a_trainers_own_files_are_no_weights(folder: Path) -> None:
    fill(folder, ["training_args.bin", "optimizer.pt", "model.safetensors"])
    names = {file.name for file in identity_files(folder, allow_pickle=True)}
    assert not names & {"training_args.bin", "optimizer.pt"}


@pytest.mark.parametrize(
    "target", ["../outside/w.safetensors", "/w.safetensors", "sub/w.safetensors"]
)
@pytest.mark.parametrize(
    "name", ["model.safetensors.index.json", "model.safetensors.index.fp16.json"]
)
def test_an_index_that_leads_elsewhere_is_refused(target: str, name: str, folder: Path) -> None:
    fill(folder, ["model.safetensors"])
    index = {"metadata": {}, "weight_map": {"one": target}}
    (folder / name).write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(UserError, match="names weights in another folder"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("index", [[], {}, {"weight_map": []}])
def test_an_index_that_is_none_is_told(index: object, folder: Path) -> None:
    fill(folder, ["model.safetensors"])
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(UserError, match=r"no JSON object|no weight_map"):
        open_checkpoint(str(folder))


def test_an_adapter_that_leads_to_another_model_is_refused(folder: Path) -> None:
    fill(folder, ["model.safetensors"])
    adapter = {"base_model_name_or_path": "/another"}
    (folder / "adapter_config.json").write_text(json.dumps(adapter), encoding="utf-8")
    with pytest.raises(UserError, match="merge the adapter"):
        open_checkpoint(str(folder))


def change(file: Path, **values: object) -> None:
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**config, **values}), encoding="utf-8")


@pytest.mark.parametrize("part", [None, "text_config"])
def test_a_config_that_names_the_weights_is_refused(part: str | None, folder: Path) -> None:
    fill(folder, ["model.safetensors"])
    named: dict[str, object] = {"transformers_weights": "../outside.safetensors"}
    change(folder / "config.json", **({part: named} if part else named))
    with pytest.raises(UserError, match="transformers_weights"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("key", ["tokenizer_file", "vocab_file", "merges_file"])
def test_a_tokenizer_elsewhere_is_refused(key: str, folder: Path) -> None:
    fill(folder, ["model.safetensors"])
    change(folder / "tokenizer_config.json", **{key: "/elsewhere/tokenizer.json"})
    with pytest.raises(UserError, match=f"in another folder .{key}"):
        open_checkpoint(str(folder))


def test_where_a_tokenizer_was_once_saved_does_no_harm(folder: Path) -> None:
    fill(folder, ["model.safetensors"])
    old = "/home/somebody/special_tokens_map.json"
    change(folder / "tokenizer_config.json", special_tokens_map_file=old, tokenizer_file=None)
    open_checkpoint(str(folder))


def test_code_that_the_identity_lacks_is_refused_where_code_may_run(folder: Path) -> None:
    fill(folder, ["model.safetensors"])
    change(folder / "config.json", auto_map={"AutoModelForCausalLM": "owner/repo--modeling.X"})
    open_checkpoint(str(folder))  # transformers knows the architecture, and runs its own code
    with pytest.raises(UserError, match="auto_map takes Python code from another repository"):
        open_checkpoint(str(folder), trust_model=True)
    change(folder / "config.json", auto_map=None)
    (folder / "custom_generate").mkdir()
    with pytest.raises(UserError, match="custom_generate"):
        open_checkpoint(str(folder), trust_model=True)


@pytest.mark.parametrize(
    ("engine", "args"),
    [
        ("vllm", {"model_weights": "/another"}),
        ("vllm", {"dtype": "float16"}),
        ("vllm", {"load_format": "pt"}),
        ("vllm", {"load_format": "tensorizer"}),
        ("vllm", {"load_format": "sharded_state"}),
        ("vllm", {"model_loader_extra_config": {"pattern": "../x"}}),
        ("openai", {"temperature": 1.5}),
        ("openai", {"seed": 5}),
        ("ray", {"hf_config_path": "/another"}),
        ("ray", {"load_format": "npcache"}),
        ("hf", {"gguf_file": "w.gguf"}),
        ("hf", {"subfolder": "other"}),
    ],
)
def test_an_argument_that_leads_elsewhere_is_refused(engine: str, args: dict[str, str]) -> None:
    with pytest.raises(WrongValueError, match=f"engine_args {next(iter(args))}"):
        ENGINES[engine].require_recorded(EngineSpec(name=engine, args=args))


def test_pickled_formats_are_read_where_pickled_weights_are_allowed() -> None:
    spec = EngineSpec(args={"load_format": "pt"}, allow_pickle=True)
    ENGINES["vllm"].require_recorded(spec)
