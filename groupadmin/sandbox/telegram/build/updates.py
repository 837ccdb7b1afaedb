"""Events → TL updates."""

from __future__ import annotations

from typing import Any

from telethon.tl import types

from groupadmin.sandbox.telegram.build.view import View
from groupadmin.sandbox.telegram.events import (
    ChatChanged,
    Event,
    JoinRequested,
    MessageEdited,
    MessagePosted,
    MessagesDeleted,
    ParticipantChanged,
)
from groupadmin.sandbox.telegram.world import TelegramChat


def update(view: View, event: Event, pts: int, count: int) -> Any:
    """The update that tells `view`'s account of `event`; for bot events `pts` is the qts."""
    match event:
        case MessagePosted(place, row):
            new = types.UpdateNewChannelMessage if place.is_channel else types.UpdateNewMessage
            return new(view.message(place, row), pts, count)
        case MessageEdited(place, row):
            edited = types.UpdateEditChannelMessage if place.is_channel else types.UpdateEditMessage
            return edited(view.message(place, row), pts, count)
        case MessagesDeleted(place, ids):
            if isinstance(place, TelegramChat) and place.is_channel:
                return types.UpdateDeleteChannelMessages(place.id, list(ids), pts, count)
            return types.UpdateDeleteMessages(list(ids), pts, count)
        case ChatChanged(chat):
            return types.UpdateChannel(chat.id) if chat.is_channel else types.UpdateChat(chat.id)
        case ParticipantChanged():
            return _participant_changed(view, event, qts=pts)
        case JoinRequested():
            return _join_requested(view, event, qts=pts)
    raise ValueError(f"unknown event {event}")


def invite(link: str, admin_id: int, date: int, *, by_request: bool) -> types.ChatInviteExported:
    return types.ChatInviteExported(link, admin_id, date, permanent=True, request_needed=by_request)


def _participant_changed(view: View, event: ParticipantChanged, qts: int) -> Any:
    changed = types.UpdateChannelParticipant if event.place.is_channel else types.UpdateChatParticipant
    return changed(
        event.place.id,
        event.date,
        event.actor,
        event.after.user_id,
        qts,
        prev_participant=view.participant(event.place, event.before),
        new_participant=view.participant(event.place, event.after),
    )


def _join_requested(view: View, event: JoinRequested, qts: int) -> Any:
    owner = event.place.creator or event.user_id
    return types.UpdateBotChatInviteRequester(
        peer=view.peer(event.place),
        date=event.date,
        user_id=event.user_id,
        about="",
        invite=invite(event.link, owner, event.date, by_request=True),
        qts=qts,
    )
