"""Whoever guesses passwords: who they are, and what they read once they are kept out (django-axes counts)."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


def client_address(request: HttpRequest) -> str | None:
    """The address that somebody signs in from; None where the web server knows none.

    Of IPv6 it is the first of its /64: every connection has as many addresses as that (RFC 6177), so that a
    single one says nothing of who guesses.

    Each of our proxies adds the address it was called from at the end of X-Forwarded-For, so the last
    TRUSTED_PROXIES entries are theirs and the first of these is the person's. What stands before anybody
    may have written.
    """
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    trusted = settings.TRUSTED_PROXIES
    told = hops[-trusted] if 0 < trusted <= len(hops) else request.META.get("REMOTE_ADDR", "")
    try:
        address = ip_address(told.strip())
    except ValueError:  # a Unix socket, or nonsense
        return None
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False)[0])
    return str(address)


def locked_out(request: HttpRequest, response: HttpResponse, credentials: Any) -> HttpResponse:
    """The page in place of the sign-in, for who failed too often: it says when to try again."""
    context = {
        **admin.site.each_context(request),
        "title": "Too many attempts",
        "until": _until(request, (credentials or {}).get("username")),
    }
    return render(request, "registration/locked_out.html", context, status=429)


def _until(request: HttpRequest, username: str | None) -> datetime:
    """When the newest of the failures that keep them out is forgotten."""
    failures = AccessAttempt.objects.filter(username=username, ip_address=client_address(request))
    newest = failures.aggregate(at=Max("attempt_time"))["at"] or timezone.now()
    return newest + settings.AXES_COOLOFF_TIME
