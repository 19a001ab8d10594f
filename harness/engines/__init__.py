"""The engines, which turn prompts into responses."""

from benchmarks.registry import Registry, no_subclass_of
from harness.engines.base import Completion, Engine, EngineSetup, Request

ENGINES: Registry[type[Engine]] = Registry(
    "engine",
    group="harness.engines",
    builtin={
        "vllm": "harness.engines.vllm.engine:VllmEngine",
        "ray": "harness.engines.ray.engine:RayEngine",
        "openai": "harness.engines.openai.engine:OpenaiEngine",
        "hf": "harness.engines.hf:HfEngine",
        "replay": "harness.engines.replay:ReplayEngine",
    },
    fault=no_subclass_of(Engine, about=str),
)

__all__ = ["ENGINES", "Completion", "Engine", "EngineSetup", "Request"]
