"""An engine that reads saved responses from a file, to score them or to test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from benchmarks import UserError, WrongValueError
from benchmarks.bounded_json import LONGEST_LINE, bounded_lines
from harness.common.text import printable
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.runs.journal import Places
from harness.runs.sample import MOST_SAMPLES, SampleKey
from harness.runs.spec import EngineSpec

Count = Annotated[int, Meta(ge=0, lt=2**62)]
"""A number of tokens; it has to fit into a table's column."""


class ResponseLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of the file: a response, and what else is known of it. Other fields are ignored."""

    problem_id: str
    response: str
    index: Annotated[int, Meta(ge=0, lt=MOST_SAMPLES)] = 0
    finish_reason: Literal["stop", "length", "error"] = "stop"
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    reasoning: str | None = None
    reasoning_tokens: Count | None = None
    error: str | None = None


_DECODER = msgspec.json.Decoder(ResponseLine)


class ReplayEngine(Engine):
    """Reads lines of ``{"problem_id", "response"}``; `ResponseLine` has all fields.

    The file is never held in memory. A first pass notes the position of each response, and
    `generate` reads the responses from there.
    """

    about = "saved responses, played back"
    needs_checkpoint = False

    def __init__(self, setup: EngineSetup, places: Places | None = None) -> None:
        super().__init__(setup)
        self._path = _responses_file(setup.spec)
        self._places = _index(self._path) if places is None else places

    @classmethod
    @contextmanager
    def launch(cls, spec: EngineSpec) -> Iterator[Callable[[EngineSetup], Engine]]:
        """Read where each response is, so that a faulty file is refused before a run begins."""
        places = _index(_responses_file(spec))
        yield lambda setup: cls(setup, places)

    @classmethod
    def require_able(cls, spec: EngineSpec, asked: Mapping[str, int]) -> None:
        """Refuse a file without a single response to one of the benchmarks."""
        path = _responses_file(spec)
        lacking = {_benchmark(problem_id): problem_id for problem_id in reversed([*asked])}
        for _, _, saved in _lines(path):
            if saved.index < asked.get(saved.problem_id, 0):
                lacking.pop(_benchmark(saved.problem_id), None)
            if not lacking:
                return
        found = [printable(saved.problem_id, limit=40) for _, _, saved in islice(_lines(path), 3)]
        raise UserError(
            f"responses {path}: none answers a problem that is asked of {', '.join(lacking)}; "
            f"its first rows answer {', '.join(found) or 'nothing: it has no rows'}. Name the "
            "benchmarks that the file answers, and have each row's problem_id be a problem's id, "
            f"such as {next(iter(lacking.values()))}"
        )

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
        raise WrongValueError(
            "the replay engine needs the saved responses: name their file (JSON lines) in responses"
        )
    path = Path(spec.responses)
    if not path.is_file():
        raise WrongValueError(f"responses {path}: there is no such file")
    return path


def _benchmark(problem_id: str) -> str:
    return problem_id.partition("/")[0]


def _index(path: Path) -> Places:
    places = Places()
    for number, begin, saved in _lines(path):
        if not places.put(saved.problem_id, saved.index, begin):
            raise UserError(
                f"{path}, line {number}: this is a second response {saved.index} to "
                f'{saved.problem_id}; leave one of them out, or number it with "index"'
            )
    return places


def _lines(path: Path) -> Iterator[tuple[int, int, ResponseLine]]:
    """Yield each saved response with the number of its line and where that begins, in bytes."""
    end = 0
    with path.open("rb") as file:
        for number, (line, length) in enumerate(bounded_lines(file, LONGEST_LINE), start=1):
            begin, end = end, end + length
            if line is None:
                raise UserError(
                    f"{path}, line {number}: longer than {LONGEST_LINE >> 20} MiB, which no saved "
                    "response is; leave the line out"
                )
            if not line.strip():
                continue
            try:
                saved = _DECODER.decode(line)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}, line {number}: not a saved response ({error}); each line is "
                    '{"problem_id": …, "response": …}, and may have "index", "finish_reason", '
                    '"completion_tokens"'
                ) from error
            yield number, begin, saved


def _completion(key: SampleKey, saved: ResponseLine) -> Completion:
    return Completion(
        key=key,
        text=saved.response,
        finish_reason=saved.finish_reason,
        prompt_tokens=saved.prompt_tokens,
        completion_tokens=saved.completion_tokens,
        reasoning=saved.reasoning,
        reasoning_tokens=saved.reasoning_tokens,
        error=saved.error,
    )
