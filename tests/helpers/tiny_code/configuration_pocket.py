# ruff: noqa: RUF012
# mypy: ignore-errors
"""The pocket decoder's sizes."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig


class PocketConfig(PretrainedConfig):
    model_type = "pocket_decoder"
    base_model_tp_plan = {
        "blocks.*.attention.query": "colwise",
        "blocks.*.attention.key": "colwise",
        "blocks.*.attention.value": "colwise",
        "blocks.*.attention.out": "rowwise",
        "blocks.*.widen": "colwise",
        "blocks.*.narrow": "rowwise",
    }
    base_model_pp_plan = {
        "embedding": (["input_ids"], ["inputs_embeds"]),
        "blocks": (["hidden_states", "attention_mask"], ["hidden_states"]),
        "final_norm": (["hidden_states"], ["hidden_states"]),
    }

    def __init__(
        self,
        vocab_size: int = 128,
        hidden_size: int = 64,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 2,
        head_dim: int = 32,
        max_position_embeddings: int = 1024,
        rope_base: float = 10000.0,
        initializer_range: float = 0.02,
        tie_word_embeddings: bool = False,
        **settings: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_attention_heads
        self.head_dim = head_dim
        self.max_position_embeddings = max_position_embeddings
        self.rope_base = rope_base
        self.initializer_range = initializer_range
        super().__init__(tie_word_embeddings=tie_word_embeddings, **settings)
