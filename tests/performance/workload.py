"""What is evaluated where an engine is measured: six benchmarks of different lengths.

By default the embedded model on the six made benchmarks with a real model's response lengths
(`recorded.py`), which needs nothing but this repository. `--model M --data DIR` measures another
model on the real six, as long as its responses are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
from made import MADE, plug
from recorded import LIMIT

from benchmarks import STANDARD
from harness.common.environment import hardware
from harness.engines.vllm.engine import VllmEngine
from harness.evaluation.drawing import open_engine
from harness.evaluation.plan import Plan, prepare
from harness.runs.spec import Dtype, EngineSpec, EvalSpec, Sampling

CACHE_BYTES = 1 << 30
"""Of key-value cache on a CPU: vLLM by itself would take nine tenths of the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What was asked for on the command line."""

    model: str
    data: Path | None
    limit: int
    max_tokens: int
    natural: bool
    """Whether responses are as long as the model makes them; real problems have no other."""
    compiled: bool
    dtype: Dtype
    """Of the weights in the engine; `auto` is what the checkpoint says."""

    def __post_init__(self) -> None:
        """Take real problems as they are."""
        object.__setattr__(self, "natural", self.natural or self.data is not None)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """The six real ones, or those made in their place."""
        return MADE if self.data is None else STANDARD

    def spec(self, *benchmarks: str) -> EvalSpec:
        """Return the evaluation of these benchmarks, or of all."""
        return EvalSpec(
            model=self.model,
            benchmarks=benchmarks or self.benchmarks,
            limit=self.limit,
            sampling=Sampling(max_tokens=self.max_tokens),
            engine=EngineSpec(
                name="vllm-natural" if self.natural else "vllm-recorded",
                dtype=self.dtype,
                args=self.arguments,
            ),
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what the engine is told beside its defaults; a bare engine is told the same."""
        cache = {} if hardware()["gpus"] else {"kv_cache_memory_bytes": CACHE_BYTES}
        return cache if self.compiled else {**cache, "enforce_eager": True}

    def plan(self, *benchmarks: str) -> Plan:
        """Prepare the evaluation of these benchmarks, or of all."""
        return prepare(self.spec(*benchmarks), data_dir=self.data)

    @property
    def emulates(self) -> bool:
        """Whether the engine may have no instructions for the type that the model is in."""
        return self.dtype == "auto" and not hardware()["gpus"]

    def naturally(self) -> Workload:
        """Return the same with responses as long as the model makes them."""
        return replace(self, natural=True)

    def in_float32(self) -> Workload:
        """Return the same in the type that every CPU has instructions for."""
        return replace(self, dtype="float32")

    @property
    def says(self) -> dict[str, Any]:
        """What the details record of it."""
        spec = self.spec().model_dump(mode="json")
        lengths = "the model's own" if self.natural else "recorded"
        return {"response_lengths": lengths, "spec": spec}


def workload_options(
    *, limit: int = 100, max_tokens: int = LIMIT
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a workload, which it is called with as ``workload``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_workload(**given: Any) -> None:
            plug()
            asked = {field.name: given.pop(field.name) for field in fields(Workload)}
            command(workload=Workload(**asked), **given)

        for option in options(limit, max_tokens):
            with_workload = option(with_workload)
        return with_workload

    return decorate


def options(limit: int, max_tokens: int) -> list[Callable[[Callable[..., None]], Any]]:
    """Return an option a field of a workload, with these defaults."""
    return [
        click.option("--model", default="demo", show_default=True),
        click.option(
            "--data",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Folder with the real six benchmarks, instead of the made ones.",
        ),
        click.option("--limit", default=limit, show_default=True, help="Problems a benchmark."),
        click.option("--max-tokens", default=max_tokens, show_default=True),
        click.option("--natural", is_flag=True, help="Responses as long as the model makes them."),
        click.option("--compiled", is_flag=True, help="Without enforce_eager: for larger models."),
        click.option("--dtype", default="auto", show_default=True, help="Of the weights."),
    ]


def bare_settings(plan: Plan) -> dict[str, Any]:
    """Return what `LLM` is told beside the model, for another program to tell it the same."""
    engine = plan.spec.engine
    return {"max_model_len": plan.longest, "dtype": engine.dtype, **engine.args}


def open_vllm(plan: Plan) -> VllmEngine:
    """Open the engine of a plan, which has to be vLLM."""
    engine = open_engine(plan)
    assert isinstance(engine, VllmEngine)
    return engine
