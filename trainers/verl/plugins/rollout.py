"""vLLM's part of training on the CPU: weights that can be loaded again after every step."""

from __future__ import annotations

import os


def keep_weights() -> None:
    """Make vLLM keep the weights of its linear layers; vLLM itself loads this plugin.

    On a CPU vLLM repacks them for its own kernels after the first load and drops the
    originals, so that the second load (verl's, after a training step) fails with
    "Parameter has no attribute weight_loader". Where a CPU has AMX, vLLM's latent attention (that
    of DeepSeek-V3) drops a weight, too, but for its reference implementation. Elsewhere, and in an
    evaluation, this does nothing.
    """
    if os.environ.get("VERL_PLATFORM") != "cpu":
        return
    from torch.nn.functional import linear
    from vllm.model_executor.layers import utils

    def use_as_they_are(layer, remove_weight):  # type: ignore[no-untyped-def]
        layer.cpu_linear = linear

    utils.dispatch_cpu_unquantized_gemm = use_as_they_are

    from vllm.platforms.cpu import CpuPlatform
    from vllm.v1.attention.backends.registry import AttentionBackendEnum

    by_vllm = CpuPlatform.get_attn_backend_cls

    def without_amx(cls, selected_backend, attn_selector_config, num_heads=None):  # type: ignore[no-untyped-def]
        if attn_selector_config.use_mla:
            selected_backend = AttentionBackendEnum.CPU_MLA
        return by_vllm(selected_backend, attn_selector_config, num_heads)

    CpuPlatform.get_attn_backend_cls = classmethod(without_amx)
