"""From settings to a Telethon client: which account, which server, how patient on the wire."""

from __future__ import annotations

import logging
import struct
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from telethon import TelegramClient
from telethon.crypto.rsa import add_key
from telethon.sessions import MemorySession, StringSession

from members.platforms.configs import TelegramConfig
from members.platforms.errors import NotConfigured

# Telethon logs what our own errors already say, and in its finer levels whole answers.
_log = logging.getLogger(f"{__name__}.telethon")
_log.setLevel(logging.CRITICAL)

MOVES_TO_ANOTHER_DC = 2
"""How often one call of a sign-in may be sent again, where Telegram says that the account lives elsewhere."""


def make_client(config: TelegramConfig, *, receive_updates: bool = False) -> TelegramClient:
    """A client of a signed-in account for one asyncio loop, not connected yet. Raises NotConfigured.

    Waiting and repeating are left to the caller: it has to count them, show them and end them.
    """
    return _client(config, _session(config), receive_updates=receive_updates)


def make_client_to_sign_in(config: TelegramConfig) -> TelegramClient:
    """A client for an account that is on its way to be signed in. Raises NotConfigured.

    Without a session it makes one when it connects, and it follows Telegram to the data centre that the
    account lives in: `saved_session` tells what has to be kept.
    """
    session = _session(config) if config.session else _new_session(config)
    return _client(config, session, request_retries=MOVES_TO_ANOTHER_DC)


def saved_session(client: TelegramClient) -> str:
    """The client's session as a StringSession: the account itself, once it is signed in."""
    kept = StringSession()
    kept.set_dc(client.session.dc_id, client.session.server_address, client.session.port)
    kept.auth_key = client.session.auth_key
    return str(kept.save())


def _client(
    config: TelegramConfig, session: _Session, *, request_retries: int = 0, receive_updates: bool = False
) -> TelegramClient:
    if config.server_key_pem is not None:
        _trust(config.server_key_pem)
    return TelegramClient(
        session,
        config.api_id,
        config.api_hash,
        use_ipv6=":"
        in (session.server_address or ""),  # otherwise Telethon goes to Telegram's own IPv4 address
        timeout=config.connect_timeout,
        connection_retries=2,
        retry_delay=0.5,
        auto_reconnect=False,
        request_retries=request_retries,
        raise_last_call_error=True,
        flood_sleep_threshold=0,
        receive_updates=receive_updates,
        base_logger=_log,
    )


class _Session(MemorySession):
    """A saved key and a server address, and nothing learnt.

    Telethon keeps every user and chat that it sees, which costs seconds and hundreds of
    megabytes on long member lists. Access hashes are kept by the AddressBook instead.
    """

    def process_entities(self, tlo: Any) -> None:
        pass


def _session(config: TelegramConfig) -> _Session:
    try:
        saved = StringSession(config.session.strip())
    except (ValueError, struct.error):
        raise NotConfigured(
            "TELEGRAM_SESSION is not a Telethon StringSession: sign in again, or copy it whole",
            code="TELEGRAM_SESSION",
        ) from None
    if saved.auth_key is None:
        raise NotConfigured("Nobody is signed in to Telegram: sign in first", code="TELEGRAM_SESSION")
    session = _new_session(config)
    if config.server is None:
        session.set_dc(saved.dc_id, saved.server_address, saved.port)
    session.auth_key = saved.auth_key
    return session


def _new_session(config: TelegramConfig) -> _Session:
    session = _Session()
    if config.server is not None:
        session.set_dc(config.server.dc, config.server.host, config.server.port)
    return session


def _trust(pem: str) -> None:
    try:
        key = load_pem_public_key(pem.encode())
        add_key(key.public_bytes(Encoding.PEM, PublicFormat.PKCS1), old=False)
    except (ValueError, UnsupportedAlgorithm):
        raise NotConfigured(
            'TELEGRAM_SERVER_KEY is not a public RSA key in PEM form ("BEGIN RSA PUBLIC KEY")',
            code="TELEGRAM_SERVER_KEY",
        ) from None
