"""A worker for tests, which does what the task's answer says, by the real protocol.

Some tasks write into the file that their gold names, to tell the test what happened when.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Serve tasks until standard input ends."""
    _say({"ready": os.getpid()})
    for line in sys.stdin:
        task = json.loads(line)
        answer = task["answer"]
        if answer == "hang":
            time.sleep(600)
        if answer in ("hang once", "burn once"):
            _note(task["gold"], answer)
            if Path(task["gold"]).read_text().count(answer) == 1:
                _run_out_of_time(computing=answer == "burn once")
            _note(task["gold"], "end of the second attempt")
        if answer == "burn":
            _note(task["gold"], answer)
            _run_out_of_time(computing=True)
        if answer == "take a while":
            _note(task["gold"], answer)
            time.sleep(0.1)
            _note(task["gold"], "end")
        if answer == "compute":  # longer than a worker may say nothing, with no limit of its own
            until = time.monotonic() + 2
            while time.monotonic() < until:
                pass
        if answer == "crash":
            os._exit(3)
        if answer == "babble":
            print("not the protocol", flush=True)
            continue
        if answer == "which method?":
            _say({"result": "equal" if task["method"] == "math-verify" else "different"})
            continue
        _say({"result": "equal", "retire": answer == "retire"})


def _note(path: str, what: str) -> None:
    with open(path, "a") as notes:
        notes.write(what + "\n")


def _run_out_of_time(*, computing: bool) -> None:
    """Wait for the driver to lose its patience, or for the kernel to end this process."""
    if computing:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, 0.05)
    while True:
        if not computing:
            time.sleep(600)


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
