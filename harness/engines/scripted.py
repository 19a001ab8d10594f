"""An engine that calls a plain function, for tests without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from harness.engines.base import Completion, Engine, EngineSetup, Request


class ScriptedEngine(Engine):
    """Answers each request with ``script(request)``, which is a text or a whole completion."""

    about = "a plain function, for tests"
    needs_checkpoint = False

    def __init__(self, setup: EngineSetup, script: Callable[[Request], str | Completion]) -> None:
        super().__init__(setup)
        self._script = script

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions in the order of the requests."""
        for request in requests:
            result = self._script(request)
            if isinstance(result, str):
                result = Completion(key=request.key, text=result, finish_reason="stop")
            yield result
