"""A worker for tests, which does what the task's answer says, by the real protocol."""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Serve tasks until standard input ends."""
    _say({"ready": os.getpid()})
    for line in sys.stdin:
        task = json.loads(line)
        answer = task["answer"]
        if answer == "hang":
            time.sleep(600)
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


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
