"""Sending files: files.getUploadURLExternal, the upload itself, and files.completeUploadExternal.

docs.slack.dev/reference/methods/files.getUploadURLExternal and …/files.completeUploadExternal. The address
of an upload is its own permission: no token goes along.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.methods import messages
from groupadmin.sandbox.slack.methods.files import file_object
from groupadmin.sandbox.slack.scopes import UPLOAD
from groupadmin.sandbox.slack.world import SlackChannel, SlackFile, SlackUpload, SlackWorld

UPLOAD_PATH = "/upload/v1/"
_CHANNEL_ID = re.compile(r"[CGDZ][A-Z0-9]{8,}")


def get_upload_url(call: Call) -> dict[str, Any]:
    call.need(*UPLOAD)
    name, length = call.text("filename"), call.text("length")
    if not name or not length:
        raise Failure("invalid_arguments")
    if not length.isdecimal() or int(length) == 0:
        raise Failure("invalid_arguments")
    upload = SlackUpload(f"F0{token_hex(5).upper()}", name, int(length), call.caller.id)
    call.world.uploads[upload.id] = upload
    return {"upload_url": f"{call.world.base_url}{UPLOAD_PATH}{upload.id}", "file_id": upload.id}


def take_in(world: SlackWorld, path: str, content: bytes) -> bool:
    """The bytes that arrived at an address of ours; False where they are not what was promised."""
    upload = world.uploads.get(path.removeprefix(UPLOAD_PATH))
    if upload is None or len(content) != upload.length:
        return False
    upload.content = content
    return True


def complete_upload(call: Call) -> dict[str, Any]:
    """Make the files, and share them where the call says: as one message."""
    call.need(*UPLOAD)
    uploads = _named(call)
    channel = _channel(call)
    made = [_file(call.world, upload, title) for upload, title in uploads]
    if channel is not None:
        messages.share(call, channel, [file.id for file in made])
        call.changed.add(call.text("initial_comment"))
    return {"files": [file_object(call.world, file) for file in made]}


def _named(call: Call) -> Sequence[tuple[SlackUpload, str]]:
    entries = messages.json_list(call.arguments.get("files"), "invalid_arguments")
    if not entries:
        raise Failure("invalid_arguments")
    found = []
    for entry in entries:
        upload = call.world.uploads.get(entry.get("id", "")) if isinstance(entry, dict) else None
        if upload is None or upload.content is None or upload.user != call.caller.id:
            raise Failure("file_not_found")
        found.append((upload, str(entry.get("title") or upload.name)))
    return found


def _channel(call: Call) -> SlackChannel | None:
    channel_id = call.text("channel_id")
    if not channel_id:
        return None
    if not _CHANNEL_ID.fullmatch(channel_id):
        rule = "input must match regex pattern: ^[CGDZ][A-Z0-9]{8,}$ [json-pointer:/channel_id]"
        raise Failure("invalid_arguments", response_metadata={"messages": [f"[ERROR] {rule}"]})
    channel = call.world.channels.get(channel_id)
    if channel is None or not call.sees(channel):
        raise Failure("channel_not_found")
    if channel.is_archived:
        raise Failure("is_archived")
    if not call.is_member(channel):
        raise Failure("not_in_channel")
    return channel


def _file(world: SlackWorld, upload: SlackUpload, title: str) -> SlackFile:
    del world.uploads[upload.id]
    return world.add_file(SlackFile(upload.id, title, content=upload.content or b"", user=upload.user))


def as_subjects(call: Call) -> list[str]:
    """What the call would write, for the sandbox's log."""
    return [call.text("initial_comment") or json.dumps(call.text("files"))]
