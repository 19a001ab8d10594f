"""Remember the results of a function in a bounded amount of memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
K = TypeVar("K")


class Memory(Generic[K, T]):
    """A mapping that forgets what was not used for long, so that it stays within its room.

    `functools.lru_cache` bounds how many results it keeps, and a hostile text's result may be a
    thousand times as large as another's. Here each entry has a size. The newest entries fill one
    half of the room, and the older ones lie in the other half. When the first is full, the second
    is forgotten. This needs no lock, so a process may fork at any time.

    >>> memory = Memory[str, int](room=100)
    >>> memory.keep("a", 1, size=30), memory.keep("b", 2, size=30), memory.keep("c", 3, size=30)
    (None, None, None)
    >>> memory.get("a"), memory.get("c")
    (None, 3)
    """

    def __init__(self, room: int) -> None:
        """Make an empty memory for entries of ``room`` bytes together."""
        self._half = room // 2
        self._newer: dict[K, tuple[T, int]] = {}
        self._older: dict[K, tuple[T, int]] = {}
        self._filled = 0

    def get(self, key: K) -> T | None:
        """Return what was kept under the key, or None."""
        entry = self._newer.get(key)
        if entry is None:
            entry = self._older.get(key)
            if entry is None:
                return None
            self.keep(key, *entry)
        return entry[0]

    def keep(self, key: K, value: T, size: int) -> None:
        """Keep a value that has, with its key, about ``size`` bytes."""
        if size > self._half:
            return
        if self._filled + size > self._half:
            self._older, self._newer, self._filled = self._newer, {}, 0
        self._newer[key] = value, size
        self._filled += size


def remembered(room: int, size: Callable[P, int]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator for a function whose results are remembered in ``room`` bytes.

    ``size`` takes the function's arguments and returns about how many bytes they and their result
    take. The arguments are given by position. What raises an error is not remembered.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        memory: Memory[tuple[object, ...], tuple[T]] = Memory(room)

        def remembering(*args: P.args, **kwargs: P.kwargs) -> T:
            known = memory.get(args)
            if known is None:
                known = (function(*args, **kwargs),)
                memory.keep(args, known, size(*args, **kwargs))
            return known[0]

        return update_wrapper(remembering, function)

    return decorate
