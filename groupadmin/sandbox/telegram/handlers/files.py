"""Reading files part by part, and taking an authorization along to the data centre that has them.

https://core.telegram.org/api/files and https://core.telegram.org/api/datacenter
"""

from __future__ import annotations

import secrets
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.build.files import PHOTO_SIZES, access_hash, reference
from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.handlers.auth import signed_in
from groupadmin.sandbox.telegram.messages import TelegramFile
from groupadmin.sandbox.telegram.world import Place

_STEP = 4096
_SPAN = 1024 * 1024
"""A part lies within one of these."""


@answers(functions.upload.GetFileRequest)
def get_file(call: Call, request: Any) -> Any:
    if request.limit <= 0 or request.limit % _STEP or _SPAN % request.limit:
        raise RpcError("LIMIT_INVALID")
    if request.offset % _STEP or request.offset // _SPAN != (request.offset + request.limit - 1) // _SPAN:
        raise RpcError("OFFSET_INVALID")
    file = _file_at(call, request.location)
    if file.dc_id != call.connection.dc_id:
        raise RpcError(f"FILE_MIGRATE_{file.dc_id}")
    part = file.content[request.offset : request.offset + request.limit]
    kind = types.storage.FileJpeg() if file.kind == "photo" else types.storage.FileUnknown()
    return types.upload.File(kind, file.date, part)


@answers(functions.auth.ExportAuthorizationRequest)
def export_authorization(call: Call, request: Any) -> Any:
    if request.dc_id not in call.backend.addresses or request.dc_id == call.connection.dc_id:
        raise RpcError("DC_ID_INVALID")
    ticket = secrets.token_bytes(32)
    call.backend.exported[ticket] = call.viewer
    return types.auth.ExportedAuthorization(call.viewer, ticket)


@answers(functions.auth.ImportAuthorizationRequest, anonymous=True)
def import_authorization(call: Call, request: Any) -> Any:
    if call.backend.exported.get(request.bytes) != request.id:
        raise RpcError("AUTH_BYTES_INVALID")
    del call.backend.exported[request.bytes]
    return signed_in(call, request.id)


def _file_at(call: Call, location: Any) -> TelegramFile:
    if not isinstance(location, types.InputPhotoFileLocation | types.InputDocumentFileLocation):
        raise RpcError("LOCATION_INVALID")
    file = _find(call, location.id)
    is_photo = isinstance(location, types.InputPhotoFileLocation)
    if file is None or location.access_hash != access_hash(call.viewer, location.id):
        raise RpcError("LOCATION_INVALID")
    if is_photo != (file.kind == "photo") or (is_photo and location.thumb_size not in PHOTO_SIZES):
        raise RpcError("LOCATION_INVALID")
    if not location.file_reference:
        raise RpcError("FILE_REFERENCE_EMPTY")
    if location.file_reference != reference(file):
        raise RpcError("FILE_REFERENCE_EXPIRED")
    return file


def _find(call: Call, file_id: int) -> TelegramFile | None:
    places: list[Place] = [*call.world.chats.values(), *call.world.conversations_of(call.viewer)]
    carried = (message.file for place in places for message in place.messages)
    return next((file for file in carried if file is not None and file.id == file_id), None)
