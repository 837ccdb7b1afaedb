"""A channel and a supergroup in which things were said, on sandbox servers, and syncs of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils import timezone
from pytest_django import Settings

from audits.history.models import Conversation, Message, SyncJob
from audits.history.sync import request_sync, run_sync
from groupadmin.sandbox.slack import SlackSandbox
from groupadmin.sandbox.telegram.messages import TelegramMessage
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramChat
from members.models import Group
from members.platforms.types import GroupKind, History, Platform, Privacy
from tests import telegram_reading
from tests.sandboxes import point_at
from tests.slack_world import ADAS_TOKEN, BOB, GENERAL, tiny_world
from tests.telegram_reading import ADA as TG_ADA
from tests.telegram_reading import BOB as TG_BOB

START = 1_700_000_000
"""When the conversations begin (Unix time); a minute passes from one message to the next."""
CHAT = 2001


def ts(number: int, micro: int = 100) -> str:
    return f"{START + 60 * number}.{micro:06d}"


def said(number: int, user: str = BOB, **fields: Any) -> dict[str, Any]:
    """Slack's message `number`."""
    return {"type": "message", "user": user, "text": f"message {number}", "ts": ts(number), **fields}


def sent(number: int, sender: int = TG_BOB, **fields: Any) -> TelegramMessage:
    """Telegram's message `number`."""
    values: dict[str, Any] = {"text": f"message {number}"} | fields
    return TelegramMessage(id=number, date=START + 60 * number, sender=sender, **values)


@contextmanager
def slack(settings: Settings, messages: list[dict[str, Any]]) -> Iterator[SlackSandbox]:
    """#general holds `messages`; the product reads with Ada's token."""
    settings.HISTORY_RETENTION_DAYS = 0  # all this was said long ago
    world = tiny_world()
    world.channels[GENERAL].messages = messages
    with SlackSandbox(world) as sandbox:
        settings.SLACK_USER_TOKEN, settings.SLACK_API_URL = ADAS_TOKEN, sandbox.api_url
        yield sandbox
        assert sandbox.bugs == []


@contextmanager
def telegram(
    settings: Settings, tmp_path: Path, messages: list[TelegramMessage], **fields: Any
) -> Iterator[TelegramSandbox]:
    """Ada's supergroup holds `messages`; the product is signed in as Ada."""
    settings.HISTORY_RETENTION_DAYS = 0
    world = telegram_reading.company()
    chat: TelegramChat = telegram_reading.add_group(world, CHAT, TG_ADA, TG_BOB, **fields)
    chat.messages = messages
    with TelegramSandbox(world) as sandbox:
        point_at(sandbox, settings, tmp_path, session=sandbox.mint_session(TG_ADA))
        yield sandbox
        assert sandbox.bugs == []


def group(platform: Platform, channel: str = GENERAL) -> Group:
    now = timezone.now()
    slack_group = platform is Platform.SLACK
    return Group.objects.create(
        platform=platform,
        external_id=channel if slack_group else str(CHAT),
        name=("general" if channel == GENERAL else channel) if slack_group else f"Group {CHAT}",
        kind=GroupKind.CHANNEL if slack_group else GroupKind.SUPERGROUP,
        privacy=Privacy.PUBLIC if slack_group else Privacy.PRIVATE,
        history_visibility=History.UNKNOWN,
        in_scope=True,
        first_seen_at=now,
        last_seen_at=now,
    )


def sync(*groups: Group, **wishes: Any) -> SyncJob:
    """What a person who asks for a sync gets in the end."""
    return run_sync(request_sync(groups=groups, asked_by="ada", **wishes).pk)


def after(looks: int) -> Callable[[], bool]:
    """Answers from then on that the worker is stopping."""
    left = iter(range(looks))
    return lambda: next(left, None) is None


def texts(group: Group, **where: Any) -> list[str]:
    """What is kept of the group's conversation, oldest first."""
    rows = Message.objects.filter(conversation__group=group, **where).order_by("sent_at", "number")
    return list(rows.values_list("text", flat=True))


def conversation(group: Group) -> Conversation:
    return Conversation.objects.get(group=group)


def at(number: int) -> datetime:
    return datetime.fromtimestamp(START + 60 * number, UTC)
