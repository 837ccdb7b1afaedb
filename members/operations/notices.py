"""Telling people what was done, or is to be done, without anybody having asked."""

from __future__ import annotations

import asyncio

import structlog
from django.conf import settings
from django.utils import timezone

from members.operations import activity
from members.operations.activity import Event
from members.platforms.base import CallMeter
from members.platforms.errors import PlatformError
from members.platforms.outcomes import Reply
from members.platforms.slack import SlackConfig
from members.platforms.slack_writer import SlackWriter

ACTION = "operation.notice"
PATIENCE = 20.0
"""The longest wait, in seconds, that a message is worth."""

log = structlog.get_logger(__name__)


def notify(text: str, *, actor: str, operation_id: int | None = None) -> None:
    """Write `text` into the record and, if there is a channel for notices, into that. Never raises for Slack.

    Call it outside the event loop and outside a transaction: it may wait for Slack.
    """
    trouble = _post(text) if settings.SLACK_NOTIFY_CHANNEL else ""
    if trouble:
        log.warning("notice.not_posted", operation=operation_id, error=trouble)
        text = f"{text}\nNot posted to Slack: {trouble}"
    event = Event(actor, ACTION, operation_id, detail=text)
    activity.record(events=[event], at=timezone.now())


def _post(text: str) -> str:
    """Post to the channel of the settings. Returns what went wrong, "" when nothing did."""
    try:
        reply = asyncio.run(_posted(text))
    except PlatformError as error:
        return str(error)
    return "" if reply.success else reply.message


async def _posted(text: str) -> Reply:
    config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
    async with SlackWriter(config, meter=CallMeter(patience=PATIENCE)) as writer:
        return await writer.post(settings.SLACK_NOTIFY_CHANNEL, text)
