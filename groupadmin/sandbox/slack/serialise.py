"""Users and channels as the Web API writes them: which fields appear, and when."""

from __future__ import annotations

from typing import Any

from groupadmin.sandbox.slack.world import SlackChannel, SlackUser

_UPDATED = 1_700_000_000


def user_object(user: SlackUser, *, with_email: bool) -> dict[str, Any]:
    """A user; the e-mail address only for tokens with `users:read.email`.

    A deactivated user loses most top-level fields, `real_name` among them: only the profile keeps it.
    """
    base: dict[str, Any] = {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "deleted": user.deleted,
        "profile": _profile(user, with_email=with_email),
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": _UPDATED,
    }
    if user.deleted:
        return base
    return base | {
        "color": "9f69e7",
        "real_name": user.real_name,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "is_admin": user.is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": user.is_guest,
        "is_ultra_restricted": user.is_ultra_restricted,
        "is_email_confirmed": bool(user.email),
        "who_can_share_contact_card": "EVERYONE",
    }


def _profile(user: SlackUser, *, with_email: bool) -> dict[str, Any]:
    first_name, _, last_name = user.real_name.partition(" ")
    profile: dict[str, Any] = {
        "title": "",
        "phone": "",
        "skype": "",
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.display_name,
        "display_name_normalized": user.display_name,
        "first_name": first_name,
        "last_name": last_name,
        "status_text": "",
        "status_emoji": "",
        "status_expiration": 0,
        "avatar_hash": f"g{user.id.lower()}",
        "team": user.team_id,
    }
    for size in (24, 32, 48, 72, 192, 512):
        profile[f"image_{size}"] = f"https://avatars.example.com/{user.id}-{size}.png"
    if user.is_bot:
        profile |= {"bot_id": bot_id(user), "api_app_id": "A0SANDBOX", "always_active": True}
    if with_email and user.email:
        profile["email"] = user.email
    return profile


def bot_id(user: SlackUser) -> str:
    """The id of the bot behind a bot user (B…), which is not the user's (U…)."""
    return f"B{user.id[1:]}"


def channel_object(channel: SlackChannel) -> dict[str, Any]:
    """A channel without `is_member` and `num_members`, which only some methods send."""
    # Private channels made since March 2021 have ids in C and call themselves channels.
    is_group = channel.id.startswith("G")
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not (is_group or channel.is_im),
        "is_group": is_group,
        "is_im": channel.is_im,
        "is_mpim": False,
        "is_private": channel.is_private,
        "created": channel.created,
        "is_archived": channel.is_archived,
        "is_general": channel.is_general,
        "unlinked": 0,
        "name_normalized": channel.name,
        "is_shared": channel.is_ext_shared,
        "is_org_shared": False,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "context_team_id": channel.team_id,
        "updated": channel.created * 1000,
        "creator": channel.creator,
        "is_ext_shared": channel.is_ext_shared,
        "shared_team_ids": [channel.team_id],
        "pending_connected_team_ids": [],
        "topic": _note(channel, channel.topic),
        "purpose": _note(channel, channel.purpose),
        "previous_names": list(channel.previous_names),
    }


def _note(channel: SlackChannel, text: str) -> dict[str, Any]:
    if not text:
        return {"value": "", "creator": "", "last_set": 0}
    return {"value": text, "creator": channel.creator, "last_set": channel.created}
