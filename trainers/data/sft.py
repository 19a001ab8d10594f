"""Built training data as conversations, for supervised fine-tuning.

verl's supervised trainer reads a parquet file with a column ``messages``
(`verl.utils.dataset.multiturn_sft_dataset`): the user's message, and a perfect response.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import UserError
from benchmarks.hints import hint
from trainers.data.folder import TrainingData
from trainers.data.reading import BATCH
from trainers.data.styles import DataStyle

MESSAGES = "messages"
"""The column that verl's trainer reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SftData:
    """Two parquet files of conversations."""

    train: Path
    test: Path
    rows: int
    """Conversations to train on."""
    held_out: int
    """Conversations that are held out."""
    left_out: int
    """Rows left out because they have no reasoning: they would teach to answer without any."""


def sft_rows(data: TrainingData, folder: Path) -> SftData:
    """Write the conversations of a built folder into ``folder``, in the built order.

    Raises:
        UserError: no row has reasoning, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        train, lost = _write(data.train, data.style, folder / "train.parquet")
        test, lost_of_test = _write(data.test, data.style, folder / "test.parquet")
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    if not train:
        raise UserError(
            f"{data.folder}: no row has reasoning, so there is nothing to imitate; supervised "
            "training needs a source with solutions (--solution-column of "
            f"`{hint('data build')}` names their column)"
        )
    return SftData(
        train=folder / "train.parquet",
        test=folder / "test.parquet",
        rows=train,
        held_out=test,
        left_out=lost + lost_of_test,
    )


def _write(built: Path, style: DataStyle, output: Path) -> tuple[int, int]:
    """Write one split; return how many rows were written, and how many left out."""
    import pyarrow
    import pyarrow.parquet

    turn = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    schema = pyarrow.schema([(MESSAGES, pyarrow.list_(turn))])
    written = read = 0
    with pyarrow.parquet.ParquetWriter(output, schema) as writer:
        for rows in _batches(built):
            conversations = [{MESSAGES: _messages(row, style)} for row in rows]
            kept = [row for row in conversations if row[MESSAGES]]
            writer.write_table(pyarrow.Table.from_pylist(kept, schema=schema))
            read, written = read + len(rows), written + len(kept)
    return written, read - written


def _batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as opened:
        for batch in opened.iter_batches(batch_size=BATCH):
            yield batch.to_pylist()


def _messages(row: dict[str, Any], style: DataStyle) -> list[dict[str, str]]:
    reasoning = style.reasoning(row)
    if not reasoning.strip():
        return []
    response = style.response(reasoning, row["reward_model"]["ground_truth"])
    return [*row["prompt"], {"role": "assistant", "content": response}]
