"""vLLM's part of training on the CPU: weights that can be loaded again after every step."""

from __future__ import annotations

import os


def keep_weights() -> None:
    """Make vLLM keep the weights of its linear layers; vLLM itself loads this plugin.

    On a CPU vLLM repacks them for its own kernels after the first load and drops the
    originals, so that the second load (verl's, after a training step) fails with
    "Parameter has no attribute weight_loader". On a GPU and in an evaluation this does
    nothing.
    """
    if os.environ.get("VERL_PLATFORM") != "cpu":
        return
    from torch.nn.functional import linear
    from vllm.model_executor.layers import utils

    def use_as_they_are(layer, remove_weight):  # type: ignore[no-untyped-def]
        layer.cpu_linear = linear

    utils.dispatch_cpu_unquantized_gemm = use_as_they_are
