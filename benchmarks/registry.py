"""One registry for every kind of plug-in: benchmarks, engines, trainers, rewards.

Built-in objects are named by ``"module:attribute"`` strings, so that listing the
names imports nothing heavy. Other packages add theirs through an entry-point
group, with strings of the same form.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from benchmarks.errors import UserError, WrongValueError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")
Fault = Callable[[str, object], str]
"""Says what is wrong with what was loaded under a name; an empty text if nothing is."""
LONGEST = 300
"""Characters of a foreign exception's message that are shown."""


class Registry(Generic[T]):
    """Names mapped to objects that are imported on first use.

    A plug-in that is broken is told of only when it is asked for, so that it disturbs nobody else.

    Args:
        noun: what the registry holds, in the singular, for error messages.
        group: the entry-point group through which other packages add to it.
        builtin: ``"module:attribute"`` by name, in the order in which names are listed.
        fault: checks what another package's entry point names.
    """

    def __init__(
        self,
        noun: str,
        *,
        group: str,
        builtin: Mapping[str, str],
        fault: Fault = lambda name, found: "",
    ) -> None:
        self._noun = noun
        self._group = group
        self._builtin = dict(builtin)
        self._fault = fault
        self._found: dict[str, list[EntryPoint]] | None = None

    @property
    def builtin(self) -> tuple[str, ...]:
        """The names that this project brings itself, without other packages' plug-ins."""
        return tuple(self._builtin)

    def __iter__(self) -> Iterator[str]:
        yield from self._builtin
        yield from sorted(set(self._plugins()) - set(self._builtin))

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self._plugins()

    def __getitem__(self, name: str) -> T:
        """Import and return the object called ``name``.

        Raises:
            UserError: there is none of that name, there are two, or it is broken.
        """
        targets = self._targets(name)
        if len(targets) > 1:
            raise UserError(
                f"two {self._noun}s are called '{name}': {' and '.join(targets)}; rename or "
                f"uninstall one (entry-point group {self._group})"
            )
        if name in self._builtin:
            module, attribute = self._builtin[name].split(":")
            found: T = getattr(importlib.import_module(module), attribute)
            return found
        if targets:
            return self._load(self._plugins()[name][0])
        raise WrongValueError(suggest(self._noun, name, list(self)))

    def get(self, name: str) -> T | None:
        """Return the object called ``name``; None if there is none, or it is broken."""
        try:
            return self[name]
        except UserError:
            return None

    def _load(self, point: EntryPoint) -> T:
        named = f"the {self._noun} '{point.name}' ({point.value})"
        try:
            found = point.load()
            fault = self._fault(point.name, found)
        except (Exception, SystemExit) as error:  # foreign code may raise anything
            raise UserError(f"{named} cannot be imported: {described(error)}") from error
        if fault:
            raise UserError(f"{named} {fault}; its package has to be mended, or uninstalled")
        loaded: T = found
        return loaded

    def _targets(self, name: str) -> list[str]:
        """Return what a name stands for; an editable install can be found twice, and is one."""
        ours = [self._builtin[name]] if name in self._builtin else []
        theirs = [point.value for point in self._plugins().get(name, ())]
        return list(dict.fromkeys([*ours, *theirs]))

    def _plugins(self) -> dict[str, list[EntryPoint]]:
        if self._found is None:
            from importlib.metadata import entry_points  # slow: as long as the rest of --help

            self._found = {}
            for point in entry_points(group=self._group):
                self._found.setdefault(point.name, []).append(point)
        return self._found


def no_instance_of(kind: type, **attributes: Any) -> Fault:
    """Return a check that an entry point names a ``kind`` with attributes of these types.

    Its own name has to be the entry point's, by which it is asked for.
    """

    def fault(name: str, found: object) -> str:
        if not isinstance(found, kind):
            return f"is no {kind.__name__}, but {_what(found)}"
        own = getattr(found, "name", name)
        if own != name:
            return f"calls itself '{own}', which has to be the name of its entry point, too"
        return _wrong_attribute(found, attributes)

    return fault


def no_subclass_of(kind: type, **attributes: Any) -> Fault:
    """Return a check that an entry point names a subclass of ``kind`` that lacks nothing."""

    def fault(name: str, found: object) -> str:
        if not (isinstance(found, type) and issubclass(found, kind)):
            return f"is no subclass of {kind.__name__}, but {_what(found)}"
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        if missing:
            return f"is an abstract class: it does not define {', '.join(missing)}"
        return _wrong_attribute(found, attributes)

    return fault


def _wrong_attribute(found: object, attributes: Mapping[str, Any]) -> str:
    for name, kind in attributes.items():
        value = getattr(found, name, None)
        if value is None:
            return f"has no '{name}'"
        if not isinstance(value, kind):
            return f"has a '{name}' that is no {kind.__name__}, but {_what(value)}"
    return ""


def _what(found: object) -> str:
    """Say what kind of thing was found where another was expected."""
    if isinstance(found, type):
        return f"the class {found.__name__}"
    return f"an object of type {type(found).__name__}"


def described(error: BaseException) -> str:
    """Return on one line what another package's exception says."""
    said = " ".join(str(error).split())[:LONGEST]
    kind = type(error).__name__
    return said if said and isinstance(error, ImportError) else f"{kind}: {said}" if said else kind


def loaded(
    registry: Registry[T], failed: Callable[[str, UserError], object] = lambda name, error: None
) -> Iterator[tuple[str, T]]:
    """Yield every name with its object; ``failed`` is told of each that is broken, and why."""
    for name in registry:
        try:
            found = registry[name]
        except UserError as error:
            failed(name, error)
        else:
            yield name, found


def suggest(noun: str, name: str, known: list[str]) -> str:
    """Return a message: no ``noun`` is called ``name``, the known names, and the closest one."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" -- did you mean '{close[0]}'?" if close else ""
    names = ", ".join(dict.fromkeys(known)) or "none"
    return f"no {noun} is called '{name}'{hint} (known: {names})"
