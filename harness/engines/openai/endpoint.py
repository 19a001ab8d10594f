"""A server's URL and key, and what of its replies may be stored and shown.

The key is read from the environment, is kept in one place, and is removed from all
that the server sends: a proxy that echoes the request's headers in its error page
must not put the key into a run's folder or on a screen. No more bytes of a reply are
read than a response can have.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from pydantic import SecretStr

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from harness.common.text import one_line
from harness.runs.spec import Server

if TYPE_CHECKING:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

URL_VARIABLE = "OPENAI_BASE_URL"
NO_KEY = "none"
"""The key that is sent to a server on this machine if none is set; the client requires one."""
SHOWN_CHARACTERS = 300
"""How many characters of a server's message are shown or stored."""
UNMISTAKABLE = 8
"""The least characters of a key that is removed from responses, too. A shorter one may be a part of
ordinary words."""
REPLY_BYTES, TOKEN_BYTES = 1 << 20, 64
"""The most bytes of a reply that are read: the first number, and the second for each token of the
request's limit."""
ERROR_BYTES = 1 << 16
"""The most bytes of an error's body that are read."""
CONNECT_SECONDS = 10.0
"""Seconds that connecting may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible server, and the key to it."""

    url: str
    """The URL up to ``/v1``, without a slash at its end."""
    key: SecretStr | None
    """The key; None if no key is set."""
    key_variable: str
    """The environment variable that holds the key."""

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine."""
        return _is_loopback(urlsplit(self.url).hostname or "")

    def sent_key(self) -> str:
        """Return the text that is sent to the server as the key."""
        return NO_KEY if self.key is None else self.key.get_secret_value()

    def redacted(self, text: str) -> str:
        """Return a server's message as one short line without the key, to be stored and shown."""
        return one_line(self._without_key(text)[: 20 * SHOWN_CHARACTERS], limit=SHOWN_CHARACTERS)

    def response(self, text: str) -> str:
        """Return a response as it is, except that the key is removed if it is long enough."""
        if self.key is None or len(self.key) < UNMISTAKABLE:
            return text
        return self._without_key(text)

    def _without_key(self, text: str) -> str:
        if self.key is None:
            return text
        key = self.key.get_secret_value()
        for spelling in (
            key, json.dumps(key)[1:-1], key.replace("/", "\\/"), quote(key, safe="")
        ):  # fmt: skip
            text = text.replace(spelling, "[the key]")
        return text


def find_endpoint(server: Server) -> Endpoint:
    """Return the server that the spec or the environment names, with its key.

    Raises:
        UserError: no server is named, its URL is not valid, or it needs a key and none is set.
    """
    endpoint = Endpoint(
        url=find_url(server), key=_find_key(server.key_variable), key_variable=server.key_variable
    )
    if endpoint.key is None and not endpoint.is_here:
        raise UserError(
            f"the openai engine: {endpoint.url} needs a key, and {server.key_variable} is not set; "
            f"set it, or name the variable that holds the key with {setting('key_variable')}"
        )
    return endpoint


def find_url(server: Server) -> str:
    """Return the server's URL as the run stores it, without a slash at its end.

    Raises:
        UserError: there is no URL, it is not valid, or it has parts that must not be stored.
    """
    asked = server.base_url or os.environ.get(URL_VARIABLE)
    if not asked:
        raise WrongValueError(
            "the openai engine: no server is named; give its URL, such as "
            f"http://127.0.0.1:8000/v1, as {setting('base_url')} or in the environment's "
            f"{URL_VARIABLE}"
        )
    try:
        parts = urlsplit(asked.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise WrongValueError(
            f"{setting('base_url')} is no URL of a server; give one such as "
            "http://127.0.0.1:8000/v1"
        )
    _refuse_secrets(parts)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _refuse_secrets(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise WrongValueError(
            f"{setting('base_url')}: the URL of {parts.hostname} holds a user or a password, which "
            "would be stored with the run; put the key into an environment variable "
            f"({setting('key_variable')})"
        )
    if parts.query or parts.fragment:
        raise WrongValueError(
            f"{setting('base_url')}: the URL of {parts.hostname} has a part after '?' or '#', "
            "which often holds a key and would be stored with the run; leave that part out"
        )


def _find_key(variable: str) -> SecretStr | None:
    key = os.environ.get(variable, "").strip()
    if not key:
        return None
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(
            f"the key in {variable} has characters that no header can hold; set it to the key alone"
        )
    return SecretStr(key)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_client(endpoint: Endpoint, *, timeout: float, max_tokens: int) -> AsyncOpenAI:
    """Return a client for one server, without retries.

    ``timeout`` is in seconds for a request; ``max_tokens`` bounds how much of a reply is read.
    """
    import openai

    return openai.AsyncOpenAI(
        base_url=endpoint.url,
        api_key=endpoint.sent_key(),
        max_retries=0,
        timeout=openai.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        default_headers={"Accept-Encoding": "identity"},
        http_client=_bounded_client(
            limit=REPLY_BYTES + TOKEN_BYTES * max_tokens,
            # A proxy named in the environment cannot reach a server on this machine.
            trust_env=not endpoint.is_here,
        ),
    )


def _bounded_client(*, limit: int, trust_env: bool) -> DefaultAsyncHttpxClient:
    """Return an HTTP client that reads at most ``limit`` bytes of a body."""
    import openai

    class Bounded(openai.DefaultAsyncHttpxClient):
        async def send(self, request: Any, **options: Any) -> Any:
            response = await super().send(request, **{**options, "stream": True})
            try:
                body = await _beginning(response, limit if response.is_success else ERROR_BYTES)
            finally:
                await response.aclose()
            kept = {"content-type": "application/json"}
            if "retry-after" in response.headers:
                kept["retry-after"] = response.headers["retry-after"]
            return type(response)(response.status_code, headers=kept, content=body, request=request)

    return Bounded(follow_redirects=False, trust_env=trust_env)


async def _beginning(response: Any, limit: int) -> bytes:
    """Read a body up to ``limit`` bytes; a compressed one is not read, as it may be of any size."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return b"(compressed, which was not asked for)"
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk[: limit - len(body)]
        if len(body) >= limit:
            break
    return bytes(body)
