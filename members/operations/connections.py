"""The accounts to write through. Filled in each `AppConfig.ready()`: who keeps them lives above."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.types import Platform
from members.platforms.writing import PlatformWriter


class Account(Protocol):
    """The account through which a platform is written to. Made and kept outside the event loop."""

    @property
    def largest_invitation(self) -> int:
        """How many people one invitation through it may hold."""

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        """A writer inside `async with`. This call, and entering, may raise any PlatformError."""

    def keep_books(self) -> None:
        """Store what the writer learnt for the next one."""


class SlackAccount:
    """The token of one workspace: `config` gives it, or raises NotConfigured."""

    def __init__(self, config: Callable[[], SlackConfig]) -> None:
        self._config = config

    @property
    def largest_invitation(self) -> int:
        return adapters.slack_writer.SlackWriter.largest_invitation

    def open(self, meter: CallMeter) -> AbstractAsyncContextManager[PlatformWriter]:
        return adapters.slack_writer.SlackWriter(self._config(), meter=meter)

    def keep_books(self) -> None:
        """Slack needs nothing but ids."""


GroupKey = tuple[str, str]
"""Platform and the platform's own id."""

_accounts: dict[Platform, Callable[[str], Account]] = {}
_labels: dict[Platform, Callable[[str], str]] = {}
_routes: list[Callable[[], Mapping[GroupKey, str]]] = []


def register(platform: Platform, account: Callable[[str], Account], label: Callable[[str], str]) -> None:
    """Say how an account on `platform` is made, and what people call it: by its connection."""
    _accounts[platform], _labels[platform] = account, label


def register_routes(routes: Callable[[], Mapping[GroupKey, str]]) -> None:
    """Say how to learn which groups are reached through another than the usual connection."""
    _routes[:] = [routes]


def account_on(platform: Platform, connection: str = "") -> Account:
    """An account on `platform`; without a `connection` the usual one. Raises LookupError where nobody
    registered any."""
    return _accounts[platform](connection)


def name_of(platform: Platform, connection: str) -> str:
    """What people call it: "Slack", or "Slack (Partner)" of a further workspace."""
    label = _labels[platform](connection) if connection and platform in _labels else ""
    return f"{platform.label} ({label})" if label else platform.label


def routes() -> Mapping[GroupKey, str]:
    """Group → connection, of the groups that are reached through another than the usual one."""
    return _routes[0]() if _routes else {}
