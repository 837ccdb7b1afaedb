"""Photos and documents between the world and TL: https://core.telegram.org/api/files"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from telethon.tl import types

from groupadmin.sandbox.telegram.messages import TelegramFile

_SIDE = 800
"""Of a photo's largest size, in pixels."""
PHOTO_SIZES = {"m": 320, "y": _SIDE}
"""The type of each size that a photo has, and its side."""


def media(file: TelegramFile, viewer: int) -> Any:
    """The MessageMedia… for a file, as `viewer` may name it."""
    common = {
        "id": file.id,
        "access_hash": access_hash(viewer, file.id),
        "file_reference": reference(file),
        "date": file.date,
        "dc_id": file.dc_id,
    }
    if file.kind == "photo":
        sizes = [
            types.PhotoStrippedSize("i", b"\x01\x28\x28"),
            *(
                types.PhotoSize(name, side, side, len(file.content) * side // _SIDE)
                for name, side in PHOTO_SIZES.items()
            ),
        ]
        return types.MessageMediaPhoto(photo=types.Photo(sizes=sizes, **common))
    document = types.Document(
        mime_type=file.mime_type, size=len(file.content), attributes=_attributes(file), **common
    )
    return types.MessageMediaDocument(document=document)


def access_hash(viewer: int, file_id: int) -> int:
    """The number under which `viewer`, and nobody else, may ask for a file."""
    digest = blake2b(f"{viewer}:file:{file_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def reference(file: TelegramFile) -> bytes:
    """What Telegram calls file_reference: worth nothing once the next one is out."""
    return b"ref" + file.references.to_bytes(4, "little")


def _attributes(file: TelegramFile) -> list[Any]:
    named = [types.DocumentAttributeFilename(file.name)] if file.name else []
    match file.kind:
        case "video":
            return [types.DocumentAttributeVideo(duration=3.0, w=640, h=480), *named]
        case "video_message":
            return [types.DocumentAttributeVideo(duration=3.0, w=240, h=240, round_message=True), *named]
        case "voice":
            return [types.DocumentAttributeAudio(duration=3, voice=True), *named]
        case "audio":
            return [types.DocumentAttributeAudio(duration=3, title="Song", performer="Band"), *named]
        case "animation":
            return [types.DocumentAttributeAnimated(), *named]
    return named
