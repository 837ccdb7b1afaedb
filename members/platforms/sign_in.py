"""What a platform tells while somebody signs in, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

CODE_EXPIRED = "PHONE_CODE_EXPIRED"
CODE_WRONG = "PHONE_CODE_INVALID"
PASSWORD_WRONG = "PASSWORD_HASH_INVALID"  # noqa: S105 (Telegram's word for the error)
SIGN_UP_REQUIRED = "PHONE_NUMBER_UNOCCUPIED"
"""The codes of refusals after which a sign-in goes on in another way."""


class CodeWay(StrEnum):
    """Where a login code was sent to. https://core.telegram.org/type/auth.SentCodeType"""

    APP = "app"
    SMS = "sms"
    CALL = "call"
    FLASH_CALL = "flash_call"
    MISSED_CALL = "missed_call"
    EMAIL = "email"
    FRAGMENT = "fragment"
    OTHER = "other"

    @property
    def label(self) -> str:
        """To be read after "Telegram sent the code"."""
        return _LABELS[self]


_LABELS = {
    CodeWay.APP: "to the Telegram app on another device",
    CodeWay.SMS: "in a text message",
    CodeWay.CALL: "in a phone call that reads it out",
    CodeWay.FLASH_CALL: "as the number of a call that hangs up",
    CodeWay.MISSED_CALL: "as the last digits of the number of a missed call",
    CodeWay.EMAIL: "to the e-mail address of the account",
    CodeWay.FRAGMENT: "to fragment.com, where the number was bought",
    CodeWay.OTHER: "in a way that this version does not know",
}


@dataclass(frozen=True, slots=True)
class CodeSent:
    """A code is on its way. `session` and `code_hash` are needed to use it, also by another process."""

    session: str = field(repr=False)
    code_hash: str = field(repr=False)
    way: CodeWay
    length: int | None
    next_way: CodeWay | None
    """How it would be sent when asked for again; None when there is no other way."""
    resend_seconds: int
    """After how many seconds it may be asked for again."""


@dataclass(frozen=True, slots=True)
class PasswordNeeded:
    """The code was right; the account has a two-step password as well."""

    session: str = field(repr=False)
    hint: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedInAs:
    """Signed in: `session` is the account from now on."""

    session: str = field(repr=False)
    user_id: int
    username: str
    name: str
