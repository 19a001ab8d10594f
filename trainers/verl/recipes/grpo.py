"""GRPO as this project would use it today.

No key that matters is left to verl's default: its default estimator, for one, is not GRPO. The
recipes that repeat a published report are in `trainers.verl.recipes.report`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainers.verl.recipes.base import (
    PRECISION,
    Positive,
    Rate,
    Recipe,
    Share,
    chosen,
)

ACTOR = "actor_rollout_ref.actor"
REWARD = "reward.custom_reward_function.name"
FSDP = "actor_rollout_ref.actor.fsdp_config"
REF = "actor_rollout_ref.ref.fsdp_config"
ROLLOUT = "actor_rollout_ref.rollout"


class Grpo(Recipe):
    """Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300) by verl."""

    reward: Annotated[str, chosen(REWARD)] = "harness"
    """The grader that evaluates the checkpoint: what counts as correct there is rewarded here."""
    advantage: Annotated[str, chosen("algorithm.adv_estimator")] = "grpo"
    """The advantage of a response is its reward against those of its group."""
    advantage_over_deviation: Annotated[bool, chosen("algorithm.norm_adv_by_std_in_grpo")] = False
    """Dividing by the deviation gives too much weight to questions that are nearly always or
    nearly never answered correctly (Dr. GRPO, arXiv 2503.20783)."""
    rollouts: Annotated[Positive, chosen(f"{ROLLOUT}.n")] = 8
    """Responses for each prompt; each is the baseline for the others. A larger group gives a
    steadier baseline, and is less often all right or all wrong."""
    batch: Annotated[Positive, chosen("data.train_batch_size")] = 128
    """Prompts in a step. verl's default, 1024, is for large clusters."""
    mini_batch: Annotated[Positive, chosen(f"{ACTOR}.ppo_mini_batch_size")] = 128
    """Prompts in an update: all of a step's, so that every update is on-policy."""
    updates: Annotated[Positive, chosen(f"{ACTOR}.ppo_epochs")] = 1
    """Passes over a step's responses."""
    epochs: Annotated[Positive, chosen("trainer.total_epochs")] = 1
    """Passes over the data, if no number of steps is asked for: each question comes once."""
    longest_prompt: Annotated[Positive, chosen("data.max_prompt_length")] = 512
    """In tokens. Longer prompts are left out, never cut."""
    longest_response: Annotated[Positive, chosen("data.max_response_length")] = 1024
    """In tokens. Solutions of grade-school and competition problems are mostly shorter."""
    drop_longer: Annotated[bool, chosen("data.filter_overlong_prompts")] = True
    """A longer prompt is left out when the data are read."""
    cut: Annotated[str, chosen("data.truncation")] = "error"
    """No prompt is cut: a cut question cannot be answered."""
    shuffle: Annotated[bool, chosen("data.shuffle")] = True
    """The training's seed decides the order."""

    learning_rate: Annotated[Rate, chosen(f"{ACTOR}.optim.lr")] = 1e-6
    """What verl's GRPO examples use."""
    schedule: Annotated[str, chosen(f"{ACTOR}.optim.lr_scheduler_type")] = "constant"
    """Constant after the warm-up: a training can be judged and extended at any step (DAPO)."""
    warmup: Annotated[int, Field(ge=0), chosen(f"{ACTOR}.optim.lr_warmup_steps")] = 20
    """In steps."""
    final_rate: Annotated[Share, chosen(f"{ACTOR}.optim.min_lr_ratio")] = 0.1
    """Where a cosine ends, as a fraction of the learning rate; not used by a constant one."""
    cycles: Annotated[Rate, chosen(f"{ACTOR}.optim.num_cycles")] = 0.5
    """Half a cosine: from the peak to the end; not used by a constant rate."""
    weight_decay: Annotated[Share, chosen(f"{ACTOR}.optim.weight_decay")] = 0.01
    """The weight decay of verl's own examples."""
    betas: Annotated[tuple[float, float], chosen(f"{ACTOR}.optim.betas")] = (0.9, 0.999)
    """AdamW's own defaults."""
    gradient: Annotated[Rate, chosen(f"{ACTOR}.grad_clip", f"{ACTOR}.optim.clip_grad")] = 1.0
    """The norm to which gradients are clipped."""
    weights: Annotated[str, chosen(f"{FSDP}.model_dtype")] = "fp32"
    """Number format of the trained weights: an update of 1e-6 would be lost in bfloat16."""
    arithmetic: Annotated[
        str, chosen(f"{FSDP}.{PRECISION}", f"{REF}.{PRECISION}", f"{ROLLOUT}.dtype")
    ] = "bfloat16"
    """Number format of computations with the model, in training and in rollouts alike."""

    clip_low: Annotated[Share, chosen(f"{ACTOR}.clip_ratio_low", f"{ACTOR}.clip_ratio")] = 0.2
    """PPO's value (arXiv 1707.06347)."""
    clip_high: Annotated[Share, chosen(f"{ACTOR}.clip_ratio_high")] = 0.28
    """Rare tokens may gain more probability, so entropy falls more slowly (DAPO's clip-higher,
    arXiv 2503.14476)."""
    clip_dual: Annotated[Rate, chosen(f"{ACTOR}.clip_ratio_c")] = 3.0
    """The bound of dual clipping for negative advantages (arXiv 1912.09729)."""
    loss: Annotated[str, chosen(f"{ACTOR}.loss_agg_mode")] = "token-mean"
    """Every token of a batch has the same weight."""
    entropy_bonus: Annotated[Share, chosen(f"{ACTOR}.entropy_coeff")] = 0.0
    """No bonus for entropy."""
    kl: Annotated[bool, chosen(f"{ACTOR}.use_kl_loss")] = False
    """A reward that checks the answer is not a model that the policy could exploit. And without
    this term no second copy of the model is kept (DAPO; Dr. GRPO)."""
    kl_weight: Annotated[Share, chosen(f"{ACTOR}.kl_loss_coef")] = 0.001
    """The weight of that term where it is used, from verl's documentation of GRPO."""
    kl_estimator: Annotated[str, chosen(f"{ACTOR}.kl_loss_type")] = "low_var_kl"
    """The estimator for that term: the one that is never negative (k3, Schulman 2020)."""
    kl_in_reward: Annotated[bool, chosen("algorithm.use_kl_in_reward")] = False
    """The reward is what the grader says, without a penalty."""

    temperature: Annotated[Rate, chosen(f"{ROLLOUT}.temperature")] = 1.0
    """Rollouts are drawn from the policy itself, as the policy gradient assumes."""
    top_p: Annotated[Rate, chosen(f"{ROLLOUT}.top_p")] = 1.0
    """No token is left out, so that rollouts are drawn from the policy itself."""
    top_k: Annotated[int, chosen(f"{ROLLOUT}.top_k")] = -1
    """-1: no token is left out, so that rollouts are drawn from the policy itself."""
    correction: Annotated[str | None, chosen("algorithm.rollout_correction.rollout_is")] = "token"
    """vLLM's probabilities differ from the trainer's; truncated importance weights correct for
    it (Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL
    training")."""
    correction_limit: Annotated[
        Rate, chosen("algorithm.rollout_correction.rollout_is_threshold")
    ] = 2.0
    """The limit at which importance weights are cut off, if they are used."""
    uneven_groups_only: Annotated[bool, chosen("algorithm.filter_groups.enable")] = True
    """A group whose rewards are all equal has no gradient; further groups are drawn until the
    batch is full (DAPO's dynamic sampling)."""
    even_by: Annotated[str, chosen("algorithm.filter_groups.metric")] = "reward"
    """The value that has to differ within a group, if groups are left out."""
    validate_first: Annotated[bool, chosen("trainer.val_before_train")] = True
    """The curve begins with the base model."""
    validate_greedily: Annotated[float, chosen(f"{ROLLOUT}.val_kwargs.temperature")] = 0.0
    """0: the held-out rows are answered greedily."""
    validation_samples: Annotated[Positive, chosen(f"{ROLLOUT}.val_kwargs.n")] = 1
    """Responses for each held-out row: a second greedy response would be the same."""
    validation_rows: Annotated[Positive | Literal[-1], chosen("data.val_max_samples")] = 256
    """The most held-out rows that are answered: the first ones. -1: all of them."""
    validate_every: Annotated[Positive, chosen("trainer.test_freq")] = 20
    """Steps between validations on the held-out rows: few, since small models learn quickly."""
    save_every: Annotated[Positive, chosen("trainer.save_freq")] = 20
    """Steps between checkpoints: few, so that little is lost when a training is stopped."""


class GrpoV5(Grpo):
    """What this project would train a small model with today."""

    about = "GRPO as this project would use it for small models today, rewarded by its own grader"
    style = "boxed"
