"""Saved responses, played back: to score what was generated elsewhere, and to test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from benchmarks import UserError
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.journal import Places
from harness.sample import SampleKey
from harness.spec import EngineSpec


class ReplayEngine(Engine):
    """Reads lines of ``{"problem_id", "response"}``, with what else is known of each response.

    The file is read twice, and never held: once to learn where each response is.
    """

    about = "saved responses, played back"
    needs_checkpoint = False

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self._path = _responses_file(setup.spec)
        self._places = _index(self._path)

    @classmethod
    def settings(cls, spec: EngineSpec) -> dict[str, Any]:
        """The responses are the file's, so its sum is the whole of the identity."""
        from harness.checkpoint import file_sum

        return {"responses": file_sum(_responses_file(spec))}

    @classmethod
    def determinism(cls, spec: EngineSpec) -> dict[str, Any]:
        """Nothing is computed, so there is nothing to keep."""
        return {}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the saved response of each request; one that is missing is an error completion."""
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
                    yield _completion(orjson.loads(file.readline()))


def _responses_file(spec: EngineSpec) -> Path:
    if spec.responses is None:
        raise UserError("--engine replay needs --responses FILE, the saved responses (JSON lines)")
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
                key = _completion(orjson.loads(line)).key
                first = places.put(*key, begin)
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}, line {number}: not a saved response ({error!r}); each line is "
                    '{"problem_id": …, "response": …}, and may have "index", "finish_reason", '
                    '"completion_tokens"'
                ) from error
            if not first:
                raise UserError(f"{path}, line {number}: a second response for {key}")
    return places


def _completion(row: dict[str, Any]) -> Completion:
    response = row["response"]
    if not isinstance(response, str):
        raise ValueError("the response is no string")
    reason = row.get("finish_reason", "stop")
    if reason not in ("stop", "length", "error"):
        raise ValueError(f"finish_reason {reason!r}")
    return Completion(
        key=SampleKey(str(row["problem_id"]), int(row.get("index", 0))),
        text=response,
        finish_reason=reason,
        prompt_tokens=row.get("prompt_tokens"),
        completion_tokens=row.get("completion_tokens"),
        error=row.get("error"),
    )
