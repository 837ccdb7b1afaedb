"""Admin rights and restrictions, between the world and TL."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta

from telethon.tl import types

from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat

FOR_EVER = 2**31 - 1
"""The `until_date` that Telegram sends for restrictions without an end."""


def admin_rights(rights: AdminRights, *, anonymous: bool = False) -> types.ChatAdminRights:
    # `other` is what an admin without any particular right still has.
    return types.ChatAdminRights(other=True, anonymous=anonymous, **asdict(rights))


def parse_admin_rights(rights: types.ChatAdminRights) -> AdminRights | None:
    """None when nothing is granted: that is how an admin is made a plain member again."""
    granted = {right.name: bool(getattr(rights, right.name)) for right in fields(AdminRights)}
    return AdminRights(**granted) if any(granted.values()) or rights.other else None


def default_banned_rights(chat: TelegramChat) -> types.ChatBannedRights:
    """What plain members may not do."""
    return types.ChatBannedRights(
        until_date=FOR_EVER,
        change_info=True,
        pin_messages=True,
        invite_users=not chat.members_may_invite,
        send_messages=chat.kind == "broadcast",
    )


def banned() -> types.ChatBannedRights:
    return types.ChatBannedRights(until_date=FOR_EVER, view_messages=True, send_messages=True)


def ends_by_itself(rights: types.ChatBannedRights) -> bool:
    """Whether they have an end that Telegram heeds: core.telegram.org/constructor/chatBannedRights"""
    if rights.until_date is None:
        return False
    return timedelta(seconds=30) <= rights.until_date - datetime.now(UTC) <= timedelta(days=366)


def restricted() -> types.ChatBannedRights:
    return types.ChatBannedRights(until_date=FOR_EVER, send_messages=True)
