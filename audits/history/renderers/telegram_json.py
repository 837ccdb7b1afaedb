"""Telegram Desktop's own export: `result.json` in a folder `ChatExport_<day>`.

Field facts: Telegram Desktop's export_output_json.cpp. What it lacks and readers do not mind is
added under keys of its own: topic, origin, and when a message was seen to be deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, BinaryIO

from audits.history.renderers.base import Chapter, Person, Said, SaidFile, Sink
from audits.history.renderers.media import MediaWriter, path_of
from audits.history.renderers.telegram_content import content_fields
from audits.history.renderers.telegram_entities import mixed, runs
from members.platforms.history import FileKind, MessageKind
from members.platforms.types import GroupKind, Platform

NOT_INCLUDED = "(File not included. Change data exporting settings to download.)"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode

_MEDIA_TYPES = {
    FileKind.STICKER: "sticker",
    FileKind.VIDEO_MESSAGE: "video_message",
    FileKind.VOICE: "voice_message",
    FileKind.ANIMATION: "animation",
    FileKind.VIDEO: "video_file",
    FileKind.AUDIO: "audio_file",
}
_MEASURES = {
    "w": "width",
    "h": "height",
    "duration": "duration_seconds",
    "performer": "performer",
    "title": "title",
    "alt": "sticker_emoji",
}
_ACTIONS = {
    "MessageActionChatCreate": "create_group",
    "MessageActionChannelCreate": "create_channel",
    "MessageActionChatEditTitle": "edit_group_title",
    "MessageActionChatEditPhoto": "edit_group_photo",
    "MessageActionChatDeletePhoto": "delete_group_photo",
    "MessageActionChatAddUser": "invite_members",
    "MessageActionChatDeleteUser": "remove_members",
    "MessageActionChatJoinedByLink": "join_group_by_link",
    "MessageActionChatJoinedByRequest": "join_group_by_request",
    "MessageActionChatMigrateTo": "migrate_to_supergroup",
    "MessageActionChannelMigrateFrom": "migrate_from_group",
    "MessageActionPinMessage": "pin_message",
    "MessageActionHistoryClear": "clear_history",
    "MessageActionTopicCreate": "topic_created",
    "MessageActionTopicEdit": "topic_edit",
    "MessageActionContactSignUp": "joined_telegram",
    "MessageActionPhoneCall": "phone_call",
    "MessageActionGroupCall": "group_call",
    "MessageActionInviteToGroupCall": "invite_to_group_call",
    "MessageActionSetMessagesTTL": "set_messages_ttl",
}


class TelegramJson:
    """One chat is the document itself; several stand in a list."""

    threaded = False
    needs_replies = False
    needs_raw = True
    platforms = frozenset({Platform.TELEGRAM})

    def render(self, chapters: Iterable[Chapter], sink: Sink) -> None:
        chats = list(chapters)  # their messages are read when they are walked through
        folders = [""] if len(chats) == 1 else [f"chats/chat_{place}/" for place in range(1, len(chats) + 1)]
        with sink.file("result.json") as out:
            if not chats:
                out.write(b"{}\n")
            elif len(chats) == 1:
                _write_chat(chats[0], "", out)
                out.write(b"\n")
            else:
                out.write(b'{"about": "Exported chats", "chats": {"about": "Exported chats", "list": [\n')
                for number, chapter in enumerate(chats):
                    out.write(b",\n" if number else b"")
                    _write_chat(chapter, folders[number], out)
                out.write(b"\n]}}\n")
        media = MediaWriter(sink)
        for chapter, folder in zip(chats, folders, strict=False):
            media.write(chapter, partial(_path_below, folder))


def _path_below(folder: str, file: SaidFile) -> str:
    return folder + path_of(file)


def _write_chat(chapter: Chapter, folder: str, out: BinaryIO) -> None:
    head = {"name": chapter.name, "type": _type(chapter), "id": int(chapter.id)}
    out.write(_encode(head)[:-1].encode() + b', "messages": [')
    names = Names(chapter)
    for number, said in enumerate(chapter.messages):
        out.write(b",\n " if number else b"\n ")
        out.write(_encode(_message(said, names, folder)).encode())
    out.write(b"\n]}")


def _type(chapter: Chapter) -> str:
    if chapter.kind is GroupKind.BASIC:
        return "private_group"
    return "private_supergroup" if chapter.is_private else "public_supergroup"


class Names:
    """What people and channels are called: those who wrote, and those of whom somebody speaks."""

    def __init__(self, chapter: Chapter) -> None:
        self._find = chapter.find_people
        self._known: dict[str, Person | None] = {person.id: person for person in chapter.people}

    def of(self, sender_id: str) -> str | None:
        person = self.person(sender_id)
        return (person.name or None) if person is not None else None

    def person(self, sender_id: str) -> Person | None:
        if sender_id not in self._known:
            self._known[sender_id] = next(iter(self._find((sender_id,))), None)
        return self._known[sender_id]


def _message(said: Said, names: Names, folder: str) -> dict[str, Any]:
    service = said.kind is MessageKind.SERVICE
    raw = said.raw
    message: dict[str, Any] = {"id": said.number, "type": "service" if service else "message"}
    message |= _dated("date", said.sent_at)
    if said.edited_at is not None:
        message |= _dated("edited", said.edited_at)
    message |= _service(said, raw, names) if service else _spoken(said, raw, names, folder)
    text = raw.get("message", said.text)  # without our words for what else came with it
    text_runs = [] if service else runs(text, raw.get("entities") or ())
    message |= {"text": mixed(text_runs) if text_runs else "", "text_entities": text_runs}
    return message | _extras(said, raw)


def _dated(key: str, moment: datetime) -> dict[str, str]:
    return {key: f"{moment:%Y-%m-%dT%H:%M:%S}", f"{key}_unixtime": str(int(moment.timestamp()))}


def _spoken(said: Said, raw: Mapping[str, Any], names: Names, folder: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"from": said.sender_name or None, "from_id": _peer(said.sender_id)}
    if "post_author" in raw:
        fields["author"] = raw["post_author"]
    if forwarded := raw.get("fwd_from"):
        origin = _id_of(forwarded.get("from_id"))
        fields["forwarded_from"] = forwarded.get("from_name") or names.of(origin)
        if origin:
            fields["forwarded_from_id"] = _peer(origin)
    if "via_bot_id" in raw and (bot := names.person(str(raw["via_bot_id"]))) and bot.username:
        fields["via_bot"] = f"@{bot.username}"
    answered = said.thread if said.reply_to is None else said.reply_to
    if answered is not None:  # in a topic, what answers nothing answers the message that opened it
        fields["reply_to_message_id"] = answered
    for file in said.files[:1]:  # Telegram has one for each message
        fields |= _file(file, folder) | _measures(raw.get("media") or {})
    return fields | content_fields(raw)


def _service(said: Said, raw: Mapping[str, Any], names: Names) -> dict[str, Any]:
    action = raw.get("action") or {}
    word = str(action.get("_", ""))
    fields: dict[str, Any] = {
        "actor": said.sender_name or None,
        "actor_id": _peer(said.sender_id),
        "action": _ACTIONS.get(word, word.removeprefix("MessageAction").lower() or "unknown"),
    }
    if "title" in action:
        fields["new_title" if word == "MessageActionTopicEdit" else "title"] = action["title"]
    members = action.get("users") or ([action["user_id"]] if "user_id" in action else [])
    if members:
        fields["members"] = [names.of(str(member)) for member in members]
    if word == "MessageActionChatJoinedByLink":
        fields["inviter"] = names.of(str(action.get("inviter_id", "")))
    for key in ("duration", "period"):
        if key in action:
            fields[key] = action[key]
    if word == "MessageActionPinMessage" and said.reply_to is not None:
        fields["message_id"] = said.reply_to
    return fields


def _file(file: SaidFile, folder: str) -> dict[str, Any]:
    path = _path_below(folder, file) if file.sha256 else NOT_INCLUDED
    if file.kind is FileKind.PHOTO:
        return {"photo": path, "photo_file_size": file.size or 0}
    fields: dict[str, Any] = {"file": path, "file_name": file.name, "file_size": file.size or 0}
    if file.kind in _MEDIA_TYPES:
        fields["media_type"] = _MEDIA_TYPES[file.kind]
    return fields | {"mime_type": file.mime_type}


def _measures(media: Mapping[str, Any]) -> dict[str, Any]:
    """Width, height, length in seconds and the like, as far as Telegram told them."""
    sizes = (media.get("photo") or {}).get("sizes") or []
    measured = [size for size in sizes if "w" in size and "h" in size]
    told: list[Mapping[str, Any]] = [max(measured, key=itemgetter("w"))] if measured else []
    told += (media.get("document") or {}).get("attributes") or []
    found: dict[str, Any] = {}
    for attribute in told:
        for key, name in _MEASURES.items():
            if key in attribute:
                found[name] = attribute[key]
    if "duration_seconds" in found:
        found["duration_seconds"] = int(found["duration_seconds"])
    return found


def _extras(said: Said, raw: Mapping[str, Any]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if said.topic:
        extras |= {"topic": said.topic, "topic_id": said.thread}
    if said.origin:
        extras["origin_chat_id"] = int(said.origin)
    if said.deleted_at is not None:
        extras |= _dated("deleted", said.deleted_at)
    for key in ("views", "grouped_id"):
        if key in raw:
            extras[key] = raw[key]
    return extras


def _peer(sender_id: str) -> str | None:
    """`user123`; channels carry their prefix already."""
    if not sender_id:
        return None
    return f"user{sender_id}" if sender_id.isdecimal() else sender_id


def _id_of(peer: Mapping[str, Any] | None) -> str:
    """The id under which senders are kept; "" for nobody."""
    for key, prefix in (("user_id", ""), ("channel_id", "channel"), ("chat_id", "chat")):
        if peer and key in peer:
            return f"{prefix}{peer[key]}"
    return ""
