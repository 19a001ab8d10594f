"""Supervised fine-tuning by verl's own trainer: the recipe, the rows, the command.

It makes the checkpoint that GRPO starts from. verl's trainer for it is no Ray program:
`torchrun` starts a process for each GPU of one machine. Four of its ways (0.9.1,
`sft_trainer.py`) are made up for here: no seed orders its data, a conversation that is too
long ends it, held-out rows that do not fill a batch have a loss that is no number, and what
was saved at the end of an epoch goes on after the next one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from benchmarks import UserError
from trainers.base import Setting, TrainSpec
from trainers.data import TrainingData, sft_rows
from trainers.data.sft import MESSAGES
from trainers.verl.base_model import declared_context
from trainers.verl.command import BATCH, Places, lines
from trainers.verl.placement import TOKENS, Placement
from trainers.verl.recipes import PRECISION, Positive, Rate, Recipe, Share, chosen
from trainers.verl.saves import save_folder

if TYPE_CHECKING:
    import pyarrow

MODULE = "verl.trainer.sft_trainer"
LONGEST = "data.max_length"
MEASURED = 1000
"""Conversations that are tokenised at once to see how long they are."""


class Sft(Recipe):
    """Imitation of the reasoning that the data have, loss on the responses alone.

    Where no other source is named, the values are those of s1 (arXiv 2501.19393, appendix D),
    a full fine-tuning on mathematical reasoning that states them all.
    """

    about: ClassVar[str] = "supervised fine-tuning on the data's own reasoning; GRPO's beginning"
    style: ClassVar[str] = "boxed"
    """Of data that the trainer builds; what is built already may have any."""

    batch: Annotated[Positive, chosen(BATCH)] = 16
    """Conversations a step: s1's. Small models reason better after few examples a step at the
    same learning rate (SmolTulu, arXiv 2412.08347)."""
    epochs: Annotated[Positive, chosen("trainer.total_epochs")] = 2
    """Passes over the data, if no number of steps is asked for: Tülu 3's (arXiv 2411.15124).
    s1's 5 are for a thousand rows."""
    longest: Annotated[Positive, chosen(LONGEST)] = 2048
    """Tokens of question and response together. Longer rows are left out and counted."""
    cut: Annotated[str, chosen("data.truncation")] = "error"
    """Nothing is cut: who learns from cut responses does not learn to come to an end (s1, its
    table on training lengths)."""
    padding: Annotated[str, chosen("data.pad_mode")] = "no_padding"
    """A micro-batch is as long as its rows."""
    strict: Annotated[bool, chosen("data.ignore_input_ids_mismatch")] = False
    """verl tokenises turn by turn; a chat template under which that differs from the whole
    conversation is refused, since it would teach what is never asked."""

    learning_rate: Annotated[Rate, chosen("optim.lr")] = 1e-5
    """s1's. A model that has seen no chat yet takes more, up to thirty times."""
    schedule: Annotated[str, chosen("optim.lr_scheduler_type")] = "cosine"
    """s1's."""
    warmup: Annotated[Share, chosen("optim.lr_warmup_steps_ratio")] = 0.05
    """Part of all steps: s1's."""
    warmup_steps: Annotated[int, chosen("optim.lr_warmup_steps")] = -1
    """-1: the part above decides."""
    final_rate: Annotated[Share, chosen("optim.min_lr_ratio")] = 0.0
    """The cosine ends at nothing, as s1's."""
    cycles: Annotated[Rate, chosen("optim.num_cycles")] = 0.5
    """Half a cosine: from the peak to the end."""
    optimizer: Annotated[str, chosen("optim.optimizer")] = "AdamW"
    """torch's."""
    weight_decay: Annotated[Share, chosen("optim.weight_decay")] = 1e-4
    """s1's."""
    betas: Annotated[tuple[float, float], chosen("optim.betas")] = (0.9, 0.999)
    """AdamW's own."""
    gradient: Annotated[Rate, chosen("optim.clip_grad")] = 1.0
    """The norm to which gradients are clipped."""
    weights: Annotated[str, chosen("engine.model_dtype")] = "fp32"
    """Of the trained copy: small updates are less than bfloat16 can tell apart."""
    arithmetic: Annotated[str, chosen(f"engine.{PRECISION}")] = "bfloat16"
    """Of passes through the model; the loss that is logged has three digits therefore."""

    save_every: Annotated[Positive, chosen("trainer.save_freq", "trainer.test_freq")] = 100
    """Steps between checkpoints, and between looks at the held-out rows."""


def fitted(recipe: Sft, model: Path) -> list[Setting]:
    """Return the length that rows may have where the model's context is shorter."""
    context = declared_context(model)
    if context is None or context >= recipe.longest:
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
        "trainer.max_ckpt_to_keep": None,
        "trainer.resume_mode": "disable",
        "trainer.resume_from_path": None,
        "trainer.project_name": "harness",
        "trainer.experiment_name": spec.output.name,
        "trainer.logger": ["console", "file", *spec.loggers],
    }
    return lines(values, "placed")


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
