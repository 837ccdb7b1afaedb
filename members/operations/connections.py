"""The ways to write to each platform. Filled in each `AppConfig.ready()`: Telegram's account lives above."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from django.conf import settings

from members.platforms.base import CallMeter
from members.platforms.slack import SlackConfig
from members.platforms.slack_writer import SlackWriter
from members.platforms.types import Platform
from members.platforms.writing import PlatformWriter


class Account(Protocol):
    """The account through which a platform is written to. Made and kept outside the event loop."""

    largest_invitation: int
    """How many people one invitation through it may hold."""

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        """A writer inside `async with`. This call, and entering, may raise any PlatformError."""

    def keep_books(self) -> None:
        """Store what the writer learnt for the next one."""


class SlackAccount:
    """The workspace and token of the settings."""

    largest_invitation: int = SlackWriter.largest_invitation

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
        return SlackWriter(config, meter=meter)

    def keep_books(self) -> None:
        """Slack needs nothing but ids."""


_accounts: dict[Platform, Callable[[], Account]] = {Platform.SLACK: SlackAccount}


def register(platform: Platform, account: Callable[[], Account]) -> None:
    """Say how the account on `platform` is made."""
    _accounts[platform] = account


def account_on(platform: Platform) -> Account:
    """The account on `platform`. Raises LookupError where nobody registered one."""
    return _accounts[platform]()
