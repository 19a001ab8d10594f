"""verl's fused kernel gives a model's own probabilities, for each architecture it is used for.

It takes the last hidden states times the output embeddings for the logits. A model that does more
would be trained on probabilities that are not its own, without any error.
"""

from __future__ import annotations

from typing import Any

import pytest

from trainers.verl.memory import FUSABLE

pytestmark = pytest.mark.slow
SMALL = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 64, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "num_experts": 4, "num_experts_per_tok": 2,
    "num_local_experts": 4, "n_routed_experts": 4, "n_group": 1, "topk_group": 1,
    "first_k_dense_replace": 1, "q_lora_rank": None, "kv_lora_rank": 16, "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 16, "v_head_dim": 16,
}  # fmt: skip


def tiny(model_type: str, **more: Any) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{**SMALL, **more})
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    # At its first values a model's logits are nearly alike, and a wrong scale would not be seen.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.float().eval()


def log_probabilities(model: Any, *, fused: bool) -> Any:
    """Return those of each next token of a short text, from the model or from verl's kernel."""
    import torch
    from verl.models.transformers.dense_common import forward_with_torch_backend

    ids = torch.arange(3, 63).reshape(2, 30)
    labels = torch.roll(ids, -1, dims=-1)
    with torch.no_grad():
        if fused:
            return forward_with_torch_backend(model, input_ids=ids, return_dict=True).log_probs
        found = model(input_ids=ids).logits.log_softmax(-1)
    return found.gather(-1, labels.unsqueeze(-1)).squeeze(-1)


@pytest.mark.parametrize("model_type", sorted(FUSABLE))
def test_the_fused_probabilities_are_the_models_own(model_type: str) -> None:
    import torch

    model = tiny(model_type)
    own, fused = (log_probabilities(model, fused=fused) for fused in (False, True))
    torch.testing.assert_close(fused, own, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("model_type", "more"),
    [("gemma2", {"final_logit_softcapping": 1.0}), ("granite", {"logits_scaling": 4.0})],
)
def test_it_would_not_be_those_of_an_architecture_that_does_more(
    model_type: str, more: dict[str, Any]
) -> None:
    model = tiny(model_type, **more)
    own, fused = (log_probabilities(model, fused=fused) for fused in (False, True))
    assert (own - fused).abs().max() > 0.1
    assert model_type not in FUSABLE
