"""A stand-in for verl that writes the same files in the same order, without training.

Run it as ``fake_verl.py STATE ROLLOUTS STEPS SAVES [WHAT]``. It continues after the step in verl's
own note, copies the save of each step from the folder SAVES, and writes metrics and rollouts.
WHAT is a disturbance: ``fail N`` fails before step N, ``wait N`` waits before step N for a signal
and then does that step and ends, and ``hang N`` hangs before step N.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

SAMPLES = 4
PATIENCE = 60.0
"""Seconds that a checkpoint may take."""


def main(
    state: Path, rollouts: Path, steps: int, saves: Path, what: str = "", at: str = "0"
) -> None:
    note = state / "latest_checkpointed_iteration.txt"
    begin = int(note.read_text()) if note.is_file() else 0
    launch = len(list((rollouts.parent / "logs").glob("launch-*.log")))
    print(f"launch {launch} begins after step {begin}", flush=True)
    with Path(os.environ["VERL_FILE_LOGGER_PATH"]).open("wb", buffering=0) as log:
        write(log, begin, {"val-core/openai/acc/mean@1": 0.125})
        for step in range(begin + 1, steps + 1):
            if step == int(at):
                befall(what)
            save(state, step, saves, note)
            dump(rollouts, step, begin)
            write(log, step, metrics(step, launch))
            if signalled:
                sys.exit(130)
            if step < steps:  # the last one is made when verl has ended
                until(state.parents[1] / "checkpoints" / f"step-{step:06d}")


def metrics(step: int, launch: int) -> dict[str, Any]:
    """Return a row whose reward encodes the launch and the step."""
    return {
        "critic/score/mean": launch + step / 100,
        "response_length/mean": 10.0 * step,
        "actor/grad_norm": 0.5,
        "perf/time_per_step": 2.0,
    }


def write(log: Any, step: int, data: dict[str, Any]) -> None:
    log.write(json.dumps({"step": step, "data": data}).encode() + b"\n")


def save(state: Path, step: int, saves: Path, note: Path) -> None:
    name = f"global_step_{step}"
    shutil.copytree(saves / name, state / name, dirs_exist_ok=True)
    note.write_text(str(step))


def dump(rollouts: Path, step: int, begin: int) -> None:
    """Write a step's samples, a quarter of them right, with their rewards."""
    outcomes = rollouts / "outcomes"
    outcomes.mkdir(parents=True, exist_ok=True)
    keys = [f"{begin}.{step}.{number}" for number in range(SAMPLES)]
    columns = [["acc"], ["wrong"], ["wrong"], ["no_answer", "out_of_reach"]]
    with (outcomes / f"{step}.fake-{os.getpid()}.jsonl").open("a") as file:
        for key, found in zip(keys, columns, strict=True):
            file.write(json.dumps({"key": key, "columns": found}) + "\n")
    rows = [{"uid": f"{key}_0", "step": step, "output": "…"} for key in keys]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (rollouts / f"{step}.jsonl").write_text(text, encoding="utf-8")


signalled: list[int] = []


def befall(what: str) -> None:
    if what == "fail":
        raise RuntimeError("the well has run dry")
    if what == "wait":
        signal.signal(signal.SIGINT, lambda number, frame: signalled.append(number))
    print(f"pid {os.getpid()} waits", flush=True)
    while what in ("wait", "hang") and not signalled:
        time.sleep(0.01)


def until(checkpoint: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while not checkpoint.is_dir():
        if time.monotonic() > give_up:
            sys.exit(f"{checkpoint} never came")
        time.sleep(0.01)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), *sys.argv[5:])
