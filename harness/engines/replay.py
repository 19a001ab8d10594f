"""An engine that reads saved responses from a file, to score them or to test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmarks import UserError
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.runs.journal import Places
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec


class ResponseLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of the file: a response, and what else is known of it. Other fields are ignored."""

    problem_id: str
    response: str
    index: int = 0
    finish_reason: Literal["stop", "length", "error"] = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None


_DECODER = msgspec.json.Decoder(ResponseLine)


class ReplayEngine(Engine):
    """Reads lines of ``{"problem_id", "response"}``; `ResponseLine` has all fields.

    The file is never held in memory. A first pass notes the position of each response, and
    `generate` reads the responses from there.
    """

    about = "saved responses, played back"
    needs_checkpoint = False

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self._path = _responses_file(setup.spec)
        self._places = _index(self._path)

    @classmethod
    def settings(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return the file's checksum, which identifies the responses by itself."""
        from harness.common.files import file_sum

        return {"responses": file_sum(_responses_file(spec))}

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return nothing: saved responses do not depend on a batch."""
        return {}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the saved response of each request, or an error completion if there is none."""
        with self._path.open("rb") as file:
            for request in requests:
                place = self._places.get(request.key)
                if place is None:
                    yield Completion(
                        key=request.key,
                        text="",
                        finish_reason="error",
                        error=f"{self.setup.spec.responses} has no such response",
                    )
                else:
                    file.seek(place)
                    yield _completion(request.key, _DECODER.decode(file.readline()))


def _responses_file(spec: EngineSpec) -> Path:
    if spec.responses is None:
        raise UserError(
            "--engine replay needs the saved responses: add --responses FILE (JSON lines)"
        )
    path = Path(spec.responses)
    if not path.is_file():
        raise UserError(f"--responses {path}: there is no such file")
    return path


def _index(path: Path) -> Places:
    places = Places()
    end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            begin, end = end, end + len(line)
            if not line.strip():
                continue
            try:
                saved = _DECODER.decode(line)
                first = places.put(saved.problem_id, saved.index, begin)
            except ValueError as error:
                raise UserError(
                    f"{path}, line {number}: not a saved response ({error}); each line is "
                    '{"problem_id": …, "response": …}, and may have "index", "finish_reason", '
                    '"completion_tokens"'
                ) from error
            if not first:
                raise UserError(
                    f"{path}, line {number}: this is a second response {saved.index} to "
                    f'{saved.problem_id}; leave one of them out, or number it with "index"'
                )
    return places


def _completion(key: SampleKey, saved: ResponseLine) -> Completion:
    return Completion(
        key=key,
        text=saved.response,
        finish_reason=saved.finish_reason,
        prompt_tokens=saved.prompt_tokens,
        completion_tokens=saved.completion_tokens,
        error=saved.error,
    )
