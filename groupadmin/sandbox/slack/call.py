"""One call of one method, as the method's function sees it: who asks, for what, in which world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.events import SlackEvent
from groupadmin.sandbox.slack.scopes import ChannelScopes, TokenScopes
from groupadmin.sandbox.slack.world import SlackChannel, SlackToken, SlackUser, SlackWorld


@dataclass(frozen=True)
class Call:
    method: str
    world: SlackWorld
    token: SlackToken
    caller: SlackUser
    arguments: Mapping[str, Any]
    page_cap: int | None = None
    empty_pages: bool = False
    changed: set[str] = field(default_factory=set)
    """Those subjects of a write for which the world is different now."""
    events: list[SlackEvent] = field(default_factory=list)
    """What apps are to be told of it."""

    def text(self, name: str) -> str:
        """The argument as text; empty when it is absent, which Slack hardly ever tells apart."""
        value = self.arguments.get(name, "")
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    def ids(self, name: str) -> list[str]:
        """The ids of a comma-separated argument, each once."""
        return list(dict.fromkeys(each.strip() for each in self.text(name).split(",") if each.strip()))

    def flag(self, name: str) -> bool:
        """The argument as a boolean: "true" and "1" count, as does a JSON true."""
        return self.text(name).lower() in ("true", "1")

    def need(self, *any_of: str) -> None:
        """Raise `missing_scope` unless the token holds one of these scopes."""
        if self.token.scopes.isdisjoint(any_of):
            self.miss(*any_of)

    def miss(self, *needed: str) -> NoReturn:
        provided = ",".join(sorted(self.token.scopes))
        raise Failure("missing_scope", needed=",".join(needed), provided=provided)

    def sees(self, channel: SlackChannel) -> bool:
        """Private channels exist only for their members, and for a guest every other channel is private."""
        hidden = channel.is_private or self.caller.is_guest
        return not hidden or self.caller.id in channel.members

    def is_member(self, channel: SlackChannel) -> bool:
        return self.caller.id in channel.members

    def channel(self, scopes: TokenScopes, *, by_name: bool = False) -> SlackChannel:
        """The channel that the argument `channel` names, if the token may use this method on it.

        Raises `missing_scope`, and `channel_not_found` both for what is not there and for what the
        caller may not see: the two cannot be told apart from outside.
        """
        accepted: ChannelScopes = scopes.bot if self.token.is_bot else scopes.user
        self.need(*dict.fromkeys((*accepted.public, *accepted.private)))
        channel = self.world.channels.get(self.text("channel"))
        if channel is None and by_name:
            channel = self._channel_named(self.text("channel").removeprefix("#"))
        if channel is None or not self.sees(channel):
            raise Failure("channel_not_found")
        self.need(*accepted.of(is_private=channel.is_private))
        return channel

    def _channel_named(self, name: str) -> SlackChannel | None:
        return next((each for each in self.world.channels.values() if each.name == name), None)

    def user(self) -> SlackUser:
        """The user whom the argument `user` names. Raises `user_not_found`."""
        user = self.world.users.get(self.text("user"))
        if user is None:
            raise Failure("user_not_found")
        return user
