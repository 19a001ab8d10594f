"""What a recipe is: typed fields, each of which sets keys of verl and says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from harness.common.schema import Frozen
from trainers.base import Setting

PRECISION = "mixed_precision.param_dtype"
"""The key, below one of verl's engines, for the number format of its computations.

verl's FSDP engine does not read its key ``dtype``."""

Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0)]


Origin = Literal["stated", "engine's default then", "chosen"]
"""Where a recipe's value comes from; see `trainers.base.Setting`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerlKeys:
    """The keys of verl that a field sets, and where its value comes from."""

    keys: tuple[str, ...]
    origin: Origin
    source: str = ""
    """The document, the script, or the release that has the value."""


def chosen(*keys: str) -> VerlKeys:
    """Mark a field that sets these keys to a value that this project chose."""
    return VerlKeys(keys=keys, origin="chosen")


def stated(*keys: str, source: str) -> VerlKeys:
    """Mark a field that sets these keys to a value that the recipe's source states."""
    return VerlKeys(keys=keys, origin="stated", source=source)


def default_then(*keys: str, source: str) -> VerlKeys:
    """Mark a field that the recipe's source leaves to its engine, with the default of that time."""
    return VerlKeys(keys=keys, origin="engine's default then", source=source)


class Recipe(Frozen):
    """Settings that decide a checkpoint, one field each; the text under a field is its reason."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    about: ClassVar[str]
    """One line for `list trainers`."""
    style: ClassVar[str]
    """The style in which a trainer builds data; a reward reads only answers of its own style."""
    unlike: ClassVar[tuple[str, ...]] = ()
    """What is done in another way than by the recipe's source, one sentence each."""

    def settings(self) -> Iterator[Setting]:
        """Yield a setting for each key of verl, with the value's origin and reason."""
        for name, field in type(self).model_fields.items():
            verl = next(item for item in field.metadata if isinstance(item, VerlKeys))
            value = getattr(self, name)
            for key in verl.keys:
                yield Setting(
                    key=key,
                    value=list(value) if isinstance(value, tuple) else value,
                    origin=verl.origin,
                    source=verl.source,
                    why=" ".join((field.description or "").split()),
                )
