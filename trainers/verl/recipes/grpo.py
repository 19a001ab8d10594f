"""The GRPO recipes.

`verl-grpo-v1` and `verl-grpo-v4` repeat a published report whose authors trained the same
model twice and state some of their settings; the other settings had to be chosen and are
marked so. No key that matters is left to verl's default: its default estimator, for one, is
not GRPO.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainers.verl.recipes.base import (
    PRECISION,
    Positive,
    Rate,
    Recipe,
    Share,
    chosen,
    stated,
)

_ACTOR = "actor_rollout_ref.actor"
_REWARD = "reward.custom_reward_function.name"
_FSDP = "actor_rollout_ref.actor.fsdp_config"
_REF = "actor_rollout_ref.ref.fsdp_config"
_ROLLOUT = "actor_rollout_ref.rollout"


class Grpo(Recipe):
    """Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300) by verl."""

    reward: Annotated[str, stated(_REWARD)]
    """A function of `trainers.rewards`."""
    advantage: Annotated[str, stated("algorithm.adv_estimator")] = "grpo"
    """The report's strategy."""
    advantage_over_deviation: Annotated[bool, chosen("algorithm.norm_adv_by_std_in_grpo")] = True
    """As in the GRPO paper: a group's advantages are divided by their standard deviation."""
    rollouts: Annotated[Positive, stated(f"{_ROLLOUT}.n")] = 1
    """Responses a prompt, which are each other's baseline."""
    batch: Annotated[Positive, chosen("data.train_batch_size")] = 128
    """Prompts a step. verl's default, 1024, is for large clusters."""
    mini_batch: Annotated[Positive, chosen(f"{_ACTOR}.ppo_mini_batch_size")] = 128
    """Prompts an update: as many as a step has, so that every update is on-policy."""
    updates: Annotated[Positive, chosen(f"{_ACTOR}.ppo_epochs")] = 1
    """Passes over a step's responses."""
    epochs: Annotated[Positive, chosen("trainer.total_epochs")] = 1
    """Passes over the data, if no number of steps is asked for."""
    longest_prompt: Annotated[Positive, chosen("data.max_prompt_length")] = 512
    """Tokens. Longer ones are left out, never cut."""
    longest_response: Annotated[Positive, chosen("data.max_response_length")] = 1024
    """Tokens. Solutions of grade-school and competition problems are mostly shorter."""
    drop_longer: Annotated[bool, chosen("data.filter_overlong_prompts")] = True
    """A cut question cannot be answered."""
    shuffle: Annotated[bool, chosen("data.shuffle")] = True
    """By the run's seed."""

    learning_rate: Annotated[Rate, chosen(f"{_ACTOR}.optim.lr")] = 1e-6
    """What verl's GRPO examples use; the report does not say."""
    schedule: Annotated[str, stated(f"{_ACTOR}.optim.lr_scheduler_type")] = "cosine"
    """The report's `warmup_style`, under the name that verl gives it now."""
    warmup: Annotated[int, Field(ge=0), stated(f"{_ACTOR}.optim.lr_warmup_steps")] = 20
    """Steps."""
    final_rate: Annotated[Share, stated(f"{_ACTOR}.optim.min_lr_ratio")] = 0.1
    """Where the cosine ends, as a part of the learning rate."""
    cycles: Annotated[Rate, stated(f"{_ACTOR}.optim.num_cycles")] = 0.5
    """Half a cosine: from the peak to the end."""
    weight_decay: Annotated[Share, stated(f"{_ACTOR}.optim.weight_decay")] = 0.01
    """The report's."""
    betas: Annotated[tuple[float, float], chosen(f"{_ACTOR}.optim.betas")] = (0.9, 0.999)
    """AdamW's own."""
    gradient: Annotated[Rate, chosen(f"{_ACTOR}.grad_clip", f"{_ACTOR}.optim.clip_grad")] = 1.0
    """The norm to which gradients are clipped."""
    weights: Annotated[str, chosen(f"{_FSDP}.model_dtype")] = "fp32"
    """Of the trained copy: an update of 1e-6 is less than bfloat16 can tell apart."""
    arithmetic: Annotated[
        str, chosen(f"{_FSDP}.{PRECISION}", f"{_REF}.{PRECISION}", f"{_ROLLOUT}.dtype")
    ] = "bfloat16"
    """Of passes through the model, in training and in rollouts alike."""

    clip_low: Annotated[Share, chosen(f"{_ACTOR}.clip_ratio_low", f"{_ACTOR}.clip_ratio")] = 0.2
    """PPO's (arXiv 1707.06347)."""
    clip_high: Annotated[Share, chosen(f"{_ACTOR}.clip_ratio_high")] = 0.2
    """The same on the other side."""
    clip_dual: Annotated[Rate, chosen(f"{_ACTOR}.clip_ratio_c")] = 3.0
    """Dual clipping's bound for negative advantages (arXiv 1912.09729)."""
    loss: Annotated[str, chosen(f"{_ACTOR}.loss_agg_mode")] = "token-mean"
    """Every token of a batch weighs the same."""
    entropy_bonus: Annotated[Share, chosen(f"{_ACTOR}.entropy_coeff")] = 0.0
    """None."""
    kl: Annotated[bool, chosen(f"{_ACTOR}.use_kl_loss")] = True
    """As in the GRPO paper, the policy is held near the base model by a term of the loss …"""
    kl_weight: Annotated[Share, chosen(f"{_ACTOR}.kl_loss_coef")] = 0.001
    """… of this weight (verl's documentation of GRPO) …"""
    kl_estimator: Annotated[str, chosen(f"{_ACTOR}.kl_loss_type")] = "low_var_kl"
    """… by the estimator that is never negative (k3, Schulman 2020)."""
    kl_in_reward: Annotated[bool, chosen("algorithm.use_kl_in_reward")] = False
    """The reward stays what the grader says."""

    temperature: Annotated[Rate, chosen(f"{_ROLLOUT}.temperature")] = 1.0
    """Rollouts are drawn from the policy itself, as its gradient supposes."""
    top_p: Annotated[Rate, chosen(f"{_ROLLOUT}.top_p")] = 1.0
    """The same."""
    top_k: Annotated[int, chosen(f"{_ROLLOUT}.top_k")] = -1
    """The same: -1 is all."""
    correction: Annotated[str | None, chosen("algorithm.rollout_correction.rollout_is")] = None
    """None: rollout and training engine are taken for the same policy."""
    correction_limit: Annotated[
        Rate, chosen("algorithm.rollout_correction.rollout_is_threshold")
    ] = 2.0
    """Where such weights are cut off, if there are any."""
    uneven_groups_only: Annotated[bool, chosen("algorithm.filter_groups.enable")] = False
    """False: groups that are all right or all wrong stay in the batch, and teach nothing."""

    even_by: Annotated[str, chosen("algorithm.filter_groups.metric")] = "reward"
    """What has to differ in a group, if groups are left out."""
    validate_first: Annotated[bool, chosen("trainer.val_before_train")] = True
    """The curve begins with the base model."""
    validate_greedily: Annotated[float, chosen(f"{_ROLLOUT}.val_kwargs.temperature")] = 0.0
    """The held-out rows are answered greedily …"""
    validation_samples: Annotated[Positive, chosen(f"{_ROLLOUT}.val_kwargs.n")] = 1
    """… and so once: a second response would be the same."""
    validation_rows: Annotated[Positive, chosen("data.val_max_samples")] = 256
    """At most; the first of the held-out rows."""
    save_every: Annotated[Positive, chosen("trainer.save_freq", "trainer.test_freq")] = 20
    """Steps between checkpoints, and between validations on the held-out rows."""


class GrpoV1(Grpo):
    """The report's first version."""

    about = "GRPO, answers after ####, only numbers rewarded, one rollout: a report's v1"
    style = "gsm8k"

    reward: Annotated[str, stated(_REWARD)] = "gsm8k_strict"
    """verl's own for GSM8K: a number after ####, compared as a string."""
    rollouts: Annotated[Positive, stated(f"{_ROLLOUT}.n")] = 1
    """verl's default, which the report names v4's 5 a change from. A group of one has no
    baseline: verl then takes the reward itself for the advantage."""


class GrpoV4(Grpo):
    """The report's improved version."""

    about = "GRPO, answers in \\boxed{}, any answer rewarded, five rollouts: the report's v4"
    style = "boxed"

    reward: Annotated[str, stated(_REWARD)] = "hendrycks_boxed"
    """verl's own for MATH: what is in the last box, compared as a string, number or not."""
    rollouts: Annotated[Positive, stated(f"{_ROLLOUT}.n")] = 5
    """The report's second change; the first is the reward."""


class GrpoV5(Grpo):
    """What this project would train a small model with today."""

    about = "GRPO as of today for small models; the reward is this project's own grader"
    style = "boxed"

    reward: Annotated[str, chosen(_REWARD)] = "harness"
    """The grader that evaluates the checkpoint: what is right there is right here."""
    rollouts: Annotated[Positive, chosen(f"{_ROLLOUT}.n")] = 8
    """A larger group has a steadier baseline and is less often all right or all wrong."""
    advantage_over_deviation: Annotated[bool, chosen("algorithm.norm_adv_by_std_in_grpo")] = False
    """Dividing by the deviation overweighs questions that are nearly always or nearly never
    answered (Dr. GRPO, arXiv 2503.20783)."""
    schedule: Annotated[str, chosen(f"{_ACTOR}.optim.lr_scheduler_type")] = "constant"
    """After the warm-up; a run can then be judged, and prolonged, at any step (DAPO)."""
    clip_high: Annotated[Share, chosen(f"{_ACTOR}.clip_ratio_high")] = 0.28
    """Rare tokens may grow: entropy falls more slowly (DAPO's clip-higher, arXiv 2503.14476)."""
    kl: Annotated[bool, chosen(f"{_ACTOR}.use_kl_loss")] = False
    """With a reward that checks the answer there is no reward model to run away from, and no
    second copy of the model to keep (DAPO; Dr. GRPO)."""
    correction: Annotated[str | None, chosen("algorithm.rollout_correction.rollout_is")] = "token"
    """vLLM's probabilities differ from the trainer's; truncated importance weights make up for
    it (Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL
    training")."""
    uneven_groups_only: Annotated[bool, chosen("algorithm.filter_groups.enable")] = True
    """A group without a difference has no gradient; others are drawn until the batch is full
    (DAPO's dynamic sampling)."""
