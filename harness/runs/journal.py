"""A run's journal: one line a finished sample, appended as it finishes, read again by its key.

Responses stay on the disk. In memory there is only where each line begins, eight bytes a
sample, so that a million samples weigh no more than a thousand.
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from benchmarks.bounded_json import LONGEST_LINE, bounded_lines
from harness.runs.sample import MOST_SAMPLES, Sample, SampleKey

GAP = 64
"""Numbers of a problem that may be left out between two samples, and still have a place each."""
_NOWHERE = -1


class Places(Mapping[SampleKey, int]):
    """Where in a file of lines each sample begins, in bytes.

    The memory grows with the samples, and not with their numbers: a file may name any.
    """

    def __init__(self) -> None:
        self._of_problem: dict[str, array[int]] = {}
        self._far: dict[SampleKey, int] = {}
        """The samples whose numbers lie far beyond the others of their problem."""
        self._count = 0

    def put(self, problem_id: str, index: int, place: int) -> bool:
        """Note where a sample begins; say whether it is the first of its key.

        Raises:
            ValueError: the index is none that a sample has.
        """
        if not 0 <= index < MOST_SAMPLES:
            raise ValueError(f"sample number {index} of {problem_id}")
        places = self._of_problem.get(problem_id)
        if places is None:
            places = self._of_problem[problem_id] = array("q")
        if index == len(places) and not self._far:  # as most often: samples come in order
            places.append(place)
            self._count += 1
            return True
        key = SampleKey(problem_id, index)
        first = key not in self
        self._far.pop(key, None)
        if index <= len(places) + GAP:
            places.extend([_NOWHERE] * (index + 1 - len(places)))
            places[index] = place
        else:
            self._far[key] = place
        self._count += first
        return first

    def __getitem__(self, key: SampleKey) -> int:
        places = self._of_problem.get(key.problem_id, ())
        place = places[key.index] if key.index < len(places) else _NOWHERE
        return self._far[key] if place == _NOWHERE else place

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, SampleKey):
            return False
        places = self._of_problem.get(key.problem_id, ())
        near = key.index < len(places) and places[key.index] != _NOWHERE
        return near or key in self._far

    def __iter__(self) -> Iterator[SampleKey]:
        yield from self._far
        for problem_id, places in self._of_problem.items():
            for index, place in enumerate(places):
                if place != _NOWHERE:
                    yield SampleKey(problem_id, index)

    def __len__(self) -> int:
        return self._count


class Journal(Mapping[SampleKey, Sample]):
    """The samples in one file. A later line of the same key replaces the earlier one."""

    def __init__(self, path: Path) -> None:
        """Read where the samples are; a torn last line is cut off, to be drawn again."""
        self.path = path
        index = _index(path)
        self._places, self.torn, self._end = index.places, index.torn, index.end
        self.has_reasoning = index.has_reasoning
        """Whether any sample has reasoning apart from its response."""
        if self.torn:  # the next sample must not continue a torn last line
            os.truncate(path, self._end)
        self._written: int | None = None
        self._reader: IO[bytes] | None = None

    @property
    def end(self) -> int:
        """Where the next sample will begin, in bytes."""
        return self._end

    def append(self, sample: Sample) -> None:
        """Write one finished sample; from here on it survives a kill of this process.

        Raises:
            OSError: it is too long, or could not be written; the earlier ones are intact.
        """
        if self._written is None:
            self._written = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        line = sample.to_json() + b"\n"
        if len(line) > LONGEST_LINE:
            raise OSError(errno.EFBIG, f"it has more than {LONGEST_LINE >> 20} MiB")
        try:
            _write_all(self._written, line)
        except OSError:
            with suppress(OSError):  # if it fails, the half line is skipped when the file is read
                os.ftruncate(self._written, self._end)
            raise
        self._places.put(sample.problem_id, sample.index, self._end)
        self.has_reasoning |= bool(sample.reasoning or sample.reasoning_tokens)
        self._end += len(line)

    def close(self) -> None:
        """Flush what was written to the disk."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._written is not None:
            written, self._written = self._written, None
            try:
                os.fsync(written)
            finally:
                os.close(written)

    def __getitem__(self, key: SampleKey) -> Sample:
        place = self._places[key]
        if self._reader is None:
            self._reader = self.path.open("rb")
        self._reader.seek(place)
        return Sample.from_json(self._reader.readline())

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[SampleKey]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_journal(path: Path, *, failed: bool = False) -> Iterator[Sample]:
    """Yield the samples of a journal, which another process may be writing, line by line.

    A line that is no sample is passed over, and so is what the engine failed on, unless
    ``failed`` asks for these samples too.
    """
    for _, sample in _lines(path):
        if sample is not None and (failed or sample.finish_reason != "error"):
            yield sample


class _Index(NamedTuple):
    """What a journal holds when it is opened."""

    places: Places
    """Where the samples begin."""
    torn: int
    """How many lines are no sample."""
    end: int
    """Where the last whole line ends."""
    has_reasoning: bool


def _index(path: Path) -> _Index:
    """Read what a journal holds.

    A sample on which the engine failed is left out, so that it is drawn again.
    """
    places, torn, end, has_reasoning = Places(), 0, 0, False
    for length, sample in _lines(path):
        begin, end = end, end + length
        try:
            if sample is None:
                torn += 1
            elif sample.finish_reason != "error":
                places.put(sample.problem_id, sample.index, begin)
                has_reasoning |= bool(sample.reasoning or sample.reasoning_tokens)
        except ValueError:
            torn += 1
    return _Index(places, torn, end, has_reasoning)


def _lines(path: Path) -> Iterator[tuple[int, Sample | None]]:
    """Yield each line's length in bytes with its sample, or with None if it holds none.

    A last line that was torn off counts as 0 bytes. A line that is too long is never held.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line, length in bounded_lines(file, LONGEST_LINE):
            if not _has_ended(file):
                yield 0, None
                continue
            try:
                yield length, None if line is None else Sample.from_json(line)
            except ValueError:
                yield length, None


def _has_ended(file: IO[bytes]) -> bool:
    """Say whether what was read last is the end of a line."""
    file.seek(-1, os.SEEK_CUR)
    return file.read(1) == b"\n"


def _write_all(file: int, content: bytes) -> None:
    """Write every byte: a disk that fills up takes a part before it reports an error."""
    written = os.write(file, content)
    while written < len(content):
        written += os.write(file, content[written:])
