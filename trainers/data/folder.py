"""A built folder of training data, opened only if it is what its card says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import UserError
from benchmarks.hints import hint, word
from harness.common.files import file_sum
from harness.common.schema import read_value
from trainers.data.card import CARD, DataCard
from trainers.data.styles import DataStyle, find_data_style


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A built folder of training data, as verl reads it."""

    folder: Path
    card: DataCard

    @property
    def train(self) -> Path:
        """The parquet file to train on."""
        return self.folder / "train.parquet"

    @property
    def test(self) -> Path:
        """The parquet file of the rows that were held out."""
        return self.folder / "test.parquet"

    @property
    def style(self) -> DataStyle:
        """The style in which its questions are asked."""
        return find_data_style(self.card.asked.style)


def is_built(path: Path) -> bool:
    """Say whether a folder claims to be built training data: whether it has a card."""
    return (path / CARD).is_file()


def open_data(path: Path) -> TrainingData:
    """Open a built folder and verify its files against its card.

    Raises:
        UserError: it is not training data, or a file is missing or was changed.
    """
    if not is_built(path):
        raise UserError(
            f"{path} is not built training data: it has no {CARD}; "
            f"make it with `{hint(f'data build SOURCE --style STYLE -o {word(str(path))}')}`"
        )
    card = read_value(path / CARD, DataCard, "data card")
    for name, expected in card.files.items():
        problem = _problem(path / name, expected)
        if problem:
            raise UserError(
                f"{path}: {name} {problem}; the data are not what their card says: remove the "
                "folder and build it again"
            )
    return TrainingData(folder=path, card=card)


def _problem(path: Path, expected: str) -> str | None:
    try:
        found = file_sum(path)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if found == expected:
        return None
    return f"has sha256 {found[:12]}…, and the card says {expected[:12]}…"
