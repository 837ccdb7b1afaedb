"""What the files of Telegram messages hold: https://core.telegram.org/api/files

The way to a file (its `file_reference`) runs out within hours, and only the message tells a new one:
https://core.telegram.org/api/file_reference
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.errors import Refused
from members.platforms.history import Chunks, FilePlace
from members.platforms.telegram_transport import FILE_PART, FilePart, TelegramTransport

MESSAGES_AT_ONCE = 100
MOST_NEW_WAYS = 3
"""How often in a row the way to one file may run out."""

_RUN_OUT = frozenset({"FILE_REFERENCE_EXPIRED", "FILE_REFERENCE_INVALID", "FILEREF_UPGRADE_NEEDED"})

Call = Callable[[Any], Awaitable[Any]]
Way = tuple[Any, int]
"""A file's location, and the data centre that has it."""


class TelegramFiles:
    """The files of one account's messages."""

    def __init__(self, call: Call, transport: TelegramTransport) -> None:
        self._call, self._transport = call, transport

    async def locate(
        self, channel: tl.InputChannel | None, places: Sequence[FilePlace]
    ) -> list[Chunks | Refused]:
        """The ways to files of a supergroup (`channel`), or of a basic group."""
        here = await self._media(channel, [place.number for place in places if not place.origin])
        before = await self._media(None, [place.number for place in places if place.origin])
        chunks: list[Chunks | Refused] = []
        for place in places:
            peer, media = (None, before) if place.origin else (channel, here)
            way = way_to(media.get(place.number), place.file_id)
            chunks.append(_gone() if way is None else partial(self._read, peer, place, way))
        return chunks

    async def _read(
        self, peer: tl.InputChannel | None, place: FilePlace, way: Way
    ) -> AsyncGenerator[bytes, None]:
        offset = new_ways = 0
        while True:
            location, dc = way
            try:
                chunk = await self._transport.file_part(FilePart(location, offset, dc))
            except Refused as error:
                if error.code not in _RUN_OUT or new_ways >= MOST_NEW_WAYS:
                    raise
                new_ways += 1
                found = await self._media(peer, [place.number])
                new = way_to(found.get(place.number), place.file_id)
                if new is None:
                    raise _gone() from None
                way = new
                continue
            new_ways = 0
            if chunk:
                yield chunk
            if len(chunk) < FILE_PART:
                return
            offset += len(chunk)

    async def _media(self, peer: tl.InputChannel | None, numbers: Iterable[int]) -> Mapping[int, Any]:
        """What messages carry now, by their numbers."""
        wanted = sorted(set(numbers))
        found: dict[int, Any] = {}
        for at in range(0, len(wanted), MESSAGES_AT_ONCE):
            ids = [tl.InputMessageID(number) for number in wanted[at : at + MESSAGES_AT_ONCE]]
            request = (
                functions.messages.GetMessagesRequest(ids)
                if peer is None
                else functions.channels.GetMessagesRequest(peer, ids)
            )
            answer = await self._call(request)
            found |= {each.id: each.media for each in answer.messages if isinstance(each, tl.Message)}
        return found


def way_to(media: Any, file_id: str) -> Way | None:
    """Where the file with this id lies; None when the message has another one, or none."""
    match media:
        case tl.MessageMediaPhoto(photo=tl.Photo() as photo) if str(photo.id) == file_id:
            size = max(photo.sizes, key=_pixels, default=None)
            return tl.InputPhotoFileLocation(
                photo.id, photo.access_hash, photo.file_reference, getattr(size, "type", "")
            ), photo.dc_id
        case tl.MessageMediaDocument(document=tl.Document() as document) if str(document.id) == file_id:
            return tl.InputDocumentFileLocation(
                document.id, document.access_hash, document.file_reference, ""
            ), document.dc_id
    return None


def _pixels(size: Any) -> int:
    """Thumbnails that come with the message itself (stripped, cached, outlines) are none to ask for."""
    if isinstance(size, tl.PhotoSize | tl.PhotoSizeProgressive):
        return int(size.w) * int(size.h)
    return -1


def _gone() -> Refused:
    return Refused("The message is gone, or has another file now", code="file_left_out")
