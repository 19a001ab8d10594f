"""Where questions come from: a benchmark's train split, local files, a Hugging Face data set.

In each case there is a checksum of the content before the rows are read, so that two builds
can be compared without making them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import BENCHMARKS, UserError, WrongValueError
from benchmarks.registry import loaded
from harness.common.files import file_sum
from trainers.data.answers import plain
from trainers.data.card import SourceCard
from trainers.data.columns import TURNS, AskedColumns, Columns, choose, flat_names
from trainers.data.quiet import silent
from trainers.data.reading import (
    BATCH,
    READERS,
    SourceRow,
    file_columns,
    needed,
    numbered,
    read_file,
)
from trainers.data.rows import OWN
from trainers.data.turns import are_numbered_turns

if TYPE_CHECKING:
    import datasets

_COMMIT = re.compile(r"@([0-9a-f]{40})/")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Rows that can be read more than once, and what identifies them."""

    card: SourceCard
    rows: Callable[[], Iterator[SourceRow]]
    columns: Columns = OWN
    """The columns in which the rows hold question, answer and solution."""


def open_source(
    name: str,
    *,
    split: str = "train",
    revision: str | None = None,
    data_dir: Path | None = None,
    asked: AskedColumns | None = None,
) -> DataSource:
    """Find the source that ``name`` stands for.

    The name of a benchmark means its train split. Otherwise a path is a file or a folder of
    files, and ``owner/name`` is a Hugging Face data set, which is downloaded. Its columns are those
    that ``asked`` names, and otherwise those that `columns.choose` finds.

    Raises:
        UserError: there is no such source, it cannot be loaded, or its columns are not understood.
    """
    asked = asked or AskedColumns()
    path = Path(name).expanduser()
    local = name in BENCHMARKS or path.exists()
    if local and (split != "train" or revision is not None):
        raise WrongValueError(
            f"{name}: only a Hugging Face data set has a split and a revision; a benchmark gives "
            "its train split, and a file all of its rows: leave both out"
        )
    if name in BENCHMARKS:
        if asked != AskedColumns():
            raise WrongValueError(f"{name}: a benchmark's columns are known; name none of them")
        return _benchmark(name, data_dir)
    if path.exists():
        return _local(name, path, asked)
    if not _may_be_hugging_face(name):
        raise WrongValueError(
            f"{name}: there is no such file; a source is a file or folder of "
            f"{', '.join(READERS)}, a Hugging Face id (owner/name), or a benchmark with a train "
            f"split: {', '.join(_with_train_split())}"
        )
    return _hugging_face(name, split, revision, asked)


def require_source(name: str, *, data_dir: Path | None = None) -> None:
    """Refuse what `open_source` could not open or read, as far as nothing has to be downloaded.

    Raises:
        UserError: there is no such source, it has no rows, or it cannot be read.
    """
    path = Path(name).expanduser()
    if name not in BENCHMARKS and not path.exists() and _may_be_hugging_face(name):
        return
    source = open_source(name, data_dir=data_dir)
    if next(iter(source.rows()), None) is None:
        raise UserError(f"{name}: it has no rows to train on; name another file")


def _may_be_hugging_face(name: str) -> bool:
    begins_a_path = name.startswith((".", "/", "~"))
    return not begins_a_path and name.count("/") == 1 and Path(name).suffix not in READERS


def _with_train_split() -> list[str]:
    return [name for name, one in loaded(BENCHMARKS) if one.to_shot is not None]


# --- benchmarks -----------------------------------------------------------------------------


def _benchmark(name: str, data_dir: Path | None) -> DataSource:
    from benchmarks.source import load_shots

    benchmark = BENCHMARKS[name]
    shots = load_shots(benchmark, data_dir=data_dir)
    rows = [
        {"prompt": shot.question, "reasoning": shot.solution, "answer": plain(shot.answer)}
        for shot in shots
    ]
    pinned = benchmark.train.sha256 if benchmark.train else ""
    card = SourceCard(name=name, kind="benchmark", split="train", sha256=pinned)
    return DataSource(card=card, rows=partial(numbered, rows))


# --- local files ----------------------------------------------------------------------------


def _local(name: str, path: Path, asked: AskedColumns) -> DataSource:
    if path.is_file() and path.suffix not in READERS:
        raise WrongValueError(f"{name}: a file of training data ends in {', '.join(READERS)}")
    return _file(name, path, asked) if path.is_file() else _folder(name, path, asked)


def _file(name: str, path: Path, asked: AskedColumns) -> DataSource:
    card = SourceCard(name=name, kind="file", sha256=file_sum(path))
    columns = _chosen(file_columns(path), asked, name)
    rows = partial(read_file, path, columns=columns.read())
    return DataSource(card=card, rows=rows, columns=columns)


def _folder(name: str, path: Path, asked: AskedColumns) -> DataSource:
    files = _files(name, path)
    sums = {file: file_sum(path / file) for file in files}
    whole = hashlib.sha256("".join(f"{s}  {file}\n" for file, s in sums.items()).encode())
    card = SourceCard(name=name, kind="folder", sha256=whole.hexdigest(), files=sums)
    found = dict.fromkeys(column for file in files for column in file_columns(path / file))
    columns = _chosen(list(found), asked, name)
    return DataSource(
        card=card,
        rows=lambda: (row for f in files for row in read_file(path / f, f, columns.read())),
        columns=columns,
    )


def _chosen(found: list[str], asked: AskedColumns, name: str) -> Columns:
    """Choose the columns; a source in whose first rows there is none has only bad rows, or none."""
    return choose(found, asked, name) if found else OWN


def _files(name: str, folder: Path) -> list[str]:
    if (folder / "card.json").is_file():
        raise UserError(
            f"{name} is already built training data (it has a card.json); "
            "train on it as it is, or build from its source"
        )
    inside = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    found = sorted(
        path.as_posix()
        for path in inside
        if path.suffix in READERS and not any(part.startswith(".") for part in path.parts)
    )
    kinds = {Path(file).suffix for file in found}
    if kinds > {".json"}:  # beside data files, a .json file describes them
        kinds.discard(".json")
    if len(kinds) > 1:
        raise UserError(
            f"{name} holds files of several kinds ({', '.join(sorted(kinds))}), which may be the "
            "same rows twice; name one file, or a folder with one kind"
        )
    if not kinds:
        raise UserError(f"{name}: there is no file of {', '.join(READERS)} in this folder")
    return [file for file in found if Path(file).suffix in kinds]


# --- Hugging Face ---------------------------------------------------------------------------


def _hugging_face(name: str, split: str, revision: str | None, asked: AskedColumns) -> DataSource:
    import datasets

    with silent():
        dataset = _download(name, split, revision)
    if not isinstance(dataset, datasets.Dataset):
        raise WrongValueError(f"{name}: '{split}' is not a single split; name one, such as train")
    columns = choose(_names(dataset), asked, name)
    chosen = dataset.select_columns(needed(dataset.column_names, columns.read()))
    card = SourceCard(
        name=name,
        kind="hugging-face",
        split=split,
        revision=revision,
        commit=_commit(dataset),
        sha256=rows_sum(_dataset_rows(chosen)),
    )
    return DataSource(card=card, rows=lambda: numbered(_dataset_rows(chosen)), columns=columns)


def _names(dataset: datasets.Dataset) -> list[str]:
    names = flat_names(dataset.features)
    return [TURNS] if are_numbered_turns(names) else names


def _download(name: str, split: str, revision: str | None) -> Any:
    import datasets
    import httpx
    from datasets.exceptions import DatasetsError

    try:
        return datasets.load_dataset(name, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, DatasetsError, httpx.HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        at = f" at {revision}" if revision else ""
        raise UserError(
            f"{name}: no such file or folder here, and the Hugging Face hub did not give the data "
            f"set's split '{split}'{at}: {reason}; check the name and the network, or download it "
            "elsewhere and name the folder"
        ) from error


def _commit(dataset: datasets.Dataset) -> str | None:
    """Return the commit that was downloaded, as the addresses of its files name it."""
    found = {match[1] for url in dataset.download_checksums or () if (match := _COMMIT.search(url))}
    return found.pop() if len(found) == 1 else None


def _dataset_rows(dataset: datasets.Dataset) -> Iterator[dict[str, Any]]:
    for batch in dataset.iter(BATCH):
        yield from (
            dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)
        )


def rows_sum(rows: Iterable[Any]) -> str:
    """Return the sha256 over rows as lines of canonical JSON, however the rows are stored."""
    digest = hashlib.sha256()
    for row in rows:
        line = json.dumps(row, sort_keys=True, separators=(",", ":"), default=str)
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
