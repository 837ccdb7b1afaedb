"""HTTP for the sandbox: bytes to `Request`, `Response` to bytes; nothing here knows a Slack method."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from groupadmin.sandbox.slack.errors import Failure

API_PATH = "/api/"
NO_METHOD = ""
"""The method of a request for something else than the API; its `path` says for what."""
JSON_TYPE = "application/json; charset=utf-8"
POLL_SECONDS = 0.01
"""How often the server looks whether it shall stop, and so how long that may take."""


@dataclass(frozen=True)
class Request:
    """One API call: query, form and JSON body merged into `arguments`, the token taken out."""

    method: str
    arguments: Mapping[str, Any]
    token: str | None
    from_json: frozenset[str] = frozenset()
    """The arguments that came in a JSON body, which not every method reads."""
    path: str = ""
    body: bytes = b""
    """What was sent to another place than the API: the content of a file."""


@dataclass(frozen=True)
class Response:
    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
    sent: float = 1.0
    """Below 1: the connection is closed after this share of the content; 0 sends not even headers."""


def json_response(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status=status, headers=headers or {})


class HttpServer(ThreadingMixIn, TCPServer):
    """One daemon thread per connection, kept alive between calls; `close` also cuts open connections."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        respond: Callable[[Request], Response],
        report: Callable[[str], None],
    ) -> None:
        self.respond = respond
        self._report = report
        self._connections: set[Any] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not our bug; everything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            self._report(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise every answer on a kept-alive connection waits 40 ms
    wbufsize = -1  # headers and content leave in one piece
    server: HttpServer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if not url.path.startswith(API_PATH):
            token = _bearer(self.headers.get("Authorization", ""))
            self._send(self.server.respond(Request(NO_METHOD, {}, token, path=url.path, body=body)))
            return
        try:
            request = _read_request(
                url.path.removeprefix(API_PATH),
                url.query,
                self.headers.get("Content-Type", ""),
                self.headers.get("Authorization", ""),
                body,
            )
        except Failure as failure:
            self._send(json_response(failure.body))
            return
        self._send(self.server.respond(request))

    do_POST = do_GET

    def _send(self, response: Response) -> None:
        if response.sent < 1:
            self.close_connection = True
        if response.sent <= 0:
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.content)))
        self.end_headers()
        self.wfile.write(response.content[: int(len(response.content) * response.sent)])

    def log_message(self, format: str, *args: Any) -> None:
        """The call log is the record; stderr stays quiet."""


def _read_request(method: str, query: str, content_type: str, authorization: str, body: bytes) -> Request:
    """Raise Failure for a body that Slack could not read either (multipart is not offered here)."""
    arguments: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    from_json: dict[str, Any] = {}
    media_type = content_type.partition(";")[0].strip().lower()
    if body and media_type == "application/json":
        from_json = _json_arguments(body)
    elif body and media_type == "application/x-www-form-urlencoded":
        arguments.update(parse_qsl(body.decode(), keep_blank_values=True))
    elif body:
        raise Failure("invalid_post_type" if media_type else "missing_post_type")
    token = arguments.pop("token", None)
    return Request(
        method=method,
        arguments={**arguments, **from_json},
        token=_bearer(authorization) or token,
        from_json=frozenset(from_json),
    )


def _bearer(authorization: str) -> str | None:
    scheme, _, bearer = authorization.partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" and bearer else None


def _json_arguments(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Failure("invalid_json") from error
    if not isinstance(value, dict):
        raise Failure("json_not_object")
    return {name: each for name, each in value.items() if each is not None and name != "token"}
