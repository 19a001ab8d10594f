"""The recipe for supervised fine-tuning."""

from __future__ import annotations

from typing import Annotated, ClassVar

from trainers.verl.recipes.base import PRECISION, Positive, Rate, Recipe, Share, chosen


class Sft(Recipe):
    """Imitation of the reasoning that the data have, loss on the responses alone.

    Where no other source is named, the values are those of s1 (arXiv 2501.19393, appendix D),
    a full fine-tuning on mathematical reasoning that states them all.
    """

    about: ClassVar[str] = "supervised fine-tuning on the data's own reasoning; GRPO's beginning"
    style: ClassVar[str] = "boxed"
    """Of data that the trainer builds; what is built already may have any."""

    batch: Annotated[Positive, chosen("data.train_batch_size")] = 16
    """Conversations a step: s1's. Small models reason better after few examples a step at the
    same learning rate (SmolTulu, arXiv 2412.08347)."""
    epochs: Annotated[Positive, chosen("trainer.total_epochs")] = 2
    """Passes over the data, if no number of steps is asked for: Tülu 3's (arXiv 2411.15124).
    s1's 5 are for a thousand rows."""
    longest: Annotated[Positive, chosen("data.max_length")] = 2048
    """Tokens of question and response together. Longer rows are left out and counted."""
    cut: Annotated[str, chosen("data.truncation")] = "error"
    """Nothing is cut: who learns from cut responses does not learn to come to an end (s1, its
    table on training lengths)."""
    padding: Annotated[str, chosen("data.pad_mode")] = "no_padding"
    """A micro-batch is as long as its rows."""
    strict: Annotated[bool, chosen("data.ignore_input_ids_mismatch")] = False
    """verl tokenises turn by turn; a chat template under which that differs from the whole
    conversation is refused, since it would teach what is never asked."""

    learning_rate: Annotated[Rate, chosen("optim.lr")] = 1e-5
    """s1's. A model that has seen no chat yet takes more, up to thirty times."""
    schedule: Annotated[str, chosen("optim.lr_scheduler_type")] = "cosine"
    """s1's."""
    warmup: Annotated[Share, chosen("optim.lr_warmup_steps_ratio")] = 0.05
    """Part of all steps: s1's."""
    warmup_steps: Annotated[int, chosen("optim.lr_warmup_steps")] = -1
    """-1: the part above decides."""
    final_rate: Annotated[Share, chosen("optim.min_lr_ratio")] = 0.0
    """The cosine ends at nothing, as s1's."""
    cycles: Annotated[Rate, chosen("optim.num_cycles")] = 0.5
    """Half a cosine: from the peak to the end."""
    optimizer: Annotated[str, chosen("optim.optimizer")] = "AdamW"
    """torch's."""
    weight_decay: Annotated[Share, chosen("optim.weight_decay")] = 1e-4
    """s1's."""
    betas: Annotated[tuple[float, float], chosen("optim.betas")] = (0.9, 0.999)
    """AdamW's own."""
    gradient: Annotated[Rate, chosen("optim.clip_grad")] = 1.0
    """The norm to which gradients are clipped."""
    weights: Annotated[str, chosen("engine.model_dtype")] = "fp32"
    """Of the trained copy: small updates are less than bfloat16 can tell apart."""
    arithmetic: Annotated[str, chosen(f"engine.{PRECISION}")] = "bfloat16"
    """Of passes through the model; the loss that is logged has three digits therefore."""

    save_every: Annotated[Positive, chosen("trainer.save_freq", "trainer.test_freq")] = 100
    """Steps between checkpoints, and between looks at the held-out rows."""
