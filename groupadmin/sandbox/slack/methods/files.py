"""Files that were shared in channels: their objects, files.info, and what they hold.

docs.slack.dev/reference/objects/file-object: what a file holds lies at `url_private_download`, for requests
that carry a token with files:read. Others are sent to the sign-in page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from groupadmin.sandbox.slack.call import Call
from groupadmin.sandbox.slack.errors import Failure
from groupadmin.sandbox.slack.world import TEAM_ID, SlackChannel, SlackFile, SlackWorld

FILES_PATH = "/files-pri/"
SIGN_IN_PATH = "/signin"
SCOPE = "files:read"


def files_info(call: Call) -> dict[str, Any]:
    call.need(SCOPE)
    file = call.world.files.get(call.text("file"))
    if file is None or not _is_shared_with(call.world, file.id, call.caller.id):
        raise Failure("file_not_found")
    if file.mode == "tombstone":
        raise Failure("file_deleted")
    return {"file": file_object(call.world, file), "comments": []}


def with_files(world: SlackWorld, message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as it is sent: with the objects of the files whose ids stand in it."""
    if "files" not in message:
        return dict(message)
    objects = [_entry(world, each["id"]) for each in message["files"]]
    return {**message, "files": objects}


def file_object(world: SlackWorld, file: SlackFile) -> dict[str, Any]:
    if file.mode in ("tombstone", "hidden_by_limit"):
        return {"id": file.id, "mode": file.mode}
    external = file.mode == "external"
    address = file.external_url if external else f"{world.base_url}{_path(file)}"
    entry: dict[str, Any] = {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.name,
        "mimetype": file.mimetype,
        "filetype": file.name.rpartition(".")[2],
        "user": file.user,
        "size": 0 if external else len(file.content),
        "mode": file.mode,
        "is_external": external,
        "external_type": "gdrive" if external else "",
        "is_public": True,
        "url_private": address,
        "permalink": f"https://{world.domain}.slack.com/files/{file.user}/{file.id}/{quote(file.name)}",
    }
    return entry if external else entry | {"url_private_download": address}


def content_at(world: SlackWorld, path: str, user_id: str) -> SlackFile | None:
    """The file at a path below FILES_PATH, if the user is in a channel in which it was shared."""
    file_id = path.partition("/")[0].rpartition("-")[2]
    file = world.files.get(file_id)
    return file if file is not None and _is_shared_with(world, file_id, user_id) else None


def _path(file: SlackFile) -> str:
    return f"{FILES_PATH}{TEAM_ID}-{file.id}/download/{quote(file.name.lower(), safe='')}"


def _entry(world: SlackWorld, file_id: str) -> dict[str, Any]:
    """In channels shared with other companies only files.info tells the rest."""
    file = world.files[file_id]
    if file.check_info:
        return {"id": file.id, "mode": "file_access", "file_access": "check_file_info"}
    return file_object(world, file)


def _is_shared_with(world: SlackWorld, file_id: str, user_id: str) -> bool:
    def holds(channel: SlackChannel) -> bool:
        return any(each["id"] == file_id for message in channel.messages for each in message.get("files", ()))

    channels = [each for each in world.channels.values() if not each.is_private or user_id in each.members]
    return any(holds(channel) for channel in channels)
