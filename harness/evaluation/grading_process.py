"""A second process that grades samples by the rules, on a core of its own.

The run's own process, the driver, tells it where in the journal a batch of samples stands, so
that no response is sent. What no rule decides comes back undecided, and the driver asks a worker
of its grader. If the process dies or falls behind, the driver grades by the same rules itself,
so that no verdict depends on where it was made.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from harness.common.parent_death import die_with
from harness.evaluation.grade_sample import Reference, grade_sample_by_rules
from harness.grading import Undecided, Verdict
from harness.grading.workers.process import worker_environment
from harness.prompts.styles import find_prompt_style
from harness.runs.sample import Sample

BATCH = 256
"""The most samples in one batch."""
MOST_UNDER_WAY = 8
"""The most batches under way; the driver grades further ones itself."""
PATIENCE = 60.0
"""Seconds without an answer after which the process is ended."""
REMEMBERED = 100_000
"""How many different verdicts are remembered; each is sent once, and then only its number."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The verdicts of one batch: a number for each sample, counted over all verdicts so far."""

    verdicts: list[Verdict]
    undecided: list[Undecided]
    """Those that are new; their numbers go on from the last, verdicts first."""
    numbers: list[int]


class GradingProcess:
    """The process as the driver sees it."""

    def __init__(self, journal: Path, asked: Mapping[str, Reference], style: str) -> None:
        """Start it; ``asked`` is what each problem's samples are graded against."""
        self._under_way: deque[Sequence[Sample]] = deque()
        self._known: list[Verdict | Undecided] = []
        self._decoder = msgspec.msgpack.Decoder(Answer)
        self._connection, theirs = Pipe()
        with theirs, tempfile.TemporaryFile() as task:  # a pipe would have to wait for the reader
            pickle.dump((journal, dict(asked), style), task)
            task.seek(0)
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "harness.evaluation.grading_process"),
                    *(str(theirs.fileno()), str(os.getpid())),
                ],
                pass_fds=[theirs.fileno()],
                stdin=task,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=worker_environment(),
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def has_room(self) -> bool:
        """Whether another batch can be asked about."""
        return not self._connection.closed and len(self._under_way) < MOST_UNDER_WAY

    def ask(self, samples: Sequence[Sample], begin: int, end: int) -> None:
        """Have a batch graded, which stands in the journal from byte ``begin`` to byte ``end``."""
        self._under_way.append(samples)
        try:
            self._connection.send((begin, end))
        except OSError:
            self.close()

    def answers(self, *, wait: bool = False) -> Iterator[tuple[Sample, Verdict | Undecided | None]]:
        """Yield what is graded by now, or, with ``wait``, all that is under way.

        None stands for a sample that is not graded because the process was lost.
        """
        while self._under_way and not self._connection.closed:
            try:
                if not self._connection.poll(PATIENCE if wait else 0):
                    if wait:
                        self.close()
                    break
                answer = self._decoder.decode(self._connection.recv_bytes())
            except (EOFError, OSError, msgspec.DecodeError):
                self.close()
                break
            self._known += answer.verdicts
            self._known += answer.undecided
            samples = self._under_way.popleft()
            graded = [self._known[number] for number in answer.numbers]
            yield from zip(samples, graded, strict=True)
        while self._under_way and self._connection.closed:
            yield from ((sample, None) for sample in self._under_way.popleft())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._connection.close()


class _BatchGrader:
    """Grades in the second process, and sends each different verdict once."""

    def __init__(self, journal: Path, asked: Mapping[str, Reference], style: str) -> None:
        self._journal = journal
        self._asked, self._read = asked, find_prompt_style(style).read
        self._numbers: dict[Verdict | Undecided, int] = {}
        self._sent = 0

    def grade(self, begin: int, end: int) -> Answer:
        with self._journal.open("rb") as file:  # there since the first sample
            file.seek(begin)
            lines = file.read(end - begin).splitlines()
        graded = [self._grade(Sample.from_json(line)) for line in lines]
        new = [one for one in dict.fromkeys(graded) if one not in self._numbers]
        verdicts = [one for one in new if isinstance(one, Verdict)]
        undecided = [one for one in new if isinstance(one, Undecided)]
        ordered: list[Verdict | Undecided] = [*verdicts, *undecided]
        for number, one in enumerate(ordered, start=self._sent):
            self._numbers[one] = number
        self._sent += len(ordered)
        numbers = [self._numbers[one] for one in graded]
        if len(self._numbers) > REMEMBERED:
            self._numbers.clear()
        return Answer(verdicts, undecided, numbers)

    def _grade(self, sample: Sample) -> Verdict | Undecided:
        return grade_sample_by_rules(sample, self._asked[sample.problem_id], read=self._read)


def main(descriptor: int, parent: int) -> None:
    """Grade batches until the driver is gone."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the driver's to handle
    connection: Connection = Connection(descriptor)
    grader = _BatchGrader(*pickle.load(sys.stdin.buffer))  # noqa: S301 - what the driver wrote
    encoder = msgspec.msgpack.Encoder()
    while True:
        try:
            begin, end = connection.recv()
        except EOFError:
            return
        connection.send_bytes(encoder.encode(grader.grade(begin, end)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
