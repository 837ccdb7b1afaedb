"""A message to Slack, and as an e-mail. Either it got through, or Undelivered says why not."""

from __future__ import annotations

import asyncio
import smtplib
from contextlib import suppress
from email.utils import format_datetime
from mimetypes import guess_type
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import EmailMessage

from members.notices.models import NoticeSettings
from members.notices.texts import Attachment, Envelope
from members.platforms import adapters
from members.platforms.base import CallMeter
from members.platforms.configs import SlackConfig
from members.platforms.errors import AccountTrouble, PlatformError, Refused, TryLater
from members.platforms.slack_errors import MISSING_SCOPE
from members.platforms.writing import InDoubt

if TYPE_CHECKING:
    from members.platforms.slack_uploads import Upload
    from members.platforms.slack_writer import SlackWriter

PATIENCE = 20.0
"""The longest wait for Slack, in seconds, that a message is worth; a longer one is its next attempt."""
LARGEST_ATTACHMENTS = 15 * 1024 * 1024
"""In bytes, all together: mail servers refuse what is much larger."""


class Undelivered(Exception):
    """It did not get through: one line, without secrets. `seconds`: how long the other side wants to rest."""

    def __init__(self, why: str, *, seconds: float = 0.0, in_doubt: bool = False) -> None:
        super().__init__(why)
        self.seconds = seconds
        self.in_doubt = in_doubt


def send_to_slack(envelope: Envelope) -> None:
    """Into the channel SLACK_NOTIFY_CHANNEL, with the files if the token may upload. Raises Undelivered."""
    if not settings.SLACK_NOTIFY_CHANNEL:
        raise Undelivered("No channel is named: set SLACK_NOTIFY_CHANNEL.")
    uploads = [adapters.slack_uploads.Upload(name, content) for name, content in _contents(envelope)]
    try:
        asyncio.run(_post(envelope, uploads))
    except PlatformError as error:
        seconds = error.seconds if isinstance(error, TryLater) else 0.0
        raise Undelivered(str(error), seconds=seconds, in_doubt=isinstance(error, InDoubt)) from None


async def _post(envelope: Envelope, uploads: list[Upload]) -> None:
    channel = settings.SLACK_NOTIFY_CHANNEL
    config = SlackConfig(token=settings.SLACK_USER_TOKEN, api_url=settings.SLACK_API_URL)
    async with adapters.slack_writer.SlackWriter(config, meter=CallMeter(patience=PATIENCE)) as writer:
        if envelope.doubtful and await _is_there(writer, envelope):
            return
        if uploads:
            try:
                reply = await writer.post_files(channel, envelope.text, uploads)
            except PlatformError as error:
                if error.code != MISSING_SCOPE:
                    raise
                reply = await writer.post(channel, envelope.text)  # its link leads to the files
        else:
            reply = await writer.post(channel, envelope.text)
    if not reply.success:
        raise Undelivered(reply.message)


async def _is_there(writer: SlackWriter, envelope: Envelope) -> bool:
    """Whether an earlier attempt got through; False where the token may not read the channel.

    An outage is raised: the message waits on, and stays in doubt.
    """
    with suppress(AccountTrouble, Refused):
        texts = await writer.posted_since(settings.SLACK_NOTIFY_CHANNEL, envelope.created_at)
        return any(envelope.mark in text.splitlines() for text in texts)
    return False


def send_by_email(envelope: Envelope) -> None:
    """To the recipients of the settings. Raises Undelivered.

    A repetition has the same Message-ID, by which mailboxes know it again.
    """
    recipients = NoticeSettings.current().addresses
    if not settings.EMAIL_CONFIGURED or not recipients:
        raise Undelivered("No e-mail can be sent: set EMAIL_URL, and name recipients in the notice settings.")
    message = EmailMessage(
        subject=f"[Group Admin] {envelope.subject}",
        body=envelope.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=recipients,
        headers={
            "Message-ID": f"<{envelope.created_at:%Y%m%d%H%M%S}.{envelope.number}@{_host()}>",
            "Date": format_datetime(envelope.created_at),
            "Auto-Submitted": "auto-generated",
        },
    )
    for name, content in _contents(envelope):
        message.attach(name, content, guess_type(name)[0] or "application/octet-stream")
    try:
        message.send()
    except smtplib.SMTPAuthenticationError:
        raise Undelivered("The mail server does not accept our sign-in: check EMAIL_URL.") from None
    except smtplib.SMTPRecipientsRefused as error:
        refused = ", ".join(sorted(error.recipients))
        raise Undelivered(f"The mail server takes none of the recipients: {refused}.") from None
    except smtplib.SMTPServerDisconnected:
        raise Undelivered("The mail server broke the connection off.", in_doubt=True) from None
    except smtplib.SMTPException as error:
        raise Undelivered(f"The mail server refused it: {_one_line(error)}") from None
    except TimeoutError:
        raise Undelivered("The mail server did not answer in time.", in_doubt=True) from None
    except OSError as error:
        raise Undelivered(f"The mail server cannot be reached: {_one_line(error)}") from None


def _contents(envelope: Envelope) -> list[tuple[str, bytes]]:
    """The files that are still there, by their names, as far as a message holds them."""
    found, size = [], 0
    for attachment in envelope.attachments:
        content = _content(attachment)
        if content is not None and size + len(content) <= LARGEST_ATTACHMENTS:
            found.append((attachment.name, content))
            size += len(content)
    return found


def _content(attachment: Attachment) -> bytes | None:
    try:
        with default_storage.open(attachment.stored, "rb") as file:
            content: bytes = file.read()
    except OSError:  # deleted meanwhile: the notice is worth more than its file
        return None
    return content


def _host() -> str:
    return urlsplit(settings.SITE_URL).hostname or "groupadmin.invalid"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
