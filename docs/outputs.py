"""Print again what the pages show of commands on stored runs: `python docs/outputs.py`.

A block whose first line is ``$ python -m harness …`` is replaced by what that command prints now.
If the block ends in "…", only as many lines are kept as it had. `--check` fails if one is stale.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^(?P<indent>\ *)\$\ python\ -m\ harness\ (?P<asked>[^\n]+)\n"
    r"(?P<said>.*?)(?=^```|(?<=\ {4}…\n)|\Z)",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
CUT = "…"


def main() -> None:
    """Write every page that changed, or with `--check` name those that would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which pages are stale")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in pages() if path.read_text(encoding="utf-8") != text]
    if check and stale:
        names = ", ".join(path.name for path, _ in stale)
        sys.exit(f"stale: {names}; print them again with python docs/outputs.py")
    for path, text in stale:
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")  # noqa: T201 - a script


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page that shows commands, with the text that it should have."""
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]):
        text = path.read_text(encoding="utf-8")
        if BLOCK.search(text):
            yield path, printed_again(text)


def printed_again(text: str) -> str:
    """Return a page with the outputs of today."""
    return BLOCK.sub(_printed_again, text)


def _printed_again(block: re.Match[str]) -> str:
    indent, before = block["indent"], block["said"].rstrip("\n").split("\n")
    lines = output(block["asked"]).rstrip("\n").split("\n")
    if before[-1].strip() == CUT:
        lines = [*lines[: len(before) - 1], CUT]
    after = block["said"][len(block["said"].rstrip("\n")) :]
    said = "\n".join((indent + line).rstrip() for line in lines)
    return f"{indent}$ python -m harness {block['asked']}\n{said}{after}"


def output(asked: str) -> str:
    """Return what a command prints about the stored runs, errors included."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *shlex.split(asked)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("HARNESS_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # A hint names the command as it was started, and here that is a path.
    return re.sub(r"\S*python[\d.]* -m harness", "python -m harness", done.stdout)


if __name__ == "__main__":
    main()
