"""Ask a language model behind an OpenAI-compatible server what it thinks of pairs of answers.

The requests go through the openai engine: its client, its retries, its limits, and its handling of
the key. A request that fails gives no opinion, and never one for or against. If the server is not
there, or refuses all requests, the rest is not asked, and the command goes on without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from benchmarks import UserError
from harness.common.progress import Progress, silent
from harness.engines.base import Completion, EngineSetup, Request
from harness.engines.openai.endpoint import find_url
from harness.engines.openai.engine import IN_A_ROW, MISDIRECTED, OpenaiEngine
from harness.engines.openai.protocol import Failure
from harness.evaluation.judging.question import (
    PROMPT_SUM,
    Opinion,
    new_mark,
    question_text,
    read_reply,
)
from harness.prompts.rendering import Prompt
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec, Sampling, Server

TIMEOUT = 60.0
"""Seconds that one attempt at one request may take."""
ATTEMPTS = 4
"""Tries of one request before it counts as failed."""
TEMPERATURE = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSetup:
    """Which model is asked, where, and how much."""

    model: str
    """The model as the server calls it."""
    base_url: str | None = None
    """The server's URL up to ``/v1``; None takes the environment's OPENAI_BASE_URL."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; the key itself is never stored."""
    limit: int = 1000
    """The most questions that are asked."""
    max_tokens: int = 1024
    """The most tokens of a reply. It is one word, but a model may reason before it."""
    concurrency: int = 8
    """Requests under way at once."""
    args: dict[str, Any] = field(default_factory=dict)
    """Further parameters of a request; None leaves one out that the server refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a judge is shown of a pair."""

    gold: str
    answer: str
    """The answer that was extracted from the response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of one question."""

    opinion: Opinion
    failure: str | None = None
    """Why there is no opinion; None if there is one."""
    mark: str | None = None
    """The mark in the prompt, which together with the two texts gives the prompt again; None if
    the judge was not asked."""
    served: str | None = None
    """The model that replied, as the server says."""
    date: str
    """When the judge was asked, in UTC."""
    earlier: bool = False
    """Whether the judge was asked before, and not by this command."""

    @property
    def asked(self) -> bool:
        """Whether the question was sent."""
        return self.mark is not None


class Judge:
    """A language model that is asked for opinions.

    Raises:
        UserError: the server's URL, its key or a parameter is refused before anything is sent.
    """

    def __init__(self, setup: JudgeSetup) -> None:
        self.setup = setup
        self.stopped: str | None = None
        """Why no more questions were sent; None if all were."""
        server = Server(
            base_url=setup.base_url,
            key_variable=setup.key_variable,
            concurrency=setup.concurrency,
            timeout=TIMEOUT,
            attempts=ATTEMPTS,
        )
        spec = EngineSpec(name="openai", server=server, args=setup.args)
        self._host = urlsplit(find_url(server)).netloc
        self._date = datetime.now(UTC).isoformat(timespec="seconds")
        self._engine = OpenaiEngine(
            EngineSetup(
                spec=spec,
                sampling=Sampling(temperature=TEMPERATURE, max_tokens=setup.max_tokens),
                checkpoint=None,
                longest=setup.max_tokens,
                model_name=setup.model,
            )
        )

    @property
    def sum(self) -> str:
        """The first 8 hex digits of a sha256 over all that an opinion depends on, but the date."""
        settings = json.dumps(self._settings(), sort_keys=True)
        return hashlib.sha256(settings.encode()).hexdigest()[:8]

    def record(self) -> dict[str, Any]:
        """Return what has to be known to ask again: model, prompt, place and date, but no key."""
        return {**self._settings(), "sum": self.sum, "date": self._date}

    def _settings(self) -> dict[str, Any]:
        return {
            "model": self.setup.model,
            "host": self._host,
            "prompt": PROMPT_SUM,
            "temperature": self.setup.args.get("temperature", TEMPERATURE),
            "max_tokens": self.setup.max_tokens,
            "args": self.setup.args,
        }

    def ask(self, questions: Sequence[Question], *, progress: Progress = silent) -> list[Reply]:
        """Return what came of each question, in their order. Nothing that a server does raises."""
        progress.stage("asking the judge")
        marks = [new_mark() for _ in questions]
        sent = 0

        def requests() -> Iterator[Request]:
            nonlocal sent
            for number, (question, mark) in enumerate(zip(questions, marks, strict=True)):
                sent = number + 1
                text = question_text(question.gold, question.answer, mark=mark)
                yield Request(
                    key=SampleKey("judge", number),
                    prompt=Prompt(text=text, messages=({"role": "user", "content": text},)),
                    max_tokens=self.setup.max_tokens,
                    seed=number,
                )

        found = self._results(requests(), len(questions), progress)
        return [
            self._reply(found.get(number), mark, asked=number < sent)
            for number, mark in enumerate(marks)
        ]

    def _results(
        self, requests: Iterator[Request], total: int, progress: Progress
    ) -> dict[int, Completion | Failure]:
        """Return the results by the question's number, until all are there or the judge is not."""
        found: dict[int, Completion | Failure] = {}
        answered, in_a_row = False, 0
        try:
            with closing(self._engine.results(requests)) as results:
                for request, result in results:
                    found[request.key.index] = result
                    progress.advance(len(found), total, note="questions")
                    if isinstance(result, Completion):
                        answered, in_a_row = True, 0
                        continue
                    in_a_row += 1
                    if in_a_row >= IN_A_ROW or _is_for_all(result, answered=answered):
                        self.stopped = result.message
                        break
        except UserError as error:
            self.stopped = str(error)
        return found

    def _reply(self, result: Completion | Failure | None, mark: str, *, asked: bool) -> Reply:
        """Return what a result says. What is not a whole reply in the right form says nothing."""
        opinion, failure, served = None, None, None
        if not asked:
            failure = f"not asked, after: {self.stopped}"
        elif result is None:
            failure = f"given up, after: {self.stopped}"
        elif isinstance(result, Failure):
            failure = result.message
        else:
            served = result.served
            opinion, failure = _read(result)
        return Reply(
            opinion=opinion or Opinion.NONE,
            failure=failure,
            mark=mark if asked else None,
            served=served,
            date=self._date,
        )


def _is_for_all(failure: Failure, *, answered: bool) -> bool:
    """Say whether every other request would fail just so: it is the setup, and not the pair."""
    if failure.out_of_money or failure.status in (401, 402):
        return True
    if answered:
        return False
    misdirected = any(failure.status in kind for kind in MISDIRECTED)
    return failure.unreachable or misdirected or failure.refuses is not None


def _read(completion: Completion) -> tuple[Opinion | None, str | None]:
    """Return the opinion in a completion, or else why there is none."""
    if completion.finish_reason == "length":
        return None, "the reply was cut off by the token limit"
    if completion.finish_reason != "stop":
        return None, completion.error
    opinion = read_reply(completion.text)
    return opinion, None if opinion else "the reply is not one of the three words"
