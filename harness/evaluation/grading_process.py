"""A second process that grades by the rules what a run's journal gains, on a core of its own.

The driver tells it where in the journal a batch of samples stands, and goes on feeding the
engine; of a million responses no text is sent. What no rule decides comes back undecided, for
the driver's grader to ask a worker. If the process dies or is slower than the samples come,
the driver judges them itself: the same rules, so that no verdict depends on who did it.
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
from harness.prompts.styles import find_style
from harness.runs.sample import Sample

BATCH = 256
"""Samples that are asked about together, at most."""
MOST_UNDER_WAY = 8
"""Batches; the next one is the driver's own."""
PATIENCE = 60.0
"""Seconds without an answer after which the process is given up."""
REMEMBERED = 100_000
"""Different verdicts that are sent once and named by their number from then on."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What is said of one batch: per sample a number, counted over all verdicts sent so far."""

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
        """Have a batch judged, which stands in the journal from one byte to another."""
        self._under_way.append(samples)
        try:
            self._connection.send((begin, end))
        except OSError:
            self.close()

    def answers(self, *, wait: bool = False) -> Iterator[tuple[Sample, Verdict | Undecided | None]]:
        """Yield what is judged by now, or, with ``wait``, all that is under way.

        None stands for what the process was lost over: it is yet to be judged.
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
            judged = [self._known[number] for number in answer.numbers]
            yield from zip(samples, judged, strict=True)
        while self._under_way and self._connection.closed:
            yield from ((sample, None) for sample in self._under_way.popleft())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._connection.close()


class _Judge:
    """The other end: judges, and sends each verdict once."""

    def __init__(self, journal: Path, asked: Mapping[str, Reference], style: str) -> None:
        self._journal = journal
        self._asked, self._read = asked, find_style(style).read
        self._numbers: dict[Verdict | Undecided, int] = {}
        self._sent = 0

    def judge(self, begin: int, end: int) -> Answer:
        with self._journal.open("rb") as file:  # there since the first sample
            file.seek(begin)
            lines = file.read(end - begin).splitlines()
        judged = [self._judge(Sample.from_json(line)) for line in lines]
        new = [one for one in dict.fromkeys(judged) if one not in self._numbers]
        verdicts = [one for one in new if isinstance(one, Verdict)]
        undecided = [one for one in new if isinstance(one, Undecided)]
        ordered: list[Verdict | Undecided] = [*verdicts, *undecided]
        for number, one in enumerate(ordered, start=self._sent):
            self._numbers[one] = number
        self._sent += len(ordered)
        numbers = [self._numbers[one] for one in judged]
        if len(self._numbers) > REMEMBERED:
            self._numbers.clear()
        return Answer(verdicts, undecided, numbers)

    def _judge(self, sample: Sample) -> Verdict | Undecided:
        return grade_sample_by_rules(sample, self._asked[sample.problem_id], read=self._read)


def main(descriptor: int, parent: int) -> None:
    """Judge batches until the driver is gone."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the driver's to handle
    connection: Connection = Connection(descriptor)
    judge = _Judge(*pickle.load(sys.stdin.buffer))  # noqa: S301 - what the driver wrote
    encoder = msgspec.msgpack.Encoder()
    while True:
        try:
            begin, end = connection.recv()
        except EOFError:
            return
        connection.send_bytes(encoder.encode(judge.judge(begin, end)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
