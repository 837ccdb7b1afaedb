"""Signing in and out: https://core.telegram.org/api/auth"""

from __future__ import annotations

import re
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.world import TelegramUser

_PHONE = re.compile(r"\+?\d{5,15}")
_TIMEOUT = 60
"""Seconds until a client may ask for the code on another way."""


@answers(functions.auth.SendCodeRequest, anonymous=True)
def send_code(call: Call, request: Any) -> Any:
    # Telegram sends codes to unknown numbers too; only the sign-in tells that nobody is there.
    if not _PHONE.fullmatch(request.phone_number):
        raise RpcError("PHONE_NUMBER_INVALID")
    phone_code_hash = call.authorization.send_code(_digits(request.phone_number))
    kind = types.auth.SentCodeTypeApp(len(call.world.login_code))
    return types.auth.SentCode(kind, phone_code_hash, next_type=types.auth.CodeTypeSms(), timeout=_TIMEOUT)


@answers(functions.auth.ResendCodeRequest, anonymous=True)
def resend_code(call: Call, request: Any) -> Any:
    _require_sent_code(call, request)
    if request.phone_code_hash in call.authorization.resent:
        raise RpcError("SEND_CODE_UNAVAILABLE")  # there is no way after the text message
    call.authorization.resent.add(request.phone_code_hash)
    kind = types.auth.SentCodeTypeSms(len(call.world.login_code))
    return types.auth.SentCode(kind, request.phone_code_hash, timeout=_TIMEOUT)


@answers(functions.auth.CancelCodeRequest, anonymous=True)
def cancel_code(call: Call, request: Any) -> bool:
    _require_sent_code(call, request)
    del call.authorization.codes[request.phone_code_hash]
    return True


@answers(functions.auth.SignInRequest, anonymous=True)
def sign_in(call: Call, request: Any) -> Any:
    _require_sent_code(call, request)
    if not request.phone_code:
        raise RpcError("PHONE_CODE_EMPTY")
    if request.phone_code != call.world.login_code:
        raise RpcError("PHONE_CODE_INVALID")
    user = _owner_of(call, _digits(request.phone_number))
    if user is None:
        return types.auth.AuthorizationSignUpRequired()
    del call.authorization.codes[request.phone_code_hash]
    if user.password is not None:
        call.authorization.awaiting_password = user.id
        raise RpcError("SESSION_PASSWORD_NEEDED")
    return signed_in(call, user.id)


@answers(functions.auth.ImportBotAuthorizationRequest, anonymous=True)
def import_bot_authorization(call: Call, request: Any) -> Any:
    bot_id = call.world.bot_tokens.get(request.bot_auth_token)
    if bot_id is None:
        raise RpcError("ACCESS_TOKEN_INVALID")
    return signed_in(call, bot_id)


@answers(functions.auth.LogOutRequest)
def log_out(call: Call, request: Any) -> Any:
    call.authorization.sign_out()
    return types.auth.LoggedOut()


def signed_in(call: Call, user_id: int) -> Any:
    """Sign the caller's key in as `user_id`; the answer that says so."""
    call.authorization.sign_in(user_id)
    return types.auth.Authorization(call.view.user(user_id))


def _require_sent_code(call: Call, request: Any) -> None:
    if not request.phone_code_hash:
        raise RpcError("PHONE_CODE_HASH_EMPTY")
    if call.authorization.codes.get(request.phone_code_hash) != _digits(request.phone_number):
        raise RpcError("PHONE_CODE_EXPIRED")


def _owner_of(call: Call, phone: str) -> TelegramUser | None:
    users = (user for user in call.world.users.values() if user.phone and not user.deleted)
    return next((user for user in users if _digits(user.phone or "") == phone), None)


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)
