"""A run's table of samples is what it has to be, or is refused: it may come from anybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import UserError
from harness.runs.file_names import PARQUET
from harness.runs.samples_table import COLUMNS, read_parquet

ROW: dict[str, Any] = {
    "benchmark": "demo", "problem_id": "demo/1", "index": 0, "gold": "1", "outcome": "correct",
    "extracted": "1", "extraction": "boxed", "rule": "identical", "finish_reason": "stop",
    "prompt_tokens": None, "completion_tokens": 3, "seed": 7, "response": "1", "error": None,
}  # fmt: skip


def stored(folder: Path, **changed: Any) -> Path:
    rows = [ROW, {**ROW, **changed}]
    pq.write_table(pa.Table.from_pylist(rows), folder / PARQUET)
    return folder


def test_columns_come_in_order_and_others_are_left_out(tmp_path: Path) -> None:
    assert list(ROW) == list(COLUMNS)
    small = {"index": pa.array([0], pa.int8()), "more": pa.array([1])}
    columns = {name: pa.array([value]) for name, value in reversed(ROW.items())}
    pq.write_table(pa.table(columns | small), tmp_path / PARQUET)
    (row,) = read_parquet(tmp_path)
    assert row == ROW
    assert list(row) == list(COLUMNS)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_without_a_column_is_refused(name: str, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([ROW]).drop_columns([name]), tmp_path / PARQUET)
    with pytest.raises(UserError, match=f"it has no column {name}"):
        [*read_parquet(tmp_path)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"outcome": "right"}, "'right' is no outcome"),
        ({"finish_reason": "tired"}, "'tired' ends no response"),
        ({"index": -1}, "-1 is the number of no sample"),
        ({"index": 10**6}, "1000000 is the number of no sample"),
        ({"response": None}, "a row has no response"),
        ({"problem_id": None}, "a row has no problem_id"),
    ],
)
def test_a_row_that_is_no_sample_is_refused(
    changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        [*read_parquet(stored(tmp_path, **changed))]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("index", ["x", "y"]),
        ("response", [{"a": 1}] * 2),
        ("seed", [[1], [2]]),
        ("gold", [b"\xff"] * 2),
    ],
)
def test_a_column_of_another_type_is_refused(name: str, values: list[Any], tmp_path: Path) -> None:
    rows = [{**ROW, name: value} for value in values]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / PARQUET)
    with pytest.raises(UserError, match=r"samples\.parquet cannot be read"):
        [*read_parquet(tmp_path)]


def test_what_writes_a_table_is_loaded_ahead() -> None:
    later = (
        "import sys\n"
        "from harness.runs.samples_table import load_writer, parquet_schema\n"
        "load_writer()\n"
        "loaded = set(sys.modules)\n"
        "import pyarrow as pa\n"
        "import pyarrow.parquet as pq\n"
        "pa.table({'a': ['b']})\n"
        "print(*(set(sys.modules) - loaded))\n"
    )
    done = subprocess.run([sys.executable, "-c", later], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
