"""One registry for every kind of plug-in: benchmarks, engines, trainers, rewards.

Built-in objects are named by ``"module:attribute"`` strings, so that listing the
names imports nothing heavy. Other packages add theirs through an entry-point
group, with strings of the same form.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from benchmarks.errors import UserError, WrongValueError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Generic[T]):
    """Names mapped to objects that are imported on first use.

    Args:
        noun: what the registry holds, in the singular, for error messages.
        group: the entry-point group through which other packages add to it.
        builtin: ``"module:attribute"`` by name, in the order in which names are listed.
    """

    def __init__(self, noun: str, *, group: str, builtin: Mapping[str, str]) -> None:
        self._noun = noun
        self._group = group
        self._builtin = dict(builtin)
        self._found: dict[str, EntryPoint] | None = None

    @property
    def builtin(self) -> tuple[str, ...]:
        """The names that this project brings itself, without other packages' plug-ins."""
        return tuple(self._builtin)

    def __iter__(self) -> Iterator[str]:
        yield from self._builtin
        yield from sorted(self._plugins())

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._plugins()

    def __getitem__(self, name: str) -> T:
        """Import and return the object called ``name``.

        Raises:
            UserError: there is none of that name, or it cannot be imported.
        """
        if name in self._builtin:
            module, attribute = self._builtin[name].split(":")
            found: T = getattr(importlib.import_module(module), attribute)
            return found
        plugins = self._plugins()
        if name in plugins:
            try:
                loaded: T = plugins[name].load()
            except Exception as error:  # foreign code may raise anything
                raise UserError(
                    f"the {self._noun} '{name}' ({plugins[name].value}) cannot be imported: {error}"
                ) from error
            return loaded
        raise WrongValueError(suggest(self._noun, name, list(self)))

    def _plugins(self) -> dict[str, EntryPoint]:
        if self._found is None:
            from importlib.metadata import entry_points  # slow: as long as the rest of --help

            found: dict[str, EntryPoint] = {}
            for point in entry_points(group=self._group):
                taken = self._builtin.get(point.name) or (
                    found[point.name].value if point.name in found else None
                )
                # An editable install can be found twice. The same target twice is no conflict.
                if taken is not None and taken != point.value:
                    raise UserError(
                        f"two {self._noun}s are called '{point.name}': {taken} and {point.value}; "
                        f"rename or uninstall one (entry-point group {self._group})"
                    )
                found[point.name] = point
            self._found = {n: p for n, p in found.items() if n not in self._builtin}
        return self._found


def loaded(
    registry: Registry[T], failed: Callable[[UserError], object] = lambda _: None
) -> Iterator[tuple[str, T]]:
    """Yield every name with its object; ``failed`` is told of each that cannot be imported."""
    for name in registry:
        try:
            found = registry[name]
        except UserError as error:
            failed(error)
        else:
            yield name, found


def suggest(noun: str, name: str, known: list[str]) -> str:
    """Return a message: no ``noun`` is called ``name``, the known names, and the closest one."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" -- did you mean '{close[0]}'?" if close else ""
    names = ", ".join(dict.fromkeys(known)) or "none"
    return f"no {noun} is called '{name}'{hint} (known: {names})"
