"""The flat names of an evaluation's settings."""

from __future__ import annotations

from typing import Any

import pytest

from harness import EvalSpec, UserError
from harness.runs.field_names import FIELDS
from harness.runs.spec_fields import make_spec


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List where every setting of a spec stands; a mapping that is a setting's value is one."""
    settings = ("template_args", "n_by_benchmark", "args")
    found = []
    for key, value in values.items():
        inner = isinstance(value, dict) and key not in settings
        found += leaves(value, (*path, key)) if inner else [(*path, key)]
    return found


def test_every_setting_of_a_spec_has_one_flat_name() -> None:
    assert sorted(FIELDS.values()) == sorted(leaves(EvalSpec(model="m").model_dump()))


def test_the_base_is_not_changed_and_keeps_what_is_not_given() -> None:
    base = EvalSpec(model="m", limit=3).model_dump()
    before = EvalSpec.model_validate(base)
    made = make_spec({"temperature": 0.5, "benchmarks": "demo, gsm8k"}, base=base)
    assert (made.limit, made.sampling.temperature) == (3, 0.5)
    assert made.benchmarks == ("demo", "gsm8k")
    assert EvalSpec.model_validate(base) == before


def test_a_base_that_is_no_spec_is_told() -> None:
    with pytest.raises(UserError, match="engine: expected a group of settings, and found 'vllm'"):
        make_spec({"dtype": "float32"}, base={"model": "m", "engine": "vllm"})
