"""What a checkpoint's config says, and when its own Python code has to be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from remote_code import make_foreign_checkpoint

from benchmarks import UserError
from harness.models.trust import (
    declared_context,
    is_native,
    load_config,
    own_code,
    read_config,
    refuse_untrusted,
)

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}


def folder_with(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({**LLAMA, "max_position_embeddings": 640}, 640),
        ({"model_type": "gpt2", "n_positions": 512}, 512),
        ({"model_type": "gemma3", "text_config": {"max_position_embeddings": 4096}}, 4096),
        ({"model_type": "gemma3", "text_config": {"vocab_size": 99}}, 131072),
        (LLAMA, 2048),
        ({"model_type": "bloom"}, None),
    ],
    ids=["plain", "another name", "nested", "nested default", "default", "none"],
)
def test_the_context_is_what_transformers_reads(
    config: dict[str, Any], tokens: int | None, tmp_path: Path
) -> None:
    assert declared_context(folder_with(tmp_path, config), name="m") == tokens


@pytest.mark.slow
def test_a_plainly_stated_context_is_what_transformers_reads_for_every_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Some configs ask the hub for a part of theirs, and try for a minute.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    checked = 0
    for name in CONFIG_MAPPING_NAMES:
        folder = folder_with(tmp_path, {"model_type": name, "max_position_embeddings": 777})
        try:
            config = load_config(folder, name=name, trust=False)
        except Exception:  # noqa: BLE001 - some classes need more than this to be made
            continue
        text = config.get_text_config()
        if text is config:
            checked += 1
            assert getattr(config, "max_position_embeddings", 777) == 777, name
            assert declared_context(folder, name=name) == 777
    assert checked > 100


@pytest.mark.parametrize(
    "config",
    [
        {"auto_map": {"AutoConfig": "x.X"}, "architectures": 5},
        {"auto_map": 5},
        {"auto_map": {"AutoConfig": "x.X"}, "model_type": ["qwen2"]},
        {**LLAMA, "max_position_embeddings": "32768"},
    ],
)
def test_a_config_of_wrong_kinds_is_refused_and_no_crash(
    config: dict[str, Any], tmp_path: Path
) -> None:
    folder = folder_with(tmp_path, config)
    own_code(folder)
    with pytest.raises(UserError):
        declared_context(folder, name="m")


def test_a_config_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="nested too deeply"):
        read_config(tmp_path / "config.json")


def test_a_config_class_of_the_checkpoints_own_is_asked_when_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = make_foreign_checkpoint(tmp_path / "foreign")
    stated = read_config(folder / "config.json")
    assert declared_context(folder, name="m", trust=True) == stated["max_position_embeddings"]


@pytest.mark.parametrize(
    ("config", "native"),
    [
        (LLAMA, True),
        ({"model_type": "llama"}, True),
        ({**LLAMA, "architectures": ["ForeignForCausalLM"]}, False),
        ({**LLAMA, "model_type": "foreign"}, False),
        ({}, False),
    ],
)
def test_a_native_architecture_has_its_config_and_its_models_in_transformers(
    config: dict[str, Any], native: bool
) -> None:
    assert is_native(config) is native


def test_leftover_code_of_a_native_architecture_is_not_needed(tmp_path: Path) -> None:
    auto_map = {"AutoModelForCausalLM": "modeling.Model"}
    folder = folder_with(tmp_path, {**LLAMA, "auto_map": auto_map})
    assert own_code(folder) == []
    folder_with(tmp_path, {**LLAMA, "architectures": ["Foreign"], "auto_map": auto_map})
    assert own_code(folder) == ["model"]
    (folder / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": [null, "t.T"]}}')
    assert own_code(folder) == ["model", "tokenizer"]


def test_a_refusal_names_the_parts_and_the_flag(tmp_path: Path) -> None:
    folder = make_foreign_checkpoint(tmp_path / "foreign")
    with pytest.raises(
        UserError, match=r"model m: its model and tokenizer .* set trust_remote_code on$"
    ):
        refuse_untrusted(folder, name="m", trusted=(), part_by_part=False)
    with pytest.raises(UserError, match=r"trust_remote_code to 'model' \(or 'all'\)$"):
        refuse_untrusted(folder, name="m", trusted=(), part_by_part=True)
    with pytest.raises(UserError, match=r"its tokenizer is .* trust_remote_code to 'tokenizer' "):
        refuse_untrusted(folder, name="m", trusted=["model"], part_by_part=True)
    refuse_untrusted(folder, name="m", trusted=["model", "tokenizer"], part_by_part=True)
