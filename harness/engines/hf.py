"""Hugging Face transformers, for models that vLLM cannot load. It is slow and simple.

Greedy requests go in batches. Sampled requests go one at a time, because
transformers draws a whole batch from one random generator, so that a response
would depend on its neighbours in the batch. With `--deterministic` all requests
go one at a time.

The run decides how to sample, and not the checkpoint's `generation_config.json`: transformers
takes from `model.generation_config` whatever a call does not say, penalties and beams among it
(`_prepare_generation_config` in `generation/utils.py` of transformers 5.10.4). So that is emptied.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from benchmarks import UserError
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.runs.spec import EngineSpec

BATCH = 16
"""How many greedy requests are computed at once."""
CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
"""The environment variable for cuBLAS's workspace. cuBLAS is deterministic only with a fixed one,
and torch in deterministic mode refuses to run without it."""


class HfEngine(Engine):
    """The `generate` method of transformers, on this machine's GPU or CPU."""

    about = "Hugging Face transformers, for what vLLM cannot load"
    slow_to_open = True
    packages = ("torch", "transformers")
    reserved_args = (
        "dtype", "torch_dtype", "trust_remote_code", "use_safetensors", "revision",
        "code_revision", "subfolder", "gguf_file", "config", "state_dict", "adapter_kwargs",
        "generation_config",
    )  # fmt: skip

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        if setup.spec.deterministic:
            os.environ.setdefault(CUBLAS, ":4096:8")
        import torch
        from transformers import AutoModelForCausalLM, GenerationConfig

        self._torch = torch
        torch.use_deterministic_algorithms(setup.spec.deterministic)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(
                setup.model.path,
                dtype=setup.spec.dtype,
                trust_remote_code=setup.spec.trusts("model"),
                use_safetensors=None if setup.spec.allow_pickle else True,
                **setup.spec.args,
            )
        except Exception as error:  # such as SafetensorError, which is no subclass of any other
            raise UserError(f"transformers cannot load {setup.model.path}: {error}") from error
        self._model = model.to(self._device).eval()
        self._model.generation_config = GenerationConfig()

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return the settings: one request at a time, and torch's deterministic algorithms."""
        return {"batch": 1, "deterministic_algorithms": True}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions of one batch after another."""
        pending = iter(requests)
        alone = self.setup.spec.deterministic or self.setup.sampling.temperature > 0
        size = 1 if alone else BATCH
        while batch := list(islice(pending, size)):
            yield from self._batch(batch)

    def _batch(self, batch: list[Request]) -> Iterator[Completion]:
        from transformers import GenerationConfig

        torch = self._torch
        prompts = [list(request.prompt.token_ids or ()) for request in batch]
        width = max(map(len, prompts))
        pad = self._pad_token()
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=self._device)
        mask = torch.tensor(
            [[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self._device
        )
        torch.manual_seed(batch[0].seed)
        with torch.inference_mode():
            output = self._model.generate(
                ids,
                attention_mask=mask,
                generation_config=GenerationConfig(
                    max_new_tokens=max(request.max_tokens for request in batch),
                    eos_token_id=list(self.setup.model.stop_token_ids) or None,
                    pad_token_id=pad,
                    **self._sampling(),
                ),
            )
        for request, tokens in zip(batch, output[:, width:].tolist(), strict=True):
            yield self._completion(request, tokens)

    def _completion(self, request: Request, tokens: list[int]) -> Completion:
        stops = self.setup.model.stop_token_ids
        tokens = tokens[: request.max_tokens]
        end = next((i for i, token in enumerate(tokens) if token in stops), None)
        visible = tokens if end is None else tokens[:end]
        return Completion(
            key=request.key,
            text=self.setup.model.decoded(visible),
            finish_reason="length" if end is None else "stop",
            prompt_tokens=len(request.prompt.token_ids or ()),
            completion_tokens=len(tokens) if end is None else end + 1,
        )

    def _pad_token(self) -> int:
        pad = self.setup.model.tokenizer.pad_token_id
        if isinstance(pad, int):
            return pad
        return self.setup.model.stop_token_ids[0] if self.setup.model.stop_token_ids else 0

    def _sampling(self) -> dict[str, Any]:
        sampling = self.setup.sampling
        if sampling.temperature == 0:
            return {"do_sample": False}
        return {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
