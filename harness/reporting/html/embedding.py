"""Puts data into the page: as gzip in base64, in script elements that are never run.

Base64 has no character that could end its element, so the data cannot end it. Responses are stored
in pieces of a few hundred kilobytes, and a browser unpacks only those that somebody opens.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from typing import Any

from harness.common.text import printable

CHUNK_CHARACTERS = 256 * 1024
"""The most characters of JSON in one piece, which a browser unpacks in a few milliseconds."""

# Everything except line breaks, tabs and printable ASCII: what `printable` might change.
_UNUSUAL = re.compile(r"[^\n\t\x20-\x7e]+")

Write = Callable[[str], object]


def visible(text: str, *, limit: int | None = None) -> str:
    r"""Return ``text`` as `harness.common.text.printable` does, fast where it is mostly plain.

    >>> visible("x\x00y\u202e\ud800é")
    'x\\x00y\\u202e\\ud800é'
    """
    cut = text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
    return _UNUSUAL.sub(lambda found: printable(found[0]), cut)


def all_visible(value: Any) -> Any:
    r"""Return JSON data with every text in it made visible.

    >>> all_visible({"a": ["b\x1b", 1, None]})
    {'a': ['b\\x1b', 1, None]}
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(key): all_visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(inner) for inner in value]
    return value


def data_element(name: str, value: Any) -> str:
    """Return the element that holds a JSON value, under the id by which our script finds it."""
    return _element(name, json.dumps(value, separators=(",", ":")))


def _element(name: str, text: str) -> str:
    packed = gzip.compress(text.encode("ascii"), compresslevel=6, mtime=0)
    return (
        f'<script type="text/plain" id="data-{name}">{base64.b64encode(packed).decode()}</script>\n'
    )


class Records:
    """A list of JSON objects that is written into the page in pieces while it grows."""

    def __init__(self, name: str, write: Write) -> None:
        self._name, self._write = name, write
        self._pending: list[str] = []
        self._characters = 0
        self._starts: list[int] = []
        self._count = 0

    def add(self, record: dict[str, Any]) -> int:
        """Add a record whose texts went through `visible`; return its place in the list."""
        text = json.dumps(record, separators=(",", ":"))
        if self._pending and self._characters + len(text) > CHUNK_CHARACTERS:
            self._flush()
        self._pending.append(text)
        self._characters += len(text)
        self._count += 1
        return self._count - 1

    def close(self) -> dict[str, Any]:
        """Write the last piece; return the place at which each piece begins, for the script."""
        if self._pending:
            self._flush()
        return {"name": self._name, "starts": self._starts}

    def _flush(self) -> None:
        self._write(_element(f"{self._name}-{len(self._starts)}", f"[{','.join(self._pending)}]"))
        self._starts.append(self._count - len(self._pending))
        self._pending, self._characters = [], 0
