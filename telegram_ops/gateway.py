"""From the settings and the database to a Telegram client, and what it learnt back.

Everything here uses the ORM or reads files: call it outside the event loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from members.crypto import WrongKey
from members.notices import services as notices
from members.notices.kinds import NoticeKind
from members.operations import activity, lease
from members.operations.activity import Event
from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.configs import AccessHashes, TelegramConfig, parse_server
from members.platforms.errors import NotConfigured, NotSignedIn
from members.platforms.types import Platform
from telegram_ops.models import AccountState, PeerAccess, SignedInSession, TelegramAccount

if TYPE_CHECKING:
    from members.platforms.telegram import TelegramReader
    from members.platforms.telegram_writer import TelegramWriter

log = structlog.get_logger(__name__)

Client = TypeVar("Client", bound="TelegramReader")

Kind = PeerAccess.Kind

FROM_ENVIRONMENT = "environment"
"""What leases call the account of TELEGRAM_SESSION."""

_HOW_TO_SIGN_IN = "open Telegram accounts, or run manage.py telegram_signin"
_WHERE_KEYS_ARE = "take it from https://my.telegram.org/apps"


def account_in_use() -> TelegramAccount | None:
    """The stored account that everything goes through; None without one, or while TELEGRAM_SESSION is set."""
    if uses_environment():
        return None
    return TelegramAccount.objects.filter(is_default=True).first()


def accounts_looked_through() -> tuple[TelegramAccount | None, list[TelegramAccount]]:
    """The account in use, as `account_in_use`, and the further ones that audits look through. One query."""
    rows = list(TelegramAccount.objects.filter(Q(is_default=True) | Q(audited_too=True)))
    usual = None if uses_environment() else next((row for row in rows if row.is_default), None)
    return usual, [row for row in rows if row.audited_too and row != usual]


def uses_environment() -> bool:
    """Whether TELEGRAM_SESSION is set: then its account is used, whatever is stored."""
    return bool(_setting("TELEGRAM_SESSION"))


def connections() -> tuple[str, ...]:
    """All accounts that audits look through, the one in use ("") first. One query.

    Without any there is that one all the same: it says what is to be set up.
    """
    usual, others = accounts_looked_through()
    further = tuple(str(account.pk) for account in sorted(others, key=attrgetter("pk")))
    return ("", *further) if usual is not None or uses_environment() or not further else further


def label_of(connection: str) -> str:
    """What people call a further account; "" for the usual one."""
    if not connection:
        return ""
    label = TelegramAccount.objects.filter(pk=connection).values_list("label", flat=True).first()
    return label or f"account {connection}"


def own_ids() -> frozenset[int]:
    """The Telegram ids of all accounts that are kept here, whatever they are used for."""
    ids = TelegramAccount.objects.exclude(user_id=None).values_list("user_id", flat=True)
    return frozenset(user_id for user_id in ids if user_id is not None)


def account_name() -> str:
    """What leases call the account in use (see `members.operations.lease`)."""
    if uses_environment():
        return FROM_ENVIRONMENT
    account = TelegramAccount.objects.filter(is_default=True).values_list("pk", flat=True).first()
    return "none" if account is None else str(account)


def telegram_config() -> TelegramConfig:
    """The account in use, ready to connect.

    Raises NotConfigured: a setting is missing or wrong (its name is the code), or nobody is signed in
    (code TELEGRAM_SESSION).
    """
    config = server_config()
    return replace(config, session=_setting("TELEGRAM_SESSION") or _stored_session(account_in_use()))


def session_config(account: TelegramAccount) -> TelegramConfig:
    """This account, whether it is in use or not. Raises NotConfigured like `telegram_config`."""
    return replace(server_config(), session=_stored_session(account))


def problem_of(account: TelegramAccount) -> str:
    """Why the stored sign-in of a signed-in account cannot be used; "" when it can, or there is none."""
    if account.state != AccountState.SIGNED_IN:
        return ""
    try:
        session_config(account)
    except NotConfigured as error:
        return str(error)
    return ""


def server_config() -> TelegramConfig:
    """The server, and the credentials of our app there; no account yet. Raises NotConfigured."""
    api_id, api_hash = (_required(name) for name in ("TELEGRAM_API_ID", "TELEGRAM_API_HASH"))
    server, key_path = _setting("TELEGRAM_SERVER"), _setting("TELEGRAM_SERVER_KEY")
    return TelegramConfig(
        api_id=_number("TELEGRAM_API_ID", api_id),
        api_hash=api_hash,
        session="",
        server=parse_server(server) if server else None,
        server_key_pem=_text_of("TELEGRAM_SERVER_KEY", key_path) if key_path else None,
    )


class Access:
    """An account, for one connection: made before it is opened, asked to keep the books after.

    Both touch the database; `reader` and `writer` do not, and may be called in an event loop.
    """

    def __init__(self, key: str = "") -> None:
        """`key` names a further account; without it, it is the one in use."""
        self.connection = lease.connection_of(Platform.TELEGRAM, key)
        """What leases call the account."""
        self._account = TelegramAccount.objects.filter(pk=key).first() if key else account_in_use()
        self._known_hashes = known_hashes()
        self._config: TelegramConfig | NotConfigured
        try:
            self._config = self._further_config(key) if key else telegram_config()
        except NotConfigured as error:
            self._config = error
        self._client: TelegramReader | None = None

    def _further_config(self, key: str) -> TelegramConfig:
        if self._account is None:
            raise NotConfigured(
                f"The Telegram account {key} through which this group was reached is gone: run an audit",
                code="no_account",
            )
        return session_config(self._account)

    def reader(self, meter: CallMeter) -> TelegramReader:
        """To be entered. Raises NotConfigured."""
        return self.client(adapters.telegram.TelegramReader, meter)

    def writer(self, meter: CallMeter) -> TelegramWriter:
        """To be entered. Raises NotConfigured."""
        return self.client(adapters.telegram_writer.TelegramWriter, meter)

    def client(self, kind: type[Client], meter: CallMeter) -> Client:
        """A reader of any kind, to be entered. Raises NotConfigured."""
        if isinstance(self._config, NotConfigured):
            raise self._config
        self._client = client = kind(self._config, meter=meter, known_hashes=self._known_hashes)
        return client

    def keep_books(self) -> None:
        """Store what the client learnt: access hashes, and whether the session works."""
        client, account = self._client, self._account
        if client is None:
            return
        remember_hashes(client.account_id, client.learned_hashes())
        if account is None:
            return
        if client.account_id is not None:
            TelegramAccount.objects.filter(pk=account.pk).update(last_used_at=timezone.now())
        if client.signed_out is not None:
            note_trouble(account, str(client.signed_out))


@transaction.atomic
def note_trouble(account: TelegramAccount, reason: str) -> None:
    """The session that `account` was read with is dead; nothing happens when there is a newer one."""
    same = TelegramAccount.objects.filter(
        pk=account.pk, state=AccountState.SIGNED_IN, state_since=account.state_since
    )
    if same.update(state=AccountState.IN_TROUBLE, state_since=timezone.now(), reason=reason):
        log.warning("telegram.account_in_trouble", account=account.label, reason=reason)
        record(account, "telegram.session_ended", actor="Telegram", detail=reason)
        notices.write(
            kind=NoticeKind.SIGN_IN_NEEDED,
            text=f"The Telegram account “{account.label}” is signed out. Sign it in again.\n{reason}",
            path=reverse("admin:telegram_ops_telegramaccount_change", args=[account.pk]),
        )


def record(account: TelegramAccount, action: str, *, actor: str, outcome: str = "", detail: str = "") -> None:
    """One line of the record of who did what, about this account."""
    event = Event(
        actor,
        action,
        platform=Platform.TELEGRAM,
        subject=account.label,
        outcome=outcome[:30],
        detail=detail,
    )
    activity.record(events=[event], at=timezone.now())


def known_hashes() -> dict[int, AccessHashes]:
    """The access hashes kept so far, by the id of their account: who we are shows only once connected."""
    users: defaultdict[int, dict[int, int]] = defaultdict(dict)
    channels: defaultdict[int, dict[int, int]] = defaultdict(dict)
    rows = PeerAccess.objects.values_list("account_id", "kind", "peer_id", "access_hash")
    for account_id, kind, peer_id, access_hash in rows.iterator():
        (users if kind == Kind.USER else channels)[account_id][peer_id] = access_hash
    return {account: AccessHashes(users[account], channels[account]) for account in {*users, *channels}}


def remember_hashes(account_id: int | None, hashes: AccessHashes) -> None:
    """Keep what a reader learnt (`account_id`, `learned_hashes()`) for the next one, also after an error.

    A reader that never got as far as to know who it is has learnt nothing.
    """
    if account_id is None:
        return
    PeerAccess.objects.bulk_create(
        _rows(account_id, hashes, timezone.now()),
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["account_id", "kind", "peer_id"],
        update_fields=["access_hash", "seen_at"],
    )


def _rows(account_id: int, hashes: AccessHashes, now: datetime) -> Iterator[PeerAccess]:
    for kind, known in ((Kind.USER, hashes.users), (Kind.CHANNEL, hashes.channels)):
        for peer_id, access_hash in known.items():
            yield PeerAccess(
                account_id=account_id, kind=kind, peer_id=peer_id, access_hash=access_hash, seen_at=now
            )


def _stored_session(account: TelegramAccount | None) -> str:
    if account is None:
        raise _signed_out(f"Nobody is signed in to Telegram: {_HOW_TO_SIGN_IN}")
    match account.state:
        case AccountState.IN_TROUBLE:
            raise _signed_out(account.reason)
        case AccountState.SIGNED_IN:
            try:
                stored = SignedInSession.objects.filter(account=account).first()
            except WrongKey as error:
                raise NotConfigured(str(error), code="FIELD_ENCRYPTION_KEYS") from None
            if stored is not None and stored.session:
                return stored.session
        case state if state in AccountState.half_way():
            raise _signed_out(f"The sign-in of “{account}” is not finished: go on under Telegram accounts")
    raise _signed_out(f"Nobody is signed in to the Telegram account “{account}”: {_HOW_TO_SIGN_IN}")


def _signed_out(message: str) -> NotSignedIn:
    return NotSignedIn(message, code="TELEGRAM_SESSION")


def _setting(name: str) -> str:
    value = getattr(settings, name, None)
    return "" if value is None else str(value).strip()


def _required(name: str) -> str:
    value = _setting(name)
    if not value:
        raise NotConfigured(f"Telegram is not configured: set {name} ({_WHERE_KEYS_ARE})", code=name)
    return value


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 0 < int(value) < 2**31):
        raise NotConfigured(f"{name} is not a number: {_WHERE_KEYS_ARE}", code=name)
    return int(value)


def _text_of(name: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a text file"
        raise NotConfigured(f"{name} cannot be read ({path}): {why}", code=name) from None
