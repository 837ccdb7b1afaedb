"""How much anybody may send at once: more is refused before it is read, in one line."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import bad_request

GetResponse = Callable[[HttpRequest], HttpResponse]

MEGABYTE = 1_000_000
_TOO_MUCH = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def largest_body() -> int:
    """Bytes of a request: a file, and the form around it."""
    return round((settings.UPLOAD_MAX_MB + 1) * MEGABYTE)


def limited_bodies(get_response: GetResponse) -> GetResponse:
    """A middleware. Web servers tell the length of every body: without one nothing of it is read."""

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > largest_body():
            return _too_much(request)
        return get_response(request)

    return middleware


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page of a bad request; one that is too large says so."""
    return _too_much(request) if isinstance(exception, _TOO_MUCH) else bad_request(request, exception)


def _too_much(request: HttpRequest) -> HttpResponse:
    response = render(request, "413.html", {"megabytes": f"{settings.UPLOAD_MAX_MB:g}"}, status=413)
    response.headers["Connection"] = "close"  # what else comes is not for us
    return response
