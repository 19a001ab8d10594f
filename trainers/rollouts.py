"""What became of a step's responses, read from verl's rollout dumps; and their disk use.

verl writes ``rollout_data_dir/{step}.jsonl``, a line a sample: input, output, gts,
score, step, uid. verl's V1 trainer leaves out what the reward said beside the score;
`trainers.rewards.RewardManager` keeps that apart, and the two are joined here by the
sample's key, so that a step counts the samples it trained on: none of a validation,
none of an attempt that was resumed.

verl's writer is one background thread. A dump may therefore be incomplete, or not
there at all, when the step's metrics are logged; it is complete once the next
step's exists, or once verl has ended.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainers.rewards import COLUMNS, OUTCOMES_FOLDER

SAMPLES = "samples"
"""The key of how many samples the means are of."""
STEPS_BACK = 16
"""How many steps before its use an asynchronous trainer may have asked for a sample."""


def outcomes_of(dump: Path) -> dict[str, float]:
    """Return the mean of every column of `trainers.rewards.COLUMNS` over one step's samples.

    ``samples`` says how many there are whose outcome is known; if there are none, it is
    the only key. A line that is not whole is passed over.
    """
    tally = _Tally()
    wanted: set[str] = set()
    for row in _rows(dump):
        if "acc" in row:  # verl's older trainer writes the columns itself
            tally.add([name for name in COLUMNS if row.get(name)])
        else:
            wanted.add(_sample_key(str(row.get("uid"))))
    for key, columns in _kept_outcomes(dump) if wanted else ():
        if key in wanted:
            wanted.remove(key)
            tally.add(columns)
            if not wanted:
                break
    return tally.means()


def complete_steps(folder: Path, *, ended: bool = False) -> list[int]:
    """Return the steps whose dumps are certainly whole; once verl has ``ended``, all of them."""
    steps = sorted(_dumps(folder))
    return steps if ended else steps[:-1]


def prune(folder: Path, keep: int) -> None:
    """Delete all dumps but the first and the last ``keep``, which is at least 1."""
    if keep < 1:
        raise ValueError(f"at least the newest dump is kept, it may be being written: {keep=}")
    first, *others = sorted(_dumps(folder)) or [0]
    recent = others[-keep:] or [first]
    _delete(folder, [step for step in others if step not in recent])
    _delete_outcomes(folder, range(first + 1, recent[0] - STEPS_BACK))


def discard_after(folder: Path, step: int) -> None:
    """Delete the dumps of later steps, before training is resumed from ``step``.

    They would make the steps that are done again look complete too early.
    """
    _delete(folder, [later for later in _dumps(folder) if later > step])


class _Tally:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._samples = 0

    def add(self, columns: list[str]) -> None:
        self._samples += 1
        self._counts.update(name for name in columns if name in COLUMNS)

    def means(self) -> dict[str, float]:
        samples = self._samples
        means = {name: self._counts[name] / samples for name in COLUMNS if samples}
        return means | {SAMPLES: float(samples)}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):  # torn, by a crash or because it is being written
                continue
            if isinstance(row, dict):
                yield row


def _sample_key(uid: str) -> str:
    """Return the key without its last part, which counts the outputs of one sample."""
    return uid.rpartition("_")[0]


def _kept_outcomes(dump: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield what the reward workers kept, the step's own files first."""
    folder = dump.parent / OUTCOMES_FOLDER
    step = int(dump.stem)
    for asked in range(step, max(-1, step - STEPS_BACK - 1), -1):
        for log in sorted(folder.glob(f"{asked}.*.jsonl")):
            for row in _rows(log):
                yield str(row.get("key")), list(row.get("columns") or ())


def _dumps(folder: Path) -> dict[int, Path]:
    return {int(path.stem): path for path in folder.glob("*.jsonl") if path.stem.isdecimal()}


def _delete(folder: Path, steps: list[int]) -> None:
    dumps = _dumps(folder)
    for step in steps:
        dumps[step].unlink(missing_ok=True)


def _delete_outcomes(folder: Path, steps: range) -> None:
    for path in (folder / OUTCOMES_FOLDER).glob("*.jsonl"):
        step = path.name.partition(".")[0]
        if step.isdecimal() and int(step) in steps:
            path.unlink(missing_ok=True)
