"""A stand-in for verl that writes the same files in the same order, without training.

Run it as ``fake_verl.py STATE ROLLOUTS STEPS SAVES [WHAT]``. It continues after the step in verl's
own note, copies the save of each step from the folder SAVES, and writes metrics and rollouts.
WHAT is a disturbance: ``fail N`` fails before step N, ``wait N`` waits before step N for a signal
and then does that step and ends, and ``hang N`` hangs before step N. ``dead N`` hangs with what
vLLM prints when verl waits for it in vain, and ``vain N`` after it has drawn groups without a
difference of reward.
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
FAILURE = """\
Traceback (most recent call last):
  File "/env/vllm/v1/engine/core.py", line 1600, in _handle_client_request
ValueError: a weight of another model"""
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
                befall(what, state.with_name("stop"), rollouts, step)
            save(state, step, saves, note)
            dump(rollouts, step, begin)
            write(log, step, metrics(step, launch))
            if signalled:
                sys.exit(130)
            if state.with_name("stop").exists():
                return
            if step < steps:  # the last one is made when verl has ended
                until(state.parents[1] / "checkpoints" / f"step-{step:06d}")
        if int(at) > steps:
            befall(what, state.with_name("stop"), rollouts, steps)


def metrics(step: int, launch: int) -> dict[str, Any]:
    """Return a row whose reward encodes the launch and the step."""
    return {
        "critic/score/mean": launch + step / 100,
        "response_length/mean": 10.0 * step,
        "actor/grad_norm": 0.5,
        "perf/time_per_step": 2.0,
        **({"val-core/openai/acc/mean@1": accuracy(step)} if step > 1 else {}),
    }


def accuracy(step: int) -> float:
    """Return what a step's validation finds; step 2 does best, and step 1 has none."""
    return 0.5 - abs(step - 2) / 8


def write(log: Any, step: int, data: dict[str, Any]) -> None:
    log.write(json.dumps({"step": step, "data": data}).encode() + b"\n")


def save(state: Path, step: int, saves: Path, note: Path) -> None:
    name = f"global_step_{step}"
    shutil.copytree(saves / name, state / name, dirs_exist_ok=True)
    note.write_text(str(step))


def dump(rollouts: Path, step: int, begin: int) -> None:
    """Write a step's samples, a quarter of them right, with their rewards."""
    keys = [f"{begin}.{step}.{number}_0" for number in range(SAMPLES)]
    columns = [["acc"], ["wrong"], ["wrong"], ["no_answer", "out_of_reach"]]
    grade(rollouts, step, [(key, 0.0, found) for key, found in zip(keys, columns, strict=True)])
    rows = [{"uid": f"{key}_0", "step": step, "output": "…"} for key in keys]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (rollouts / f"{step}.jsonl").write_text(text, encoding="utf-8")


def grade(rollouts: Path, step: int, graded: list[tuple[str, float, list[str]]]) -> None:
    """Write what the reward manager writes of each response."""
    outcomes = rollouts / "outcomes"
    outcomes.mkdir(parents=True, exist_ok=True)
    with (outcomes / f"{step}.fake-{os.getpid()}.jsonl").open("a") as file:
        for key, reward, found in graded:
            row = {"key": key, "columns": found, "reward": reward, "split": "train"}
            file.write(json.dumps(row) + "\n")


signalled: list[int] = []


def befall(what: str, stop: Path, rollouts: Path, step: int) -> None:
    if what == "fail":
        raise RuntimeError("the well has run dry")
    if what == "dead":
        said = ["Invocation of collective_rpc method failed", *FAILURE.split("\n")]
        sys.stdout.write("".join(f"(EngineCore pid=8) {line}\n" for line in said))
    if what == "vain":
        rows = [(f"even{group}_{n}", 0.0) for group in range(200) for n in range(5)]
        grade(rollouts, step, [(key, reward, []) for key, reward in rows])
    if what == "wait":
        signal.signal(signal.SIGINT, lambda number, frame: signalled.append(number))
    sys.stdout.flush()
    print(f"pid {os.getpid()} waits", flush=True)
    waits = what in ("wait", "hang", "ask", "dead", "vain")
    while waits and not signalled and not stop.exists():
        time.sleep(0.01)


def until(checkpoint: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while not checkpoint.is_dir():
        if time.monotonic() > give_up:
            sys.exit(f"{checkpoint} never came")
        time.sleep(0.01)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), *sys.argv[5:])
