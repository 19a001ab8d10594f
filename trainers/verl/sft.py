"""Supervised fine-tuning by verl's own trainer: the recipe, the rows, the command.

It makes the checkpoint that GRPO starts from. verl's trainer for it is no Ray program:
`torchrun` starts a process for each GPU of one machine. Four of its ways (0.9.1,
`sft_trainer.py`) are made up for here: no seed orders its data, a conversation that is too
long ends it, held-out rows that do not fill a batch have a loss that is no number, and what
was saved at the end of an epoch goes on after the next one.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict

from benchmarks import UserError
from harness.spec import Frozen
from trainers.base import Setting, TrainSpec
from trainers.data import TrainingData, sft_rows
from trainers.data.sft import MESSAGES
from trainers.verl import keys
from trainers.verl.command import BATCH, Places, lines
from trainers.verl.placement import Placement
from trainers.verl.recipes import Positive, Rate, Share, Verl
from trainers.verl.saves import save_folder

if TYPE_CHECKING:
    import pyarrow

MODULE = "verl.trainer.sft_trainer"
LONGEST = "data.max_length"
TOKENS = 16384
"""Of a micro-batch, on each device."""
MEASURED = 1000
"""Conversations that are tokenised at once to see how long they are."""


def _chosen(*names: str) -> Verl:
    return Verl(names)


class Sft(Frozen):
    """Imitation of the reasoning that the data have, loss on the responses alone.

    Where no other source is named, the values are those of s1 (arXiv 2501.19393, appendix D),
    a full fine-tuning on mathematical reasoning that states them all.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    about: ClassVar[str] = "supervised fine-tuning on the data's own reasoning; GRPO's beginning"
    style: ClassVar[str] = "boxed"
    """Of data that the trainer builds; what is built already may have any."""

    batch: Annotated[Positive, _chosen(BATCH)] = 16
    """Conversations a step: s1's. Small models reason better after few examples a step at the
    same learning rate (SmolTulu, arXiv 2412.08347)."""
    epochs: Annotated[Positive, _chosen("trainer.total_epochs")] = 2
    """Passes over the data, if no number of steps is asked for: Tülu 3's (arXiv 2411.15124).
    s1's 5 are for a thousand rows."""
    longest: Annotated[Positive, _chosen(LONGEST)] = 2048
    """Tokens of question and response together. Longer rows are left out and counted."""
    cut: Annotated[str, _chosen("data.truncation")] = "error"
    """Nothing is cut: who learns from cut responses does not learn to come to an end (s1, its
    table on training lengths)."""
    padding: Annotated[str, _chosen("data.pad_mode")] = "no_padding"
    """A micro-batch is as long as its rows."""
    strict: Annotated[bool, _chosen("data.ignore_input_ids_mismatch")] = False
    """verl tokenises turn by turn; a chat template under which that differs from the whole
    conversation is refused, since it would teach what is never asked."""

    learning_rate: Annotated[Rate, _chosen("optim.lr")] = 1e-5
    """s1's. A model that has seen no chat yet takes more, up to thirty times."""
    schedule: Annotated[str, _chosen("optim.lr_scheduler_type")] = "cosine"
    """s1's."""
    warmup: Annotated[Share, _chosen("optim.lr_warmup_steps_ratio")] = 0.05
    """Part of all steps: s1's."""
    warmup_steps: Annotated[int, _chosen("optim.lr_warmup_steps")] = -1
    """-1: the part above decides."""
    final_rate: Annotated[Share, _chosen("optim.min_lr_ratio")] = 0.0
    """The cosine ends at nothing, as s1's."""
    cycles: Annotated[Rate, _chosen("optim.num_cycles")] = 0.5
    """Half a cosine: from the peak to the end."""
    optimizer: Annotated[str, _chosen("optim.optimizer")] = "AdamW"
    """torch's."""
    weight_decay: Annotated[Share, _chosen("optim.weight_decay")] = 1e-4
    """s1's."""
    betas: Annotated[tuple[float, float], _chosen("optim.betas")] = (0.9, 0.999)
    """AdamW's own."""
    gradient: Annotated[Rate, _chosen("optim.clip_grad")] = 1.0
    """The norm to which gradients are clipped."""
    weights: Annotated[str, _chosen("engine.model_dtype")] = "fp32"
    """Of the trained copy: small updates are less than bfloat16 can tell apart."""
    arithmetic: Annotated[str, _chosen("engine.dtype")] = "bfloat16"
    """Of passes through the model; the loss that is logged has three digits therefore."""

    save_every: Annotated[Positive, _chosen("trainer.save_freq", "trainer.test_freq")] = 100
    """Steps between checkpoints, and between looks at the held-out rows."""

    def settings(self) -> Iterator[Setting]:
        """Yield a line for each of verl's keys, with why it has its value."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            names = next(item for item in field.metadata if isinstance(item, Verl)).keys
            why = " ".join((field.description or "").split())
            yield from lines(
                dict.fromkeys(names, list(value) if isinstance(value, tuple) else value),
                "chosen",
                why,
            )


def fitted(recipe: Sft, model: Path) -> list[Setting]:
    """Return the length that rows may have where the model's context is shorter."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    context = config.get("max_position_embeddings")
    if not isinstance(context, int) or context >= recipe.longest:
        return []
    return lines({LONGEST: context}, "chosen", f"the model's context is {context} tokens")


def seeds(seed: int) -> list[Setting]:
    """Return verl's two seeds, of which it uses neither: the rows' order has ours."""
    why = "--seed; decides the order of the rows"
    return lines({"trainer.seed": seed, "engine.seed": seed}, "chosen", why)


def refuse_cluster(spec: TrainSpec) -> None:
    """Refuse to train on several machines.

    Raises:
        UserError: several nodes or a cluster were asked for.
    """
    if spec.nodes > 1 or spec.address is not None:
        asked = f"--nodes {spec.nodes}" if spec.nodes > 1 else f"--address {spec.address}"
        raise UserError(
            f"{asked}: the trainer sft runs on the GPUs of one machine, without Ray; leave it out "
            "(--gpus says how many of them)"
        )


def placed(placement: Placement, longest: int) -> list[Setting]:
    """Return what verl needs to be told of the machine; ``longest`` is of a row, in tokens."""
    gpu = placement.device == "cuda"
    flash = gpu and find_spec("flash_attn") is not None
    values: Mapping[str, tuple[Any, str]] = {
        "trainer.device": (placement.device, ""),
        "trainer.nnodes": (1, ""),
        "trainer.n_gpus_per_node": (placement.gpus, ""),
        "engine.strategy": ("fsdp2", ""),
        "engine.use_torch_compile": (False, "it compiles the entropy, which this loss has not"),
        "model.override_config.attn_implementation": (
            "flash_attention_2" if flash else "sdpa",
            "flash-attn is installed" if flash else "flash-attn is not installed",
        ),
        "model.use_remove_padding": (flash, "needs flash-attn"),
        "model.enable_gradient_checkpointing": (gpu, "memory for time" if gpu else "small models"),
        "data.use_dynamic_bsz": (True, "micro-batches are filled up to the tokens below"),
        "data.max_token_len_per_gpu": (max(TOKENS, longest), "not less than the longest row"),
        "data.num_workers": (4 if gpu else 0, "rows are tokenised meanwhile" if gpu else "cores"),
    }
    return [
        Setting(key=key, value=value, origin="placed", why=why)
        for key, (value, why) in values.items()
    ]


def files(spec: TrainSpec, *, model: Path) -> list[Setting]:
    """Return the keys that name files and folders."""
    places = Places(spec.output.absolute())
    rows = conversations(places)
    values = {
        "model.path": str(model.absolute()),
        "model.trust_remote_code": spec.trust_remote_code,
        "data.train_files": str(rows / "train.parquet"),
        "data.val_files": str(rows / "test.parquet"),
        "data.messages_key": MESSAGES,
        "checkpoint.save_contents": ["model", "optimizer", "extra"],
        "trainer.default_local_dir": str(places.state),
        "trainer.max_ckpt_to_keep": spec.keep,
        "trainer.resume_mode": "disable",
        "trainer.resume_from_path": None,
        "trainer.project_name": "harness",
        "trainer.experiment_name": spec.output.name,
        "trainer.logger": ["console", "file", *spec.loggers],
    }
    return lines(values, "placed")


def command(recipe: Iterable[Setting], processes: int) -> tuple[str, ...]:
    """Return what starts verl.

    Raises:
        UserError: verl has no such key, or does not take the value.
    """
    overrides = [
        keys.override(
            keys.SFT,
            line.key,
            str(line.value) if line.origin == "set" else keys.hydra_value(line.value),
        )
        for line in recipe
    ]
    keys.compose(keys.SFT, overrides)
    start = ("torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    quiet = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=disabled")
    return (sys.executable, "-u", "-m", *start, "-m", MODULE, *quiet, *overrides)


def with_values(command: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return a command in which keys that it has get values that are known only at launch.

    >>> with_values(["verl", "a.b=1", "+c=2"], {"a.b": None})
    ['verl', 'a.b=null', '+c=2']
    """
    written = {f"{key}=": keys.hydra_value(value) for key, value in values.items()}
    starts = {part: start for part in command for start in written if part.startswith(start)}
    return [starts[part] + written[starts[part]] if part in starts else part for part in command]


# --- the rows -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """What verl is given to read, and what was left out of it."""

    train: Path
    test: Path
    rows: int
    """Of train."""
    held_out: int
    """Of test."""
    without_reasoning: int
    """Left out: a bare answer would teach to answer without any."""
    too_long: int
    """Left out: more tokens than the recipe takes."""


def conversations(places: Places) -> Path:
    """Return the folder of the rows that verl reads."""
    return places.training / "conversations"


def write_conversations(
    data: TrainingData,
    folder: Path,
    *,
    model: Path,
    longest: int,
    seed: int,
    trust_remote_code: bool = False,
) -> Conversations:
    """Write a built folder's rows as conversations that fit the model, in the order of a seed.

    Raises:
        UserError: no row has reasoning, none is short enough, the model's tokenizer has no
            chat template, or the folder cannot be written.
    """
    made = sft_rows(data, folder)
    tokenizer = _tokenizer(model, trust_remote_code=trust_remote_code)
    try:
        rows = _keep_short(made.train, tokenizer, longest, Random(seed))
        held_out = _keep_short(made.test, tokenizer, longest, None)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    if not rows:
        raise UserError(
            f"{data.folder}: all {made.rows} rows are longer than {longest} tokens; "
            f"take more: --set {LONGEST}=… (the model's context is the limit)"
        )
    return Conversations(
        train=made.train,
        test=made.test,
        rows=rows,
        held_out=held_out,
        without_reasoning=made.left_out,
        too_long=made.rows + made.held_out - rows - held_out,
    )


def _tokenizer(model: Path, *, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trust_remote_code)
    if tokenizer.chat_template is None:
        raise UserError(
            f"model {model}: its tokenizer has no chat template, so nothing says how question and "
            "response are written; add a chat_template.jinja to a copy of the model's folder"
        )
    return tokenizer


def _keep_short(path: Path, tokenizer: Any, longest: int, random: Random | None) -> int:
    """Leave out of a file what is too long, and put the rest in a random order if one is given."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    lengths = _lengths(table, tokenizer)
    kept = [number for number, length in enumerate(lengths) if length <= longest]
    if random is not None:
        random.shuffle(kept)
    partial = path.with_name(path.name + ".partial")
    pyarrow.parquet.write_table(table.take(pyarrow.array(kept, pyarrow.int64())), partial)
    partial.replace(path)
    return len(kept)


def _lengths(table: pyarrow.Table, tokenizer: Any) -> Iterator[int]:
    for batch in table.to_batches(max_chunksize=MEASURED):
        messages = batch.column(MESSAGES).to_pylist()
        texts = tokenizer.apply_chat_template(messages, tokenize=False)
        # Not verbose: it would warn of each row that is longer than the model's context.
        ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        yield from map(len, ids)


# --- the launch -----------------------------------------------------------------------------


def steps_an_epoch(rows: int, batch: int, processes: int) -> int:
    """Return how many steps go once through the rows; what fills no batch is left out.

    >>> steps_an_epoch(70, 32, 1), steps_an_epoch(70, 32, 2)
    (2, 2)

    Raises:
        UserError: the rows fill no batch, or the batch cannot be shared out evenly.
    """
    if batch % processes:
        raise UserError(
            f"a batch of {batch} cannot be shared out evenly among {processes} GPUs; "
            f"use a multiple: --set {BATCH}={-(-batch // processes) * processes}"
        )
    steps = rows // processes // (batch // processes)
    if not steps:
        raise UserError(
            f"there are {rows} rows to train on, which fill no batch of {batch}; "
            f"use more data, or a smaller batch: --set {BATCH}=…"
        )
    return steps


def at_launch(
    found: Conversations, base: Path, *, batch: int, processes: int, resume: Path | None
) -> dict[str, Any]:
    """Return the keys whose values are known only when the rows and the base model are there."""
    values: dict[str, Any] = {"model.path": str(base.absolute())}
    if found.held_out // processes < batch // processes:
        values |= {"data.val_files": None, "trainer.test_freq": -1}
    if resume is not None:
        values |= {
            "trainer.resume_mode": "resume_path",
            "trainer.resume_from_path": str(resume.absolute()),
        }
    return values


def resume_point(places: Places, done: int, an_epoch: int) -> Path:
    """Return the folder from which verl goes on after ``done`` steps exactly as if not stopped.

    At the end of an epoch that is not the save itself: its data loader has given out all of its
    rows, and verl, which has counted on to the next epoch, would ask it for that epoch's, get
    none and go on with the one after. Without the loader's state that epoch is begun anew.
    """
    saved = save_folder(places.state, done)
    if done % an_epoch:
        return saved
    without = places.training / "resume" / saved.name
    shutil.rmtree(without.parent, ignore_errors=True)
    without.mkdir(parents=True)
    for file in saved.iterdir():
        if not file.match("data_*.pt"):
            (without / file.name).symlink_to(file.resolve())
    return without
