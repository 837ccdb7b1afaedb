"""Signing in to Telegram, one step per connection, and out again. https://core.telegram.org/api/auth

Nothing is remembered here: each step returns the session that the next one continues with, so that any
process may make it. Codes and passwords are used and dropped.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from telethon import TelegramClient
from telethon.password import compute_check
from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.configs import TelegramConfig
from members.platforms.errors import PlatformError, RateLimited, Refused
from members.platforms.sign_in import (
    CODE_EXPIRED,
    CODE_WRONG,
    PASSWORD_WRONG,
    SIGN_UP_REQUIRED,
    CodeSent,
    CodeWay,
    PasswordNeeded,
    SignedInAs,
)
from members.platforms.telegram_client import make_client_to_sign_in, saved_session
from members.platforms.telegram_errors import BAD_ANSWER
from members.platforms.telegram_parse import parse_account
from members.platforms.telegram_transport import connect, within
from members.platforms.text import storable

PASSWORD_NEEDED = "SESSION_PASSWORD_NEEDED"  # noqa: S105 (Telegram's word for the error)

_UNKNOWN_BOT = "Telegram does not accept TELEGRAM_BOT_TOKEN: ask @BotFather for the bot's token"

_WORDS = {
    "ACCESS_TOKEN_EXPIRED": _UNKNOWN_BOT,
    "ACCESS_TOKEN_INVALID": _UNKNOWN_BOT,
    CODE_EXPIRED: "The code has expired: ask for a new one",
    CODE_WRONG: "This is not the code that Telegram sent last: look again",
    "PHONE_CODE_EMPTY": "Telegram got no code: type the one that it sent",
    "PHONE_NUMBER_APP_SIGNUP_FORBIDDEN": "No Telegram account has this number: "
    "make one in the Telegram app first",
    "PHONE_NUMBER_FLOOD": "Somebody asked for too many codes for this number today: try again tomorrow",
    "PHONE_NUMBER_INVALID": "Telegram knows no such phone number: write it with its country code",
    SIGN_UP_REQUIRED: "No Telegram account has this number: make one in the Telegram app first",
    "PHONE_PASSWORD_FLOOD": "There were too many tries to sign in with this number: try again tomorrow",
    PASSWORD_WRONG: "This is not the two-step password of the account: try again",
    "SEND_CODE_UNAVAILABLE": "Telegram has no other way left to send the code: use the one that it sent",
    "SMS_CODE_CREATE_FAILED": "Telegram could not send a text message to this number: try again later",
    "SRP_ID_INVALID": "Telegram wants the password once more: type it again",
    "SRP_PASSWORD_CHANGED": "The two-step password was changed just now: type the new one",
    "UPDATE_APP_TO_LOGIN": "Telegram wants a newer client for this account: update Group Admin",
}

_WAYS = {
    tl.auth.SentCodeTypeApp: CodeWay.APP,
    tl.auth.SentCodeTypeSms: CodeWay.SMS,
    tl.auth.SentCodeTypeFirebaseSms: CodeWay.SMS,
    tl.auth.SentCodeTypeSmsPhrase: CodeWay.SMS,
    tl.auth.SentCodeTypeSmsWord: CodeWay.SMS,
    tl.auth.SentCodeTypeCall: CodeWay.CALL,
    tl.auth.SentCodeTypeFlashCall: CodeWay.FLASH_CALL,
    tl.auth.SentCodeTypeMissedCall: CodeWay.MISSED_CALL,
    tl.auth.SentCodeTypeEmailCode: CodeWay.EMAIL,
    tl.auth.SentCodeTypeFragmentSms: CodeWay.FRAGMENT,
    tl.auth.CodeTypeSms: CodeWay.SMS,
    tl.auth.CodeTypeCall: CodeWay.CALL,
    tl.auth.CodeTypeFlashCall: CodeWay.FLASH_CALL,
    tl.auth.CodeTypeMissedCall: CodeWay.MISSED_CALL,
    tl.auth.CodeTypeFragmentSms: CodeWay.FRAGMENT,
}


async def send_code(config: TelegramConfig, phone: str) -> CodeSent:
    """Ask for a login code; `config` has no session yet. auth.sendCode

    This and all below raise Refused (with a code of Telegram's), AccountTrouble, or TryLater; a
    RateLimited tells for how long nobody may try.
    """
    async with _connected(config) as client:
        request = functions.auth.SendCodeRequest(phone, config.api_id, config.api_hash, tl.CodeSettings())
        return _code_sent(client, await _ask(client, config, request))


async def resend_code(config: TelegramConfig, phone: str, code_hash: str) -> CodeSent:
    """Ask for the code again, on the next way. auth.resendCode"""
    async with _connected(config) as client:
        request = functions.auth.ResendCodeRequest(phone, code_hash)
        return _code_sent(client, await _ask(client, config, request))


async def cancel_code(config: TelegramConfig, phone: str, code_hash: str) -> None:
    """Make a code that was sent worthless. auth.cancelCode"""
    async with _connected(config) as client:
        await _ask(client, config, functions.auth.CancelCodeRequest(phone, code_hash))


async def enter_code(
    config: TelegramConfig, phone: str, code_hash: str, code: str
) -> SignedInAs | PasswordNeeded:
    """Sign in with the code that was sent. auth.signIn"""
    async with _connected(config) as client:
        try:
            answer = await _ask(client, config, functions.auth.SignInRequest(phone, code_hash, code))
        except PlatformError as error:
            if error.code != PASSWORD_NEEDED:
                raise
            password = await _ask(client, config, functions.account.GetPasswordRequest())
            return PasswordNeeded(saved_session(client), storable(password.hint or ""))
        return _signed_in(client, answer)


async def enter_password(config: TelegramConfig, password: str) -> SignedInAs:
    """Prove the two-step password, which does not leave this machine. auth.checkPassword

    https://core.telegram.org/api/srp
    """
    async with _connected(config) as client:
        parameters = await _ask(client, config, functions.account.GetPasswordRequest())
        try:
            proof = compute_check(parameters, password)
        except ValueError:
            raise Refused(
                "Telegram asks for the password in a way that this version does not know", code=BAD_ANSWER
            ) from None
        return _signed_in(client, await _ask(client, config, functions.auth.CheckPasswordRequest(proof)))


async def sign_in_bot(config: TelegramConfig, token: str) -> SignedInAs:
    """Sign in as the bot of `token`; `config` has no session yet. auth.importBotAuthorization"""
    async with _connected(config) as client:
        request = functions.auth.ImportBotAuthorizationRequest(0, config.api_id, config.api_hash, token)
        return _signed_in(client, await _ask(client, config, request))


async def log_out(config: TelegramConfig) -> None:
    """End the session at Telegram's as well. auth.logOut"""
    async with _connected(config) as client:
        await _ask(client, config, functions.auth.LogOutRequest())


@asynccontextmanager
async def _connected(config: TelegramConfig) -> AsyncGenerator[TelegramClient, None]:
    client = make_client_to_sign_in(config)
    await connect(client, config)
    try:
        yield client
    finally:
        await client.disconnect()


async def _ask(client: TelegramClient, config: TelegramConfig, request: Any) -> Any:
    method = type(request).__name__.removesuffix("Request")
    try:
        return await within(config.call_timeout, client(request), method)
    except PlatformError as error:
        raise _in_words(error) from None


def _in_words(error: PlatformError) -> PlatformError:
    """The error as somebody who signs in needs to read it."""
    words = _WORDS.get(error.code)
    if words is None or isinstance(error, RateLimited):
        return error
    return Refused(words, code=error.code)


def _code_sent(client: TelegramClient, answer: Any) -> CodeSent:
    if isinstance(answer, tl.auth.SentCodePaymentRequired):
        raise Refused(
            "Telegram wants to be paid for a code to this number: sign in to the Telegram app first",
            code="payment_required",
        )
    if not isinstance(answer, tl.auth.SentCode):
        raise Refused("Telegram sent no code: begin again", code=BAD_ANSWER)
    if isinstance(answer.type, tl.auth.SentCodeTypeSetUpEmailRequired):
        raise Refused(
            "Telegram wants an e-mail address for this account first: add one in the Telegram app",
            code="email_required",
        )
    return CodeSent(
        session=saved_session(client),
        code_hash=answer.phone_code_hash,
        way=_WAYS.get(type(answer.type), CodeWay.OTHER),
        length=getattr(answer.type, "length", None),
        next_way=None if answer.next_type is None else _WAYS.get(type(answer.next_type), CodeWay.OTHER),
        resend_seconds=answer.timeout or 0,
    )


def _signed_in(client: TelegramClient, answer: Any) -> SignedInAs:
    if isinstance(answer, tl.auth.AuthorizationSignUpRequired):
        raise Refused(_WORDS[SIGN_UP_REQUIRED], code=SIGN_UP_REQUIRED)
    if not isinstance(answer, tl.auth.Authorization) or not isinstance(answer.user, tl.User):
        raise Refused("Telegram's answer to the sign-in could not be read", code=BAD_ANSWER)
    account = parse_account(answer.user)
    return SignedInAs(saved_session(client), int(account.id), account.username or "", account.name)
