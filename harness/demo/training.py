"""Supervised training of the demo model, in plain PyTorch.

The loss covers the response alone. The numbers in a question cannot be predicted,
and a model this small should not spend its capacity on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from harness.common.progress import Progress, silent
from harness.demo.dialogues import Dialogue, draw
from harness.demo.drills import drill

UNSCORED = -100
"""The label that torch's cross entropy ignores."""
ROUND = 16
"""A batch is padded to a multiple of this many tokens."""
PACE = 50
"""The number of last steps over which the progress averages the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """The settings of one training. The shipped model was made with the defaults."""

    seed: int = 20
    steps: int = 3000
    drills: int = 700
    """How many of the first steps train on drills instead of dialogues."""
    batch: int = 20
    """How many texts a step has."""
    peak: float = 1.2e-3
    """The learning rate after the warm-up; from there it falls to zero along a cosine."""
    warmup: int = 100
    """How many steps the learning rate takes to rise to its peak."""
    weight_decay: float = 0.01
    hidden: int = 192
    layers: int = 4
    feed_forward: int = 512
    length: int = 1024
    """The most tokens of a text. The training texts are much shorter."""
    threads: int = 1
    """How many processor threads torch uses. A second one gains little on so small a model."""
    bucket: int = 16
    """How many batches are drawn together and sorted by length, so that there is little padding."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as token ids and labels."""

    ids: list[int]
    labels: list[int]
    """One label for each id: the id itself, or `UNSCORED` for a token of the prompt."""


def new_model(plan: TrainingPlan, tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """Return an untrained model, which is the same for the same seed.

    Its attention heads have 64 dimensions, as vLLM requires.
    """
    torch.manual_seed(plan.seed)
    heads = plan.hidden // 64
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=plan.hidden,
            intermediate_size=plan.feed_forward,
            num_hidden_layers=plan.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=64,
            max_position_embeddings=plan.length,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    plan: TrainingPlan,
    *,
    avoid: frozenset[str],
    progress: Progress = silent,
) -> float:
    """Train the model on generated exercises; return the mean loss of the last hundred steps.

    No exercise has a question in ``avoid``.
    """
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=plan.peak,
        betas=(0.9, 0.98),
        weight_decay=plan.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, plan))
    losses: list[float] = []
    progress.stage("training")
    model.train()
    for step, (ids, labels) in zip(
        range(1, plan.steps + 1), batches(tokenizer, plan, avoid=avoid), strict=False
    ):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        recent = losses[-PACE:]
        note = f"steps, loss {sum(recent) / len(recent):.4f}"
        progress.advance(step, plan.steps, note=note)
    return sum(losses[-100:]) / len(losses[-100:])


def batches(
    tokenizer: PreTrainedTokenizerBase, plan: TrainingPlan, *, avoid: frozenset[str]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of ids and labels without end: drills first, then dialogues.

    Both tensors have the shape (texts, tokens). A batch of dialogues has texts of similar length.
    """
    random = Random(plan.seed)
    pad = tokenizer.pad_token_id
    for _ in range(plan.drills):
        yield _tensors([encode_drill(tokenizer, drill(random)) for _ in range(plan.batch)], pad=pad)
    while True:
        drawn = [draw(random, avoid=avoid) for _ in range(plan.batch * plan.bucket)]
        texts = sorted((encode(tokenizer, text) for text in drawn), key=lambda text: len(text.ids))
        starts = list(range(0, len(texts), plan.batch))
        while starts:
            start = starts.pop(random.randrange(len(starts)))
            yield _tensors(texts[start : start + plan.batch], pad=pad)


def encode(tokenizer: PreTrainedTokenizerBase, text: Dialogue) -> Encoded:
    """Turn a dialogue into ids: the prompt, the response, and the end token."""
    given = prompt_ids(tokenizer, text)
    response = tokenizer.encode(text.response, add_special_tokens=False)
    scored = [*response, tokenizer.eos_token_id]
    return Encoded([*given, *scored], [*[UNSCORED] * len(given), *scored])


def encode_drill(
    tokenizer: PreTrainedTokenizerBase, equations: Sequence[tuple[str, str]]
) -> Encoded:
    """Turn the equations of a drill into ids. Only the results have a loss."""
    text = Encoded([tokenizer.bos_token_id], [UNSCORED])
    for given, result in equations:
        before = tokenizer.encode(given, add_special_tokens=False)
        after = tokenizer.encode(result, add_special_tokens=False)
        text.ids.extend([*before, *after])
        text.labels.extend([*[UNSCORED] * len(before), *after])
    return text


def prompt_ids(tokenizer: PreTrainedTokenizerBase, text: Dialogue) -> list[int]:
    """Turn a dialogue's prompt into ids, with exactly one BOS token."""
    if not text.messages:
        return list(tokenizer.encode(text.raw))
    rendered = tokenizer.apply_chat_template(
        list(text.messages), add_generation_prompt=True, tokenize=False
    )
    return list(tokenizer.encode(rendered, add_special_tokens=False))


def _tensors(texts: list[Encoded], *, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    # Padding is on the right, where causal attention does not look, so no mask is needed.
    # There are few different widths, because oneDNN compiles and keeps a kernel for each.
    width = -(-max(len(text.ids) for text in texts) // ROUND) * ROUND
    ids = torch.full((len(texts), width), pad)
    labels = torch.full((len(texts), width), UNSCORED)
    for row, text in enumerate(texts):
        ids[row, : len(text.ids)] = torch.tensor(text.ids)
        labels[row, : len(text.ids)] = torch.tensor(text.labels)
    return ids, labels


def _rate(step: int, plan: TrainingPlan) -> float:
    if step < plan.warmup:
        return (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
