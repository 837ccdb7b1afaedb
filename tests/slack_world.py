"""A tiny Slack workspace for tests of the sandbox: seven people, five channels, three tokens."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld

ADA, BOB, CY, DEE, EVE, ROBO, STRANGER = (f"U{number}" for number in range(1, 8))
GENERAL, ACME, SECRET, OLD, LOUNGE = (f"C{number}" for number in range(1, 6))
ADAS_TOKEN, BOBS_TOKEN, BOT_TOKEN = "xoxp-ada", "xoxp-bob", "xoxb-robo"

USER_SCOPES = frozenset(
    {
        *("team:read", "users:read", "users:read.email", "chat:write", "im:write"),
        *("channels:read", "channels:history", "channels:write"),
        *("groups:read", "groups:history", "groups:write"),
    }
)
BOT_SCOPES = USER_SCOPES - {"channels:write"} | {"channels:manage", "channels:join"}


def tiny_world() -> SlackWorld:
    """Ada (no admin) and Bob share #general and the private acme; secret is Bob's, lounge too."""
    world = SlackWorld()
    for user in (
        SlackUser(ADA, "ada", "Ada Example", "Ada", "ada@example.com"),
        SlackUser(BOB, "bob", "Bob Sample", email="bob@example.com", is_admin=True),
        SlackUser(CY, "cy", "Cy Gone", deleted=True),
        SlackUser(DEE, "dee", "Dee Guest", is_restricted=True),
        SlackUser(EVE, "eve", "Eve Guest", is_restricted=True, is_ultra_restricted=True),
        SlackUser(ROBO, "robo", "Robo Bot", is_bot=True),
        SlackUser(STRANGER, "zed", "Zed Partner", team_id="T0PARTNER"),
    ):
        world.add_user(user)
    for channel in (
        SlackChannel(GENERAL, "general", BOB, _members(ADA, BOB, EVE, ROBO), is_general=True, topic="Hello"),
        SlackChannel(ACME, "acme-bitsafe", ADA, _members(BOB, ADA), is_private=True),
        SlackChannel(SECRET, "secret", BOB, _members(BOB), is_private=True),
        SlackChannel(OLD, "old-times", ADA, _members(ADA), is_archived=True),
        SlackChannel(LOUNGE, "lounge", BOB, _members(BOB), is_ext_shared=True),
    ):
        world.add_channel(channel)
    world.tokens = {
        ADAS_TOKEN: SlackToken(ADA, USER_SCOPES),
        BOBS_TOKEN: SlackToken(BOB, USER_SCOPES),
        BOT_TOKEN: SlackToken(ROBO, BOT_SCOPES, is_bot=True),
    }
    return world


def _members(*user_ids: str) -> dict[str, None]:
    return dict.fromkeys(user_ids)


def client(sandbox: SlackSandbox, token: str | None = ADAS_TOKEN) -> WebClient:
    return WebClient(token=token, base_url=sandbox.api_url, retry_handlers=[])


def refusal(sandbox: SlackSandbox, method: str, token: str | None = ADAS_TOKEN, **arguments: Any) -> Any:
    """The body of the error with which Slack answers this call."""
    with pytest.raises(SlackApiError) as caught:
        client(sandbox, token).api_call(method, params=arguments)
    return caught.value.response.data


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]
