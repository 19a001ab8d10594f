"""A worker for tests, which does what the task's answer says, by the real protocol.

Some tasks write into the file that their gold names, to tell the test what happened when.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    """Serve tasks until standard input ends."""
    _say({"ready": os.getpid()})
    methods = []
    for line in sys.stdin:
        task = json.loads(line)
        answer = task["answer"]
        methods.append(task["method"])
        if answer in ACTIONS:
            ACTIONS[answer](task["gold"])
        if answer == "babble":
            print("not the protocol", flush=True)
            continue
        if answer == "practised?":
            _say({"result": "equal" if "practise" in methods else "different"})
            continue
        if answer == "which method?":
            _say({"result": "equal" if task["method"] == "math-verify" else "different"})
            continue
        _say({"result": "equal", "retire": answer == "retire"})


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


def _note(path: str, what: str) -> None:
    with open(path, "a") as notes:
        notes.write(what + "\n")


def _hang(_: str = "") -> None:
    time.sleep(600)


def _compute(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def _burn(notes: str) -> None:
    """Compute until the kernel ends this process."""
    _note(notes, "burn")
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, 0.05)
    _compute(600)


def _once(act: Callable[[str], None], notes: str) -> None:
    """Act at the first attempt only."""
    _note(notes, "attempt")
    if Path(notes).read_text().count("attempt") == 1:
        act(notes)
    _note(notes, "end of the second attempt")


def _take_a_while(notes: str) -> None:
    _note(notes, "begin")
    time.sleep(0.1)
    _note(notes, "end")


ACTIONS: dict[str, Callable[[str], None]] = {
    "hang": _hang,
    "compute": lambda _: _compute(2),  # longer than a worker may say nothing; it has no limit
    "crash": lambda _: os._exit(3),
    "burn": _burn,
    "burn once": lambda notes: _once(_burn, notes),
    "hang once": lambda notes: _once(_hang, notes),
    "take a while": _take_a_while,
}


if __name__ == "__main__":
    main()
