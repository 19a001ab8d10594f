"""What goes wrong with a training's curves, and what to do about it.

Each alarm is a function from the rows of the training so far to a line that says what is seen and
what helps, or to an empty text. Whoever watches a training says each of them once.

The thresholds are for what is sure to be wrong, and not for what is only unusual: an alarm that is
given without need is not read the next time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from trainers.curves import Step

Rows = Sequence[Step]

RECENT = 5
"""Steps that a mean is taken over: a single step of few prompts says little."""
LONG = 10
"""Steps after which something that happens at first to many trainings has passed."""
MOSTLY_EVEN = 0.9
"""Share of groups without a difference of reward. Below it, a step of a hundred prompts still
learns from ten or more; above it, nearly all that is drawn and computed is for nothing."""
COLLAPSED = (0.1, 0.05)
"""Entropy as a fraction of what it was at first, and in nats a token: below both, the responses to
a prompt are nearly the same, so that no group has a difference left to learn from. A training that
goes well loses much of its entropy, too, and some models have little of it to begin with; so
neither of the two is enough alone."""
CUT_OFF = 0.5
"""Share of responses that the limit cuts off. A cut response has no answer, so with half of them
the reward says above all how long a response is."""
FAR = 0.5
"""KL divergence from the reference model in nats a token: then a response of a hundred tokens is
on average e to the 50 times as probable as for the reference model."""
FAR_IN_A_STEP = 0.1
"""The same from the policy that drew a step's responses. The clipped loss is meant for small moves:
OpenAI's Spinning Up ends PPO's updates of a step at 0.015."""
GRADER_FAILS = 0.05
"""Share of responses that the grader could not decide. It decides nearly all where it is in order,
so one in twenty is a fault of the machine, or of one kind of answer."""
SKIPPED = 3
"""Steps in a row with a skipped update: one may be an accident of its data."""

FAILURES = ("grader_timeout", "grader_error")
"""The outcomes that say that the grader failed."""


def even_groups(rows: Rows) -> str:
    """All rewards are equal in most groups."""
    seen = _last(rows, "even_groups", LONG)
    if len(seen) < LONG or (share := statistics.fmean(seen)) <= MOSTLY_EVEN:
        return ""
    reward = _mean(rows, "drawn_reward", LONG) or 0.0
    easy = reward > 0.5
    return (
        f"in {share:.0%} of the groups of the last {LONG} steps all rewards are equal, so nearly "
        f"nothing is learned (mean reward {reward:.2f}): train on "
        f"{'harder' if easy else 'easier'} problems, or draw more responses to each "
        "(actor_rollout_ref.rollout.n)"
        + ("" if easy else "; a model that was fine-tuned on solutions first begins higher")
    )


def no_reward(rows: Rows) -> str:
    """No response earned anything in the first steps."""
    drawn = [_reward(row) for row in rows if _reward(row) is not None]
    if len(drawn) < LONG or any(drawn):
        return ""
    return (
        f"no response earned a reward in {len(drawn)} steps, so nothing is learned: "
        f"{_why_none(rows)}"
    )


def _why_none(rows: Rows) -> str:
    """Say what became of most responses, and what to do about that."""
    shares = {
        name: statistics.fmean(row.outcomes.get(name, 0.0) for row in rows if row.outcomes)
        for name in ("no_answer", "truncated", "out_of_reach", "wrong")
        if any(row.outcomes for row in rows)
    }
    if shares.get("out_of_reach", 0.0) > 0.5:
        return (
            "this reward cannot reward most of these questions (out_of_reach), because of how "
            "their answers are written; take a recipe with another reward, or other data"
        )
    most = max(shares, key=lambda name: shares[name], default="")
    if not most or not shares[most]:
        return "see the responses in training/rollouts/"
    return f"most are {most} ({shares[most]:.0%} of all); " + {
        "no_answer": "the model does not state answers in the form that the prompt asks for: "
        "fine-tune it on solutions first (verl-sft), or begin with a model that follows "
        "instructions",
        "truncated": "raise data.max_response_length, or take problems with shorter solutions",
    }.get(most, "the problems are too hard for this model: take easier ones, or a better model")


def entropy_collapses(rows: Rows) -> str:
    """The policy has hardly any choice left."""
    known = [row.entropy for row in rows if row.entropy is not None]
    if len(known) < 2 * RECENT:
        return ""
    first, last = statistics.fmean(known[:RECENT]), statistics.fmean(known[-RECENT:])
    share, nats = COLLAPSED
    if last >= share * first or last >= nats:
        return ""
    return (
        f"the entropy has fallen from {first:.3f} to {last:.4f} nats a token: the policy draws "
        "the same response again and again, and learns no more; begin again from an earlier "
        "checkpoint with a lower learning rate, a higher "
        "actor_rollout_ref.actor.clip_ratio_high, or other data"
    )


def responses_are_cut_off(rows: Rows) -> str:
    """Most responses run into the length limit."""
    seen = _last(rows, "clip_ratio", RECENT)
    if len(seen) < RECENT or (share := statistics.fmean(seen)) <= CUT_OFF:
        return ""
    return (
        f"the limit cuts off {share:.0%} of the responses of the last {RECENT} steps before they "
        "state an answer: raise data.max_response_length, or see in training/rollouts/ whether "
        "they repeat themselves"
    )


def far_from_reference(rows: Rows) -> str:
    """The policy leaves the model that it should stay near, or moves too far in a step."""
    kl, update = _mean(rows, "kl", RECENT), _mean(rows, "update_kl", RECENT)
    if kl is not None and kl > FAR:
        seen = f"the KL divergence from the base model is {kl:.2f} nats a token"
    elif update is not None and abs(update) > FAR_IN_A_STEP:
        seen = f"the policy moves by {abs(update):.2f} nats a token within a step"
    else:
        return ""
    return (
        f"{seen}, so it becomes another model rather than a better one: begin again from an "
        "earlier checkpoint with a lower actor_rollout_ref.actor.optim.lr, or a higher "
        "actor_rollout_ref.actor.kl_loss_coef where the recipe has that term"
    )


def grader_fails(rows: Rows) -> str:
    """The grader fails, so that rewards are missing."""
    recent = [row for row in rows if row.outcomes][-RECENT:]
    samples = sum(row.outcomes.get("samples", 1.0) for row in recent)
    failed = sum(
        row.outcomes.get("samples", 1.0) * sum(row.outcomes.get(name, 0.0) for name in FAILURES)
        for row in recent
    )
    if len(recent) < RECENT or failed <= GRADER_FAILS * samples:
        return ""
    return (
        f"the grader could not decide {failed / samples:.0%} of the responses of the last {RECENT} "
        "steps (grader_timeout and grader_error), which counts as no reward: is the machine busy "
        "with something else? If not, see them in training/rollouts/"
    )


def updates_are_skipped(rows: Rows) -> str:
    """Updates are skipped because their gradients are not numbers."""
    trained = [row for row in rows if _is_trained(row)]
    if len(trained) < SKIPPED or not all(row.skipped_update for row in trained[-SKIPPED:]):
        return ""
    return (
        f"in each of the last {SKIPPED} steps an update was skipped, because its gradient was NaN "
        "or infinite: if that was so from the first step on, a setting is not a number (see "
        "--set); otherwise begin again from an earlier checkpoint with a lower learning rate"
    )


ALARMS: tuple[Callable[[Rows], str], ...] = (
    updates_are_skipped,
    no_reward,
    even_groups,
    responses_are_cut_off,
    grader_fails,
    entropy_collapses,
    far_from_reference,
)


class Alarms:
    """Says each alarm once."""

    def __init__(self) -> None:
        self._given: set[Callable[[Rows], str]] = set()

    def new(self, rows: Rows) -> list[str]:
        """Return the lines of the alarms that are to be given now."""
        said = []
        for alarm in ALARMS:
            if alarm not in self._given and (line := alarm(rows)):
                self._given.add(alarm)
                said.append(line)
        return said


def _is_trained(row: Step) -> bool:
    """Say whether a row is of a step, and not only of a validation."""
    return row.step > 0 and (row.reward is not None or row.loss is not None)


def _reward(row: Step) -> float | None:
    return row.reward if row.drawn_reward is None else row.drawn_reward


def _last(rows: Rows, column: str, count: int) -> list[float]:
    """Return the last values of a column, at most ``count``."""
    return [value for row in rows if (value := getattr(row, column)) is not None][-count:]


def _mean(rows: Rows, column: str, count: int) -> float | None:
    values = _last(rows, column, count)
    return statistics.fmean(values) if len(values) >= min(count, RECENT) else None
