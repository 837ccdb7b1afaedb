"""The second factor of a sign-in: an app that makes codes, and recovery codes for the day it is lost.

The app's secret is kept encrypted (`groupadmin.models`), recovery codes only as hashes: they are shown once.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import django_otp
import segno
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.safestring import SafeString
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

from groupadmin.access import note
from groupadmin.models import AuthenticatorApp
from members.crypto import WrongKey
from members.ui import duration

ISSUER = "Group Admin"
RECOVERY_CODES = 10
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_GROUPS, _GROUP_LENGTH = 4, 4
"""Sixteen letters of thirty-two: 80 bits, so a plain hash tells nobody the code."""
_SALT = "groupadmin.second_factor"
_SET_UP_SECONDS = 3600

WRONG = "This code is not right. An app's code changes every 30 seconds: type the newest one."
TAKEN = "Another app was set up meanwhile. If that was not you, tell an owner at once."
UNREADABLE = (
    "The key that your app's secret was stored with is gone from FIELD_ENCRYPTION_KEYS. Use a recovery code, "
    "or ask an owner to reset your second factor."
)


class CodeRefused(Exception):
    """The code was not taken: one line, why and what to do."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far somebody's second factor is."""

    app: AuthenticatorApp | None
    recovery_codes: int
    """How many are left."""


def standing(user: User) -> Standing:
    """What somebody has set up."""
    app = AuthenticatorApp.objects.filter(user=user).first()
    return Standing(app, StaticToken.objects.filter(device__user=user).count())


def offer(user: User, secret: str = "") -> tuple[str, str]:
    """A secret for somebody's app, a new one unless it is given; and the same signed, for the way back.

    Nothing is stored before a code has shown that the app has it.
    """
    secret = secret or b32encode(secrets.token_bytes(20)).decode()
    return secret, signing.dumps([user.pk, secret], salt=_SALT, compress=False)


def offered(user: User, signed: str) -> str | None:
    """The secret that `offer` signed for this person; None where it is too old, or somebody else's."""
    try:
        owner, secret = signing.loads(signed, salt=_SALT, max_age=_SET_UP_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return str(secret) if owner == user.pk else None


def qr_code(user: User, secret: str) -> SafeString:
    """What an app scans (https://github.com/google/google-authenticator/wiki/Key-Uri-Format), as an SVG."""
    label = quote(f"{ISSUER}:{user.get_username()}")
    address = f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER}, quote_via=quote)}"
    drawn = segno.make(address, micro=False, error="m")
    svg: str = drawn.svg_inline(border=3, light="#fff", omitsize=True, svgclass=None, lineclass=None)
    return SafeString(svg.replace("<svg ", '<svg role="img" aria-label="QR code" ', 1))


@transaction.atomic
def set_up(*, user: User, secret: str, code: str, may_replace: bool) -> tuple[AuthenticatorApp, list[str]]:
    """Have codes of the app with this secret count from now on.

    An app from before counts no more where `may_replace` says that its code was shown; else it stays, also
    when it was set up a moment ago. Returns the app, and the recovery codes that come with it. Raises
    CodeRefused.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # who sets up at the same time waits here
    if not may_replace and AuthenticatorApp.objects.filter(user=user).exists():
        raise CodeRefused(TAKEN)
    replaced, _ = AuthenticatorApp.objects.filter(user=user).delete()
    app = AuthenticatorApp.objects.create(user=user, name=ISSUER, secret=secret)
    if not app.verify_token(_plain(code)):
        raise CodeRefused(WRONG)
    note(user, "second_factor.set_up", user, "Another app in place of the one before" if replaced else "")
    return app, new_recovery_codes(user=user)


def check(*, user: User, code: str) -> Device:
    """What the code was of: the app, or the recovery codes, of which it is spent. Raises CodeRefused."""
    typed = _plain(code)
    is_recovery_code = len(typed) > 8
    devices: Any = StaticDevice if is_recovery_code else AuthenticatorApp
    device = devices.objects.filter(user=user).first()
    if device is None:
        raise CodeRefused(WRONG)
    allowed, why = device.verify_is_allowed()
    if not allowed:
        seconds = (why["locked_until"] - timezone.now()).total_seconds()
        raise CodeRefused(f"Too many wrong codes. Try again in {duration(max(1, seconds))}.")
    token = _digest(typed) if is_recovery_code else typed
    try:
        taken: Device | None = django_otp.verify_token(user, device.persistent_id, token)
    except WrongKey:
        raise CodeRefused(UNREADABLE) from None
    if taken is None:
        raise CodeRefused(WRONG)
    if is_recovery_code:
        note(user, "second_factor.recovery_code", user, f"{standing(user).recovery_codes} codes left")
    return taken


@transaction.atomic
def new_recovery_codes(*, user: User) -> list[str]:
    """Codes that are good once each, in place of all earlier ones. They are told here and never again."""
    device, _ = StaticDevice.objects.update_or_create(
        user=user, defaults={"name": "Recovery codes", "throttling_failure_count": 0}
    )
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    device.token_set.all().delete()
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(_plain(code))) for code in codes)
    note(user, "second_factor.new_codes", user, f"{len(codes)} recovery codes")
    return codes


@transaction.atomic
def reset(*, user: User, actor: User | str) -> bool:
    """Forget somebody's second factor: they set up another when they sign in next, and are asked at once.

    False where there was none.
    """
    deleted = [devices.objects.filter(user=user).delete()[0] for devices in (AuthenticatorApp, StaticDevice)]
    if any(deleted):
        note(actor, "second_factor.reset", user, "")
    return any(deleted)


def is_required() -> bool:
    """Whether signing in takes more than a password."""
    return bool(settings.REQUIRE_SECOND_FACTOR)


def _new_code() -> str:
    letters = [secrets.choice(_LETTERS) for _ in range(_GROUPS * _GROUP_LENGTH)]
    return "-".join("".join(letters[at : at + _GROUP_LENGTH]) for at in range(0, len(letters), _GROUP_LENGTH))


def _plain(code: str) -> str:
    """As it counts: people type blanks and dashes as they are shown, or not."""
    return "".join(code.split()).replace("-", "").casefold()


def _digest(code: str) -> str:
    """The 80 bits that are stored of a recovery code: as many as the package's column takes."""
    return b32encode(hashlib.sha256(code.encode()).digest()[:10]).decode()
