"""Requests that are too long for the server's context get the room that their prompt leaves.

The engines on this machine know a prompt's tokens before they ask. Here the server alone counts
them, and it refuses prompt and limit together. So a limit is lowered only after a refusal: the
server is asked for one token, which tells how long the prompt is.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from harness.engines.base import Completion, Request
from harness.engines.openai.protocol import Failure

LOWERED, MEASURED = "limits lowered", "prompts measured"
"""The counters of responses with a lowered limit, and of requests for one token, whose tokens are
not among those that the run counts."""


class ContextFit:
    """What is known of a server's context and of the prompts that hardly fit into it."""

    def __init__(
        self,
        ask: Callable[[Request], Awaitable[Completion | Failure]],
        listed: Callable[[], Awaitable[int | None]],
        counters: Counter[str],
    ) -> None:
        """Prepare for a run.

        Args:
            ask: sends a request once.
            listed: returns the context that the server lists for the model, in tokens, if any.
            counters: counts what was done.
        """
        self._ask, self._listed, self._counters = ask, listed, counters
        self._context: int | None = None
        self._prompts: dict[str, int] = {}
        """Tokens by the prompt's checksum."""
        self._measuring: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ask(self, request: Request) -> Completion | Failure:
        """Ask once; if the request is too long for the context, with a lower limit of tokens."""
        if not self._is_surely_too_long(request):
            result = await self._ask(request)
            if isinstance(result, Completion) or not result.too_long:
                return result
            # A server may list the model's context, and have less room itself.
            said = [self._context, await self._listed(), result.context]
            self._context = min((tokens for tokens in said if tokens), default=None)
            if self._context is None:
                return result
        length = await self._prompt_tokens(request)
        if isinstance(length, int):
            return await self._ask_for_less(request, length)
        return _overflow(request, length) if length.too_long and length.status else length

    def _is_surely_too_long(self, request: Request) -> bool:
        prompt = self._prompts.get(request.prompt.checksum, 1)
        return self._context is not None and prompt + request.max_tokens > self._context

    async def _prompt_tokens(self, request: Request) -> int | Failure:
        """Return the tokens of a request's prompt; a problem's samples measure it only once."""
        prompt = request.prompt.checksum
        async with self._measuring[prompt]:
            if prompt in self._prompts:
                return self._prompts[prompt]
            result = await self._ask(replace(request, max_tokens=1))
            if isinstance(result, Failure):
                return result
            self._counters[MEASURED] += 1
            if result.prompt_tokens is None:
                return Failure(
                    message=f"prompt and response do not fit into {self._context:,} tokens, and "
                    "the server does not say how many the prompt has",
                    too_long=True,
                )
            return self._prompts.setdefault(prompt, result.prompt_tokens)

    async def _ask_for_less(self, request: Request, prompt: int) -> Completion | Failure:
        """Ask for as many tokens as a prompt of so many tokens leaves in the context."""
        room = min(request.max_tokens, (self._context or 0) - prompt)
        result = Failure(message=f"the prompt's {prompt:,} tokens leave no room", too_long=True)
        # SGLang wants prompt and response to be shorter than the context (`_validate_one_request`
        # in its tokenizer_manager.py), and vLLM lets them fill it.
        for limit in range(room, max(0, room - 2), -1):
            asked = await self._ask(replace(request, max_tokens=limit))
            if isinstance(asked, Completion):
                self._counters[LOWERED] += limit < request.max_tokens
                return asked
            if not asked.too_long:
                return asked
            result = asked
        return _overflow(request, result, prompt) if room < 2 else result


def _overflow(request: Request, failure: Failure, prompt: int | None = None) -> Completion:
    """Return what becomes of a prompt that leaves no room, in the server's own words."""
    return Completion(
        key=request.key,
        text="",
        finish_reason="overflow",
        prompt_tokens=prompt,
        completion_tokens=0,
        error=failure.message,
    )
