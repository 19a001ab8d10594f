"""Read JSON that somebody else may have written: bounded in size, in depth and in the line.

Every file of JSON is read through here, and every file of JSON lines line by line, so that a
hostile or broken one is one error that can be told, and never a stack overflow or a full memory.
Depth matters even where Python can still read a value: whoever walks, copies or writes it
afterwards would fail much later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

DEEPEST = 100
"""Objects and arrays within each other; no file that a program writes for another has so many."""
LONGEST_LINE = 64 << 20
"""The most bytes of a line in a file of JSON lines: of a sample, a problem's verdicts or a step."""
LARGEST = 64 << 20
"""The most bytes of a file that is read whole; records and configurations have thousands."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; as Python's own reader, it takes NaN and Infinity.

    Raises:
        ValueError: the text is not JSON, or is nested too deeply.

    >>> parse_json('{"a": [1, null]}')
    {'a': [1, None]}
    >>> parse_json("[" * 101 + "]" * 101)
    Traceback (most recent call last):
    ValueError: it is nested too deeply (more than 100 levels)
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    if _brackets(text) > DEEPEST and _is_deep(value):
        raise ValueError(_too_deep())
    return value


def read_json(path: Path, *, largest: int = LARGEST) -> Any:
    """Return the value in a file of JSON.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON in UTF-8, is nested too deeply, or has more than ``largest``
            bytes.
    """
    return parse_json(read_bounded(path, largest).decode("utf-8"))


def read_bounded(path: Path, largest: int) -> bytes:
    """Return the content of a file, of which no more than ``largest`` bytes are ever read.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has more bytes.
    """
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"it has more than {largest:,} bytes")
    return content


def bounded_lines(file: IO[bytes], longest: int) -> Iterator[tuple[bytes | None, int]]:
    """Yield each line with its length in bytes; None instead of a line of ``longest`` or more."""
    while line := file.readline(longest):
        if len(line) < longest or line.endswith(b"\n"):
            yield line, len(line)
            continue
        length = len(line)
        while part := file.readline(longest):
            length += len(part)
            if part.endswith(b"\n"):
                break
        yield None, length


def _brackets(text: str | bytes) -> int:
    """Return a number that the depth cannot exceed."""
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _is_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep() -> str:
    return f"it is nested too deeply (more than {DEEPEST} levels)"
