"""What is true of every request: headers for browsers, how long a sign-in lasts, and the second factor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

GetResponse = Callable[[HttpRequest], HttpResponse]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Everything comes from here, and nothing that stands in a page itself is run or styles it."""
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "serial", "usb")
)

SIGNED_IN_AT, SEEN_AT = "signed_in_at", "seen_at"
"""Keys of the session: when it began, and when somebody last did something. Seconds since 1970."""
SEEN_EVERY_SECONDS = 60
"""How exactly the latter is kept: not every page has to write."""

SECOND_FACTOR = "admin:second_factor"
BEFORE_THE_CODE = frozenset(
    {"admin:login", "admin:logout", "admin:jsi18n", SECOND_FACTOR, "admin:second_factor_setup"}
)
"""The pages for whoever has given a password and nothing more."""


def security_headers(get_response: GetResponse) -> GetResponse:
    """Add the headers that Django has no setting for."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not (
            settings.DEBUG and response.status_code in (404, 500)
        ):  # Django's own carry their looks inside
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    return middleware


def note_sign_in(*, request: HttpRequest, **_: Any) -> None:
    """Receives user_logged_in: from now on the sign-in grows old."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = int(time.time())


class _ViewMiddleware:
    """Acts when it is known which page is asked for."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


class SessionLimits(_ViewMiddleware):
    """Ends a sign-in that is too old, and one that nobody used for a while."""

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        session = request.session
        if _knows_no_cookies(request) or SESSION_KEY not in session:
            return None
        now = int(time.time())
        seen = session.get(SEEN_AT, 0)
        if now - session.get(SIGNED_IN_AT, 0) > settings.SESSION_HOURS * 3600:
            _sign_out(request, "You were signed out: a sign-in does not last longer.")
        elif now - seen > settings.SESSION_IDLE_MINUTES * 60:
            _sign_out(request, "You were signed out: nobody did anything for a while.")
        elif now - seen > SEEN_EVERY_SECONDS and not _is_asked_by_the_page(request):
            session[SEEN_AT] = now
        return None


class SecondFactor(_ViewMiddleware):
    """Leads whoever has given no more than a password to the page that asks for the code.

    Pages are closed unless they are named above, so a new one is guarded from its first day.
    """

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        user: Any = request.user
        if _knows_no_cookies(request):
            return None
        if not settings.REQUIRE_SECOND_FACTOR or not user.is_authenticated or user.is_verified():
            return None
        if _name_of(request) in BEFORE_THE_CODE:
            return None
        back = f"?{urlencode({'next': request.get_full_path()})}" if request.method == "GET" else ""
        return HttpResponseRedirect(f"{reverse(SECOND_FACTOR)}{back}")


def _sign_out(request: HttpRequest, why: str) -> None:
    """The page that was asked for then leads to the sign-in, as it does for anybody."""
    logout(request)
    messages.info(request, why)


def _knows_no_cookies(request: HttpRequest) -> bool:
    """The API: whether a browser is signed in means nothing to it."""
    return _name_of(request).startswith("api:")


def _is_asked_by_the_page(request: HttpRequest) -> bool:
    """Whether a bar that moves asks, and no person."""
    return _name_of(request).endswith("_progress")


def _name_of(request: HttpRequest) -> str:
    return request.resolver_match.view_name if request.resolver_match is not None else ""
