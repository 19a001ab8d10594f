"""The values of a JSON array in a file, one after the other, however many there are."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from benchmarks.bounded_json import parse_json

_CHUNK = 1 << 20
_BLANK = " \t\r\n"


def array_values(path: Path, longest: int) -> Iterator[Any]:
    """Yield the values of the array that a file in UTF-8 holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no array, or a value that is torn, nested too deeply or longer than
            ``longest`` characters. The values before it have been yielded.
    """
    with path.open("rb") as file:
        text = _Text(file, longest)
        text.expect("[")
        if text.next() == "]":
            text.take()
        else:
            yield text.value()
            while text.next() == ",":
                text.take()
                yield text.value()
            text.expect("]")
        if text.next():
            raise ValueError("something follows the array")


class _Text:
    """The text of a file, of which only a part is in memory."""

    def __init__(self, file: IO[bytes], longest: int) -> None:
        self._file = file
        self._longest = longest
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._part = ""
        self._at = 0
        self._ended = False
        self._scan = json.JSONDecoder().raw_decode

    def next(self) -> str:
        """Return the next character that is not blank, without taking it; empty at the end."""
        while True:
            while self._at < len(self._part):
                if self._part[self._at] not in _BLANK:
                    return self._part[self._at]
                self._at += 1
            if not self._read(_CHUNK):
                return ""

    def take(self) -> None:
        """Take the next character."""
        self._at += 1

    def expect(self, mark: str) -> None:
        """Take the next character, which has to be ``mark``."""
        if self.next() != mark:
            raise ValueError(f"{mark!r} is expected, and {self.next()!r} follows")
        self.take()

    def value(self) -> Any:
        """Take and return the next value."""
        self.next()
        while True:
            end = self._end_of_value()
            # A number at the very end of what is read may go on.
            if end is not None and (end < len(self._part) or self._ended):
                found = parse_json(self._part[self._at : end])
                self._at = end
                return found
            if len(self._part) - self._at > self._longest:
                raise ValueError(f"a row is not JSON, or is longer than {self._longest >> 20} MiB")
            # Twice as much each time, so that a long value is scanned a few times only.
            if not self._read(max(_CHUNK, len(self._part) - self._at)):
                if self._ended and end is not None:
                    continue
                raise ValueError("a row is incomplete or not JSON")

    def _end_of_value(self) -> int | None:
        try:
            return self._scan(self._part, self._at)[1]
        except RecursionError:
            raise ValueError("it is nested too deeply (more than 100 levels)") from None
        except ValueError:
            return None

    def _read(self, size: int) -> bool:
        """Read on, and forget what was taken; return whether there was more."""
        if self._ended:
            return False
        read = self._file.read(size)
        self._part = self._part[self._at :] + self._decoder.decode(read, final=not read)
        self._at = 0
        self._ended = not read
        return bool(read)
