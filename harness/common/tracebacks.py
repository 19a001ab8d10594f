"""Exceptions in a log that several processes wrote, as Ray and vLLM do.

A failure passes through several processes, and each wraps the exception that it got. So the
cause is the first exception of the last chain. If that exception only says that another process
is gone, the cause is the first exception that the other process left in the log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

TAIL = 1 << 20
"""Bytes at the end of a log that are read."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SOURCE = re.compile(
    r"^(?:\((?P<ray>[^()]*\bpid=\d+[^()]*|(?:raylet|autoscaler)[^()]*)\) "
    r"|\[(?P<torch>rank\d+)\]: ?)"
)
_LOGGED = re.compile(r"^(?:ERROR|CRITICAL) \d\d-\d\d [\d:]+ \[[^\]]+\] ")
_REPEATED = re.compile(r" \[repeated \d+x across cluster\].*$")
_HEADER = re.compile(
    r"Traceback \(most recent call last\):|.*\bRayTaskError\b.*\(pid=|ray::\S+\(\) "
)
_EXCEPTION = re.compile(r"(?P<kind>(?:\w+\.)*[A-Z]\w*)(?:: (?P<message>.*))?$")
_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)')
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_VAGUE = re.compile(
    r"RayTaskError|ActorDiedError|ActorUnavailableError|WorkerCrashedError|RayActorError|EngineDead"
    r"|Engine core initialization failed|EngineCore failed|ChildFailedError|LocalRayletDied"
    r"|Worker failed with error|WorkerProc initialization failed|SystemExit"
    r"|ProcessRaisedException|TaskCancelledError"
    r"|no materializable trajectories"  # verl: all responses failed, for a reason logged before
)


class Line(NamedTuple):
    """A line of the log without colours, and the process that wrote it, as Ray or vLLM says."""

    source: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception in the log."""

    kind: str
    message: str
    place: str
    """The place where it was raised: ``file.py line 3, in function``; empty if unknown."""

    @property
    def text(self) -> str:
        """The exception as Python would print it."""
        return f"{self.kind}: {self.message}" if self.message else self.kind

    @property
    def shown(self) -> str:
        """The exception without the pages of text that some messages have."""
        first, *more = self.text.split("\n")
        return first if len(first) >= 60 or not more else f"{first} {more[0].strip()}"

    @property
    def is_vague(self) -> bool:
        """Whether the exception says only that something failed elsewhere."""
        return is_vague(self.text)


def is_vague(text: str) -> bool:
    """Say whether an exception's text says only that something failed elsewhere."""
    return _VAGUE.search(text) is not None


def clear_chain(chains: Sequence[Sequence[Failure]]) -> list[Failure]:
    """Return the exceptions that say what happened, from the last chain if it has such ones.

    The driver's own chain is last. If it only says that a process is gone, the first chain is
    closest to the cause; later ones are often from processes that lost the first one.
    """
    for chain in (*chains[-1:], *chains[:-1]):
        if clear := [failure for failure in chain if not failure.is_vague]:
            return clear
    return []


def find_chains(lines: Sequence[Line]) -> list[list[Failure]]:
    """Find the chains in a log: exceptions that were raised from one another.

    Chains are in the order in which they end. The lines of each process are read apart, since
    the log mixes lines of several processes.
    """
    by_source: dict[str, list[tuple[int, str]]] = {}
    for number, line in enumerate(lines):
        by_source.setdefault(line.source, []).append((number, line.text))
    ended: list[tuple[int, list[Failure]]] = []
    for numbered in by_source.values():
        texts = [text for _, text in numbered]
        ended += [(numbered[end - 1][0], chain) for end, chain in _chains_of_one(texts)]
    return [chain for _, chain in sorted(ended, key=lambda pair: pair[0])]


def _chains_of_one(lines: Sequence[str]) -> list[tuple[int, list[Failure]]]:
    """Find the chains in what one process wrote, each with the position after its end."""
    chains: list[tuple[int, list[Failure]]] = []
    linked = False
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if line in _LINKS:
            linked = True
        elif _HEADER.match(line):
            found, position = _read_traceback(lines, position)
            if found is None or found.kind == "KeyboardInterrupt":
                continue
            earlier = chains.pop()[1] if linked and chains else []
            chains.append((position, [*earlier, found]))
            linked = False
    return chains


def _read_traceback(lines: Sequence[str], start: int) -> tuple[Failure | None, int]:
    """Read an exception from the line after its header; also return the position after it."""
    place = ""
    for position in range(start, len(lines)):
        line = lines[position]
        frame = _FRAME.match(line)
        if frame:
            name = Path(frame["file"]).name
            place = f"{name} line {frame['line']}, in {frame['function']}"
        elif _HEADER.match(line):
            return None, position
        elif line and not line[0].isspace():
            said = _EXCEPTION.match(line)
            if said is None:
                return None, position + 1
            more = _rest_of_message(lines, position + 1)
            message = "\n".join([said["message"] or "", *more]).strip()
            kind = said["kind"].rpartition(".")[2]
            return Failure(kind=kind, message=message, place=place), position + 1 + len(more)
    return None, len(lines)


def _rest_of_message(lines: Sequence[str], start: int) -> list[str]:
    """Return the further lines of an exception's message, at most six."""
    more: list[str] = []
    for line in lines[start : start + 6]:
        if not line or line in _LINKS or _HEADER.match(line) or line.startswith("["):
            break
        more.append(line)
    return more


def read_log(log: Path) -> list[Line]:
    """Return the last lines of a file, or none if it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - TAIL, 0))
            return log_lines(file.read())
    except OSError:
        return []


def log_lines(written: bytes) -> list[Line]:
    """Return the lines that processes wrote to one log."""
    text = written.decode("utf-8", errors="replace")
    # A progress bar rewrites its line: what was seen stands after the last carriage return.
    return [_line(line.rstrip("\r").rpartition("\r")[2]) for line in text.split("\n")]


def _line(written: str) -> Line:
    text, source = _ANSI.sub("", written), ""
    while named := _SOURCE.match(text):  # vLLM's name within Ray's
        source += named["ray"] or named["torch"]
        text = text[named.end() :]
    return Line(source, _REPEATED.sub("", _LOGGED.sub("", text)).rstrip())
