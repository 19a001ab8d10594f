r"""The rewards that verl loads, and the reward manager that gives them what verl does not.

A reward is never only a number: each function returns the score with a 0/1 column for every
outcome. So a curve can tell wrong answers from missing ones, from responses that the token
limit cut off, and from failures of the grader. How the strings are compared is in
`harness.grading.compat.rewards`, which evaluation uses too.

verl finds this module as ``pkg://trainers.rewards``, or by the file's path: a function under
``reward.custom_reward_function``, and `RewardManager` under ``reward.reward_manager``. Without
the manager a function still works, but it is not told which responses were cut off, and the
columns of training samples are lost: verl itself reports columns for validation only.
Lineages of trained checkpoints name this module, so its name stays.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import re
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.boxed import last_boxed
from harness.extraction import MAXIMUM_ANSWER_LENGTH
from harness.grading import Grader, Outcome
from harness.grading.compat import rewards as strings
from harness.grading.workers.pool import TIME_LIMIT

if TYPE_CHECKING:
    from torch import Tensor

COUNTED = (
    Outcome.WRONG,
    Outcome.NO_ANSWER,
    Outcome.TRUNCATED,
    Outcome.UNPARSABLE,
    Outcome.GRADER_TIMEOUT,
    Outcome.GRADER_ERROR,
)
"""The outcomes that have a column; together with ``acc``, for correct ones, they sum to 1."""
OUT_OF_REACH = "out_of_reach"
"""The column that is 1 if no response can earn the reward, because of how the gold is written."""
COLUMNS = ("acc", *(outcome.replace(" ", "_") for outcome in COUNTED), OUT_OF_REACH)
"""What every reward returns beside ``score``, in this order."""
OUTCOMES_FOLDER = "outcomes"
"""The folder that `RewardManager` writes to, inside verl's ``trainer.rollout_data_dir``."""
MAXIMUM_RESPONSE = 1_000_000
"""Characters of a response that are graded; of a longer one, the last of them."""
WORKERS = 2
"""Grading processes for each of verl's reward workers, started when one is first needed."""

_log = logging.getLogger(__name__)
_HASH_ANSWER = re.compile(r"#### -?[0-9.,]")
_HASH_TAIL = 300


async def gsm8k_strict(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **_: Any,
) -> dict[str, float]:
    """Reward ``#### number`` as verl's own scorer of GSM8K does, method ``strict``.

    ``out_of_reach`` is 1 for every gold that is not a number or has a thousands comma.
    """
    response, gold = _bounded(solution_str), _gold(ground_truth)
    answered = _HASH_ANSWER.search(response[-_HASH_TAIL:]) is not None
    value = strings.gsm8k_strict(response, gold)
    # The comma after the gold is removed again, but with it even an empty gold can be matched.
    reachable = strings.gsm8k_strict(f"#### {gold},", gold)
    return _columns(_outcome(value, answered, extra_info), reachable=bool(reachable))


async def hendrycks_boxed(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    **_: Any,
) -> dict[str, float]:
    r"""Reward ``\boxed{answer}`` as verl's own scorer of MATH does: by comparing strings."""
    response, gold = _bounded(solution_str), _gold(ground_truth)
    answered = last_boxed(response) is not None
    value = strings.hendrycks_boxed(response, gold)
    reachable = max(
        strings.hendrycks_boxed(text, gold) for text in (f"\\boxed{{{gold}}}", f"\\boxed {gold}$")
    )
    return _columns(_outcome(value, answered, extra_info), reachable=bool(reachable))


async def harness(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    workers: int = WORKERS,
    time_limit: float = TIME_LIMIT,
    **_: Any,
) -> dict[str, float]:
    """Reward a response that evaluation would grade as correct.

    What the cheap rules cannot decide is compared by ``workers`` processes, with ``time_limit``
    seconds of CPU for each pair. A comparison that takes longer, or too much memory, is killed;
    it scores 0 and has a column of its own.

    Raises:
        WorkersUnavailableError: no grading process starts. That says nothing about the
            response, so it is not turned into a score.
    """
    response, gold = _bounded(solution_str), _gold(ground_truth)
    grader = _grader(os.getpid(), workers, time_limit)
    future = grader.submit(response, gold, truncated=_truncated(extra_info))
    verdict = await asyncio.wrap_future(future)
    reachable = bool(gold.strip()) and len(gold) <= MAXIMUM_ANSWER_LENGTH
    return _columns(verdict.outcome, reachable=reachable)


def _bounded(response: str) -> str:
    return response[-MAXIMUM_RESPONSE:]


def _gold(ground_truth: object) -> str:
    if ground_truth is None:
        raise ValueError(
            "a row of the training data has no ground truth, so no response can be rewarded"
        )
    return str(ground_truth)


def _truncated(extra_info: Mapping[str, Any] | None) -> bool:
    return bool((extra_info or {}).get("truncated", False))


def _outcome(value: float, answered: bool, extra_info: Mapping[str, Any] | None) -> Outcome:
    """Return the outcome of a reward that compares strings."""
    if value:
        return Outcome.CORRECT
    if answered:
        return Outcome.WRONG
    return Outcome.TRUNCATED if _truncated(extra_info) else Outcome.NO_ANSWER


def _columns(outcome: Outcome, *, reachable: bool) -> dict[str, float]:
    """Return the score and every column; verl needs the same keys for every row."""
    correct = float(outcome is Outcome.CORRECT)
    flags = [correct, *(float(outcome is each) for each in COUNTED), float(not reachable)]
    return {"score": correct} | dict(zip(COLUMNS, flags, strict=True))


@cache
def _grader(process: int, workers: int, time_limit: float) -> Grader:
    """Return the grader of this process; a forked child makes a grader of its own."""
    grader = Grader(workers=workers, time_limit=time_limit)
    atexit.register(grader.close, cancel=True)
    return grader


class RewardManager:
    """verl's ``naive`` reward manager, which also reports truncation and records outcomes.

    In ``extra_info["truncated"]`` the reward gets whether the token limit cut the response
    off, which verl itself does not pass on. The outcome is appended to a file of this process
    in ``rollout_data_dir/outcomes``, where `trainers.rollouts.outcomes_of` finds it by the
    sample's key.
    """

    def __init__(self, config: Any, tokenizer: Any, compute_score: Any, **routing: Any) -> None:
        """Take the arguments that verl gives every reward manager."""
        from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager

        naive: Any = NaiveRewardManager  # verl has no types
        self._naive = naive(config, tokenizer, compute_score, **routing)
        self._tokenizer = tokenizer
        self._limit = int(config.actor_rollout_ref.rollout.response_length)
        self._outcomes = OutcomeLog.beside(config.trainer.get("rollout_data_dir"))

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Return verl's ``reward_score`` and ``reward_extra_info`` for one trajectory."""
        import numpy

        fields = dict((data.non_tensor_batch.get("tool_extra_fields", [None])[-1]) or {})
        fields["truncated"] = self._cut_off(data)
        # Only this field reaches the reward whether the data has an extra_info or not.
        data.non_tensor_batch["tool_extra_fields"] = numpy.array([fields] * len(data), dtype=object)
        result: dict[str, Any] = await self._naive.run_single(data)
        self._keep(data.non_tensor_batch, result)
        return result

    @classmethod
    def assemble_rm_scores(cls, data: Any, scores: list[float]) -> Tensor:
        """Return the rewards where verl expects them: at each response's last token."""
        from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

        assembled: Tensor = RewardManagerBase.assemble_rm_scores(data, scores)
        return assembled

    def _cut_off(self, data: Any) -> bool:
        """Say whether a response has the most tokens allowed and does not end its turn."""
        responses = data.batch["responses"][-1]
        length = int(data.batch["attention_mask"][-1][-len(responses) :].sum())
        if length < self._limit:
            return False
        last = [int(responses[length - 1])]
        # It is not compared with the eos token: a model may end turns with several tokens, of
        # which the tokenizer names one.
        special = self._tokenizer.decode(last, skip_special_tokens=False)
        return bool(special == self._tokenizer.decode(last, skip_special_tokens=True))

    def _keep(self, sample: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        if self._outcomes is None or "uid" not in sample or "session_id" not in sample:
            return
        key = f"{sample['uid'][-1]}_{sample['session_id'][-1]}"
        step = int(sample["global_steps"][-1]) if "global_steps" in sample else 0
        # verl does not tell the reward what it draws for a validation; the data's rows say it.
        split = (sample["extra_info"][-1] or {}).get("split") if "extra_info" in sample else None
        self._outcomes.append(
            step,
            key,
            result["reward_extra_info"],
            reward=float(result["reward_score"]),
            split=str(split or ""),
        )


class OutcomeLog:
    """The outcomes that one reward worker found: one file a step, one line a sample.

    A line has the reward, names the columns that are not 0, and says from which split of the
    data the question is: samples of a validation are in the files too. `trainers.verl.drawn` counts
    what a step drew from them.
    """

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``, under a name that no other worker on any machine has."""
        self._folder = folder
        self.worker = f"{socket.gethostname()}-{os.getpid()}"
        """A name for this worker that is part of its files' names."""
        self._failed = False

    @classmethod
    def beside(cls, rollouts: str | None) -> OutcomeLog | None:
        """Return the log beside a rollout folder; None if verl keeps no rollouts."""
        return cls(Path(rollouts) / OUTCOMES_FOLDER) if rollouts else None

    def append(
        self,
        step: int,
        key: str,
        found: Mapping[str, Any],
        *,
        reward: float = 0.0,
        split: str = "",
    ) -> None:
        """Write one sample's columns; if that fails, training continues, with one warning."""
        columns = [name for name in COLUMNS if found.get(name)]
        row = {"key": key, "columns": columns, "reward": reward, "split": split}
        line = json.dumps(row) + "\n"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"{step}.{self.worker}.jsonl").open("a", encoding="ascii") as log:
                log.write(line)
        except OSError as error:
            if not self._failed:
                self._failed = True
                _log.warning(
                    "outcomes cannot be written and will be missing from the curves: %s", error
                )
