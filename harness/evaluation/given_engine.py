"""An engine that the caller has opened: is it the one that a plan asks for?

What a run records of its engine has to be what drew its samples, so an engine that was opened
for something else is refused.
"""

from __future__ import annotations

from typing import Any

from benchmarks import UserError
from harness.engines import ENGINES, Engine
from harness.evaluation.plan import Plan
from harness.runs.spec import EngineSpec, Sampling

DRAWN_BY_REQUEST = {"n", "n_by_benchmark", "max_tokens", "seed"}
"""Fields of the sampling that a request brings, so that an engine need not know them."""


def engine_spec(engine: Engine) -> EngineSpec:
    """Return what an engine was opened with.

    It has its registered name, or, where it has none, that of its class.
    """
    spec, kind = engine.setup.spec, type(engine)
    if ENGINES.get(spec.name) is kind:
        return spec
    return spec.model_copy(update={"name": f"{kind.__module__}:{kind.__qualname__}"})


def require_suited(engine: Engine, plan: Plan) -> None:
    """Refuse an engine that was opened for another model, sampling or length than a plan's.

    Raises:
        UserError: what the engine was opened with is not what the plan asks.
    """
    setup = engine.setup
    pairs: dict[str, tuple[Any, Any]] = {
        f"sampling.{name}": (getattr(setup.sampling, name), getattr(plan.spec.sampling, name))
        for name in Sampling.model_fields
        if name not in DRAWN_BY_REQUEST
    }
    if setup.checkpoint is not None:
        asked = None if plan.checkpoint is None else plan.checkpoint.files
        pairs["model"] = (setup.checkpoint.files, asked)
    elif setup.model_name:
        pairs["model"] = (setup.model_name, plan.spec.model)
        pairs["template_args"] = (setup.template_args, plan.spec.prompt.template_args)
    changed = [
        name if name == "model" else f"{name}: {opened} -> {asked}"
        for name, (opened, asked) in pairs.items()
        if opened != asked
    ]
    if setup.checkpoint is not None and plan.longest > setup.longest:
        changed.append(f"tokens of the longest request: {setup.longest} -> {plan.longest}")
    if changed:
        raise UserError(
            "the engine that was given was opened for something else; opened -> asked: "
            f"{'; '.join(changed)}. Ask for the same, or open an engine for this"
        )
