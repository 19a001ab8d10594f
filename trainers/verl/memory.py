"""What a GRPO training needs of each GPU's memory, by calculation, and how it is made to fit.

All sizes are in bytes. P GPUs share the N parameters. While verl trains, each GPU holds its share
of the weights, the gradients and AdamW's two moments in float32 (16 N / P), the layers that are
gathered in bfloat16, the activations of one micro-batch, and its logits. Meanwhile vLLM sleeps.
While vLLM draws rollouts, it holds all weights in bfloat16 (2 N) and the cache of keys and values,
beside the training's weights and moments (12 N / P) unless these are offloaded.

Read in verl 0.9.1, `workers/engine/fsdp/transformer_impl.py`: the reference model is always in the
machine's memory; ``param_offload`` and ``optimizer_offload`` move the training's state there
between its phases; ``offload_policy`` keeps it there, and moves one layer at a time to the GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

from benchmarks.bounded_json import parse_json
from harness.models.trust import own_code, read_config
from trainers.verl.export import trained_files

GIB = 2**30
TOKENS = 16384
"""Tokens of a micro-batch with gradients on each GPU, where there is room for them."""
OVERHEAD = 2 * GIB
"""CUDA's own memory in two processes, the collectives' buffers, and what a sleeping vLLM keeps."""
WORKSPACE = 2 * GIB
"""What vLLM needs beside weights and cache: activations and CUDA graphs."""
USABLE = 0.95
"""The fraction of a card that can be filled: allocators lose some to fragments."""
ROLLOUTS_AT_ONCE = 16
"""The cache has to hold this many of the longest sequences."""
PADDED = 4
"""How many times the tokens are in memory where padding stays in the micro-batches.

verl fills a micro-batch up to a number of real tokens, and then makes each row as long as its
longest (`utils/seqlen_balancing.py`, `workers/engine/fsdp/transformer_impl.py`). For log-normal
lengths around 250 tokens and a longest of 1536, that made 2.7 to 3.7 times the tokens in a
simulation."""
CHUNK = 512
"""Tokens for which verl's fused kernel makes logits at a time (`utils/experimental/
torch_functional.py`)."""
LARGEST = 10**8
"""More than any model's vocabulary or width; its square is more than any model's parameters."""
FUSED, PLAIN = 18, 24
"""Bytes for each logit at the peak: in bfloat16, in float32, and what softmax and its gradient add.
Without the fused kernel the logits are also copied once when the padding is taken out."""

FUSABLE = frozenset(
    {"llama", "mistral", "mixtral", "olmo2", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe",
     "smollm3", "deepseek_v3"}
)  # fmt: skip
"""Model types whose logits are the last hidden states times ``lm_head.weight`` and nothing else.

That is what verl's fused kernel computes (`models/transformers/dense_common.py`). A model that
scales or caps its logits, or adds a bias, would be trained on other probabilities than its own."""

SIZED = (
    "actor_rollout_ref.actor.fsdp_config.fsdp_size",
    "actor_rollout_ref.actor.fsdp_config.offload_policy",
    "actor_rollout_ref.actor.fsdp_config.optimizer_offload",
    "actor_rollout_ref.actor.fsdp_config.param_offload",
    "actor_rollout_ref.actor.ppo_max_token_len_per_gpu",
    "actor_rollout_ref.actor.strategy",
    "actor_rollout_ref.actor.ulysses_sequence_parallel_size",
    "actor_rollout_ref.actor.use_dynamic_bsz",
    "actor_rollout_ref.model.enable_gradient_checkpointing",
    "actor_rollout_ref.model.lora_rank",
    "actor_rollout_ref.model.use_fused_kernels",
    "actor_rollout_ref.model.use_remove_padding",
    "actor_rollout_ref.ref.log_prob_max_token_len_per_gpu",
    "actor_rollout_ref.rollout.gpu_memory_utilization",
    "actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu",
    "actor_rollout_ref.rollout.tensor_model_parallel_size",
)
"""Keys that decide how much memory is needed. If the user sets one, nothing is calculated."""
FORMAT = "actor_rollout_ref.actor.fsdp_config.model_dtype"
"""The key of the number format of the trained weights; the calculation takes it to be float32."""

OFFLOADS: Mapping[str, tuple[bool, bool]] = {
    "nothing": (False, False),
    "between phases": (True, False),
    "always": (False, True),
}
"""What is offloaded when: whether between the phases of a step, and whether all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """What the memory of a training depends on in its model."""

    parameters: int
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    kv_width: int
    """Numbers in a token's keys in one layer; its values have as many."""
    largest: int
    """Numbers in its largest tensor."""
    tied: bool
    """Whether the input and the output embeddings are one."""
    fusable: bool
    """Whether verl's fused kernel computes this model's logits; see `FUSABLE`."""

    @property
    def is_plausible(self) -> bool:
        """Whether the sizes can be those of a model, whatever its files say."""
        sizes = (self.vocabulary, self.hidden, self.intermediate, self.layers, self.kv_width)
        return min(sizes) > 0 and max(sizes) < LARGEST and self.root <= self.parameters < LARGEST**2

    @property
    def root(self) -> int:
        """The parameters of the embeddings, which stay gathered through a pass."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def layer(self) -> int:
        """The mean number of parameters of a layer."""
        return max(0, self.parameters - self.root) // self.layers


EXAMPLES = {
    "0.5B": ModelSize(
        parameters=494_032_768, vocabulary=151_936, hidden=896, intermediate=4864, layers=24,
        kv_width=128, largest=151_936 * 896, tied=True, fusable=True,
    ),
    "1.5B": ModelSize(
        parameters=1_543_714_304, vocabulary=151_936, hidden=1536, intermediate=8960, layers=28,
        kv_width=256, largest=151_936 * 1536, tied=True, fusable=True,
    ),
    "7B": ModelSize(
        parameters=7_615_616_512, vocabulary=152_064, hidden=3584, intermediate=18_944, layers=28,
        kv_width=512, largest=152_064 * 3584, tied=False, fusable=True,
    ),
}  # fmt: skip
"""Three sizes of Qwen2.5, from the config.json of each, for the table in docs/train.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a training fits into its GPUs."""

    offload: str
    """One of `OFFLOADS`."""
    tokens: int
    """Tokens of a micro-batch with gradients; one without has twice as many."""
    utilisation: float
    """The fraction of the card that vLLM takes."""
    training: Mapping[str, float]
    """The parts of the training's peak, in bytes."""
    rollouts: Mapping[str, float]
    """The parts of what is held while rollouts are drawn, in bytes."""

    def __str__(self) -> str:
        """Return both peaks and their parts in GiB."""
        return f"training {in_gib(self.training)}; rollouts {in_gib(self.rollouts)}"


def model_size(folder: Path) -> ModelSize | None:
    """Return the sizes of a checkpoint; None where its config does not state them."""
    config = read_config(folder / "config.json")
    inner = config.get("text_config")
    text: Mapping[str, Any] = inner if isinstance(inner, dict) else config
    try:
        heads = int(text["num_attention_heads"])
        head = int(text.get("head_dim") or text["hidden_size"] // heads)
        width = int(text.get("num_key_value_heads") or heads) * head
        if "kv_lora_rank" in text:  # MLA keeps one compressed vector for keys and values
            width = (int(text["kv_lora_rank"]) + int(text["qk_rope_head_dim"])) // 2
        tensors = [size for file in trained_files(folder) for size in _tensors(file)]
        size = ModelSize(
            parameters=sum(tensors),
            largest=max(tensors, default=0),
            vocabulary=int(text["vocab_size"]),
            hidden=int(text["hidden_size"]),
            intermediate=int(text["intermediate_size"]),
            layers=int(text["num_hidden_layers"]),
            kv_width=width,
            tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            # Code of the checkpoint's own may do anything to the logits.
            fusable=config.get("model_type") in FUSABLE and "model" not in own_code(folder),
        )
        return size if size.is_plausible else None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, OSError):
        return None


def _tensors(file: Path) -> Iterator[int]:
    """Yield how many numbers each tensor of a safetensors file holds, from its header.

    The format: eight bytes with the header's length, little-endian, and the header as JSON
    (https://huggingface.co/docs/safetensors).
    """
    if not file.is_file():  # a named pipe would be waited for
        raise ValueError(f"{file} is no file")
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > 100 << 20:  # the format's own limit
            raise ValueError(f"{file}: the header is too long")
        header = parse_json(opened.read(length))
    for name, tensor in header.items():
        if name != "__metadata__":
            numbers = 1
            for size in tensor["shape"]:
                numbers *= min(max(0, int(size)), LARGEST)
            yield min(numbers, LARGEST**2)


def fit(
    model: ModelSize,
    *,
    card: float,
    processes: int,
    longest: int,
    host: float = float("inf"),
    per_node: int = 1,
    reference: bool = True,
    padded: bool = True,
) -> Fit | None:
    """Return the first way in which a training fits, or None.

    What costs no time comes first: smaller micro-batches. Then the training's state is offloaded
    between phases, and then always.

    Args:
        model: the model's sizes.
        card: the memory of each GPU, in bytes.
        processes: the GPUs that train, over all machines.
        longest: the most tokens of a prompt and its response together.
        host: the memory of each machine, in bytes.
        per_node: the GPUs of each machine.
        reference: whether there is a reference model, which is in the machine's memory.
        padded: whether padding stays in the micro-batches; it is taken out with flash-attn.
    """
    share = model.parameters / processes
    for name, (between, always) in OFFLOADS.items():
        offloaded = (12 if between else 16 if always else 0) + (4 if reference else 0)
        if offloaded * share * per_node > USABLE * host:
            continue
        resident = 0 if between or always else 12 * share
        held = {"state": resident, "vLLM's weights": 2.0 * model.parameters}
        held |= {"vLLM's workspace": WORKSPACE, "overhead": OVERHEAD}
        needed = ROLLOUTS_AT_ONCE * longest * 4 * model.layers * model.kv_width
        room = USABLE * card - sum(held.values())
        if room < needed:
            continue
        # No more than half of the card, unless the cache needs it.
        cache = min(room, max(needed, card / 2 - 2 * model.parameters - WORKSPACE))
        utilisation = (2 * model.parameters + WORKSPACE + cache) / card
        for tokens in micro_batches(longest):
            training = training_parts(
                model, 0 if always else share, tokens * (PADDED if padded else 1)
            )
            if sum(training.values()) <= USABLE * card:
                return Fit(
                    offload=name,
                    tokens=tokens,
                    utilisation=floor(100 * utilisation) / 100,
                    training=training,
                    rollouts={**held, "cache": cache},
                )
    return None


def micro_batches(longest: int) -> Iterator[int]:
    """Yield sizes of micro-batches in tokens, down to one that holds the longest sequence."""
    tokens = max(TOKENS, longest)
    while tokens > longest:
        yield tokens
        tokens //= 2
    yield longest


def training_parts(model: ModelSize, share: float, tokens: int) -> dict[str, float]:
    """Return the parts of the larger of a step's two peaks, the update and the log-probabilities.

    ``tokens`` are those of a micro-batch with gradients, with its padding.

    In an update the gathered layers also have gradients, in bfloat16 and, to be summed over the
    GPUs, in float32. With checkpointing the activations are each layer's input, and those of one
    layer at a time: about 12 times the hidden and 4 times the intermediate size for each token.
    """
    once = 2 * tokens * (12 * model.hidden + 4 * model.intermediate)
    state = {"weights": 4 * share, "gradients": 4 * share, "optimiser": 8 * share}
    update = {
        "gathered layers": float((2 + 2 + 4) * (model.root + 2 * model.layer)),
        "activations": float(once + 2 * tokens * model.hidden * model.layers),
        "logits": logits(model, tokens),
    }
    scoring = {
        "gathered layers": float(2 * (model.root + 2 * model.layer)),
        "activations": 2.0 * once,
        "logits": logits(model, 2 * tokens),
    }
    peak = max(update, scoring, key=lambda parts: sum(parts.values()))
    return {**state, **peak, "overhead": float(OVERHEAD)}


def logits(model: ModelSize, tokens: int, *, fused: bool = True) -> float:
    """Return the bytes of the logits of so many tokens; ``fused``: by verl's kernel, if it can."""
    if fused and model.fusable:
        return float(FUSED * min(tokens, CHUNK) * model.vocabulary)
    return float(PLAIN * tokens * model.vocabulary)


def in_gib(sizes: Mapping[str, float]) -> str:
    """Return a sum and its parts as text."""
    total = sum(sizes.values()) / GIB
    parts = ", ".join(
        f"{name} {size / GIB:.1f}" for name, size in sizes.items() if size >= GIB / 20
    )
    return f"{total:.1f} GiB ({parts})"
