"""Files into a Slack channel: an address to send to, the bytes, and the message that shares them.

docs.slack.dev/reference/methods/files.getUploadURLExternal. Until the last call nobody sees anything, so
what comes before it may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from members.platforms.errors import Refused, TryLater
from members.platforms.slack_files import trusted
from members.platforms.slack_transport import SlackTransport

UPLOAD = "upload"
"""Stands for the method where bytes are sent."""
PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be sent."""

    name: str
    content: bytes = field(repr=False)


async def upload(web: SlackTransport, uploads: Sequence[Upload]) -> list[dict[str, str]]:
    """Send the bytes; the files' entries for files.completeUploadExternal. Raises what `web.call` does."""
    return [{"id": await _sent(web, each), "title": each.name} for each in uploads]


async def _sent(web: SlackTransport, each: Upload) -> str:
    place = await web.call("files.getUploadURLExternal", filename=each.name, length=len(each.content))
    url, file_id = place.get("upload_url"), place.get("file_id")
    if not (isinstance(url, str) and isinstance(file_id, str) and trusted(url, web.api_url)):
        raise Refused("Slack told no address of its own to send the file to", code="no_upload_url")
    status = await web.send_bytes(url, UPLOAD, each.content)
    if status != 200:
        raise TryLater(
            f"Slack did not take the file (HTTP {status}): try again in a minute",
            code=f"http_{status}",
            seconds=PAUSE,
        )
    return file_id
