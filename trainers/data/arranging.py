"""The order of the rows, and which are held out: `datasets`' own shuffle and split, seed 42.

Both depend only on the seed and the number of rows, so it is known where each row goes before
any is moved.
"""

from __future__ import annotations

import json
from array import array
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bounded_json import parse_json
from trainers.data.reading import COLUMNS
from trainers.data.styles import DataStyle

if TYPE_CHECKING:
    import datasets

SEED = 42
TEST_SHARE = 0.01
"""The fraction of the rows that is held out."""
SPLITS = ("train", "test")


def arrange(dataset: datasets.Dataset, style: DataStyle) -> datasets.DatasetDict:
    """Return the rows in the style's order, as train and test."""
    ordered = dataset.shuffle(seed=SEED) if style.shuffled else dataset
    return ordered.train_test_split(test_size=TEST_SHARE, seed=SEED)


class SplitAssignment:
    """Which split each kept row goes to, and its number there from 0."""

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
        """Return the split of the row that was kept as number ``position``, and its index there."""
        return SPLITS[self._held_out[position]], self._index[position]

    def also_in_train(self, questions: array[int]) -> int:
        """Count the rows of test whose question is in train too; ``questions`` are digests."""
        both = list(zip(questions, self._held_out, strict=True))
        trained = {question for question, held_out in both if not held_out}
        return sum(held_out and question in trained for question, held_out in both)


def write_split(part: datasets.Dataset, split: str, style: DataStyle, folder: Path) -> int:
    """Write one split with verl's columns, as parquet and as jsonl; return its rows."""
    # The source's columns are removed. Only the reasoning stays, as a column that verl ignores,
    # unless the row keeps its solution in extra_info.
    removed = [name for name in COLUMNS if style.keeps_solution or name != "reasoning"]
    made = part.map(
        partial(style.columns, split=split),
        with_indices=True,
        remove_columns=removed,
        load_from_cache_file=False,
        new_fingerprint=f"{style.name}-{split}",
    )
    made.to_parquet(str(folder / f"{split}.parquet"))
    made.to_json(str(folder / f"{split}.jsonl"))
    return len(made)


def locate(matches: Path, assignment: SplitAssignment, output: Path) -> None:
    """Write the overlaps with the split and index of each kept row instead of its position."""
    with matches.open(encoding="utf-8") as read, output.open("w", encoding="utf-8") as write:
        for line in read:
            match = parse_json(line)
            position = match.pop("position")
            split, index = (None, None) if position is None else assignment.of(position)
            write.write(json.dumps({**match, "split": split, "index": index}) + "\n")
