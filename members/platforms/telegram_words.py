"""What Telegram's service lines, and messages without a text, tell in words. Pure.

The kinds: core.telegram.org/type/{MessageAction,MessageMedia}.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from telethon.tl import types as tl

from members.platforms.text import storable

_NEXT_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TOLD_AS_FILES = (tl.MessageMediaPhoto, tl.MessageMediaDocument, tl.MessageMediaWebPage, tl.MessageMediaEmpty)


def action_in_words(action: Any, name_of: Callable[[int], str]) -> str:
    """What a service line tells, after the name of whoever did it."""
    people = ", ".join(name_of(user_id) for user_id in getattr(action, "users", ()) or ())
    title = storable(getattr(action, "title", "") or "")
    match action:
        case tl.MessageActionChatCreate() | tl.MessageActionChannelCreate():
            return f"created the group “{title}”"
        case tl.MessageActionChatEditTitle():
            return f"renamed the group to “{title}”"
        case tl.MessageActionChatEditPhoto():
            return "changed the group's photo"
        case tl.MessageActionChatDeletePhoto():
            return "removed the group's photo"
        case tl.MessageActionChatAddUser():
            return f"added {people}"
        case tl.MessageActionChatDeleteUser():
            return f"removed {name_of(action.user_id)}"
        case tl.MessageActionChatJoinedByLink():
            return "joined by an invite link"
        case tl.MessageActionChatJoinedByRequest():
            return "joined after a request"
        case tl.MessageActionChatMigrateTo():
            return "turned the group into a supergroup"
        case tl.MessageActionChannelMigrateFrom():
            return f"turned the group “{title}” into this supergroup"
        case tl.MessageActionPinMessage():
            return "pinned a message"
        case tl.MessageActionTopicCreate():
            return f"opened the topic “{title}”"
        case tl.MessageActionTopicEdit() if title:
            return f"renamed the topic to “{title}”"
        case tl.MessageActionTopicEdit() if action.closed is not None:
            return "closed the topic" if action.closed else "opened the topic again"
        case tl.MessageActionGroupCall():
            return "began a call" if action.duration is None else "ended the call"
        case tl.MessageActionInviteToGroupCall():
            return f"invited {people} to the call"
        case tl.MessageActionCustomAction():
            return storable(action.message)
    return _name_in_words(action, "MessageAction")


def media_in_words(media: Any) -> str:
    """What a message brings that is neither text nor file: a poll, a place, a contact. "" otherwise."""
    if media is None or isinstance(media, _TOLD_AS_FILES):
        return ""
    match media:
        case tl.MessageMediaPoll():
            answers = [getattr(answer, "text", None) for answer in media.poll.answers]
            return _listed("Poll", media.poll.question, answers)
        case tl.MessageMediaToDo():
            return _listed("Checklist", media.todo.title, [item.title for item in media.todo.list])
        case tl.MessageMediaContact():
            name = " ".join(filter(None, (media.first_name, media.last_name)))
            return storable(", ".join(filter(None, (f"Contact: {name}", media.phone_number))))
        case tl.MessageMediaVenue():
            return storable(", ".join(filter(None, (f"Place: {media.title}", media.address))))
        case (
            tl.MessageMediaGeo(geo=tl.GeoPoint() as place)
            | tl.MessageMediaGeoLive(geo=tl.GeoPoint() as place)
        ):
            return f"Location: {place.lat:.6f}, {place.long:.6f}"
        case tl.MessageMediaDice():
            return storable(f"{media.emoticon} {media.value}")
        case tl.MessageMediaGame():
            return storable(f"Game: {media.game.title}")
        case tl.MessageMediaInvoice():
            return storable(f"Invoice: {media.title}")
    return _name_in_words(media, "MessageMedia").capitalize()


def _listed(kind: str, title: Any, entries: list[Any]) -> str:
    texts = [entry.text for entry in entries if isinstance(entry, tl.TextWithEntities)]
    return storable("\n".join([f"{kind}: {title.text}", *(f"• {text}" for text in texts)]))


def _name_in_words(value: Any, prefix: str) -> str:
    return _NEXT_WORD.sub(" ", type(value).__name__.removeprefix(prefix)).lower()
