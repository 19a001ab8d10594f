"""Hugging Face transformers, for what vLLM cannot load. Slow and simple.

Greedy requests go in batches. Sampled ones go one at a time:
transformers draws a whole batch from one generator, so a sample's seed would
otherwise depend on its neighbours. With `--deterministic` all go one at a time.
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
CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS is deterministic only with a fixed workspace, and torch refuses it without."""


class HfEngine(Engine):
    """`transformers`' own generate, on this machine's GPU or CPU."""

    about = "Hugging Face transformers, for what vLLM cannot load"
    slow_to_open = True
    packages = ("torch", "transformers")

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        if setup.spec.deterministic:
            os.environ.setdefault(CUBLAS, ":4096:8")
        import torch
        from transformers import AutoModelForCausalLM

        self._torch = torch
        torch.use_deterministic_algorithms(setup.spec.deterministic)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(
                setup.model.path,
                dtype=setup.spec.dtype,
                trust_remote_code=setup.spec.trusts("model"),
                **setup.spec.args,
            )
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            raise UserError(f"transformers cannot load {setup.model.path}: {error}") from error
        self._model = model.to(self._device).eval()

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """One request at a time, by algorithms that torch knows to be deterministic."""
        return {"batch": 1, "deterministic_algorithms": True}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions of one batch after another."""
        owed = iter(requests)
        alone = self.setup.spec.deterministic or self.setup.sampling.temperature > 0
        size = 1 if alone else BATCH
        while batch := list(islice(owed, size)):
            yield from self._batch(batch)

    def _batch(self, batch: list[Request]) -> Iterator[Completion]:
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
                max_new_tokens=max(request.max_tokens for request in batch),
                eos_token_id=list(self.setup.model.stop_token_ids) or None,
                pad_token_id=pad,
                **self._sampling(),
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
            text=str(self.setup.model.tokenizer.decode(visible, skip_special_tokens=True)),
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
            return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        return {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
        }
