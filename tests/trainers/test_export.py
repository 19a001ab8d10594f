"""A checkpoint is its base with other numbers in it, whatever verl wrote beside them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import made_saves
import pytest
from made_saves import make_save, make_sharded_save
from tiny_models import MAKERS

from benchmarks import UserError
from harness.models.checkpoint import identity_files, open_checkpoint
from harness.models.lineage import Lineage, read_lineage
from trainers.verl.base_model import prepare_base, require_weights
from trainers.verl.export import carried_files, export, publish, trained_files
from trainers.verl.saves import model_folder

if TYPE_CHECKING:
    from torch import Tensor

LINEAGE = Lineage(trainer="verl-grpo-v4", steps=7, recipe={"key": None})
OWN_CODE = {"pocket"}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: make(folder / name) for name, make in MAKERS.items()}


@pytest.fixture
def llama(bases: dict[str, Path]) -> Path:
    return bases["llama"]


def read_weights(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return {name: t for file in trained_files(folder) for name, t in load_file(file).items()}


def model_tensors(base: Path, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Return the tensors as the training's model has them: in float32, by its own names."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, trust_remote_code=base.name in OWN_CODE)
    return {name: change(t.float()) for name, t in model.state_dict().items()}


@pytest.mark.parametrize(
    "content", [b"", b"torn", (10**12).to_bytes(8, "little") + b"{}", b"\x02" + bytes(7) + b"[]"]
)
def test_weights_that_cannot_be_read_are_told(content: bytes, tmp_path: Path) -> None:
    from trainers.verl.export import _base_tensors

    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors cannot be read .*Download them again"):
        _base_tensors(tmp_path)


@pytest.mark.parametrize("named", [5, "x", ["a", "b"], [["LlamaForCausalLM"]], {"a": 1}])
def test_a_config_that_names_no_architecture_is_refused(named: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": named}), encoding="utf-8")
    with pytest.raises(UserError, match="training takes a model with exactly one"):
        prepare_base(tmp_path, tmp_path / "base", trust_remote_code=False)


def halved(tensor: Tensor) -> Tensor:
    return tensor / 2


@pytest.mark.parametrize("kind", MAKERS)
def test_the_numbers_are_the_trained_ones_and_all_else_is_the_base(
    kind: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    import torch

    base = bases[kind]
    saved = make_save(tmp_path, 7, model_tensors(base, halved))
    export(saved, base, tmp_path / "checkpoint", lineage=LINEAGE)
    before, after = read_weights(base), read_weights(tmp_path / "checkpoint")
    assert before.keys() == after.keys()
    for name, tensor in after.items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name] / 2), name
    names = {file.name for file in identity_files(base)}
    assert {file.name for file in identity_files(tmp_path / "checkpoint")} == names
    assert {"config.json", "tokenizer_config.json"} <= names
    for file in carried_files(base):
        assert (tmp_path / "checkpoint" / file.name).read_bytes() == file.read_bytes()
    assert read_lineage(tmp_path / "checkpoint") == LINEAGE


@pytest.mark.parametrize("kind", MAKERS)
def test_transformers_and_the_harness_open_what_was_exported(
    kind: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    trust = kind in OWN_CODE
    saved = make_save(tmp_path, 7, model_tensors(bases[kind], halved))
    export(saved, bases[kind], tmp_path / kind, lineage=LINEAGE)
    opened = open_checkpoint(str(tmp_path / kind), trust_model=trust, trust_tokenizer=trust)
    assert opened.stop_token_ids == ((3, 4) if kind == "pocket" else (3,))
    assert opened.tokenizer.chat_template
    import torch

    trained = model_tensors(tmp_path / kind, halved)
    for name, tensor in model_tensors(bases[kind], halved).items():
        assert torch.equal(trained[name], tensor / 2), name


def test_shards_of_several_processes_are_put_together(llama: Path, tmp_path: Path) -> None:
    import torch

    tensors = model_tensors(llama, halved)
    odd = {name: t for name, t in tensors.items() if t.shape[0] % 3}
    assert odd, "no tensor is cut into parts of different lengths"
    one = make_save(tmp_path / "one", 1, tensors)
    three = make_sharded_save(tmp_path / "three", 1, tensors, size=3)
    export(one, llama, tmp_path / "from-one", lineage=LINEAGE)
    export(three, llama, tmp_path / "from-three", lineage=LINEAGE)
    expected = read_weights(tmp_path / "from-one")
    for name, tensor in read_weights(tmp_path / "from-three").items():
        assert torch.equal(tensor, expected.pop(name)), name
    assert not expected


def test_tensors_that_training_leaves_out_come_along_and_are_named(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    base = MAKERS["deepseek"](tmp_path / "deepseek")
    spare = {"model.layers.2.eh_proj.weight": torch.ones(2, 3)}
    save_file({**read_weights(base), **spare}, base / "model.safetensors")
    saved = make_save(tmp_path, 7, model_tensors(bases["deepseek"], halved))
    export(saved, base, tmp_path / "checkpoint", lineage=LINEAGE)
    after = read_weights(tmp_path / "checkpoint")
    assert torch.equal(after["model.layers.2.eh_proj.weight"], torch.ones(2, 3))
    lineage = read_lineage(tmp_path / "checkpoint")
    assert lineage is not None
    assert lineage.settings()["untrained_tensors"] == list(spare)


def test_a_save_of_another_model_is_refused(llama: Path, tmp_path: Path) -> None:
    import torch

    tensors = model_tensors(llama, halved)
    norm = "model.norm.weight"
    for changed, what in (
        ({name: t for name, t in tensors.items() if name != norm}, "the save has no model.norm"),
        ({**tensors, "model.extra.weight": torch.ones(3)}, "the base has no model.extra"),
        ({**tensors, "lm_head.weight": torch.ones(640, 64)}, "the base has no lm_head"),
        ({**tensors, norm: torch.ones(65)}, "differ in the shape of model.norm"),
    ):
        with pytest.raises(UserError, match=what):
            export(make_save(tmp_path / what, 1, changed), llama, tmp_path / "c", lineage=LINEAGE)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_training_that_diverged_is_no_checkpoint(
    number: float, llama: Path, tmp_path: Path
) -> None:
    tensors = model_tensors(llama, halved)
    tensors["model.norm.weight"][5] = number
    saved = make_save(tmp_path, 1, tensors)
    with pytest.raises(
        UserError, match=r"the weights hold NaN or infinity, first in model.norm.weight"
    ):
        export(saved, llama, tmp_path / "checkpoint", lineage=LINEAGE)
    assert [path.name for path in tmp_path.iterdir()] == ["global_step_1"]


def test_a_damaged_save_is_named(llama: Path, tmp_path: Path) -> None:
    saved = make_save(tmp_path, 1, model_tensors(llama, halved))
    shard = saved / "actor/model_world_size_1_rank_0.pt"
    shard.write_bytes(shard.read_bytes()[:-400])
    with pytest.raises(UserError, match=r"rank_0\.pt"):
        export(saved, llama, tmp_path / "checkpoint", lineage=LINEAGE)
    (saved / "actor/fsdp_config.json").unlink()
    with pytest.raises(UserError, match="not a save of verl"):
        export(saved, llama, tmp_path / "checkpoint", lineage=LINEAGE)


class Hostile:
    """Something that a file of weights could hold."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("hostile",)


def test_a_save_runs_no_code(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved = make_save(tmp_path, 1, {"model.norm.weight": Hostile()})
    with pytest.raises(UserError, match="cannot be read"):
        export(saved, llama, tmp_path / "checkpoint", lineage=LINEAGE)
    assert not (tmp_path / "hostile").exists()


def test_an_export_takes_the_place_of_the_one_before(llama: Path, tmp_path: Path) -> None:
    output = tmp_path / "checkpoint"
    output.mkdir()
    (output / "old.json").touch()
    export(make_save(tmp_path, 1, model_tensors(llama, halved)), llama, output, lineage=LINEAGE)
    assert not (output / "old.json").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint", "global_step_1"]


def test_a_full_disk_leaves_what_was_there(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "checkpoint"
    output.mkdir()
    (output / "old.json").touch()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    saved = make_save(tmp_path, 1, model_tensors(llama, halved))
    with pytest.raises(UserError, match="No space left on device"):
        export(saved, llama, output, lineage=LINEAGE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint", "global_step_1"]
    assert [p.name for p in output.iterdir()] == ["old.json"]


def small_checkpoint(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_the_folder_itself_becomes_the_last_checkpoint(tmp_path: Path) -> None:
    first = small_checkpoint(
        tmp_path / "checkpoints/step-1", config__json="1", model__safetensors="1", own__py="1",
        lineage__json="1",
    )  # fmt: skip
    second = small_checkpoint(
        tmp_path / "checkpoints/step-2", config__json="2", model__safetensors="2",
        lineage__json="2",
    )  # fmt: skip
    (tmp_path / "notes.txt").write_text("mine")
    publish(first, tmp_path)
    assert (tmp_path / "own.py").samefile(first / "own.py")
    publish(second, tmp_path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir() if p.is_file()} == {
        "config.json": "2", "model.safetensors": "2", "lineage.json": "2", "notes.txt": "mine",
        ".published": '["config.json", "lineage.json", "model.safetensors"]',
    }  # fmt: skip
    assert (tmp_path / "model.safetensors").samefile(second / "model.safetensors")


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", unable)
    checkpoint = small_checkpoint(tmp_path / "c", config__json="1", model__safetensors="1")
    publish(checkpoint, tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").read_text() == "1"
    assert not (tmp_path / "out/model.safetensors").samefile(checkpoint / "model.safetensors")


@pytest.mark.parametrize("moves", range(6))
def test_whoever_is_killed_while_publishing_leaves_the_old_the_new_or_none(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"config__json", "model__safetensors", "lineage__json"}
    old = small_checkpoint(tmp_path / "old", **dict.fromkeys({*names, "own__py"}, "old"))
    new = small_checkpoint(tmp_path / "new", **dict.fromkeys(names, "new"))
    output = tmp_path / "out"
    publish(old, output)
    replace, done = Path.replace, []

    def killed_later(self: Path, target: Path) -> Path:
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed_later)
    try:
        publish(new, output)
    except KeyboardInterrupt:
        assert moves < 5
    else:
        assert moves == 5  # the list of files, three files, and the list again
    monkeypatch.undo()
    files = {p.name: p.read_text() for p in output.iterdir() if not p.name.startswith(".")}
    if "config.json" in files:
        assert set(files.values()) == ({"old"} if moves == 0 else {"new"})
    publish(new, output)
    files = {p.name: p.read_text() for p in output.iterdir() if not p.name.startswith(".")}
    assert list(files.values()) == ["new"] * 3


def test_subfolders_do_not_belong_to_the_checkpoint(llama: Path, tmp_path: Path) -> None:
    step = tmp_path / "out/checkpoints/step-000007"
    export(make_save(tmp_path, 7, model_tensors(llama, halved)), llama, step, lineage=LINEAGE)
    publish(step, tmp_path / "out")
    (tmp_path / "out/training/logs").mkdir(parents=True)
    assert open_checkpoint(str(tmp_path / "out")).files == open_checkpoint(str(step)).files
    assert read_lineage(tmp_path / "out") == LINEAGE


def test_a_model_that_needs_no_change_is_given_as_it_is(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    assert prepare_base(bases["llama"], tmp_path / "b", trust_remote_code=False) == bases["llama"]
    assert prepare_base(bases["pocket"], tmp_path / "b", trust_remote_code=True) == bases["pocket"]
    assert not (tmp_path / "b").exists()


def test_leftover_code_of_a_known_architecture_is_not_shown_to_verl(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    base = bases["deepseek"]
    for _ in range(2):  # a second launch makes it again
        folder = prepare_base(base, tmp_path / "b", trust_remote_code=False)
    config = json.loads((folder / "config.json").read_text())
    assert {**config, "auto_map": "?"} == {
        **json.loads((base / "config.json").read_text()), "auto_map": "?"
    }  # fmt: skip
    assert "auto_map" not in config
    assert (folder / "model.safetensors").samefile(base / "model.safetensors")
    assert {p.name for p in folder.iterdir()} == {p.name for p in base.iterdir()}


def test_code_that_is_not_trusted_is_named(bases: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"its model and tokenizer is Python code"):
        prepare_base(bases["pocket"], tmp_path / "b", trust_remote_code=False)


def test_code_of_another_repository_is_refused_as_in_an_evaluation(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bases["pocket"], tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "owner/repo--modeling.X"}
    (folder / "config.json").write_text(json.dumps(config))
    for trained in (
        lambda: prepare_base(folder, tmp_path / "b", trust_remote_code=True),
        lambda: require_weights(folder, trust_remote_code=True),
        lambda: open_checkpoint(str(folder), trust_model=True, trust_tokenizer=True),
    ):
        with pytest.raises(UserError, match="takes Python code from another repository"):
            trained()


def test_a_model_that_cannot_be_trained_is_refused_before(tmp_path: Path) -> None:
    folder = small_checkpoint(tmp_path / "m", config__json='{"model_type": "llama"}')
    with pytest.raises(UserError, match=r"no \*\.safetensors"):
        prepare_base(folder, tmp_path / "b", trust_remote_code=False)
    (folder / "model.safetensors").touch()
    prepared = prepare_base(folder, tmp_path / "b", trust_remote_code=False)
    assert json.loads((prepared / "config.json").read_text())["architectures"] == [
        "LlamaForCausalLM"
    ]
    (folder / "config.json").write_text('{"model_type": "x", "quantization_config": {"bits": 4}}')
    with pytest.raises(UserError, match=r"are quantized .*'bits': 4"):
        prepare_base(folder, tmp_path / "b", trust_remote_code=False)
    for names in ('["A", "B"]', '["LlamaForSequenceClassification"]'):
        (folder / "config.json").write_text(f'{{"model_type": "x", "architectures": {names}}}')
        with pytest.raises(UserError, match="exactly one, a …ForCausalLM"):
            prepare_base(folder, tmp_path / "b", trust_remote_code=False)


@pytest.fixture(scope="module")
def verls_own(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A save of each architecture by verl's own checkpoint manager, all by one process."""
    saves, words = {}, []
    for kind, made in bases.items():
        folder, trust = tmp_path_factory.mktemp(f"verl-{kind}"), kind in OWN_CODE
        base = prepare_base(made, folder / "base", trust_remote_code=trust)
        saves[kind] = folder / "global_step_1"
        words += [str(base), str(saves[kind] / "actor"), "trust" if trust else ""]
    script = [sys.executable, made_saves.__file__, *words]
    subprocess.run(script, check=True, capture_output=True, timeout=800)
    return saves


@pytest.mark.engine
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", MAKERS)
def test_what_verl_itself_saves_is_exported(
    kind: str, bases: dict[str, Path], verls_own: dict[str, Path], tmp_path: Path
) -> None:
    import torch

    saved, trust = verls_own[kind], kind in OWN_CODE
    assert model_folder(saved) == saved / "actor"
    export(saved, bases[kind], tmp_path / kind, lineage=LINEAGE)
    before, after = read_weights(bases[kind]), read_weights(tmp_path / kind)
    assert before.keys() == after.keys()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(changed) > len(before) * 0.9
    open_checkpoint(str(tmp_path / kind), trust_model=trust, trust_tokenizer=trust)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_are_for_those_whom_the_umask_lets_read(
    umask: int, mode: int, llama: Path, tmp_path: Path
) -> None:
    saved = make_save(tmp_path / "state", 1, model_tensors(llama, lambda t: t + 1))
    before = os.umask(umask)
    try:
        export(saved, llama, tmp_path / "out", lineage=LINEAGE)
    finally:
        os.umask(before)
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()}
    assert modes == {mode}
