"""What the OpenAI protocol makes of a request, and what is made of its replies.

A reply is read by what it must have, whichever server wrote it: one that has it not is no
response, and an error is told in the server's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from harness.engines.base import Completion, EngineSetup, Request
from harness.engines.openai.endpoint import Endpoint

TRANSIENT = (408, 409, 425, 429)
"""Statuses below 500 that another attempt may mend."""
OPTIONAL = ("temperature", "top_p", "seed", "top_k", "chat_template_kwargs", "max_tokens")
"""Parameters that a server may refuse, which we can do without."""
REASONS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "length": "length"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request has no response."""

    told: str
    """What happened, fit to be shown; the key is not in it."""
    again: bool = False
    """Whether another attempt may mend it."""
    status: int | None = None
    """HTTP's; None where nothing was answered."""
    wait: float = 0.0
    """Seconds that the server asks to be left alone."""
    unreachable: bool = False
    refuses: str | None = None
    """The parameter that the server does not take."""
    out_of_money: bool = False


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    completion_tokens: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None


class _Message(BaseModel):
    content: str | None = None
    """None where the model said nothing that is not in another field, such as its reasoning."""


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message | None = None
    text: str | None = None


class _Reply(BaseModel):
    """What counts of a response's body, chat or not."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


class Format:
    """A request as the protocol has it, and its reply as ours."""

    def __init__(self, setup: EngineSetup) -> None:
        self.model = setup.model_name
        self._sampling = setup.sampling
        self._template_args = setup.template_args
        self._args = setup.spec.args
        self.optional = (*OPTIONAL, *self._args)
        """The parameters that a server may refuse."""

    def parameters(self, request: Request) -> dict[str, Any]:
        """Return what a request says beside model and prompt.

        What can be left out is: many servers refuse what they do not know.
        """
        sampling = self._sampling
        said: dict[str, Any] = {
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.temperature > 0:
            said |= {"top_p": sampling.top_p, "seed": request.seed}
        if sampling.top_k > 0:
            said["top_k"] = sampling.top_k
        if self._template_args and request.prompt.messages is not None:
            said["chat_template_kwargs"] = self._template_args
        return {name: value for name, value in (said | self._args).items() if value is not None}

    def expected_tokens(self, request: Request) -> float:
        """Return how many tokens a request may cost, before it is known."""
        turns = request.prompt.messages
        texts = [request.prompt.text] if turns is None else [turn["content"] for turn in turns]
        return sum(map(len, texts)) / 4 + request.max_tokens

    def read(self, request: Request, body: bytes, endpoint: Endpoint) -> Completion | Failure:
        """Return the response that a body holds, or what is wrong with it."""
        try:
            reply = _Reply.model_validate_json(body)
        except ValidationError:
            shown = endpoint.told(body.decode("utf-8", "replace")) or "(nothing)"
            return Failure(told=f"no response in what it answered: {shown}", again=True)
        choice = reply.choices[0]
        is_chat = request.prompt.messages is not None
        text = choice.text
        if is_chat:
            text = None if choice.message is None else choice.message.content or ""
        if text is None or choice.finish_reason in ("abort", "error"):
            return Failure(told="the server broke the response off", again=True)
        return _completion(
            request, endpoint.response(text), choice, reply.usage or _Usage(), endpoint
        )


def _completion(
    request: Request, text: str, choice: _Choice, usage: _Usage, endpoint: Endpoint
) -> Completion:
    reason = REASONS.get(choice.finish_reason or "")
    ended = endpoint.told(choice.finish_reason or "no reason")
    return Completion(
        key=request.key,
        text=text if reason else "",
        finish_reason=reason or "error",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        error=None if reason else f"the server ended it with '{ended}': {endpoint.told(text)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What an error's body says, whichever server wrote it."""

    message: str
    code: str = ""
    param: str = ""

    @classmethod
    def read(cls, body: bytes) -> Fault:
        """Return what an error's body says; all of it, if its form is unknown."""
        text = body.decode("utf-8", "replace")
        try:
            value = from_json(body)
        except ValueError:
            return cls(message=text)
        if isinstance(value, dict) and isinstance(value.get("error"), dict):
            value = value["error"]
        if not isinstance(value, dict):
            return cls(message=text)
        said = value.get("message", value.get("error", value.get("detail")))
        return cls(
            message=said if isinstance(said, str) else text,
            code=str(value.get("code") or ""),
            param=str(value.get("param") or ""),
        )

    def parameter(self, names: Iterable[str]) -> str | None:
        """Return the parameter that was refused, if it is one of ``names`` and clearly meant.

        That there are too many tokens is often told as a fault of `max_tokens`; it is one of the
        request.
        """
        unknown = re.search(
            "unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|permitted|allowed|extra",
            f"{self.code} {self.message}",
            re.IGNORECASE,
        )
        for name in names:
            if self.param == name and (unknown or name != "max_tokens"):
                return name
        found = (name for name in names if re.search(rf"\b{re.escape(name)}\b", self.message))
        return next(found, None) if unknown else None
