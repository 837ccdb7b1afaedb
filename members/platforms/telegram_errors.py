"""Telethon's and Telegram's errors as ours. Pure: no network.

The words are Telegram's own (core.telegram.org/api/errors, and the list of each method).
"""

from __future__ import annotations

import re
import struct

from telethon import errors as tl_errors
from telethon.errors.rpcerrorlist import rpc_errors_dict, rpc_errors_re

from members.platforms.errors import (
    UNREACHABLE,
    AccountTrouble,
    Gone,
    PlatformError,
    RateLimited,
    Refused,
    SignedOut,
    TryLater,
)
from members.platforms.writing import InDoubt

CURSOR_LOOP = "cursor_loop"
MEMBERS_HIDDEN = "members_hidden"
NOT_APPLICABLE = "not_applicable"
BAD_ANSWER = "bad_answer"
TOO_LATE = "too_late"

FLOOD_WAITS = frozenset({"FLOOD_WAIT", "FLOOD_PREMIUM_WAIT", "SLOWMODE_WAIT"})
OUTAGE_PAUSE = 60.0
"""Seconds after which an outage that outlived our own attempts is worth another look."""

LOST_CONNECTION = (OSError, EOFError, tl_errors.SecurityError, tl_errors.InvalidChecksumError,
                   tl_errors.InvalidBufferError, tl_errors.BadMessageError)  # fmt: skip
"""What Telethon raises for a call whose connection ended or went astray; timeouts are OSErrors."""

UNREADABLE = (tl_errors.TypeNotFoundError, BufferError, ValueError, OverflowError, struct.error)
"""What it raises when an answer cannot be decoded."""

_SIGN_IN_AGAIN = "The Telegram account is signed out: sign in again"

_ACCOUNT = {
    "API_ID_INVALID": "Telegram does not accept TELEGRAM_API_ID and TELEGRAM_API_HASH: check both",
    "API_ID_PUBLISHED_FLOOD": "Telegram has blocked this TELEGRAM_API_ID: create another at my.telegram.org",
    "AUTH_KEY_DUPLICATED": "The Telegram session was used from two addresses at once, which killed it: "
    "sign in again, and use it in one place only",
    "BOT_METHOD_INVALID": "The Telegram session is a bot's, and bots may not do this: sign in as a person",
    "CONNECTION_API_ID_INVALID": "Telegram does not accept TELEGRAM_API_ID and TELEGRAM_API_HASH: check both",
    "FROZEN_METHOD_INVALID": "Telegram has frozen the account: appeal in the Telegram app",
    "PEER_FLOOD": "Telegram limits the whole account for reaching too many people (PEER_FLOOD): "
    "add nobody and write to nobody for a day or two, do not try again before; "
    "@SpamBot in Telegram says how long it lasts",
    "PHONE_NUMBER_BANNED": "Telegram has banned the account's phone number: use another account",
    "SESSION_PASSWORD_NEEDED": "The Telegram sign-in was not finished (two-step password): sign in again",
    "SESSION_REVOKED": "The Telegram session was ended from another device: sign in again",
    "USER_DEACTIVATED": "The Telegram account was deleted: use another account",
    "USER_DEACTIVATED_BAN": "Telegram has banned the account: use another account",
}

_SESSION_IS_DEAD = {"AUTH_KEY_DUPLICATED", "PHONE_NUMBER_BANNED", "USER_DEACTIVATED_BAN"}
"""Like every error of the kind 401 (unauthorized)."""

_GONE = {
    "CHANNEL_INVALID": "the group does not exist, or this account has no way to it",
    "CHANNEL_PRIVATE": "the group is private, or this account was removed from it",
    "CHANNEL_PUBLIC_GROUP_NA": "the group cannot be reached any more",
    "CHAT_FORBIDDEN": "this account was removed from the group",
    "CHAT_ID_INVALID": "the group does not exist, or it became a supergroup",
    "INPUT_USER_DEACTIVATED": "the person's account was deleted",
    "USER_ID_INVALID": "the person does not exist, or this account has no way to them",
}

_REFUSED = {
    "CHAT_ADMIN_REQUIRED": "the group shows this to its admins only: make the account an admin there",
    "PARTICIPANT_ID_INVALID": "the group does not know this person",
    "USERNAME_INVALID": "no username looks like this",
    "USERNAME_NOT_OCCUPIED": "nobody has this username",
    "USER_NOT_PARTICIPANT": "the person is not in the group",
}

_NAMES = {error: name.upper() for name, error in rpc_errors_dict.items()} | {
    error: pattern.replace(r"_(\d+)", "") for pattern, error in rpc_errors_re
}


def translate(error: Exception, method: str) -> PlatformError:
    """The error of ours that `error`, raised by a call of `method`, amounts to.

    The new error shall not carry the old one along (`raise … from None`): a Telethon error
    holds its request, and with it access hashes.
    """
    if isinstance(error, tl_errors.AuthKeyNotFound):
        return SignedOut(f"{_SIGN_IN_AGAIN} (its key is unknown)", code="AUTH_KEY_NOT_FOUND")
    if isinstance(error, tl_errors.RPCError):
        return _rpc_error(error, method)
    if isinstance(error, LOST_CONNECTION):
        return unreachable(method)
    return Refused(f"Telegram's answer to {method} could not be read", code=BAD_ANSWER)


def flood_wait(method: str, seconds: float, *, code: str = "FLOOD_WAIT") -> RateLimited:
    return RateLimited(
        f"Telegram asks for a pause of {seconds:.0f} seconds before the next {method}: try again then",
        code=code,
        seconds=seconds,
    )


def cursor_loop(what: str) -> Refused:
    return Refused(f"Telegram pages in a circle: {what} could not be read to its end", code=CURSOR_LOOP)


def unreachable(method: str) -> TryLater:
    return TryLater(
        f"Telegram cannot be reached, or does not answer ({method}): check the network, try again later",
        code=UNREACHABLE,
        seconds=OUTAGE_PAUSE,
    )


def too_late(method: str) -> TryLater:
    return TryLater(
        f"Telegram took too long before {method}: nothing was done, and what it hangs on is asked again",
        code=TOO_LATE,
        seconds=1.0,
    )


def in_doubt(error: PlatformError, method: str) -> InDoubt:
    """What `error` amounts to when it ended a write that Telegram may have carried out."""
    return InDoubt(
        f"Nobody knows whether Telegram carried out {method} ({error.code}): "
        "look at the group before it is tried again",
        code=error.code,
        seconds=OUTAGE_PAUSE,
    )


def _rpc_error(error: tl_errors.RPCError, method: str) -> PlatformError:
    code = _code(error)
    if code in FLOOD_WAITS:
        return flood_wait(method, max(1.0, float(error.seconds)), code=code)
    if code in _SESSION_IS_DEAD or isinstance(error, tl_errors.UnauthorizedError):
        return SignedOut(_ACCOUNT.get(code, f"{_SIGN_IN_AGAIN} ({code})"), code=code)
    if code in _ACCOUNT:
        return AccountTrouble(_ACCOUNT[code], code=code)
    if isinstance(error, tl_errors.InvalidDCError):
        return AccountTrouble(
            f"The Telegram session belongs to another data centre ({code}): "
            "check TELEGRAM_SERVER, or sign in again",
            code=code,
        )
    if abs(error.code or 0) >= 500:
        return TryLater(
            f"Telegram has trouble of its own ({method}: {code}): try again later",
            code=code,
            seconds=OUTAGE_PAUSE,
        )
    if code in _GONE:
        return Gone(f"Telegram refused {method}: {_GONE[code]}", code=code)
    return Refused(f"Telegram refused {method}: {_REFUSED.get(code, code)}", code=code)


def _code(error: tl_errors.RPCError) -> str:
    """Telegram's word for the error. Telethon's generated classes forget it; the generic ones keep it."""
    known = _NAMES.get(type(error))
    word = known or re.sub(r"\W+", "_", str(error.message), flags=re.ASCII)[:64]
    return word.upper() or "RPC_ERROR"
