"""Translate requests into the OpenAI protocol, and its replies into completions.

Servers differ, so only what a reply must have is read. A reply without it is a failure, and an
error message contains the server's own words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from harness.engines.base import Completion, EngineSetup, Request
from harness.engines.openai.endpoint import Endpoint

REFUSED = (400, 422)
"""The HTTP statuses with which a server refuses a request for what is in it."""
TRANSIENT = (408, 409, 425, 429)
"""The HTTP statuses below 500 after which another attempt may succeed."""
NEUTRAL: dict[str, tuple[float, ...]] = {
    "top_p": (1.0,),
    "top_k": (-1, 0),
    "min_p": (0.0,),
    "repetition_penalty": (1.0,),
    "presence_penalty": (0.0,),
    "frequency_penalty": (0.0,),
}
"""Sampling parameters that change nothing at these values, the value that is tried first in front.

They are sent, because a server fills in what a request leaves out: vLLM and SGLang with the
checkpoint's generation_config.json (vLLM: `get_diff_sampling_param` in vllm/config/model.py and
`to_sampling_params` in vllm/entrypoints/openai/*/protocol.py; SGLang: `to_sampling_params` in
sglang/srt/entrypoints/openai/protocol.py), llama.cpp with top_k 40 and min_p 0.05. No limit on
top_k is -1 for SGLang, -1 or 0 for vLLM and llama.cpp, and 0 for LMDeploy, which refuses -1.
"""
OPTIONAL = ("temperature", "top_p", "seed", "top_k", "chat_template_kwargs", "max_tokens")
"""Parameters that are asked for, which a server may refuse and the user can leave out."""
REASONS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "length": "length"}
TOO_LONG = re.compile(
    r"context[ _]?(?:length|size|window)|max_model_len|maximum (?:prompt|input|sequence) length",
    re.IGNORECASE,
)
"""How servers say that prompt and response together are too long for the model's context."""
CONTEXT = re.compile(
    r"(?:context[ _]?(?:length|size|window)|max_model_len)\D{0,40}?(\d{1,3}(?:,\d{3})+|\d{1,9})\b",
    re.IGNORECASE,
)
"""The context's length in such a message."""


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
    named: tuple[str, ...] = ()
    """The neutral parameters that a refusal is about, in a field made to say so."""
    quoted: tuple[str, ...] = ()
    """The neutral parameters that its words mention, which may only quote the request."""
    too_long: bool = False
    """Whether prompt and response together are refused as too long for the model's context."""
    context: int | None = None
    """The length of that context in tokens, if the refusal states it."""
    out_of_money: bool = False
    """Whether the server says that the account's quota is used up."""


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    completion_tokens: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    total_tokens: Any = None
    completion_tokens_details: Any = None
    """Here OpenAI and vLLM count the tokens of the reasoning."""
    reasoning_tokens: Any = None
    """Here SGLang counts them."""

    @property
    def response(self) -> int | None:
        """The tokens of the response, reasoning included, which some servers count apart."""
        found = self.completion_tokens
        if found is None or self.reasoning is None:
            return found
        total = self.total_tokens if type(self.total_tokens) is int else 0
        apart = total - (self.prompt_tokens or 0) == found + self.reasoning
        return found + self.reasoning if apart or self.reasoning > found else found

    @property
    def reasoning(self) -> int | None:
        """How many of the response's tokens are reasoning; None if there are none, or unknown."""
        details = self.completion_tokens_details
        inner = details.get("reasoning_tokens") if isinstance(details, dict) else None
        for count in (inner, self.reasoning_tokens):
            if type(count) is int and 0 < count < 1 << 31:
                return count
        return None


class _Message(BaseModel):
    content: str | list[Any] | None = None
    """The response, or its parts; None if all of it is in another field."""
    reasoning: Any = None
    """What the model reasoned, as vLLM (`ChatMessage` in its chat protocol) and OpenRouter say."""
    reasoning_content: Any = None
    """The same, as SGLang, DeepSeek and earlier versions of vLLM say."""
    refusal: Any = None
    """What OpenAI's models say instead of a response that they refuse to give."""

    @property
    def said(self) -> str:
        """The response's text; that of its parts is joined."""
        if isinstance(self.content, list):
            return "".join(_texts(self.content, ("text", "output_text")))
        return self.content or _text(self.refusal)

    @property
    def reasoned(self) -> str | None:
        """The reasoning apart from the response; None if there is none."""
        parts = self.content if isinstance(self.content, list) else []
        thought = "".join(_texts(parts, ("thinking", "reasoning")))
        return _text(self.reasoning) or _text(self.reasoning_content) or thought or None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(parts: Iterable[Any], kinds: Collection[str]) -> Iterable[str]:
    """Yield the texts of those parts of a message that are of one of the kinds.

    Mistral has the text of a part of the kind ``thinking`` in parts of its own.
    """
    for part in parts:
        if isinstance(part, str) and "text" in kinds:
            yield part
        elif isinstance(part, dict) and part.get("type") in kinds:
            inner = part.get("text") or part.get(part["type"])
            yield _text(inner)
            for one in inner if isinstance(inner, list) else ():
                yield _text(one.get("text")) if isinstance(one, dict) else _text(one)


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message | None = None
    text: str | None = None


class _Reply(BaseModel):
    """The parts of a response's body that are read, for chat and for plain completions."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None
    model: Any = None


class _ListedModel(BaseModel):
    id: str = ""
    max_model_len: Annotated[int, Field(gt=0, lt=1 << 31)] | None = None


class _Models(BaseModel):
    data: list[_ListedModel] = []


def listed_context(body: bytes, model: str) -> int | None:
    """Return a model's context in tokens, as vLLM and SGLang list it; None if it is not listed."""
    try:
        models = _Models.model_validate_json(body).data
    except ValidationError:
        return None
    return next((one.max_model_len for one in models if one.id == model), None)


class RequestFormat:
    """Turns a request into the protocol's parameters, and a reply's body into a completion.

    It learns which neutral parameters the server refuses. All requests of a run share it, and it
    does not matter which of them learns first.
    """

    def __init__(self, setup: EngineSetup) -> None:
        self.model = setup.model_name
        self._sampling = setup.sampling
        self._template_args = setup.template_args
        self._args = setup.spec.args
        self.optional = (*OPTIONAL, *self._args)
        """The parameters that are asked for and that a server may refuse."""
        self._values = {n: v for n, v in NEUTRAL.items() if n not in self._asked_sampling()}
        """The values of neutral parameters that are not refused yet."""
        self._accepted: set[str] = set()

    def _asked_sampling(self) -> dict[str, Any]:
        """Return how to draw, as far as it is not neutral. Nothing is drawn at temperature 0."""
        sampling = self._sampling
        asked: dict[str, Any] = {}
        if sampling.temperature > 0 and sampling.top_p < 1:
            asked["top_p"] = sampling.top_p
        if sampling.temperature > 0 and sampling.top_k > 0:
            asked["top_k"] = sampling.top_k
        return asked | self._args

    def parameters(
        self, request: Request, values: Mapping[str, tuple[float, ...]] | None = None
    ) -> dict[str, Any]:
        """Return the parameters of a request, except model and prompt.

        ``values`` are those of the neutral parameters, if not what was learned.
        """
        neutral = self._values if values is None else values
        found: dict[str, Any] = {
            "max_tokens": request.max_tokens,
            "temperature": self._sampling.temperature,
            **{name: left[0] for name, left in neutral.items() if left},
        }
        if self._sampling.temperature > 0:
            found["seed"] = request.seed
        if self._template_args and request.prompt.messages is not None:
            found["chat_template_kwargs"] = self._template_args
        found |= self._asked_sampling()
        return {name: value for name, value in found.items() if value is not None}

    @property
    def sets_limit(self) -> bool:
        """Whether the harness sets how long a response may be, and no argument does."""
        return not {"max_tokens", "max_completion_tokens"} & self._args.keys()

    @property
    def values(self) -> dict[str, tuple[float, ...]]:
        """The values of the neutral parameters that the server is not known to refuse."""
        return dict(self._values)

    @property
    def accepted(self) -> frozenset[str]:
        """The parameters with which the server has answered."""
        return frozenset(self._accepted)

    def left_out(self, sent: Mapping[str, Any]) -> list[str]:
        """Return the neutral parameters that a request was sent without."""
        return [name for name in self._values if name not in sent]

    def accept(self, sent: Mapping[str, Any]) -> None:
        """Note that the server has answered a request with these parameters."""
        self._accepted |= sent.keys()

    def refuse(self, sent: Mapping[str, Any], names: Iterable[str]) -> None:
        """Take another value for parameters that were refused, or none if there is no other.

        What the server has accepted before stays: the refusal is about something else then.
        """
        for name in names:
            values = self._values.get(name, ())
            if values and sent.get(name) == values[0] and name not in self._accepted:
                self._values[name] = values[1:]

    def learn(self, values: Mapping[str, tuple[float, ...]]) -> None:
        """Take the values that the server was found to accept; what it had accepted stays."""
        self._values |= {n: left for n, left in values.items() if n not in self._accepted}

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
        text, reasoning = choice.text, None
        if is_chat:
            text = None if choice.message is None else choice.message.said
            reasoning = None if choice.message is None else choice.message.reasoned
        if text is None or choice.finish_reason in ("abort", "error"):
            return Failure(message="the server broke the response off", again=True)
        return _completion(
            request,
            endpoint.response(text),
            reasoning and endpoint.response(reasoning),
            choice,
            reply,
            endpoint,
        )


def _completion(
    request: Request,
    text: str,
    reasoning: str | None,
    choice: _Choice,
    reply: _Reply,
    endpoint: Endpoint,
) -> Completion:
    usage = reply.usage or _Usage()
    reason = REASONS.get(choice.finish_reason or "")
    ended = endpoint.redacted(choice.finish_reason or "no reason")
    return Completion(
        key=request.key,
        text=text if reason else "",
        finish_reason=reason or "error",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.response,
        reasoning=reasoning,
        reasoning_tokens=usage.reasoning,
        served=endpoint.redacted(_text(reply.model)) or None,
        error=None if reason else f"the server ended it with '{ended}': {endpoint.redacted(text)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """The content of an error's body, in any of the forms that servers use."""

    message: str
    code: str = ""
    param: str = ""
    """The parameter that the error is about, if the server names one."""
    places: tuple[str, ...] = ()
    """The fields that a list of errors is about, as FastAPI writes it."""

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
            places=_places(value.get("detail", message)),
        )

    def names(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the parameters that the error is about, by a field made to say so.

        A server in another language may write ``topK`` for ``top_k``.
        """
        return _same(names, {self.param, *self.places})

    def quotes(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the parameters that stand in the error's words, for whatever reason.

        An error that lists the places of its faults quotes the request beside them, so that its
        words say nothing more.
        """
        return () if self.places else _same(names, re.findall(r"\w+", self.message))

    def parameter(self, names: Iterable[str]) -> str | None:
        """Return the parameter that the server does not support, if it is one of ``names``.

        A request with too many tokens often gets an error about `max_tokens`. The server supports
        that parameter, so it is not returned then. Neither is one of several that are mentioned:
        the error may quote the request.
        """
        names = list(names)
        unknown = re.search(
            "unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|permitted|allowed|extra",
            f"{self.code} {self.message}",
            re.IGNORECASE,
        )
        for name in names:
            if self.param == name and (unknown or name != "max_tokens"):
                return name
        found = [name for name in names if re.search(rf"\b{re.escape(name)}\b", self.message)]
        return found[0] if unknown and len(found) == 1 else None

    @property
    def too_long(self) -> bool:
        """Whether it says that the request is too long for the model's context."""
        return TOO_LONG.search(f"{self.code} {self.message}") is not None

    @property
    def context(self) -> int | None:
        """The length of the context in tokens, if it states it."""
        found = CONTEXT.search(self.message)
        return int(found[1].replace(",", "")) or None if found else None


def _places(detail: Any) -> tuple[str, ...]:
    """Return the last part of each ``loc`` in a list of errors."""
    rows = detail if isinstance(detail, list) else []
    locations = (row.get("loc") for row in rows if isinstance(row, dict))
    return tuple(str(one[-1]) for one in locations if isinstance(one, list) and one)


def _same(names: Iterable[str], found: Iterable[str]) -> tuple[str, ...]:
    plain = set(map(_plain, found))
    return tuple(name for name in names if _plain(name) in plain)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
