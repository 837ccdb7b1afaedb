"""Servers for the fixtures of a file: `sandbox = pytest.fixture(telegram_of)`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_django import Settings
from telethon import TelegramClient

from groupadmin.sandbox.slack import SlackSandbox, SlackWorld
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramWorld


def telegram_of(world: TelegramWorld) -> Iterator[TelegramSandbox]:
    """A Telegram around what the file's fixture `world` makes; it must not have failed itself."""
    with TelegramSandbox(world) as server:
        yield server
        assert server.bugs == []


def empty_slack() -> Iterator[SlackSandbox]:
    """A Slack without anybody: each test puts its own world into it."""
    with SlackSandbox(SlackWorld()) as server:
        yield server


def point_at(server: TelegramSandbox, settings: Settings, folder: Path, *, session: str) -> None:
    """Have the settings lead to this Telegram; its key is put into `folder`."""
    key = folder / "server.pem"
    key.write_text(server.public_key_pem)
    settings.TELEGRAM_API_ID, settings.TELEGRAM_API_HASH = 12345, "invented"
    settings.TELEGRAM_SERVER, settings.TELEGRAM_SERVER_KEY = server.server, str(key)
    settings.TELEGRAM_SESSION = session
    TelegramClient._config = None  # Telethon keeps the addresses of data centres for the whole process
