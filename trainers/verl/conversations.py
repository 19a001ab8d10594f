"""The conversations that verl's supervised trainer reads: short enough, and in a seed's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from benchmarks import UserError
from harness.common.bounded_child import BoundsError, bounded_texts
from harness.common.files import replacing
from harness.models.checkpoint import load_tokenizer
from trainers.data import TrainingData, sft_rows
from trainers.data.sft import MESSAGES

if TYPE_CHECKING:
    import pyarrow
    from transformers import PreTrainedTokenizerBase

LONGEST = "data.max_length"
"""verl's key for the tokens that a conversation may have."""
MEASURED = 1000
"""Conversations that are tokenised at once to see how long they are."""
PATIENCE = 120.0
"""Seconds in which the model's template has to render as many; it takes about one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """The two files that verl reads, and how many rows were left out of them."""

    train: Path
    test: Path
    rows: int
    """Conversations to train on."""
    held_out: int
    """Conversations that are held out, to measure the loss on."""
    without_reasoning: int
    """Rows left out because they have no reasoning: they would teach to answer without any."""
    too_long: int
    """Rows left out because they have more tokens than the recipe takes."""


def write_conversations(
    data: TrainingData,
    folder: Path,
    *,
    model: Path,
    longest: int,
    seed: int,
    trust_remote_code: bool = False,
) -> Conversations:
    """Write training data as conversations that fit the model, in the order that a seed gives.

    Args:
        data: the training data.
        folder: where the two files go.
        model: the checkpoint whose tokenizer measures the rows.
        longest: tokens that a conversation may have.
        seed: decides the order of the rows to train on.
        trust_remote_code: whether the checkpoint's own tokenizer class may run.

    Raises:
        UserError: no row has reasoning, none is short enough, the tokenizer cannot be loaded
            or has no chat template, or the folder cannot be written.
    """
    made = sft_rows(data, folder)
    tokenizer = load_tokenizer(model, name=str(model), trust=trust_remote_code)
    if tokenizer.chat_template is None:
        raise UserError(
            f"model {model}: its tokenizer has no chat template, so nothing says how question and "
            "response are written; add a chat_template.jinja to a copy of the model's folder"
        )
    try:
        rows = _keep_short(made.train, tokenizer, longest, Random(seed))
        held_out = _keep_short(made.test, tokenizer, longest, None)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    if not rows:
        raise UserError(
            f"{data.folder}: all {made.rows} rows are longer than {longest} tokens; "
            f"allow more: --set {LONGEST}=… (at most the model's context)"
        )
    return Conversations(
        train=made.train,
        test=made.test,
        rows=rows,
        held_out=held_out,
        without_reasoning=made.left_out,
        too_long=made.rows + made.held_out - rows - held_out,
    )


def _keep_short(
    path: Path, tokenizer: PreTrainedTokenizerBase, longest: int, random: Random | None
) -> int:
    """Drop the rows that are too long, shuffle the rest if asked to, and return their number."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    lengths = _lengths(table, tokenizer)
    kept = [number for number, length in enumerate(lengths) if length <= longest]
    if random is not None:
        random.shuffle(kept)
    with replacing(path) as file:
        pyarrow.parquet.write_table(table.take(pyarrow.array(kept, pyarrow.int64())), file)
    return len(kept)


def _lengths(table: pyarrow.Table, tokenizer: PreTrainedTokenizerBase) -> Iterator[int]:
    for batch in table.to_batches(max_chunksize=MEASURED):
        messages = batch.column(MESSAGES).to_pylist()
        texts = _rendered(messages, tokenizer)
        # Not verbose: it would warn of each row that is longer than the model's context.
        ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        yield from map(len, ids)


def _rendered(messages: Sequence[Any], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Render by the model's own template: a program, which may do anything with its time."""

    def rendered(turns: Any) -> str:
        return str(tokenizer.apply_chat_template(turns, tokenize=False))

    try:
        return bounded_texts(rendered, messages, seconds=PATIENCE)
    except BoundsError as error:
        raise UserError(
            f"the model's chat template does not render a conversation of the data: {error}; mend "
            "the template in a copy of the model's folder"
        ) from error
