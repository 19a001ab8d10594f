"""The recipe for supervised fine-tuning."""

from __future__ import annotations

from typing import Annotated, ClassVar

from trainers.verl.recipes.base import PRECISION, Positive, Rate, Recipe, Share, chosen


class Sft(Recipe):
    """Imitation of the data's own reasoning, with loss on the responses only.

    Where no other source is named, the values are those of s1 (arXiv 2501.19393, appendix D):
    a full fine-tuning on mathematical reasoning whose authors state all of them.
    """

    about: ClassVar[str] = (
        "supervised fine-tuning on the data's own reasoning; GRPO can start from its checkpoint"
    )
    style: ClassVar[str] = "boxed"
    """The style in which the trainer builds data; data that are built already may have any."""

    batch: Annotated[Positive, chosen("data.train_batch_size")] = 16
    """Conversations in a step, as in s1. At the same learning rate, small models reason better
    after steps with few examples (SmolTulu, arXiv 2412.08347)."""
    epochs: Annotated[Positive, chosen("trainer.total_epochs")] = 2
    """Passes over the data, if no number of steps is asked for, as in Tülu 3 (arXiv 2411.15124).
    s1 makes 5 passes, but over only a thousand rows."""
    longest: Annotated[Positive, chosen("data.max_length")] = 2048
    """In tokens, question and response together. Longer rows are left out and counted."""
    cut: Annotated[str, chosen("data.truncation")] = "error"
    """No row is cut: a model that learns from cut responses does not learn to end one (s1, the
    table on training lengths)."""
    padding: Annotated[str, chosen("data.pad_mode")] = "no_padding"
    """A micro-batch is as long as its rows."""
    strict: Annotated[bool, chosen("data.ignore_input_ids_mismatch")] = False
    """verl tokenises each turn alone. If a chat template makes that differ from tokenising the
    whole conversation, it is refused: the model would learn prompts that it is never given."""

    learning_rate: Annotated[Rate, chosen("optim.lr")] = 1e-5
    """As in s1. A model that has not seen chats yet can take up to thirty times more."""
    schedule: Annotated[str, chosen("optim.lr_scheduler_type")] = "cosine"
    """As in s1."""
    warmup: Annotated[Share, chosen("optim.lr_warmup_steps_ratio")] = 0.05
    """Fraction of all steps, as in s1."""
    warmup_steps: Annotated[int, chosen("optim.lr_warmup_steps")] = -1
    """-1: the fraction of all steps decides."""
    final_rate: Annotated[Share, chosen("optim.min_lr_ratio")] = 0.0
    """The cosine ends at 0, as in s1."""
    cycles: Annotated[Rate, chosen("optim.num_cycles")] = 0.5
    """Half a cosine: from the peak to the end."""
    optimizer: Annotated[str, chosen("optim.optimizer")] = "AdamW"
    """torch's AdamW."""
    weight_decay: Annotated[Share, chosen("optim.weight_decay")] = 1e-4
    """As in s1."""
    betas: Annotated[tuple[float, float], chosen("optim.betas")] = (0.9, 0.999)
    """AdamW's own defaults."""
    gradient: Annotated[Rate, chosen("optim.clip_grad")] = 1.0
    """The norm to which gradients are clipped."""
    weights: Annotated[str, chosen("engine.model_dtype")] = "fp32"
    """Number format of the trained weights: small updates would be lost in bfloat16."""
    arithmetic: Annotated[str, chosen(f"engine.{PRECISION}")] = "bfloat16"
    """Number format of computations with the model; so the logged loss has three digits."""

    save_every: Annotated[Positive, chosen("trainer.save_freq", "trainer.test_freq")] = 100
    """Steps between checkpoints, and between measurements of the loss on held-out rows."""
