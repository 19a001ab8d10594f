"""The engine for any OpenAI-compatible server: `vllm serve`, SGLang or a commercial one.

The server renders the chat template and tokenises. So a run's identity names the
server's URL and the model as the server calls it, and the prompts' checksum is over
what is sent. A failure is stored only when a later response shows that the server is
there. If the server dies, the run then has no errors in it, and the same command
goes on with it.

Requests run in an event loop in a thread of its own. Only the caller's thread reads
the iterator of requests. The client's own retries are off, because they are not
counted, and do not cover a reply that has no response in it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from itertools import islice
from queue import SimpleQueue
from random import Random
from typing import Any, TypeVar

from msgspec.structs import replace

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from harness.engines.base import Completion, Engine, EngineSetup, Request
from harness.engines.openai.context import ContextFit
from harness.engines.openai.endpoint import (
    CONNECT_SECONDS,
    Endpoint,
    find_endpoint,
    find_url,
    open_client,
)
from harness.engines.openai.protocol import (
    NEUTRAL,
    REFUSED,
    TRANSIENT,
    ErrorBody,
    Failure,
    RequestFormat,
    listed_context,
)
from harness.engines.openai.rate_limit import Pace, asked_wait, backoff
from harness.engines.openai.refusals import PROBE_TOKENS, Values, accepted_values
from harness.runs.record import WITHOUT
from harness.runs.sample import SampleKey
from harness.runs.spec import EngineSpec

IN_A_ROW = 20
"""The number of failures without a response between them at which the run stops."""
ALL_FAILED = 3
"""If at least this many requests failed and none succeeded, the run stops instead of storing them.
The cause is then the setup, and not the problems."""
OURS = ("model", "messages", "prompt", "n", "stream", "stream_options", "best_of", "echo")
"""Parameters that `--engine-arg` may not set, since they define the request or the reply's form."""
RECORDED = ("temperature", "top_p", "top_k", "seed", "max_tokens")
"""Parameters that a run records under options of its own, so that an argument may only leave one
out (null) and not set it."""
MISDIRECTED = range(300, 400), range(401, 406)
"""HTTP statuses that, before any response, mean that the URL, the key or the model is wrong."""
LOOK_AGAIN = 0.05
"""The longest sleep in seconds while waiting for a turn. A request that ends meanwhile may free
some of the limit."""
GO_ON = "finished responses are stored, and the same command goes on from there"

Result = TypeVar("Result")


class OpenaiEngine(Engine):
    """A server that speaks the OpenAI protocol."""

    about = "any OpenAI-compatible server: vllm serve, SGLang, a commercial API"
    needs_checkpoint = False
    sends_messages = True
    packages = ("openai",)
    reserved_args = OURS

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        try:
            import openai  # noqa: F401 - to learn whether it can be imported
        except ImportError as error:
            raise UserError(
                f"the openai engine: the openai package cannot be imported ({error}); "
                "install it: pip install 'openai>=2.25,<4'"
            ) from error
        self.require_recorded(setup.spec)  # an error about the key's variable must not tell the key
        self._endpoint = find_endpoint(setup.spec.server)

    @classmethod
    def require_recorded(cls, spec: EngineSpec) -> None:
        """Refuse what would make a run's record untrue; see `Engine`."""
        super().require_recorded(spec)
        for name in RECORDED:
            if spec.args.get(name) is not None:
                raise WrongValueError(
                    f"{setting('engine_args')} {name}: the run records its own option of that "
                    f"name, and would be untrue; use the option, or {name}=null to leave the "
                    "parameter out"
                )

    @classmethod
    def settings(cls, spec: EngineSpec) -> dict[str, Any]:
        """Return the server's URL and the parameters; limits and retries do not count.

        Earlier versions stated no neutral parameters, so that the server could fill in others.
        Their runs are therefore other runs.
        """
        return {
            "url": find_url(spec.server),
            "args": spec.args,
            "neutral": [name for name in NEUTRAL if name not in spec.args],
        }

    @classmethod
    def model_identity(cls, model: str) -> dict[str, str]:
        """Return the name by which the server knows the model, since we cannot see its files."""
        return {"served": model}

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they arrive, with as many requests under way as the spec allows."""
        failures = _FailureHold(self._endpoint, self.setup)
        with closing(_Asking(self, self._endpoint, advice=f"; {GO_ON}")) as asking:
            for request, result in asking.results(iter(requests)):
                yield from failures.take(request, result)
            yield from failures.end(is_there=asking.is_there)

    def results(
        self, requests: Iterable[Request]
    ) -> Generator[tuple[Request, Completion | Failure], None, None]:
        """Yield what came of each request, for a caller who decides what a failure means.

        Raises:
            UserError: the client itself failed.
        """
        with closing(_Asking(self, self._endpoint)) as asking:
            yield from asking.results(iter(requests))


class _FailureHold:
    """Holds failures back until a response shows that they are not the server's fault."""

    def __init__(self, endpoint: Endpoint, setup: EngineSetup) -> None:
        self._endpoint, self._setup = endpoint, setup
        self._answered = False
        self._held: list[Completion] = []
        self._last = Failure(message="")

    def take(self, request: Request, result: Completion | Failure) -> Iterator[Completion]:
        """Take the result of a request; yield the completions that may be stored now.

        Raises:
            UserError: the server is not there, or does not accept requests of this run.
        """
        if isinstance(result, Completion):
            self._answered = True
            yield from self._released()
            yield result
            return
        self._check(result)
        self._last = result
        self._held.append(
            Completion(key=request.key, text="", finish_reason="error", error=result.message)
        )
        if self._answered and not result.again:  # the server works, and refuses this request
            yield from self._released()
        elif len(self._held) >= IN_A_ROW:
            raise self._given_up()

    def end(self, *, is_there: Callable[[], bool]) -> Iterator[Completion]:
        """Yield the failures that are still held, if the server is there.

        Raises:
            UserError: the server is not there, or has not answered any request.
        """
        if not self._held:
            return
        if not is_there() or (not self._answered and len(self._held) >= ALL_FAILED):
            raise self._given_up()
        yield from self._released()

    def _released(self) -> list[Completion]:
        held, self._held = self._held, []
        return held

    def _given_up(self) -> UserError:
        return UserError(
            f"the openai engine: {self._endpoint.url}: {len(self._held)} in a row failed, the last "
            f"with: {self._last.message}; {self._about_the_last()}"
        )

    def _about_the_last(self) -> str:
        """Say what to do after the last failure; a refusal stays one however long one waits."""
        limit = self._setup.sampling.max_tokens
        if self._last.too_long:
            return (
                "prompt and response do not fit into the model's context: lower "
                f"{setting('max_tokens')} ({limit:,}), or start the server with a longer context"
            )
        if self._last.status is not None and not self._last.again:
            return (
                "the server refuses such requests, so change what it names "
                f"({setting('engine_args')} NAME=null leaves a parameter out, "
                f"{setting('max_tokens')} is {limit:,}); {GO_ON}"
            )
        return f"{GO_ON} once the server is well"

    def _check(self, failure: Failure) -> None:
        """Raise UserError if the failure concerns every request of the run."""
        found = f"the openai engine: {self._endpoint.url}: {failure.message}"
        if failure.out_of_money or failure.status == 402:
            raise UserError(f"{found}; when the account is in order, {GO_ON}")
        if failure.status == 401:
            raise UserError(f"{found}; {self._about_the_key()}; {GO_ON}")
        if self._answered:
            return
        if failure.refuses is not None:
            raise UserError(
                f"{found}; it does not take '{failure.refuses}': "
                f"{setting('engine_args')} {failure.refuses}=null leaves it out"
            )
        if failure.unreachable:
            raise UserError(
                f"{found}; does the server run, and is {setting('base_url')} right (up to /v1)?"
            )
        if failure.status is not None and any(failure.status in kind for kind in MISDIRECTED):
            raise UserError(
                f"{found}; is {setting('base_url')} right (up to /v1), does the server have the "
                f"model '{self._setup.model_name}', and may the key use it? A chat-only server "
                "takes no "
                "prompt style that fixes the whole text (see: list prompts)"
            )

    def _about_the_key(self) -> str:
        variable, option = self._endpoint.key_variable, setting("key_variable")
        if self._endpoint.key is None:
            return f"it needs a key: set {variable}, or name another variable with {option}"
        return f"it does not accept the key in {variable} ({option} names another variable)"


class _Asking:
    """The requests under way, in an event loop in a thread of its own."""

    def __init__(self, engine: OpenaiEngine, endpoint: Endpoint, *, advice: str = "") -> None:
        """Start the thread; ``advice`` ends the message of an error of the client."""
        self._window = engine.setup.spec.server.concurrency
        self._endpoint = endpoint
        self._advice = advice
        self._server = _Server(engine, endpoint)
        self._under_way: set[Future[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="openai-engine", daemon=True
        )
        self._thread.start()

    def results(
        self, pending: Iterator[Request]
    ) -> Generator[tuple[Request, Completion | Failure], None, None]:
        """Yield the result of each request when it is done, and keep the window full."""
        done: SimpleQueue[tuple[Request, Future[Completion | Failure]]] = SimpleQueue()
        while True:
            for request in islice(pending, self._window - len(self._under_way)):
                future = self._submit(self._server.answer(request))
                future.add_done_callback(lambda got, request=request: done.put((request, got)))  # type: ignore[misc]
            if not self._under_way:
                return
            request, future = done.get()
            yield request, self._result(future)

    def is_there(self) -> bool:
        """Say whether the server answers at all."""
        return self._result(self._submit(self._server.is_there()))

    def close(self) -> None:
        """Drop the requests under way with their connections, and end the thread."""
        # Only our own tasks are cancelled, and the client ends its tasks with them. If a task of
        # the client were cancelled before it began, Python would warn of a coroutine never awaited.
        for future in self._under_way:
            future.cancel()
        with suppress(TimeoutError):
            self._submit(self._end()).result(timeout=CONNECT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=CONNECT_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._under_way.add(future)
        return future

    def _result(self, future: Future[Result]) -> Result:
        """Return the result of a request.

        An unexpected error becomes a UserError without the key in it, and without a cause, which
        might show the key.
        """
        error = future.exception()
        self._under_way.remove(future)
        if error is None:
            return future.result()
        raise UserError(
            f"the openai engine: the client failed: {type(error).__name__}: "
            f"{self._endpoint.redacted(str(error))}{self._advice}"
        )

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        await self._server.close()


class _Server:
    """Sends requests, each with its attempts. Everything here runs in the event loop's thread."""

    def __init__(self, engine: OpenaiEngine, endpoint: Endpoint) -> None:
        setup = engine.setup
        self._counters = engine.counters
        self._limits = setup.spec.server
        self._endpoint = endpoint
        self._format = RequestFormat(setup)
        self._client = open_client(
            endpoint, timeout=self._limits.timeout, max_tokens=setup.sampling.max_tokens
        )
        self._turn = asyncio.Lock()
        self._learning = asyncio.Lock()
        self._sent: dict[SampleKey, dict[str, Any]] = {}
        """What the last request for a sample that was answered was sent with."""
        self._requests = _pace(self._limits.requests_per_minute)
        self._tokens = _pace(self._limits.tokens_per_minute)
        self._quiet_until = 0.0
        fit = ContextFit(self._in_its_form, self._listed_context, self._counters)
        # Where an argument sets the limit, that is the user's word and stays.
        self._asked = fit.ask if self._format.sets_limit else self._in_its_form

    async def answer(self, request: Request) -> Completion | Failure:
        """Return the response to a request, or the last failure if all attempts failed."""
        draw = Random(request.seed)
        result = await self._asked(request)
        for retry in range(1, self._limits.attempts):
            if isinstance(result, Completion) or not result.again:
                break
            self._counters["retries"] += 1
            await asyncio.sleep(backoff(retry, draw, asked=result.wait))
            result = await self._asked(request)
        sent = self._sent.pop(request.key, {})
        if isinstance(result, Completion) and result.finish_reason in ("stop", "length"):
            self._counters.update(f"{WITHOUT}{name}" for name in self._format.left_out(sent))
        return result

    async def _listed_context(self) -> int | None:
        """Return the context that the server lists for the model; None if it lists none."""
        import openai

        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                raw: Any = await self._client.models.with_raw_response.list()
        except (openai.OpenAIError, TimeoutError):
            return None
        return listed_context(bytes(raw.http_response.content), self._format.model)

    async def _in_its_form(self, request: Request) -> Completion | Failure:
        """Ask once in the form that the server takes, without the neutral values it refuses."""
        while True:
            sent = self._format.parameters(request)
            result = await self._attempt(request, sent)
            if isinstance(result, Completion):
                self._format.accept(sent)
                self._sent[request.key] = sent
                return result
            async with self._learning:
                self._format.refuse(sent, result.named)
                if self._format.parameters(request) != sent:  # learned here, or by another request
                    continue
                found = await self._accepted_values(request, result)
                if isinstance(found, Failure):
                    return found
                self._format.learn(found)
                if self._format.parameters(request) == sent:  # it was something else
                    return result

    async def _accepted_values(self, request: Request, refusal: Failure) -> Values | Failure:
        """Return the neutral values that the server takes; the failure if it is not about them."""
        probe = replace(request, max_tokens=min(PROBE_TOKENS, request.max_tokens))

        async def ask(values: Values) -> Completion | Failure:
            return await self._attempt(probe, self._format.parameters(probe, values))

        return await accepted_values(
            ask, self._format.values, refusal, accepted=self._format.accepted
        )

    async def is_there(self) -> bool:
        """Say whether the server answers when it is asked for its models, which costs nothing."""
        import openai

        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._client.models.with_raw_response.list()
        except openai.APIStatusError as error:
            return error.status_code < 500 and error.status_code != 429
        except (openai.OpenAIError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _attempt(self, request: Request, sent: dict[str, Any]) -> Completion | Failure:
        import openai

        expected = self._format.expected_tokens(request)
        await self._wait_for_turn(expected)
        try:
            async with asyncio.timeout(self._limits.timeout):
                body = await self._post(request, sent)
        except openai.APIStatusError as error:
            return self._refused(error, sent)
        except openai.APIConnectionError as error:
            return self._unconnected(error.__cause__ or error)
        except TimeoutError:
            return self._timed_out()
        result = self._format.read(request, body, self._endpoint)
        if self._tokens and isinstance(result, Completion) and result.prompt_tokens is not None:
            used = result.prompt_tokens + (result.completion_tokens or 0)
            self._tokens.correct(used - expected)
        return result

    async def _wait_for_turn(self, tokens: float) -> None:
        """Wait until the limits allow a request. Requests are served in order of arrival."""
        async with self._turn:
            while (seconds := self._wait()) > 0:
                await asyncio.sleep(min(seconds, LOOK_AGAIN))
            if self._requests:
                self._requests.charge(1)
            if self._tokens:
                self._tokens.charge(tokens)

    def _wait(self) -> float:
        paces = (self._requests, self._tokens)
        quiet = self._quiet_until - time.monotonic()
        return max(quiet, *(pace.wait() if pace else 0.0 for pace in paces))

    async def _post(self, request: Request, sent: dict[str, Any]) -> bytes:
        raw: Any
        asked: dict[str, Any] = {"model": self._format.model, "extra_body": sent}
        if request.prompt.messages is None:
            raw = await self._client.completions.with_raw_response.create(
                prompt=request.prompt.text, **asked
            )
        else:
            turns: list[Any] = [*request.prompt.messages]
            raw = await self._client.chat.completions.with_raw_response.create(
                messages=turns, **asked
            )
        return bytes(raw.http_response.content)

    def _unconnected(self, error: BaseException) -> Failure:
        kind = type(error).__name__
        if kind.endswith("Timeout") and not kind.startswith("Connect"):
            return self._timed_out()
        return Failure(
            message=f"the connection failed ({self._endpoint.redacted(f'{kind}: {error}')})",
            again=True,
            unreachable=kind.startswith("Connect"),
        )

    def _timed_out(self) -> Failure:
        return Failure(message=f"no answer in {self._limits.timeout:g} seconds", again=True)

    def _refused(self, error: Any, sent: dict[str, Any]) -> Failure:
        status: int = error.status_code
        wait = asked_wait(error.response.headers.get("retry-after"))
        if wait:  # the other requests wait, too
            self._quiet_until = max(self._quiet_until, time.monotonic() + wait)
        body = error.response.content
        fault = ErrorBody.read(body)
        out_of_money = status == 429 and fault.code == "insufficient_quota"
        refused = status in REFUSED
        too_long = status in (400, 413, 422) and fault.too_long
        asked = [name for name in self._format.optional if name in sent]
        return Failure(
            message=f"HTTP {status}: {self._endpoint.redacted(fault.message)}",
            again=(status in TRANSIENT or status >= 500) and not out_of_money,
            status=status,
            wait=wait,
            refuses=fault.parameter(asked) if refused and not too_long else None,
            named=fault.names(NEUTRAL) if refused else (),
            quoted=fault.quotes(NEUTRAL) if refused and not too_long else (),
            too_long=too_long,
            context=fault.context if too_long else None,
            out_of_money=out_of_money,
        )


def _pace(per_minute: float | None) -> Pace | None:
    return None if per_minute is None else Pace(per_minute, clock=time.monotonic)
