"""How often a grader is right: ours and others' on the same rows, and the table of it.

Each other grader runs in a process of its own (`peer_grader.py`), in an environment of its own
where `grading_peers.sh` has made it one. A row on which it says nothing for too long is counted as
hung, and the process is killed and started again behind it.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from labelled import Row

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


@dataclass(slots=True, kw_only=True)
class Counts:
    """How often a grader was right on the rows of a file."""

    rows: int = 0
    right: int = 0
    false_negatives: int = 0
    false_positives: int = 0
    without_verdict: int = 0
    """Rows without a verdict, which count as if it had called them wrong."""
    hung: int = 0
    """Those among them on which it was killed, or died."""
    convention_rows: int = 0
    """Rows labelled by a habit of their source, which none of the above counts."""
    convention_right: int = 0

    def add(self, row: Row, reply: Reply) -> None:
        """Count a row that has a label."""
        agrees = bool(reply.right) == row.label
        if row.convention:
            self.convention_rows += 1
            self.convention_right += agrees
            return
        self.rows += 1
        self.right += agrees
        self.false_negatives += not agrees and bool(row.label)
        self.false_positives += not agrees and not row.label
        self.without_verdict += reply.right is None
        self.hung += reply.hung


def count(rows: Iterable[Row], replies: Iterable[Reply]) -> dict[str, int]:
    """Return the counts over rows; those without a label are passed over."""
    counts = Counts()
    for row, reply in zip(rows, replies, strict=True):
        if row.label is not None:
            counts.add(row, reply)
    return asdict(counts)


# --- other graders --------------------------------------------------------------------------


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


def measured(
    name: str, files: Mapping[str, list[Row]], environments: Path | None
) -> dict[str, object]:
    """Return a grader's counts by file, with its versions and the seconds it took, or why not."""
    try:
        grader = peer(name, environments)
        began = time.perf_counter()
        try:
            counts = {
                file: count(rows, (grader.ask(row.boxed, row.gold) for row in rows))
                for file, rows in files.items()
            }
        finally:
            grader.close()
    except CannotRunError as error:
        return {"missing": str(error)}
    return {
        "versions": grader.versions,
        "seconds": round(time.perf_counter() - began, 1),
        "files": counts,
    }


# --- the table ------------------------------------------------------------------------------

BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"


def table(graders: Mapping[str, dict[str, object]]) -> str:
    """Return the table as Markdown: one part a file, one line a grader."""
    return "\n\n".join(_parts(graders)) + "\n"


def _parts(graders: Mapping[str, dict[str, object]]) -> Iterator[str]:
    ours = next(iter(graders.values()))
    counted = ours["files"]
    assert isinstance(counted, dict)
    for file, own in counted.items():
        by_habit = own["convention_rows"]
        columns = ["grader", "right", "false negatives", "false positives", "no verdict (hung)"]
        columns += ["rows by a source's convention"] * bool(by_habit)
        lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [_line(name, file, found, len(columns)) for name, found in graders.items()]
        yield f"**{file}**: {own['rows']:,} rows\n\n" + "\n".join(lines)


def _line(name: str, file: str, found: dict[str, object], columns: int) -> str:
    title = f"{name}{_versions(found)}"
    if "missing" in found:
        return f"| {title} | {found['missing']} " + "| " * (columns - 2) + "|"
    counted = found["files"]
    assert isinstance(counted, dict)
    counts = counted[file]
    right = 100 * counts["right"] / counts["rows"] if counts["rows"] else 0.0
    silent = str(counts["without_verdict"])
    silent += f" ({counts['hung']})" if counts["hung"] else ""
    cells = [title, f"{right:.1f} %", counts["false_negatives"], counts["false_positives"], silent]
    if columns > len(cells):
        cells.append(f"{counts['convention_right']}/{counts['convention_rows']}")
    return f"| {' | '.join(map(str, cells))} |"


def _versions(found: dict[str, object]) -> str:
    """Return the first package's version, which is the grader's own."""
    versions = found.get("versions")
    first = next(iter(versions.values()), None) if isinstance(versions, dict) else None
    return f" {first}" if first else ""


def put_into(page: Path, text: str) -> None:
    """Put a text between a page's two marks, in place of what stands there.

    Raises:
        ValueError: the page has not both marks.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
