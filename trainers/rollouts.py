"""The outcomes of a step's responses, read from verl's rollout dumps; and which dumps to keep.

verl writes ``rollout_data_dir/{step}.jsonl`` with one line a sample: input, output, gts,
score, step, uid. verl's V1 trainer leaves out what the reward returned beside the score.
`trainers.rewards.RewardManager` records that in files of its own, and the two are joined here
by the sample's key. So a step counts the samples that it trained on, and neither those of a
validation nor those of an attempt that was interrupted and resumed.

verl writes dumps in a background thread. A dump may therefore be incomplete or missing when
the step's metrics are logged. It is complete once the next step's dump exists, or once verl
has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bounded_json import parse_json
from trainers.rewards import COLUMNS, OUTCOMES_FOLDER

SAMPLES = "samples"
"""The key for the number of samples that the means are taken over."""
STEPS_BACK = 16
"""How many steps before it is trained on an asynchronous trainer may have drawn a sample."""


def outcomes_of(dump: Path) -> dict[str, float]:
    """Return the mean of every column of `trainers.rewards.COLUMNS` over one step's samples.

    ``samples`` is the number of samples whose outcome is known; if it is 0, it is the only
    key. An incomplete line is left out.
    """
    counter = _OutcomeCounter()
    wanted: set[str] = set()
    for row in _rows(dump):
        if "acc" in row:  # verl's older trainer writes the columns itself
            counter.add([name for name in COLUMNS if row.get(name)])
        else:
            wanted.add(_sample_key(str(row.get("uid"))))
    for key, columns in _kept_outcomes(dump) if wanted else ():
        if key in wanted:
            wanted.remove(key)
            counter.add(columns)
            if not wanted:
                break
    return counter.means()


def complete_steps(folder: Path, *, ended: bool = False) -> list[int]:
    """Return the steps whose dumps are certainly complete; once verl has ``ended``, all steps."""
    steps = sorted(_dumps(folder))
    return steps if ended else steps[:-1]


def prune(folder: Path, keep: int) -> None:
    """Delete all dumps but the first and the last ``keep``, which is at least 1."""
    if keep < 1:
        raise ValueError(
            f"the newest dump has to be kept, since it may still be written to: {keep=}"
        )
    first, *others = sorted(_dumps(folder)) or [0]
    recent = others[-keep:] or [first]
    _delete(folder, [step for step in others if step not in recent])
    old = range(first + 1, recent[0] - STEPS_BACK)
    _delete_outcomes(folder, lambda step: step in old)


def discard_after(folder: Path, step: int) -> None:
    """Delete the dumps and outcomes of later steps, before training is resumed from ``step``.

    With the dumps, the steps that are done again would look complete too early. With the
    outcomes, they would look as if they had drawn what an earlier attempt drew.
    """
    _delete(folder, [later for later in _dumps(folder) if later > step])
    _delete_outcomes(folder, lambda later: later > step)


class _OutcomeCounter:
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
                row = parse_json(line)
            except ValueError:  # incomplete: a crash, or still being written
                continue
            if isinstance(row, dict):
                yield row


def _sample_key(uid: str) -> str:
    """Return the key without its last part, which counts the outputs of one sample."""
    return uid.rpartition("_")[0]


def _kept_outcomes(dump: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each sample's key and columns from the reward workers' files, newest step first."""
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


def _delete_outcomes(folder: Path, doomed: Callable[[int], bool]) -> None:
    for path in (folder / OUTCOMES_FOLDER).glob("*.jsonl"):
        step = path.name.partition(".")[0]
        if step.isdecimal() and doomed(int(step)):
            path.unlink(missing_ok=True)
