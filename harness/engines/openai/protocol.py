"""Translate requests into the OpenAI protocol, and its replies into completions.

Servers differ, so only what a reply must have is read. A reply without it is a failure, and an
error message contains the server's own words.
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
"""The HTTP statuses below 500 after which another attempt may succeed."""
OPTIONAL = ("temperature", "top_p", "seed", "top_k", "chat_template_kwargs", "max_tokens")
"""Parameters that a server may refuse, and that the user can leave out."""
REASONS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "length": "length"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The reason why a request has no response."""

    message: str
    """What happened, without the key and short enough to be shown."""
    again: bool = False
    """Whether another attempt may succeed."""
    status: int | None = None
    """The HTTP status; None if the server did not answer."""
    wait: float = 0.0
    """How many seconds the server asks to wait before the next request."""
    unreachable: bool = False
    """Whether no connection could be made."""
    refuses: str | None = None
    """The parameter that the server does not accept; None if it is not about one."""
    out_of_money: bool = False
    """Whether the server says that the account's quota is used up."""


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    completion_tokens: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None


class _Message(BaseModel):
    content: str | None = None
    """The response; None if all of it is in another field, such as the reasoning."""


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message | None = None
    text: str | None = None


class _Reply(BaseModel):
    """The parts of a response's body that are read, for chat and for plain completions."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


class RequestFormat:
    """Turns a request into the protocol's parameters, and a reply's body into a completion."""

    def __init__(self, setup: EngineSetup) -> None:
        self.model = setup.model_name
        self._sampling = setup.sampling
        self._template_args = setup.template_args
        self._args = setup.spec.args
        self.optional = (*OPTIONAL, *self._args)
        """The parameters that a server may refuse."""

    def parameters(self, request: Request) -> dict[str, Any]:
        """Return the parameters of a request, except model and prompt.

        Parameters that are not needed are left out: many servers refuse those that they do not
        know.
        """
        sampling = self._sampling
        found: dict[str, Any] = {
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.temperature > 0:
            found |= {"top_p": sampling.top_p, "seed": request.seed}
        if sampling.top_k > 0:
            found["top_k"] = sampling.top_k
        if self._template_args and request.prompt.messages is not None:
            found["chat_template_kwargs"] = self._template_args
        return {name: value for name, value in (found | self._args).items() if value is not None}

    def expected_tokens(self, request: Request) -> float:
        """Return an estimate of the most tokens that a request may use, at 4 characters each."""
        turns = request.prompt.messages
        texts = [request.prompt.text] if turns is None else [turn["content"] for turn in turns]
        return sum(map(len, texts)) / 4 + request.max_tokens

    def read(self, request: Request, body: bytes, endpoint: Endpoint) -> Completion | Failure:
        """Return the completion in a reply's body, or why there is none."""
        try:
            reply = _Reply.model_validate_json(body)
        except ValidationError:
            shown = endpoint.redacted(body.decode("utf-8", "replace")) or "(nothing)"
            return Failure(message=f"no response in what the server answered: {shown}", again=True)
        choice = reply.choices[0]
        is_chat = request.prompt.messages is not None
        text = choice.text
        if is_chat:
            text = None if choice.message is None else choice.message.content or ""
        if text is None or choice.finish_reason in ("abort", "error"):
            return Failure(message="the server broke the response off", again=True)
        return _completion(
            request, endpoint.response(text), choice, reply.usage or _Usage(), endpoint
        )


def _completion(
    request: Request, text: str, choice: _Choice, usage: _Usage, endpoint: Endpoint
) -> Completion:
    reason = REASONS.get(choice.finish_reason or "")
    ended = endpoint.redacted(choice.finish_reason or "no reason")
    return Completion(
        key=request.key,
        text=text if reason else "",
        finish_reason=reason or "error",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        error=None if reason else f"the server ended it with '{ended}': {endpoint.redacted(text)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """The content of an error's body, in any of the forms that servers use."""

    message: str
    code: str = ""
    param: str = ""
    """The parameter that the error is about, if the server names one."""

    @classmethod
    def read(cls, body: bytes) -> ErrorBody:
        """Read an error's body; if its form is unknown, all of it is the message."""
        text = body.decode("utf-8", "replace")
        try:
            value = from_json(body)
        except ValueError:
            return cls(message=text)
        if isinstance(value, dict) and isinstance(value.get("error"), dict):
            value = value["error"]
        if not isinstance(value, dict):
            return cls(message=text)
        message = value.get("message", value.get("error", value.get("detail")))
        return cls(
            message=message if isinstance(message, str) else text,
            code=str(value.get("code") or ""),
            param=str(value.get("param") or ""),
        )

    def parameter(self, names: Iterable[str]) -> str | None:
        """Return the parameter that the server does not support, if it is one of ``names``.

        A request with too many tokens often gets an error about `max_tokens`. The server supports
        that parameter, so it is not returned then.
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
