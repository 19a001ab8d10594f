"""Other graders, each in a process of its own, asked row by row (`peer_grader.py`).

A row on which a grader says nothing for too long is counted as hung, and the process is killed and
started again behind it.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("peer_grader.py")
START_LIMIT = 300.0
"""Seconds that a grader may take to be imported."""
ROW_LIMIT = 30.0
"""Seconds that a row may take. The longest time-outs that graders have of their own end earlier."""
HOMES = {
    "math-verify": None,
    "inspect_ai math": "inspect_ai",
    "inspect_ai match": "inspect_ai",
    "lighteval pass_at_k_math": "lighteval",
    "trl accuracy_reward": "trl",
    "verl math_dapo": None,
    "verl prime_math": None,
    "qwen-compat": None,
}
"""Each grader's environment by its name in `grading_peers.txt`; None is the project's own."""


class Reply(NamedTuple):
    """What a grader says of a row."""

    right: bool | None
    """None if it gives no verdict."""
    found: str | None = None
    """What it found in the response, or the error it raised."""
    hung: bool = False
    """Whether it had to be killed, or died."""


class CannotRunError(Exception):
    """A grader is not installed, or cannot be imported; the message says why."""


class Peer:
    """A grader in a process of its own, which is started when it is first asked."""

    def __init__(self, name: str, command: list[str], *, row_limit: float = ROW_LIMIT) -> None:
        self.name, self.versions = name, dict[str, str | None]()
        self._command, self._row_limit = command, row_limit
        self._process: subprocess.Popen[str] | None = None

    def ask(self, response: str, gold: str) -> Reply:
        """Return what it says of one row.

        Raises:
            CannotRunError: it cannot be started.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([response, gold]) + "\n")
            process.stdin.flush()
            line = self._line(process, self._row_limit)
        except OSError:
            line = ""
        if not line:
            self.close()
            return Reply(None, hung=True)
        return Reply(*json.loads(line))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        process = self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        line = self._line(process, START_LIMIT)
        if not line:
            self.close()
            raise CannotRunError("it cannot be imported")
        self.versions = json.loads(line)
        return process

    @staticmethod
    def _line(process: subprocess.Popen[str], limit: float) -> str:
        """Return the next line; nothing if there is none in time. Only one is under way at once."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(limit) else ""


def peer(name: str, environments: Path | None) -> Peer:
    """Return a grader by its name.

    Raises:
        CannotRunError: its environment is missing, or could not be made.
    """
    home = HOMES[name]
    python = Path(sys.executable)
    if home is not None:
        if environments is None or not (environments / home).exists():
            raise CannotRunError("it is not installed")
        with contextlib.suppress(FileNotFoundError):
            said = (environments / home / "failed").read_text(encoding="utf-8").split("\n")[-2:]
            raise CannotRunError("it cannot be installed: " + " ".join(said).strip()[:300])
        python = environments / home / "bin" / "python"
    return Peer(name, [str(python), str(SCRIPT), name])
