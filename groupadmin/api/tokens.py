"""Make, revoke and check tokens. A token is shown once, when it is made; afterwards nobody can tell it."""

from __future__ import annotations

import secrets
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from groupadmin.access import note
from groupadmin.api.models import ApiToken
from groupadmin.api.problems import Problem
from members.dates import moment_in_words

PREFIX = "gadm_"
"""By which people, and our own logs, recognise one."""
_SHOWN = len(PREFIX) + 4


def digest_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()


@transaction.atomic
def make_token(*, name: str, expires_at: datetime, actor: User) -> tuple[ApiToken, str]:
    """A new token, and its text: for the one who made it, now or never."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        name=name,
        start=text[:_SHOWN],
        digest=digest_of(text),
        made_by=actor.get_username(),
        made_at=timezone.now(),
        expires_at=expires_at,
    )
    note(actor, "api_token.made", name, f"{token.start}…, until {moment_in_words(expires_at)}")
    return token, text


@transaction.atomic
def revoke_token(*, token: ApiToken, actor: User) -> bool:
    """From now on it opens nothing. Returns whether it was not revoked before."""
    revoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
        revoked_at=timezone.now(), revoked_by=actor.get_username()
    )
    if revoked:
        note(actor, "api_token.revoked", token.name, f"{token.start}…")
    return bool(revoked)


def admit(authorization: str, now: datetime) -> ApiToken:
    """The token in an Authorization header, with one call counted. Raises Problem where it opens nothing."""
    scheme, _, text = authorization.strip().partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:  # in any case (RFC 9110, 11.1)
        raise _refused("Send a token: “Authorization: Bearer …”. An owner makes one in the admin.")
    token = ApiToken.objects.filter(digest=digest_of(text)).first()
    if token is None:
        raise _refused("This token is unknown. Copy it whole, or have a new one made.", invalid=True)
    if (state := token.state(now)) != "active":
        raise _refused(f"This token is {state}. Have a new one made.", invalid=True)
    _count_call(token, now)
    return token


def _count_call(token: ApiToken, now: datetime) -> None:
    """One conditional update, so that processes share the limit without waiting for each other."""
    minute = now.replace(second=0, microsecond=0)
    row = ApiToken.objects.filter(pk=token.pk)
    if row.filter(~Q(minute=minute) | Q(minute=None)).update(minute=minute, calls=1, last_used_at=now):
        return
    counted = row.filter(calls__lt=settings.API_CALLS_PER_MINUTE)
    if not counted.update(calls=F("calls") + 1, last_used_at=now):
        seconds = 60 - now.second
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"More than {settings.API_CALLS_PER_MINUTE} calls in one minute: go on in {seconds} seconds.",
            {"Retry-After": str(seconds)},
        )


def _refused(detail: str, *, invalid: bool = False) -> Problem:
    """RFC 6750: an error code only where a token was sent."""
    challenge = 'Bearer realm="Group Admin"' + (', error="invalid_token"' if invalid else "")
    return Problem(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": challenge})
