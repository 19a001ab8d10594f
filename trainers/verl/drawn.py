"""What each step drew from the policy, with what the training then left out.

A trainer that filters groups (DAPO's dynamic sampling) trains on a part of what it draws, and the
reward that it reports is that of this part alone. How well the policy does, and whether a step
can end at all, is told by everything that was drawn. `trainers.rewards.RewardManager` writes a
line for each response as soon as it is graded, and these lines are counted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainers.curves import Step
from trainers.rewards import OUTCOMES_FOLDER
from trainers.verl.metrics import follow, number

PROMPTS, ROLLOUTS = "data.train_batch_size", "actor_rollout_ref.rollout.n"
FILTERS = "algorithm.filter_groups.enable"
MOST = "algorithm.filter_groups.max_num_gen_batches"
"""verl 0.9.1 has this limit in its configuration and ignores it (`_resolve_filter_groups_metric` in
`ppo/v1/trainer_base.py`), so it is kept here."""
MOST_BATCHES = 20
"""The limit that is not set: a step then costs twenty times as much as one that needs no filter.
DAPO's own scripts give up after 10."""
TRAIN = "train"
"""The split that a step draws its questions from; another one is that of a validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a step draws its responses."""

    prompts: int
    """Prompts that a step trains on."""
    rollouts: int
    """Responses to each."""
    filters: bool = False
    """Whether groups without a difference of reward are replaced by further ones."""
    most_batches: int = MOST_BATCHES
    """After how many times its prompts a step gives up to look for such groups; 0: never."""

    @property
    def limit(self) -> int | None:
        """How many groups a step may draw; None if there is no limit, or no filter."""
        return self.most_batches * self.prompts or None if self.filters else None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Sampling | None:
        """Return what the settings of a recipe say; None if the trainer draws no responses."""
        if ROLLOUTS not in values:
            return None
        most = values.get(MOST)
        return cls(
            prompts=int(values[PROMPTS]),
            rollouts=int(values[ROLLOUTS]),
            filters=bool(values.get(FILTERS)),
            most_batches=MOST_BATCHES if most is None else max(int(most), 0),
        )


@dataclass(slots=True)
class Drawn:
    """The responses that one step drew so far."""

    rollouts: int
    """Responses in a whole group."""
    samples: int = 0
    reward: float = 0.0
    """The sum of their rewards."""
    _groups: dict[str, list[float]] = field(default_factory=dict)
    """By question: how many responses there are, and their least and greatest reward."""

    def add(self, question: str, reward: float) -> None:
        """Add one graded response."""
        self.samples += 1
        self.reward += reward
        group = self._groups.setdefault(question, [0, reward, reward])
        group[:] = group[0] + 1, min(group[1], reward), max(group[2], reward)

    @property
    def groups(self) -> int:
        """How many whole groups there are."""
        return len(self._whole())

    @property
    def even(self) -> int:
        """How many whole groups have one reward only, and so nothing to learn from."""
        return sum(least == greatest for _, least, greatest in self._whole())

    def _whole(self) -> list[list[float]]:
        return [group for group in self._groups.values() if group[0] >= self.rollouts]

    def as_row(self, step: int) -> Step:
        """Return the columns that tell of what was drawn.

        >>> drawn = Drawn(rollouts=2)
        >>> for question, reward in (("a", 1), ("a", 1), ("b", 0), ("b", 1)):
        ...     drawn.add(question, reward)
        >>> row = drawn.as_row(3)
        >>> row.drawn_reward, row.drawn_groups, row.even_groups
        (0.75, 2.0, 0.5)
        """
        groups = self.groups
        # A group of one response has nothing to differ from.
        even = self.even / groups if groups and self.rollouts > 1 else None
        mean = self.reward / self.samples if self.samples else None
        return Step(step=step, drawn_reward=mean, drawn_groups=groups or None, even_groups=even)


class DrawnSoFar:
    """Follows the files of graded responses while a training runs."""

    def __init__(self, rollouts_folder: Path, rollouts: int) -> None:
        """Follow the files beside the dumps of rollouts; a group has ``rollouts`` responses."""
        self._folder = rollouts_folder / OUTCOMES_FOLDER
        self._rollouts = rollouts
        self._positions: dict[Path, int] = {}
        self._steps: dict[int, Drawn] = {}
        self._forgotten = 0

    def look(self) -> int:
        """Read what was graded since the last look; return how many lines that is.

        Lines of a validation are among them: they show, too, that the training goes on.
        """
        found = 0
        for path in self._folder.glob("*.jsonl"):
            step = path.name.partition(".")[0]
            if step.isdecimal() and int(step) >= self._forgotten:
                rows, self._positions[path] = follow(path, self._positions.get(path, 0))
                found += len(rows)
                for row in rows:
                    self._take(int(step), row)
        return found

    def of(self, step: int) -> Drawn | None:
        """Return what a step drew so far; None if that is not known."""
        return self._steps.get(step)

    def forget(self, before: int) -> None:
        """Forget the steps before one; what is written of them later is not read."""
        self._forgotten = before
        for step in [step for step in self._steps if step < before]:
            del self._steps[step]
        old = [p for p in self._positions if int(p.name.partition(".")[0]) < before]
        for path in old:
            del self._positions[path]

    def _take(self, step: int, row: dict[str, Any]) -> None:
        reward = number(row.get("reward"))
        if row.get("split") == TRAIN and reward is not None:
            drawn = self._steps.setdefault(step, Drawn(self._rollouts))
            drawn.add(str(row.get("key")).rpartition("_")[0], reward)


def nearly_in_vain(step: int, drawn: Drawn, sampling: Sampling) -> str:
    """Say that a step has drawn half of what it may and not found enough; else an empty text."""
    limit = sampling.limit
    if limit is None or 2 * drawn.groups < limit or _found(drawn) >= sampling.prompts:
        return ""
    return (
        f"step {step} has drawn {drawn.groups:,} groups so far, and in {_found(drawn):,} of the "
        f"{sampling.prompts:,} that it needs do the rewards differ; it gives up at {limit:,}"
    )


def in_vain(step: int, drawn: Drawn, sampling: Sampling) -> str:
    """Say that a step has drawn too much for too little; an empty text if it has not.

    verl draws further groups until it has enough of them, and so for ever where there are none.
    """
    limit = sampling.limit
    if limit is None or drawn.groups < limit or _found(drawn) >= sampling.prompts:
        return ""
    mean = drawn.reward / drawn.samples
    return (
        f"step {step} has drawn {drawn.groups:,} groups of {drawn.rollouts} responses, and in only "
        f"{_found(drawn):,} of them do the rewards differ; it needs {sampling.prompts:,}. The mean "
        f"reward is {mean:.3f}: {_too(mean)}. To let it look longer, begin again with "
        f"--set {MOST}={2 * sampling.most_batches} (times the batch, 0: for ever); to train on all "
        f"groups, with --set {FILTERS}=false"
    )


def _found(drawn: Drawn) -> int:
    return drawn.groups - drawn.even


def _too(mean: float) -> str:
    if mean > 0.5:
        return "the problems are too easy for this model, so take harder ones"
    return (
        "the problems are too hard for this model, or it does not answer in the form that the "
        "prompt asks for; take easier ones, or fine-tune it on solutions first (verl-sft)"
    )
