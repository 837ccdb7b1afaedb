"""What a script can do to an answer: `sandbox.script.add("users.list", HttpStatus(500))`.

`performed=True` means that the call took effect before it went wrong: the client cannot know.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from groupadmin.sandbox.slack.wire import Request, Response, json_response

Perform = Callable[[Request], Response]


class Effect(Protocol):
    """`perform` makes the ordinary answer to a request, with all its consequences."""

    def respond(self, request: Request, perform: Perform) -> Response: ...


@dataclass(frozen=True)
class HttpStatus:
    """An HTTP error of the servers in front of the API."""

    status: int = 500
    body: str = ""
    performed: bool = False

    def respond(self, request: Request, perform: Perform) -> Response:
        if self.performed:
            perform(request)
        return Response(self.body.encode(), status=self.status, content_type="text/html; charset=utf-8")


@dataclass(frozen=True)
class SlackError:
    """Any of Slack's own errors, such as `fatal_error`, with further keys of the body in `extra`."""

    error: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    performed: bool = False

    def respond(self, request: Request, perform: Perform) -> Response:
        if self.performed:
            perform(request)
        return json_response({"ok": False, "error": self.error, **self.extra})


@dataclass(frozen=True)
class RateLimited:
    """HTTP 429 with `Retry-After` in whole seconds."""

    retry_after: int = 1

    def respond(self, request: Request, perform: Perform) -> Response:
        return rate_limited(self.retry_after)


@dataclass(frozen=True)
class Truncated:
    """The answer's JSON stops in the middle, and the headers vouch for it."""

    def respond(self, request: Request, perform: Perform) -> Response:
        answer = perform(request)
        return replace(answer, content=answer.content[: len(answer.content) // 2])


@dataclass(frozen=True)
class Drop:
    """The connection closes after this share of the answer; 0 closes it without a single byte."""

    share: float = 0.5
    performed: bool = True

    def respond(self, request: Request, perform: Perform) -> Response:
        answer = perform(request) if self.performed else json_response({"ok": True})
        return replace(answer, sent=self.share)


@dataclass(frozen=True)
class RepeatCursor:
    """The first page again and again, always with the same cursor (add it with `times=None`)."""

    cursor: str = "cmVwZWF0"

    def respond(self, request: Request, perform: Perform) -> Response:
        arguments = {name: value for name, value in request.arguments.items() if name != "cursor"}
        answer = perform(replace(request, arguments=arguments))
        body = json.loads(answer.content) | {"response_metadata": {"next_cursor": self.cursor}}
        return json_response(body, status=answer.status, headers=answer.headers)


@dataclass(frozen=True)
class Delay:
    """The right answer, `seconds` later."""

    seconds: float

    def respond(self, request: Request, perform: Perform) -> Response:
        time.sleep(self.seconds)
        return perform(request)


@dataclass(frozen=True)
class NotJson:
    """A web page where JSON was expected, with HTTP 200: what a captive proxy sends."""

    html: str = "<!doctype html><title>Down for maintenance</title>"

    def respond(self, request: Request, perform: Perform) -> Response:
        return Response(self.html.encode(), content_type="text/html; charset=utf-8")


def rate_limited(retry_after: int) -> Response:
    return json_response(
        {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(retry_after)}
    )
