"""Signing the accounts in and out, a step at a time; between two steps everything is in the database.

Every step takes the account's lease, so that no two clients use one session, makes one connection, and
ends as a row's new state and a line of the record. Codes and passwords pass through and are kept nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from members.crypto import WrongKey
from members.operations import lease
from members.operations.kinds import Link
from members.operations.models import Operation, Relation
from members.operations.owner import new_owner
from members.operations.states import OperationState
from members.platforms import adapters
from members.platforms.configs import TelegramConfig
from members.platforms.errors import PlatformError, RateLimited, SignedOut
from members.platforms.sign_in import CODE_EXPIRED, SIGN_UP_REQUIRED, CodeSent, PasswordNeeded, SignedInAs
from members.platforms.types import Platform
from members.ui import duration
from telegram_ops import gateway
from telegram_ops.models import AccountState, SignedInSession, SignIn, TelegramAccount
from telegram_ops.signals import signed_in

log = structlog.get_logger(__name__)

T = TypeVar("T")

CALL_SECONDS = 10.0
"""The longest that one call of a step may take: all of them together stay within the lease's term."""

REMEMBERED = timedelta(days=7)
"""For how long an operation that had stopped is worth being named."""

BUSY = "An audit, an operation or another sign-in uses the account now: try again when it has ended."


class SignInRefused(Exception):
    """A step came to nothing: one line, what happened and what to do. `code` is Telegram's word."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Step:
    """How far it has come."""

    account: TelegramAccount
    message: str = ""
    """What was done, for a person."""
    went_on: tuple[Link, ...] = ()
    """What goes on because somebody is signed in."""
    warning: str = ""
    """What somebody has to do about it elsewhere."""


def send_code(*, account_id: int, phone: str, actor: str) -> Step:
    """Have Telegram send a code to `phone`, which becomes the account's number."""
    with _our_turn(account_id) as account:
        _require(account, AccountState.SIGNED_OUT, AccountState.IN_TROUBLE)
        account.phone = phone
        sent = _ask(account, actor, adapters.telegram_sign_in.send_code(_config(), phone))
        with transaction.atomic():
            account.save(update_fields=["phone"])
            SignIn.objects.filter(account=account).delete()
            SignIn.objects.create(account=account, begun_by=actor, **_sent(sent))
            _move(account, AccountState.CODE_SENT)
            _record(account, "telegram.code_sent", actor, f"{account.masked_phone}, {sent.way.label}")
    return Step(account, f"Telegram sent the code {sent.way.label}.")


def resend_code(*, account_id: int, actor: str) -> Step:
    """Have Telegram send the code again, on the next way."""
    with _our_turn(account_id) as account:
        _require(account, AccountState.CODE_SENT)
        begun = _begun(account)
        work = adapters.telegram_sign_in.resend_code(
            _config(begun.session), account.phone, begun.phone_code_hash
        )
        sent = _ask(account, actor, work)
        with transaction.atomic():
            SignIn.objects.update_or_create(account=account, defaults=_sent(sent))
            _move(account, AccountState.CODE_SENT)
            _record(account, "telegram.code_sent", actor, f"{account.masked_phone}, {sent.way.label}")
    return Step(account, f"Telegram sent the code {sent.way.label}.")


@sensitive_variables("code")
def enter_code(*, account_id: int, code: str, actor: str) -> Step:
    """Sign in with the code; afterwards a password may still be needed."""
    with _our_turn(account_id) as account:
        _require(account, AccountState.CODE_SENT)
        begun = _begun(account)
        code = "".join(character for character in code if character.isalnum())
        work = adapters.telegram_sign_in.enter_code(
            _config(begun.session), account.phone, begun.phone_code_hash, code
        )
        answer = _ask(account, actor, work)
        if isinstance(answer, PasswordNeeded):
            with transaction.atomic():
                begun.session, begun.password_hint, begun.phone_code_hash = answer.session, answer.hint, ""
                begun.save()
                _move(account, AccountState.PASSWORD_NEEDED)
                _record(account, "telegram.password_needed", actor)
            return Step(account, "The code is right. The account has a two-step password as well.")
        _arrive(account, answer, actor)
    return _go_on(account, actor)


@sensitive_variables("password")
def enter_password(*, account_id: int, password: str, actor: str) -> Step:
    """Sign in with the two-step password."""
    with _our_turn(account_id) as account:
        _require(account, AccountState.PASSWORD_NEEDED)
        config = _config(_begun(account).session)
        _arrive(
            account, _ask(account, actor, adapters.telegram_sign_in.enter_password(config, password)), actor
        )
    return _go_on(account, actor)


def accept_other_person(*, account_id: int, actor: str) -> Step:
    """Let the account be whoever signed in from now on, and not whom we knew."""
    with _our_turn(account_id) as account:
        _require(account, AccountState.OTHER_PERSON)
        begun = _begun(account)
        if begun.found_user_id is None:
            raise SignInRefused("Nobody knows who signed in: give it up and begin again.")
        found = SignedInAs(begun.session, begun.found_user_id, begun.found_username, begun.found_name)
        _settle(account, found, actor)
    return _go_on(account, actor)


def give_up(*, account_id: int, actor: str) -> Step:
    """Forget a sign-in that is half-way, here and at Telegram's."""
    with _held(account_id) as account:
        _require(account, *AccountState.half_way())
        begun = _begun(account)
        warning = ""
        if account.state == AccountState.CODE_SENT:  # a code that cannot be cancelled expires by itself
            _end(begun.session, account.phone, begun.phone_code_hash)
        elif account.state == AccountState.OTHER_PERSON:
            warning = _end(begun.session)
        with transaction.atomic():
            _forget(account)
            _record(account, "telegram.sign_in_given_up", actor)
    return Step(account, "The sign-in is given up.", warning=warning)


def sign_out(*, account_id: int, actor: str) -> Step:
    """End the session, here and at Telegram's."""
    with _held(account_id) as account:
        _require(account, AccountState.SIGNED_IN, AccountState.IN_TROUBLE)
        stored = _stored_session(account)
        warning = _end(stored) if stored else ""
        with transaction.atomic():
            SignedInSession.objects.filter(account=account).delete()
            _move(account, AccountState.SIGNED_OUT)
            _record(account, "telegram.signed_out", actor, warning)
    return Step(account, f"{account} is signed out.", warning=warning)


def use(*, account_id: int, actor: str) -> Step:
    """Let everything go through this account from now on.

    Raises SignInRefused while somebody uses the one that it was so far: see `lease.take_account`.
    """
    before = _other_default(account_id)
    with ExitStack() as held:
        account = held.enter_context(_held(account_id))
        if before is not None:
            held.enter_context(_held(before.pk))
        if _other_default(account_id) != before:
            raise SignInRefused("Somebody else chose an account just now: look at which one is in use.")
        _make_default(account, actor)
    return Step(account, f"Everything goes through {account} from now on.")


@transaction.atomic
def set_audited_too(*, account_id: int, audited: bool, actor: str) -> Step:
    """Let audits look through this account as well as through the one in use; or not any more."""
    account = TelegramAccount.objects.select_for_update().get(pk=account_id)
    account.audited_too = audited
    account.save(update_fields=["audited_too"])
    _record(account, "telegram.audited_too" if audited else "telegram.not_audited_too", actor)
    told = "look through it as well" if audited else "do not look through it any more"
    return Step(account, f"{account}: audits {told}.")


@transaction.atomic
def _make_default(account: TelegramAccount, actor: str) -> None:
    TelegramAccount.objects.filter(is_default=True).update(is_default=False)
    account.is_default = True
    account.save(update_fields=["is_default"])
    _record(account, "telegram.account_in_use", actor)


def _other_default(account_id: int) -> TelegramAccount | None:
    """The account in use, where it is not this one."""
    return TelegramAccount.objects.filter(is_default=True).exclude(pk=account_id).first()


@contextmanager
def _our_turn(account_id: int) -> Iterator[TelegramAccount]:
    """The same as `_held`, for a step of a sign-in: Telegram may have said when the next one may be made."""
    with _held(account_id) as account:
        now = timezone.now()
        if account.wait_until is not None and account.wait_until > now:
            raise SignInRefused(_wait_words((account.wait_until - now).total_seconds()), code="FLOOD_WAIT")
        yield account


@contextmanager
def _held(account_id: int) -> Iterator[TelegramAccount]:
    """The account, with its lease held. Raises SignInRefused while somebody else uses it."""
    connection = lease.connection_of(Platform.TELEGRAM, str(account_id))
    hold = lease.take(connection=connection, owner=new_owner())
    if hold is None:
        raise SignInRefused(BUSY)
    try:
        yield TelegramAccount.objects.get(pk=account_id)
    finally:
        lease.release(hold)


def _ask(account: TelegramAccount, actor: str, work: Coroutine[Any, Any, T]) -> T:
    """What Telegram says. Its refusals are put on record; those that end the sign-in, end it."""
    try:
        return asyncio.run(work)
    except PlatformError as error:
        message = str(error)
        if isinstance(error, RateLimited):
            message = _wait_words(error.seconds)
            account.wait_until = timezone.now() + timedelta(seconds=error.seconds)
            account.save(update_fields=["wait_until"])
        with transaction.atomic():
            if isinstance(error, SignedOut) or error.code in (CODE_EXPIRED, SIGN_UP_REQUIRED):
                _forget(account)
            gateway.record(
                account, "telegram.sign_in_refused", actor=actor, outcome=error.code.lower(), detail=message
            )
        log.warning("telegram.sign_in_refused", account=account.label, code=error.code)
        raise SignInRefused(_sentence(message), code=error.code) from None


def _end(session: str, phone: str = "", code_hash: str = "") -> str:
    """Tell Telegram that a session or a code is over. Returns what somebody has to do where that failed."""
    config = _config(session)
    try:
        if code_hash:
            asyncio.run(adapters.telegram_sign_in.cancel_code(config, phone, code_hash))
        else:
            asyncio.run(adapters.telegram_sign_in.log_out(config))
    except SignedOut:
        return ""  # it was over already
    except PlatformError as error:
        return (
            f"It is forgotten here, but Telegram could not be told ({error.code}): "
            "end the session in the Telegram app, under Settings → Devices."
        )
    return ""


def _arrive(account: TelegramAccount, found: SignedInAs, actor: str) -> None:
    """Somebody is signed in: it has to be whom we knew, unless a person says otherwise."""
    if account.user_id in (None, found.user_id):
        _settle(account, found, actor)
        return
    with transaction.atomic():
        SignIn.objects.update_or_create(
            account=account,
            defaults={
                "session": found.session,
                "found_user_id": found.user_id,
                "found_username": found.username,
                "found_name": found.name,
            },
        )
        _move(account, AccountState.OTHER_PERSON)
        _record(account, "telegram.somebody_else", actor, f"{found.name} instead of {account.person}")


@transaction.atomic
def _settle(account: TelegramAccount, found: SignedInAs, actor: str) -> None:
    """Keep the session of the account that is signed in by now."""
    SignedInSession.objects.filter(account=account).delete()  # it may be one that no key opens any more
    SignedInSession.objects.create(account=account, session=found.session)
    SignIn.objects.filter(account=account).delete()
    account.user_id, account.username, account.name = found.user_id, found.username, found.name
    account.is_default = not TelegramAccount.objects.filter(is_default=True).exclude(pk=account.pk).exists()
    account.wait_until = None
    account.save()
    _move(account, AccountState.SIGNED_IN)
    _record(account, "telegram.signed_in", actor, account.person)


def _go_on(account: TelegramAccount, actor: str) -> Step:
    """Tell those who wait for the account that is in use."""
    if account.state != AccountState.SIGNED_IN:
        return Step(account, f"Not {account.person} signed in, but somebody else.")
    message = f"{account} is signed in as {account.person}."
    if gateway.account_in_use() != account and not account.audited_too:
        return Step(account, message)
    answers = signed_in.send_robust(sender=TelegramAccount, account=account, actor=actor)
    links = [answer for _, answer in answers if isinstance(answer, Link)]
    return Step(account, message, (*links, *_stopped_operations()))


def _stopped_operations() -> list[Link]:
    """Operations that the account's trouble kept from being done, and nobody has tried again."""
    stopped = Operation.objects.filter(
        account_trouble=True,
        state__in=(OperationState.PARTIAL, OperationState.FAILED),
        finished_at__gt=timezone.now() - REMEMBERED,
    ).exclude(children__relation=Relation.RETRY)
    return [
        Link(
            "This had stopped for the account; try the rest again:",
            str(operation),
            reverse("admin:operations_operation_change", args=[operation.pk]),
        )
        for operation in stopped
        if Platform.TELEGRAM in operation.platforms
    ]


def _forget(account: TelegramAccount) -> None:
    """Drop what is half-made. An account whose session died before is in that trouble still."""
    SignIn.objects.filter(account=account).delete()
    in_trouble = account.reason and SignedInSession.objects.filter(account=account).exists()
    _move(account, AccountState.IN_TROUBLE if in_trouble else AccountState.SIGNED_OUT)


def _move(account: TelegramAccount, state: AccountState) -> None:
    account.state, account.state_since = state, timezone.now()
    if state in (AccountState.SIGNED_IN, AccountState.SIGNED_OUT):
        account.reason = ""
    account.save(update_fields=["state", "state_since", "reason"])


def _require(account: TelegramAccount, *states: AccountState) -> None:
    if account.state not in states:
        raise SignInRefused(f"“{account}” is at another step by now: look at where it stands.")


def _begun(account: TelegramAccount) -> SignIn:
    """The half-made sign-in. One that cannot be read any more is dropped."""
    try:
        begun = SignIn.objects.filter(account=account).first()
        message = "The sign-in is lost: begin again."
    except WrongKey as error:
        begun, message = None, str(error)
    if begun is None:
        _forget(account)
        raise SignInRefused(message)
    return begun


def _stored_session(account: TelegramAccount) -> str:
    """The session; "" where there is none, or none that can be read: then it can only be dropped."""
    try:
        stored = SignedInSession.objects.filter(account=account).first()
    except WrongKey:
        return ""
    return stored.session if stored is not None else ""


def _config(session: str = "") -> TelegramConfig:
    try:
        return replace(gateway.server_config(), session=session, call_timeout=CALL_SECONDS)
    except PlatformError as error:
        raise SignInRefused(_sentence(str(error)), code=error.code) from None


def _sent(sent: CodeSent) -> dict[str, Any]:
    now = timezone.now()
    return {
        "session": sent.session,
        "phone_code_hash": sent.code_hash,
        "way": sent.way,
        "next_way": sent.next_way or "",
        "code_length": sent.length,
        "sent_at": now,
        "resend_at": now + timedelta(seconds=sent.resend_seconds),
    }


def _record(account: TelegramAccount, action: str, actor: str, detail: str = "") -> None:
    gateway.record(account, action, actor=actor, detail=detail)
    log.info(action, account=account.label, actor=actor)


def _wait_words(seconds: float) -> str:
    return f"Telegram lets nobody try again for {duration(seconds)}."


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
