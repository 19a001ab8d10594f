"""The curves of a training: `metrics.jsonl`, one row a step, continued when it is resumed.

What a step was like becomes known bit by bit: a validation is logged apart from the step that it
follows, and its responses are counted later still. The row of the step then gets the new values,
so each step has one row at any time. Of an older training, whose steps may have several rows,
they are merged when they are read: the later value wins.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from benchmarks.bounded_json import LONGEST_LINE, bounded_lines
from benchmarks.errors import UserError
from harness.common.files import write_atomically
from harness.common.schema import Frozen, first_problem
from harness.models.lineage import Curves

RECENT = 10
"""How many recent steps the estimate of the time left is made from."""

Number = Annotated[float, Field(allow_inf_nan=False)] | None
"""A finite number, or None if the step has none."""


class Step(Frozen):
    """What one training step was like; a mean is over the step's rollouts."""

    step: Annotated[int, Field(ge=0)]
    """The step's number from 1; 0 is the validation before the first step."""
    reward: Number = None
    """Mean reward, before any KL penalty."""
    accuracy: Number = None
    """Share of rollouts that are correct, 0 to 1."""
    response_length: Number = None
    """Mean length of a response, in tokens."""
    clip_ratio: Number = None
    """Share of responses that the length limit cut off, 0 to 1."""
    prompt_length: Number = None
    """Mean length of a prompt, in tokens."""
    kl: Number = None
    """Estimate of the KL divergence from the reference policy, in nats a token."""
    update_kl: Number = None
    """Estimate of the KL divergence from the policy that drew the rollouts, in nats a token."""
    entropy: Number = None
    """Entropy of the policy, in nats a token."""
    clipped_tokens: Number = None
    """Share of tokens whose ratio of probabilities the loss clipped, 0 to 1."""
    policy_loss: Number = None
    """Loss of the policy gradient, without the terms for KL divergence and entropy."""
    loss: Number = None
    """Loss of supervised training: mean negative log likelihood of a target token, in nats."""
    gradient_norm: Number = None
    """Norm of the gradient before it is clipped; the mean, if the step has several updates."""
    skipped_update: Number = None
    """1 if an update of the step was skipped, because its gradient was NaN or infinite."""
    learning_rate: Number = None
    """Learning rate of the step's last update."""
    tokens_per_second: Number = None
    """Prompt and response tokens that each device trained on in a second."""
    seconds: Number = None
    """Duration of the step, with saving and without validation."""
    validation_seconds: Number = None
    """Duration of the validation."""
    probability_difference: Number = None
    """Mean absolute difference of a token's probability in rollout and in training, 0 to 1."""
    probability_difference_max: Number = None
    """The largest such difference."""
    memory: Number = None
    """The most memory that was allocated on a device so far, in GiB."""
    host_memory: Number = None
    """Memory in use on the machine, in GiB."""
    drawn_reward: Number = None
    """Mean reward of everything that was drawn for the step, with what was left out of it."""
    drawn_groups: Number = None
    """How many groups were drawn for the step: all responses to one prompt are a group."""
    even_groups: Number = None
    """Share of these groups whose rewards are all equal, 0 to 1: nothing is learned from them."""
    evicted_groups: Number = None
    """How many groups were left out of the step because their rewards are all equal."""
    surplus_groups: Number = None
    """How many groups were drawn beyond what the step needs, and left out."""
    outcomes: dict[str, float] = Field(default_factory=dict)
    """Share of the rollouts with each outcome, 0 to 1."""
    validation: dict[str, float] = Field(default_factory=dict)
    """Means over the held-out rows, by ``source/value/statistic`` as the trainer names them."""


def put(path: Path, *steps: Step) -> None:
    """Add what is known of steps: a row for each, or new values in the row that it has.

    A new row is added in one write: after a kill, only the last line can be incomplete.

    Raises:
        UserError: the file cannot be read or written; no earlier step is lost.
    """
    if not steps:
        return
    rows = {row.step: row for row in read(path)}
    is_next = len(steps) == 1 and steps[0].step > max(rows, default=-1)
    for step in steps:
        rows[step.step] = merged(rows[step.step], step) if step.step in rows else step
    try:
        if is_next:
            _append(path, steps[0])
        else:
            _write(path, [rows[number] for number in sorted(rows)])
    except OSError as error:
        raise UserError(
            f"step {steps[-1].step} cannot be written to {path}: {error.strerror or error}"
        ) from error


def _append(path: Path, step: Step) -> None:
    with path.open("ab", buffering=0) as file:
        file.write((b"\n" if _torn(path) else b"") + _line(step))


def _write(path: Path, steps: Iterable[Step]) -> None:
    write_atomically(path, b"".join(map(_line, steps)))


def _line(step: Step) -> bytes:
    return step.model_dump_json(exclude_defaults=True).encode() + b"\n"


def _torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def read(path: Path) -> list[Step]:
    """Return the steps in order; an empty list if the file is not there.

    A line that was not written to its end is left out.

    Raises:
        UserError: another line is not a step.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        return _steps(path, bounded_lines(file, LONGEST_LINE))


def _steps(path: Path, lines: Iterable[tuple[bytes | None, int]]) -> list[Step]:
    """Return the steps in the lines of a file, in order; see `read`."""
    steps: dict[int, Step] = {}
    for number, (line, _) in enumerate(lines, start=1):
        if line is None:
            raise UserError(
                f"{path} line {number} is longer than {LONGEST_LINE >> 20} MiB, which no training "
                "step is; mend or remove that line"
            )
        if not line.strip():
            continue
        try:
            step = Step.model_validate_json(line)
        except ValidationError as error:
            if _was_torn(line):
                continue
            raise UserError(
                f"{path} line {number} is not a training step ({first_problem(error)}); "
                "mend or remove that line"
            ) from error
        earlier = steps.get(step.step)
        steps[step.step] = step if earlier is None else merged(earlier, step)
    return [steps[number] for number in sorted(steps)]


def _was_torn(line: bytes) -> bool:
    # A row is one object on one line: with a brace still open it is incomplete.
    return line.count(b"{") > line.count(b"}")


def merged(earlier: Step, later: Step) -> Step:
    """Return one step made of two rows; where both have a value, the later row's counts.

    >>> merged(Step(step=3, reward=0.1, loss=2), Step(step=3, reward=0.5)).reward
    0.5
    """
    update = later.model_dump(exclude_defaults=True)
    for name in ("outcomes", "validation"):
        update[name] = getattr(earlier, name) | getattr(later, name)
    return earlier.model_copy(update=update)


def rewind(path: Path, *, after: int) -> None:
    """Drop the rows after a step, because training is resumed from there.

    Raises:
        UserError: the file cannot be written; it is as it was.
    """
    kept = [step for step in read(path) if step.step <= after]
    try:
        _write(path, kept)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


COLUMNS = (
    "reward", "drawn_reward", "even_groups", "accuracy", "response_length", "clip_ratio", "kl",
    "entropy", "loss", "learning_rate",
)  # fmt: skip
"""The columns that a checkpoint's lineage keeps of its training."""


def to_lineage(steps: Sequence[Step]) -> Curves:
    """Return the curves that a checkpoint's lineage keeps; a column that is empty is left out.

    >>> to_lineage([Step(step=0), Step(step=1, reward=0.5), Step(step=2, kl=0.1)]).reward
    (0.5, None)
    """
    # A row that has only a validation is not a step of the training.
    trained = [step for step in steps if any(getattr(step, name) is not None for name in COLUMNS)]
    columns = {name: [getattr(step, name) for step in trained] for name in COLUMNS}
    filled = {
        name: column for name, column in columns.items() if any(v is not None for v in column)
    }
    return Curves.model_validate({"step": [step.step for step in trained], **filled})


def validated(step: Step) -> float | None:
    """Return how well a step did in its validation, more being better; None without one.

    It is the mean accuracy of the held-out sources, or else minus the loss.

    >>> validated(Step(step=4, validation={"a/acc/mean@1": 0.5, "b/acc/mean@1": 0.25}))
    0.375
    >>> validated(Step(step=4, validation={"loss": 2.5}))
    -2.5
    """
    found = [value for name, value in step.validation.items() if "/acc/mean@" in name]
    if found:
        return statistics.fmean(found)
    loss = step.validation.get("loss")
    return None if loss is None else -loss


def best_validated(steps: Iterable[Step], among: Iterable[int]) -> int | None:
    """Return which of the steps ``among`` did best in its validation; of equals, the last.

    >>> rows = [Step(step=n, validation={"loss": loss}) for n, loss in ((1, 2), (2, 1), (3, 3))]
    >>> best_validated(rows, [1, 2, 3]), best_validated(rows, [1, 3]), best_validated(rows, [4])
    (2, 1, None)
    """
    wanted = set(among)
    found = [
        (score, step.step)
        for step in steps
        if step.step in wanted and (score := validated(step)) is not None
    ]
    return max(found)[1] if found else None


def totals(steps: Iterable[Step]) -> dict[str, int]:
    """Return how much of a training was left out, for its lineage; what is 0 is not named.

    ``skipped_steps`` are those in which an update was skipped; the others count groups.

    >>> totals([Step(step=1, skipped_update=1), Step(step=2, evicted_groups=3, drawn_groups=8)])
    {'skipped_steps': 1, 'drawn_groups': 8, 'evicted_groups': 3}
    """
    rows = list(steps)
    named = {
        "skipped_steps": sum(row.skipped_update or 0 for row in rows),
        "drawn_groups": sum(row.drawn_groups or 0 for row in rows),
        "evicted_groups": sum(row.evicted_groups or 0 for row in rows),
        "surplus_groups": sum(row.surplus_groups or 0 for row in rows),
    }
    return {name: round(count) for name, count in named.items() if count}


def seconds_left(steps: Iterable[Step], total: int) -> float | None:
    """Estimate the seconds to the last step from the median of recent steps; None if unknown.

    The time of validations is spread over all steps, since most steps have none.

    >>> seconds_left([Step(step=n, seconds=s) for n, s in ((1, 90), (2, 10), (3, 10))], 5)
    20.0
    """
    timed = [step for step in steps if step.seconds is not None]
    if not timed:
        return None
    pace = statistics.median(step.seconds or 0.0 for step in timed[-RECENT:])
    pace += statistics.fmean(step.validation_seconds or 0.0 for step in timed)
    return max(total - timed[-1].step, 0) * pace
