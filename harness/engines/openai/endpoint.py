"""Where a server is, with what key it is asked, and what of its words may be told.

The key is read from the environment, lies in one place, and is taken out of whatever
the server says: a proxy that echoes the request's headers in its error page must not
put the key into a run's folder or on a screen. No more of an answer is read than a
response can have.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from pydantic import SecretStr

from benchmarks import UserError
from harness.common.text import one_line
from harness.runs.spec import Server

if TYPE_CHECKING:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

URL_VARIABLE = "OPENAI_BASE_URL"
NO_KEY = "none"
"""What a server on this machine is sent where no key is set; the client insists on one."""
TOLD = 300
"""Characters of what a server says that are passed on."""
UNMISTAKABLE = 8
"""Characters from which a key is taken out of responses, too; a shorter one is in many a word."""
REPLY_BYTES, TOKEN_BYTES = 1 << 20, 64
"""A reply may be as long as both together, the second a token; what is beyond is not read."""
ERROR_BYTES = 1 << 16
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible server, and the key to it."""

    url: str
    """Up to ``/v1``, without a slash at its end."""
    key: SecretStr | None
    key_variable: str

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine."""
        return _is_loopback(urlsplit(self.url).hostname or "")

    def sent_key(self) -> str:
        """Return what the server is sent as the key."""
        return NO_KEY if self.key is None else self.key.get_secret_value()

    def told(self, text: str) -> str:
        """Return what the server said, fit to be stored and shown: no key, one short line."""
        return one_line(self._without_key(text)[: 20 * TOLD], limit=TOLD)

    def response(self, text: str) -> str:
        """Return a response as it may be stored: itself, but for a key in it."""
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
    """Return the server that is asked, and the key to it.

    Raises:
        UserError: no server is named, its URL is none, or there is no key.
    """
    endpoint = Endpoint(
        url=find_url(server), key=_find_key(server.key_variable), key_variable=server.key_variable
    )
    if endpoint.key is None and not endpoint.is_here:
        raise UserError(
            f"--engine openai: {endpoint.url} needs a key, and {server.key_variable} is not set; "
            "set it, or name the environment variable that holds the key with --key-variable"
        )
    return endpoint


def find_url(server: Server) -> str:
    """Return the server's URL, as it is stored with the run: without a slash at its end.

    Raises:
        UserError: there is none, or it has parts that must not be stored.
    """
    asked = server.base_url or os.environ.get(URL_VARIABLE)
    if not asked:
        raise UserError(
            "--engine openai: which server? --base-url takes its URL, such as "
            f"http://127.0.0.1:8000/v1; so does the environment's {URL_VARIABLE}"
        )
    try:
        parts = urlsplit(asked.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UserError(
            "--base-url is no URL of a server; expected something such as http://127.0.0.1:8000/v1"
        )
    _refuse_secrets(parts)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _refuse_secrets(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise UserError(
            f"--base-url: the URL of {parts.hostname} holds a user or a password, and would be "
            "stored with the run; put the key into an environment variable (--key-variable)"
        )
    if parts.query or parts.fragment:
        raise UserError(
            f"--base-url: the URL of {parts.hostname} goes on after '?' or '#', where keys are "
            "often put, and would be stored with the run; leave that part out"
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
    """Return the client of one server, which tries everything once."""
    import openai

    return openai.AsyncOpenAI(
        base_url=endpoint.url,
        api_key=endpoint.sent_key(),
        max_retries=0,
        timeout=openai.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        default_headers={"Accept-Encoding": "identity"},
        http_client=_bounded_client(
            limit=REPLY_BYTES + TOKEN_BYTES * max_tokens,
            # A proxy of the environment cannot reach a server on this machine.
            trust_env=not endpoint.is_here,
        ),
    )


def _bounded_client(*, limit: int, trust_env: bool) -> DefaultAsyncHttpxClient:
    """Return an HTTP client that reads no more of a body than ``limit`` bytes."""
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
    """Read a body up to ``limit`` bytes; one that is compressed unasked could be of any size."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return b"(compressed, which was not asked for)"
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk[: limit - len(body)]
        if len(body) >= limit:
            break
    return bytes(body)
