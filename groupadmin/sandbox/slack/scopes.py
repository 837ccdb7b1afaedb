"""The OAuth scopes that open a channel, by method family, token kind and the channel's privacy.

Source: the `scope` entries of Slack's method reference. Any one of the listed scopes is enough.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChannelScopes:
    public: tuple[str, ...]
    private: tuple[str, ...]

    def of(self, *, is_private: bool) -> tuple[str, ...]:
        return self.private if is_private else self.public


@dataclass(frozen=True)
class TokenScopes:
    """The scopes that a user token (xoxp) and a bot token (xoxb) need for the same method."""

    user: ChannelScopes
    bot: ChannelScopes


def _either_token(public: str, private: str) -> TokenScopes:
    scopes = ChannelScopes((public,), (private,))
    return TokenScopes(user=scopes, bot=scopes)


READ = _either_token("channels:read", "groups:read")
HISTORY = _either_token("channels:history", "groups:history")
POST = _either_token("chat:write", "chat:write")
UPLOAD = ("files:write",)
INVITE = TokenScopes(
    user=ChannelScopes(
        ("channels:write.invites", "channels:write"), ("groups:write.invites", "groups:write")
    ),
    bot=ChannelScopes(
        ("channels:write.invites", "channels:manage"), ("groups:write.invites", "groups:write")
    ),
)
KICK = TokenScopes(
    user=ChannelScopes(("channels:write",), ("groups:write",)),
    bot=ChannelScopes(("channels:manage",), ("groups:write",)),
)
RENAME = TokenScopes(
    user=ChannelScopes(("channels:write",), ("groups:write",)),
    bot=ChannelScopes(("channels:manage", "channels:write"), ("groups:write",)),
)
JOIN = TokenScopes(
    user=ChannelScopes(("channels:write",), ("channels:write",)),
    bot=ChannelScopes(("channels:join",), ("channels:join",)),
)

TYPE_SCOPES = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "mpim": "mpim:read",
    "im": "im:read",
}
"""The scope that each value of the argument `types` needs."""
