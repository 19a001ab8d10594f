"""The settings of an evaluation under flat names: what `evaluate` and `eval` are asked with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from benchmarks import WrongValueError
from benchmarks.registry import suggest
from harness.common.schema import first_problem, require_storable
from harness.runs.field_names import FIELDS, OF_ONE_MODEL
from harness.runs.spec import EvalSpec


def make_spec(fields: Mapping[str, Any], *, base: Mapping[str, Any] | None = None) -> EvalSpec:
    """Return the spec that flat settings make, over those of another spec.

    Args:
        fields: flat name to value. ``benchmarks`` may be one text, with commas; ``n`` may be a
            mapping from benchmark to samples.
        base: another spec as nested values, or a part of one. What is not in ``fields`` is taken
            from it, but for the revision and the trust in the code of another model.

    Raises:
        UserError: a name that is no setting's, no model, values that do not go together, or one
            that no file can hold.
    """
    for name in fields:
        _require_known(name)
    given = {name: _plain(value) for name, value in fields.items()}
    if isinstance(given.get("benchmarks"), str):
        names = given["benchmarks"].split(",")
        given["benchmarks"] = [name.strip() for name in names if name.strip()]
    if isinstance(given.get("n"), Mapping):
        given |= {"n": 1, "n_by_benchmark": dict(given["n"])}
    elif "n" in given:  # the samples of all, whatever the other spec says of some
        given.setdefault("n_by_benchmark", {})
    values = _copied(base or {})
    if values.get("model") not in (None, given.get("model", values.get("model"))):
        for path in OF_ONE_MODEL:
            _drop(values, path)
    for name, value in given.items():
        _set(values, FIELDS[name], value)
    try:
        spec = EvalSpec.model_validate(values)
    except ValidationError as error:
        raise WrongValueError(first_problem(error)) from error
    require_storable(spec)
    return spec


def _require_known(name: str) -> None:
    if name in FIELDS:
        return
    inner = [flat for flat, path in FIELDS.items() if name == path[-1]]
    within = [flat for flat, path in FIELDS.items() if name in path[:-1]]
    if inner:
        raise WrongValueError(f"no setting is called '{name}' here: it is {' or '.join(inner)}")
    if within:
        raise WrongValueError(f"'{name}' is given one setting at a time: {', '.join(within)}")
    raise WrongValueError(suggest("setting of an evaluation", name, list(FIELDS)))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, PurePath) else value


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values that can be changed without changing the ones given."""
    return {
        key: _copied(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
    }


def _set(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    _inner(values, path)[path[-1]] = value


def _drop(values: dict[str, Any], path: tuple[str, ...]) -> None:
    _inner(values, path).pop(path[-1], None)


def _inner(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the group of settings that holds the last part of a path; it is made if need be."""
    for key in path[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise WrongValueError(f"{key}: expected a group of settings, and found {values!r}")
    return values
