"""An engine that is a plain function: part of the product, for tests without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from harness.engines.base import Completion, Engine, EngineSetup, Request


class ScriptedEngine(Engine):
    """Answers each request with ``script(request)``: a text, or a whole completion."""

    about = "a plain function, for tests"
    needs_checkpoint = False

    def __init__(self, setup: EngineSetup, script: Callable[[Request], str | Completion]) -> None:
        super().__init__(setup)
        self._script = script

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions in the order of the requests."""
        for request in requests:
            said = self._script(request)
            if isinstance(said, str):
                said = Completion(key=request.key, text=said, finish_reason="stop")
            yield said
