"""The order of the rows, and which are held out: `datasets`' own shuffle and split, seed 42.

What `datasets` draws depends on the seed and the number of rows alone, so the
place of every row is known without moving one.
"""

from __future__ import annotations

import json
from array import array
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trainers.data.reading import COLUMNS
from trainers.data.styles import DataStyle

if TYPE_CHECKING:
    import datasets

SEED = 42
TEST_SHARE = 0.01
SPLITS = ("train", "test")


def arrange(dataset: datasets.Dataset, style: DataStyle) -> datasets.DatasetDict:
    """Return the rows in the style's order, as train and test."""
    ordered = dataset.shuffle(seed=SEED) if style.shuffled else dataset
    return ordered.train_test_split(test_size=TEST_SHARE, seed=SEED)


class Places:
    """Where each kept row went: the split, and its number there from 0."""

    def __init__(self, rows: int, style: DataStyle) -> None:
        import datasets

        numbered = datasets.Dataset.from_dict({"position": list(range(rows))})
        self._held_out = bytearray(rows)
        self._index = array("Q", bytes(8 * rows))
        for split, part in arrange(numbered, style).items():
            for index, position in enumerate(part[:]["position"]):
                self._held_out[position] = split == "test"
                self._index[position] = index

    def of(self, position: int) -> tuple[str, int]:
        """Return the split and the index there of the row that was kept as number ``position``."""
        return SPLITS[self._held_out[position]], self._index[position]

    def also_in_train(self, questions: array[int]) -> int:
        """Count the rows of test whose question, by its sum, is one of train's too."""
        both = list(zip(questions, self._held_out, strict=True))
        trained = {question for question, held_out in both if not held_out}
        return sum(held_out and question in trained for question, held_out in both)


def write_split(part: datasets.Dataset, split: str, style: DataStyle, folder: Path) -> int:
    """Write one split with verl's columns, as parquet and as jsonl; return its rows."""
    # Of a row that keeps its solution in extra_info, nothing of the source is left; of another,
    # the reasoning is, as a column that verl passes over.
    gone = [name for name in COLUMNS if style.keeps_solution or name != "reasoning"]
    made = part.map(
        partial(style.columns, split=split),
        with_indices=True,
        remove_columns=gone,
        load_from_cache_file=False,
        new_fingerprint=f"{style.name}-{split}",
    )
    made.to_parquet(str(folder / f"{split}.parquet"))
    made.to_json(str(folder / f"{split}.jsonl"))
    return len(made)


def locate(matches: Path, places: Places, output: Path) -> None:
    """Write the overlaps with each kept row's split and index instead of its position."""
    with matches.open(encoding="utf-8") as read, output.open("w", encoding="utf-8") as write:
        for line in read:
            match = json.loads(line)
            position = match.pop("position")
            split, index = (None, None) if position is None else places.of(position)
            write.write(json.dumps({**match, "split": split, "index": index}) + "\n")
