"""The apps on people's phones that make the one-time codes of their second factor."""

from __future__ import annotations

from base64 import b32decode
from typing import ClassVar

from django.db import models
from django_otp.models import Device, DeviceManager, ThrottlingMixin
from django_otp.oath import TOTP

from members.crypto import EncryptedTextField


class _WithoutSecret(DeviceManager):
    """Every request of somebody who is signed in loads their app; only a code needs its secret."""

    def get_queryset(self) -> models.QuerySet[AuthenticatorApp]:
        return super().get_queryset().defer("secret")


class AuthenticatorApp(ThrottlingMixin, Device):
    """The app on somebody's phone: a TOTP device (RFC 6238) of django-otp whose secret is kept encrypted.

    The package's own keeps the secret readable, and its column is too short for anything else.
    """

    secret = EncryptedTextField()
    """Base32, as the app has it."""
    last_step = models.BigIntegerField(default=-1)
    """The time step of the last code that was taken: no code is taken twice."""
    set_up_at = models.DateTimeField(auto_now_add=True)

    whole: ClassVar[models.Manager[AuthenticatorApp]] = models.Manager()
    objects = _WithoutSecret()

    class Meta:
        default_manager_name = "whole"  # the one that changes keys and checks them
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["user"], name="one_authenticator_app")]

    def get_throttle_factor(self) -> int:
        """Seconds after the first wrong code; each further one doubles them."""
        return 1

    def verify_token(self, token: str) -> bool:
        """Whether it is the code of now, the one before or the next. Raises WrongKey."""
        allowed, _ = self.verify_is_allowed()
        if not allowed:
            return False
        totp = TOTP(b32decode(self.secret))
        if token.isascii() and token.isdigit() and totp.verify(int(token), 1, self.last_step + 1):
            self.last_step = totp.t()
            self.throttle_reset(commit=False)
            accepted = True
        else:
            self.throttle_increment(commit=False)
            accepted = False
        self.save(update_fields=["last_step", "throttling_failure_timestamp", "throttling_failure_count"])
        return accepted
