"""Tests that files identify a checkpoint, and that its code runs only if it is asked for."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from remote_code import make_foreign_checkpoint

from benchmarks import UserError
from harness.demo import MODEL_PATH
from harness.models.checkpoint import file_sums, find_model, identity_files, open_checkpoint


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODEL_PATH, tmp_path / "copy"))


def test_a_checkpoint_that_moves_is_the_same(copy: Path) -> None:
    assert open_checkpoint(str(copy)).files == open_checkpoint("demo").files


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "tokenizer.json", "config.json", "generation_config.json"],
)
def test_an_overwritten_file_makes_another_model(name: str, copy: Path) -> None:
    before = file_sums(identity_files(copy))
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-2] + b" " + content[-1:])
    after = file_sums(identity_files(copy))
    assert {key for key in before if before[key] != after[key]} == {name}


def test_a_history_file_makes_no_other_model(copy: Path) -> None:
    before = file_sums(identity_files(copy))
    (copy / "lineage.json").write_text("{}", encoding="utf-8")
    (copy / "README.md").write_text("hello", encoding="utf-8")
    assert file_sums(identity_files(copy)) == before


def test_sums_are_sha256() -> None:
    path = MODEL_PATH / "config.json"
    assert file_sums([path]) == {"config.json": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_stop_tokens_come_from_all_that_the_checkpoint_says(copy: Path) -> None:
    (eos,) = open_checkpoint(str(copy)).stop_token_ids
    config = json.loads((copy / "generation_config.json").read_text(encoding="utf-8"))
    (copy / "generation_config.json").write_text(
        json.dumps({**config, "eos_token_id": [eos, 7]}), encoding="utf-8"
    )
    assert open_checkpoint(str(copy)).stop_token_ids == tuple(sorted((eos, 7)))


def test_a_context_the_model_lacks_is_refused() -> None:
    assert open_checkpoint("demo", max_model_len=64).context_length == 64
    with pytest.raises(UserError, match=r"max_model_len 999999 is more than the \d+ tokens"):
        open_checkpoint("demo", max_model_len=999999)


@pytest.mark.parametrize("name", ["./nowhere", "nowhere", "/no/such/folder"])
def test_a_folder_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(UserError, match="there is no such folder"):
        find_model(name)


def test_a_folder_that_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        find_model(str(tmp_path))


def test_a_torn_config_is_told(copy: Path) -> None:
    (copy / "config.json").write_text('{"model_type": "lla', encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.json is not JSON"):
        open_checkpoint(str(copy))


def test_foreign_code_runs_only_when_asked_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = str(make_foreign_checkpoint(tmp_path / "foreign"))
    with pytest.raises(UserError, match="trust_remote_code to 'model'"):
        open_checkpoint(folder)
    with pytest.raises(UserError, match="trust_remote_code to 'tokenizer'"):
        open_checkpoint(folder, trust_model=True)
    foreign = open_checkpoint(folder, trust_model=True, trust_tokenizer=True)
    assert type(foreign.tokenizer).__name__ == "ForeignTokenizer"
    assert "modeling_foreign.py" in foreign.files
