"""JSON that somebody else wrote is bounded in size, in depth and in the length of its lines."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bounded_json import DEEPEST, bounded_lines, parse_json, read_json

ROOT = Path(__file__).parents[2]
OWN = {
    # What a copy of one of our own values goes through.
    "trainers/verl/trainer.py": "json.loads(json.dumps(settings))",
    # In a process of its own, what the process that started it writes.
    "trainers/verl/plugins/check.py": "json.load(sys.stdin)",
    # It has one line of a driver that this very module's process trusts.
    "harness/grading/workers/worker.py": "task = json.loads(line)",
    "benchmarks/bounded_json.py": "value = json.loads(text)",
}
"""The files that may call the reader of the standard library, and where they do."""


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 200_000 + "]" * 200_000, '{"a":' * 200_000])
@pytest.mark.parametrize("kind", [str, bytes])
def test_what_is_nested_without_end_is_an_error_of_its_value(text: str, kind: type) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(text if kind is str else text.encode())


@given(depth=st.integers(DEEPEST - 2, DEEPEST + 3), arrays=st.booleans())
def test_the_depth_is_counted_exactly(depth: int, arrays: bool) -> None:
    begin, end = ("[", "]") if arrays else ('{"a":', "}")
    text = begin * depth + "1" + end * depth
    if depth <= DEEPEST:
        parse_json(text)
    else:
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)


def test_brackets_in_a_text_are_no_depth() -> None:
    assert parse_json('{"a": "' + "{[" * 5000 + '"}') == {"a": "{[" * 5000}
    assert len(parse_json("[" + "[]," * 5000 + "[]]")) == 5001


@pytest.mark.parametrize("text", ["9" * 5000, "{", "", "nul", "\ufeff{}"])
def test_what_python_cannot_read_is_an_error_of_its_value(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has a message of Python's own
        parse_json(text)


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("[1, 2]", encoding="utf-8")
    assert read_json(file, largest=6) == [1, 2]
    with pytest.raises(ValueError, match="more than 5 bytes"):
        read_json(file, largest=5)
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        read_json(Path("/dev/zero"), largest=1000)


class Measured(io.BytesIO):
    """A file that records the largest read."""

    largest = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        self.largest = max(self.largest, len(line))
        return line


@given(lengths=st.lists(st.integers(0, 12), max_size=8), ends=st.booleans())
def test_lines_are_measured_whatever_their_length(lengths: list[int], ends: bool) -> None:
    file = Measured(b"\n".join(b"x" * length for length in lengths) + b"\n" * ends)
    read = list(bounded_lines(file, 5))
    assert file.largest <= 5
    whole = file.getvalue().splitlines(keepends=True)
    assert [size for _, size in read] == [len(line) for line in whole]
    for (line, _), expected in zip(read, whole, strict=True):
        assert line == (None if len(expected.rstrip(b"\n")) >= 5 else expected)


def test_every_file_is_read_through_here() -> None:
    """`json.loads` overflows the stack, and `read_text` has no bound."""
    for room in ("benchmarks", "harness", "trainers"):
        for path in (ROOT / room).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            name = path.relative_to(ROOT).as_posix()
            calls = [
                ast.get_source_segment(source, node)
                for node in ast.walk(ast.parse(source))
                if isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("json.loads", "json.load")
            ]
            assert all(call and call in OWN.get(name, "") for call in calls), (name, calls)
