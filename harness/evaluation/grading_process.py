"""Grade samples by the rules in a second process, which uses another core.

The run's main process, the driver, sends the byte range of a batch in the journal, so that no
response has to be sent. A sample that no rule decides comes back undecided, and the driver gives
it to a worker of its grader. If the second process dies or falls behind, the driver grades by the
same rules itself. A verdict therefore does not depend on the process that gave it.
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
"""The most batches that wait for an answer; the driver grades further ones itself."""
PATIENCE = 60.0
"""The process is killed if it does not answer for this many seconds."""
REMEMBERED = 100_000
"""The number of different verdicts after which the process forgets which ones it has sent.

Until then each verdict is sent once, and later only its number."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The verdicts of one batch, each named by its number among all verdicts sent so far."""

    verdicts: list[Verdict]
    """The verdicts that were not sent before; their numbers follow the last one sent."""
    undecided: list[Undecided]
    """The same for undecided results; their numbers follow those of the new verdicts."""
    numbers: list[int]
    """One number for each sample of the batch."""


class GradingProcess:
    """The driver's handle on the second process."""

    def __init__(self, journal: Path, asked: Mapping[str, Reference], style: str) -> None:
        """Start the process.

        Args:
            journal: the file of samples that the run appends to.
            asked: problem id to what the problem's samples are graded against.
            style: the name of the run's prompt style.
        """
        self._under_way: deque[Sequence[Sample]] = deque()
        self._known: list[Verdict | Undecided] = []
        self._decoder = msgspec.msgpack.Decoder(Answer)
        self._connection, theirs = Pipe()
        # A file and not a pipe: writing to a full pipe would wait until the process reads it.
        with theirs, tempfile.TemporaryFile() as task:
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
        """Whether the process can take another batch."""
        return not self._connection.closed and len(self._under_way) < MOST_UNDER_WAY

    def ask(self, samples: Sequence[Sample], begin: int, end: int) -> None:
        """Send a batch, whose samples are bytes ``begin`` to ``end`` of the journal."""
        self._under_way.append(samples)
        try:
            self._connection.send((begin, end))
        except OSError:
            self.close()

    def answers(self, *, wait: bool = False) -> Iterator[tuple[Sample, Verdict | Undecided | None]]:
        """Yield the samples that are graded by now; with ``wait``, all that were sent.

        A sample comes with None if the process ended before it graded the sample.
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
        """Kill the process."""
        self._process.kill()
        self._process.wait()
        self._connection.close()


class _BatchGrader:
    """Grades batches inside the second process, and returns each different verdict once."""

    def __init__(self, journal: Path, asked: Mapping[str, Reference], style: str) -> None:
        self._journal = journal
        self._asked, self._read = asked, find_prompt_style(style).read
        self._numbers: dict[Verdict | Undecided, int] = {}
        self._sent = 0

    def grade(self, begin: int, end: int) -> Answer:
        with self._journal.open("rb") as file:  # it exists since the first sample was drawn
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
    """Grade the batches that come over the pipe ``descriptor`` until the driver closes it."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
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
