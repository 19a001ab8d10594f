"""A server for tests that speaks the OpenAI protocol badly, and counts its requests.

`BadServer(script)` calls ``script(asked)`` for each request, in the request's own thread. The
script returns a `Reply`, which writes anything to the connection.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

DEADLINE = 60.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as the server received it."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    attempt: int
    """How often the same prompt had been asked before."""
    arrived: float = field(default_factory=time.monotonic)

    @property
    def prompt(self) -> str:
        """The prompt that the model should answer."""
        return prompt_of(self.body)


def prompt_of(body: Mapping[str, Any]) -> str:
    """Return the prompt or the last message of a request."""
    messages = body.get("messages")
    return str(messages[-1]["content"] if messages else body.get("prompt", ""))


Reply = Callable[["_Handler"], None]
Script = Callable[[Asked], Reply]


class BadServer:
    """Runs a script as a server on a port of this machine. It is a context manager."""

    def __init__(self, script: Script, *, port: int = 0, models: Reply | None = None) -> None:
        self.script = script
        self.models = models or status(404, {"error": {"message": "no list"}})
        """The answer to ``GET /v1/models``, which is not counted."""
        self.asked: list[Asked] = []
        self.peak = 0
        """The most requests that were under way at once."""
        self.sent = 0
        """How many bytes of bodies were sent."""
        self.broken = 0
        """How many connections the other side closed during the answer."""
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.under_way = 0
        self._seen: Counter[str] = Counter()
        self._http = _Http(("127.0.0.1", port), self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def port(self) -> int:
        """The server's URL, without the path."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The server's URL for `--base-url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Refuse all requests from now on, and break off those under way."""
        self.closing.set()
        with self.changed:
            self.changed.notify_all()
        self._http.shutdown()
        self._http.server_close()
        self._http.break_connections()
        self._thread.join(DEADLINE)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is checked whenever something changes."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition() or self.closing.is_set(), DEADLINE)

    def took(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> Asked:
        """Count a request that has arrived."""
        with self.changed:
            attempt = self._seen[prompt_of(body)]
            asked = Asked(path=path, body=body, headers=headers, attempt=attempt)
            self._seen[asked.prompt] += 1
            self.asked.append(asked)
            self.under_way += 1
            self.peak = max(self.peak, self.under_way)
            self.changed.notify_all()
        return asked

    def left(self, *, broken: bool) -> None:
        """Count a request that has been answered, or whose client has given it up."""
        with self.changed:
            self.under_way -= 1
            self.broken += broken
            self.changed.notify_all()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], server: BadServer) -> None:
        self.server = server
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are intended here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        owner = self.server.server
        asked = owner.took(self.path, body, {k.title(): v for k, v in self.headers.items()})
        broken = True
        try:
            owner.script(asked)(self)
            broken = False
        finally:
            owner.left(broken=broken)

    def do_GET(self) -> None:
        self.server.server.models(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Print nothing."""

    def send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def says(text: str | None, reason: str | None = "stop", **fields: Any) -> Reply:
    """Return a correct reply, for chat or for a plain completion."""
    choice = {
        "index": 0, "finish_reason": reason, "text": text,
        "message": {"role": "assistant", "content": text},
    }  # fmt: skip
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return sends({"id": "1", "choices": [choice], "usage": usage, **fields})


def sends(body: Any, status: int = 200, **headers: str) -> Reply:
    """Return a complete reply with this body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(status, content, named)


def status(code: int, body: Any = None, **headers: str) -> Reply:
    """Return an error reply."""
    return sends({"error": {"message": "no"}} if body is None else body, code, **headers)


def hangs(handler: _Handler) -> None:
    """Never answer; end when the client or the server ends."""
    handler.connection.settimeout(0.05)
    while not handler.server.server.closing.is_set():
        with suppress(TimeoutError):
            if not handler.connection.recv(1, socket.MSG_PEEK):
                raise BrokenPipeError
    handler.close_connection = True


def cuts(handler: _Handler) -> None:
    """Announce a longer body than is sent, and reset the connection."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True


def closes(handler: _Handler) -> None:
    """Close the connection without a reply."""
    handler.close_connection = True


def endless(code: int = 200) -> Reply:
    """Send the beginning of a reply, and then blanks for ever."""

    def reply(handler: _Handler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b'{"choices": [')
        owner = handler.server.server
        while not owner.closing.is_set():
            handler.wfile.write(b" " * 65536)
            owner.sent += 65536

    return reply
