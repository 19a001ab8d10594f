"""The two versions of a published report, setting by setting.

The report is that of team jouw for the final round of the OpenSeek competition. Its settings are in
two scripts, `train-grpo.sh` (v1, commit 4f909258) and `train-grpo-v4.sh` (v4, commit 295e4d3f), in
the folder openseek/competition/pz/jouw/final-round of the repository FlagAI-Open/OpenSeek, where
they were read. They name no version of verl. What they leave to it has the default of verl 0.5.0,
the release of that time, read in its file trainer/config/_generated_ppo_trainer.yaml and, where
that has no such key, in workers/fsdp_workers.py.

`tests/golden/report_settings.json` has the same settings as a table, under the names that the
scripts use.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainers.verl.recipes.base import PRECISION, Positive, Rate, Share, default_then, stated
from trainers.verl.recipes.grpo import ACTOR, FSDP, REF, REWARD, ROLLOUT, Grpo

REPORT = "the report"
V1, V4 = "train-grpo.sh", "train-grpo-v4.sh"
BOTH = f"{V1}, {V4}"
VERL = "verl 0.5.0"


BY_VLLM = "rollouts are drawn by vLLM (the scripts: by SGLang)"


class ReportGrpo(Grpo):
    """What both versions have in common."""

    unlike: ClassVar[tuple[str, ...]] = (
        BY_VLLM,
        f"verl is today's (the scripts: {VERL} or one near it)",
        "the loss is the mean over all tokens of an update (then: over those of a micro-batch of 8 "
        "or 16 rows, and over the micro-batches)",
        "the base model's own Python files run only with --trust-remote-code (the scripts: always)",
    )

    advantage: Annotated[str, stated("algorithm.adv_estimator", source=BOTH)] = "grpo"
    """The advantage of a response is its reward against those of its group."""
    advantage_over_deviation: Annotated[
        bool, default_then("algorithm.norm_adv_by_std_in_grpo", source=VERL)
    ] = True
    """As in the GRPO paper: a group's advantages are divided by their standard deviation."""
    batch: Annotated[Positive, stated("data.train_batch_size", source=BOTH)] = 256
    """Prompts in a step."""
    mini_batch: Annotated[Positive, stated(f"{ACTOR}.ppo_mini_batch_size", source=BOTH)] = 64
    """Prompts in an update, so that a step has four updates."""
    updates: Annotated[Positive, default_then(f"{ACTOR}.ppo_epochs", source=VERL)] = 1
    """Passes over a step's responses."""
    epochs: Annotated[Positive, stated("trainer.total_epochs", source=BOTH)] = 10
    """Passes over the data, if no number of steps is asked for."""
    drop_longer: Annotated[bool, stated("data.filter_overlong_prompts", source=BOTH)] = True
    """A longer prompt is left out when the data are read."""
    cut: Annotated[str, stated("data.truncation", source=BOTH)] = "error"
    """No prompt is cut."""

    schedule: Annotated[str, stated(f"{ACTOR}.optim.lr_scheduler_type", source=BOTH)] = "cosine"
    """The scripts' `warmup_style`, under the name that verl gives it now."""
    cycles: Annotated[Rate, stated(f"{ACTOR}.optim.num_cycles", source=BOTH)] = 0.5
    """Half a cosine: from the peak to the end."""
    weight_decay: Annotated[Share, stated(f"{ACTOR}.optim.weight_decay", source=BOTH)] = 0.01
    """The weight decay of AdamW."""
    betas: Annotated[tuple[float, float], default_then(f"{ACTOR}.optim.betas", source=VERL)] = (
        0.9,
        0.999,
    )
    """AdamW's own defaults."""
    gradient: Annotated[
        Rate, default_then(f"{ACTOR}.grad_clip", f"{ACTOR}.optim.clip_grad", source=VERL)
    ] = 1.0
    """The norm to which gradients are clipped."""
    weights: Annotated[str, default_then(f"{FSDP}.model_dtype", source=VERL)] = "fp32"
    """Number format of the trained weights."""
    arithmetic: Annotated[
        str,
        default_then(f"{FSDP}.{PRECISION}", f"{REF}.{PRECISION}", f"{ROLLOUT}.dtype", source=VERL),
    ] = "bfloat16"
    """Number format of computations with the model, in training and in rollouts alike."""

    clip_low: Annotated[
        Share, default_then(f"{ACTOR}.clip_ratio_low", f"{ACTOR}.clip_ratio", source=VERL)
    ] = 0.2
    """The bound of PPO (arXiv 1707.06347) for ratios below 1."""
    clip_high: Annotated[Share, default_then(f"{ACTOR}.clip_ratio_high", source=VERL)] = 0.2
    """The same bound for ratios above 1."""
    clip_dual: Annotated[Rate, default_then(f"{ACTOR}.clip_ratio_c", source=VERL)] = 3.0
    """The bound of dual clipping for negative advantages (arXiv 1912.09729)."""
    loss: Annotated[str, default_then(f"{ACTOR}.loss_agg_mode", source=VERL)] = "token-mean"
    """Every token of an update has the same weight. In verl 0.5.0 that was so within a micro-batch
    (`workers/actor/dp_actor.py`)."""
    entropy_bonus: Annotated[Share, stated(f"{ACTOR}.entropy_coeff", source=BOTH)] = 0.0
    """No bonus for entropy."""
    kl: Annotated[bool, stated(f"{ACTOR}.use_kl_loss", source=BOTH)] = True
    """As in the GRPO paper, a term of the loss keeps the policy near the base model."""
    kl_weight: Annotated[Share, stated(f"{ACTOR}.kl_loss_coef", source=BOTH)] = 0.001
    """The weight of that term."""
    kl_estimator: Annotated[str, stated(f"{ACTOR}.kl_loss_type", source=BOTH)] = "low_var_kl"
    """The estimator for that term: the one that is never negative (k3, Schulman 2020)."""
    kl_in_reward: Annotated[bool, stated("algorithm.use_kl_in_reward", source=BOTH)] = False
    """The reward is what the reward function says, without a penalty."""

    temperature: Annotated[Rate, default_then(f"{ROLLOUT}.temperature", source=VERL)] = 1.0
    """Rollouts are drawn from the policy itself."""
    top_p: Annotated[Rate, default_then(f"{ROLLOUT}.top_p", source=VERL)] = 1.0
    """No token is left out."""
    top_k: Annotated[int, default_then(f"{ROLLOUT}.top_k", source=VERL)] = -1
    """-1: no token is left out."""
    correction: Annotated[
        str | None, default_then("algorithm.rollout_correction.rollout_is", source=VERL)
    ] = None
    """None: the rollout engine and the training engine are taken to be the same policy. verl had
    no such correction then."""
    uneven_groups_only: Annotated[
        bool, default_then("algorithm.filter_groups.enable", source=VERL)
    ] = False
    """False: groups that are all right or all wrong stay in the batch, and teach nothing. verl's
    trainer had no such filter then."""
    validate_first: Annotated[bool, stated("trainer.val_before_train", source=BOTH)] = True
    """The curve begins with the base model."""
    validate_greedily: Annotated[
        float, default_then(f"{ROLLOUT}.val_kwargs.temperature", source=VERL)
    ] = 0.0
    """0: the held-out rows are answered greedily."""
    validation_samples: Annotated[
        Positive, default_then(f"{ROLLOUT}.val_kwargs.n", source=VERL)
    ] = 1
    """Responses for each held-out row."""
    validation_rows: Annotated[
        Positive | Literal[-1], default_then("data.val_max_samples", source=VERL)
    ] = -1
    """-1: all held-out rows are answered. verl had no limit then."""


class GrpoV1(ReportGrpo):
    """The report's first version."""

    about = "GRPO as in a published report's v1: answers after ####, one rollout, numbers rewarded"
    style = "gsm8k"
    unlike = (*ReportGrpo.unlike, "as many GPUs as there are (the script: 8 on one machine)")

    reward: Annotated[str, stated(REWARD, source=REPORT)] = "gsm8k_strict"
    """verl's own reward for GSM8K: a number after ####, compared as a string. verl took it for the
    data's `data_source`."""
    rollouts: Annotated[Positive, default_then(f"{ROLLOUT}.n", source=VERL)] = 1
    """A group of one response has no baseline: verl then uses the reward itself as the
    advantage."""
    shuffle: Annotated[bool, default_then("data.shuffle", source=VERL)] = True
    """The training's seed decides the order."""
    longest_prompt: Annotated[Positive, stated("data.max_prompt_length", source=V1)] = 2048
    """In tokens."""
    longest_response: Annotated[Positive, stated("data.max_response_length", source=V1)] = 2048
    """In tokens."""
    learning_rate: Annotated[Rate, stated(f"{ACTOR}.optim.lr", source=V1)] = 1e-6
    """The peak of the schedule."""
    warmup: Annotated[int, Field(ge=0), stated(f"{ACTOR}.optim.lr_warmup_steps", source=V1)] = 20
    """In steps."""
    final_rate: Annotated[Share, stated(f"{ACTOR}.optim.min_lr_ratio", source=V1)] = 0.1
    """Where the cosine ends, as a fraction of the learning rate."""
    validate_every: Annotated[Positive, stated("trainer.test_freq", source=V1)] = 100
    """Steps between validations on the held-out rows."""
    save_every: Annotated[Positive, stated("trainer.save_freq", source=V1)] = 500
    """Steps between checkpoints."""


class GrpoV4(ReportGrpo):
    """The report's improved version."""

    about = "GRPO as in that report's v4: answers in \\boxed{}, five rollouts, any answer rewarded"
    style = "boxed"
    unlike = (*ReportGrpo.unlike, "as many GPUs as there are (the script: 4 on one machine)")

    reward: Annotated[str, stated(REWARD, source=REPORT)] = "hendrycks_boxed"
    """verl's own reward for MATH: the content of the last box, a number or not, compared as a
    string. The report's first change."""
    rollouts: Annotated[Positive, stated(f"{ROLLOUT}.n", source=f"{REPORT}, {V4}")] = 5
    """The report's second change."""
    shuffle: Annotated[bool, stated("data.shuffle", source=V4)] = True
    """The training's seed decides the order."""
    longest_prompt: Annotated[Positive, stated("data.max_prompt_length", source=V4)] = 1024
    """In tokens. The report does not mention this change."""
    longest_response: Annotated[Positive, stated("data.max_response_length", source=V4)] = 512
    """In tokens. The report does not mention this change."""
    learning_rate: Annotated[Rate, stated(f"{ACTOR}.optim.lr", source=V4)] = 5e-7
    """Half of v1's. The report does not mention this change."""
    warmup: Annotated[int, Field(ge=0), stated(f"{ACTOR}.optim.lr_warmup_steps", source=V4)] = 0
    """No warm-up. The report does not mention this change."""
    final_rate: Annotated[Share, stated(f"{ACTOR}.optim.min_lr_ratio", source=V4)] = 0.0
    """The cosine ends at 0. The report does not mention this change."""
    validate_every: Annotated[Positive, stated("trainer.test_freq", source=V4)] = 25
    """Steps between validations on the held-out rows."""
    save_every: Annotated[Positive, stated("trainer.save_freq", source=V4)] = 250
    """Steps between checkpoints."""
