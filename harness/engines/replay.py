"""Saved responses, played back: to score what was generated elsewhere, and to test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import UserError
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.sample import SampleKey
from harness.spec import EngineSpec


class ReplayEngine(Engine):
    """Reads lines of ``{"problem_id", "response"}``, with what else is known of each response."""

    about = "saved responses, played back"
    needs_checkpoint = False

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self._saved = _read(_responses_file(setup.spec))

    @classmethod
    def settings(cls, spec: EngineSpec) -> dict[str, Any]:
        """The responses are the file's, so its sum is the whole of the identity."""
        from harness.checkpoint import file_sum

        return {"responses": file_sum(_responses_file(spec))}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the saved response of each request; one that is missing is an error completion."""
        for request in requests:
            saved = self._saved.get(request.key)
            if saved is None:
                yield Completion(
                    key=request.key,
                    text="",
                    finish_reason="error",
                    error=f"{self.setup.spec.responses} has no such response",
                )
            else:
                yield saved


def _responses_file(spec: EngineSpec) -> Path:
    if spec.responses is None:
        raise UserError("--engine replay needs --responses FILE, the saved responses (JSON lines)")
    path = Path(spec.responses)
    if not path.is_file():
        raise UserError(f"--responses {path}: there is no such file")
    return path


def _read(path: Path) -> dict[SampleKey, Completion]:
    saved: dict[SampleKey, Completion] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                completion = _completion(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}, line {number}: not a saved response ({error!r}); each line is "
                    '{"problem_id": …, "response": …}, and may have "index", "finish_reason", '
                    '"completion_tokens"'
                ) from error
            if completion.key in saved:
                raise UserError(f"{path}, line {number}: a second response for {completion.key}")
            saved[completion.key] = completion
    return saved


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
