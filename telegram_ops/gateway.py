"""From the settings and the database to a Telegram reader, and back.

Everything here uses the ORM or reads files: call it outside the event loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from members.platforms.base import CallMeter
from members.platforms.errors import NotConfigured
from members.platforms.telegram import AccessHashes, TelegramConfig, TelegramReader, parse_server
from telegram_ops.models import PeerAccess

Kind = PeerAccess.Kind

_HOW_TO_GET = {
    "TELEGRAM_API_ID": "take it from https://my.telegram.org/apps",
    "TELEGRAM_API_HASH": "take it from https://my.telegram.org/apps",
    "TELEGRAM_SESSION": "sign in to get one",
}


def telegram_config() -> TelegramConfig:
    """The account named in the settings. Raises NotConfigured, with the name of the setting at fault."""
    api_id, api_hash, session = (_required(name) for name in _HOW_TO_GET)
    server, key_path = _setting("TELEGRAM_SERVER"), _setting("TELEGRAM_SERVER_KEY")
    return TelegramConfig(
        api_id=_number("TELEGRAM_API_ID", api_id),
        api_hash=api_hash,
        session=session,
        server=parse_server(server) if server else None,
        server_key_pem=_text_of("TELEGRAM_SERVER_KEY", key_path) if key_path else None,
    )


def telegram_reader(meter: CallMeter | None = None) -> TelegramReader:
    """A reader for the account of the settings that knows what earlier ones learnt. Not connected yet."""
    return TelegramReader(telegram_config(), meter=meter, known_hashes=known_hashes())


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


def _setting(name: str) -> str:
    value = getattr(settings, name, None)
    return "" if value is None else str(value).strip()


def _required(name: str) -> str:
    value = _setting(name)
    if not value:
        raise NotConfigured(f"Telegram is not configured: set {name} ({_HOW_TO_GET[name]})", code=name)
    return value


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 0 < int(value) < 2**31):
        raise NotConfigured(f"{name} is not a number: {_HOW_TO_GET[name]}", code=name)
    return int(value)


def _text_of(name: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a text file"
        raise NotConfigured(f"{name} cannot be read ({path}): {why}", code=name) from None
