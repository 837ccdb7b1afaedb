"""The list of chats and conversations."""

from __future__ import annotations

from typing import Any

from telethon import utils
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.dialogs import ARCHIVE, Entry, Offset
from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.events import people_in
from groupadmin.sandbox.telegram.messages import Conversation

_PAGE = 100


@answers(functions.messages.GetDialogsRequest, bots=False)
def get_dialogs(call: Call, request: Any) -> Any:
    dialogs = call.backend.dialogs.get(call.viewer, request.folder_id, pinned=not request.exclude_pinned)
    page = dialogs.page(_offset(call, request), min(request.limit, _PAGE))
    people = {call.viewer}
    for entry in page:
        if isinstance(entry.place, Conversation):
            people.update(entry.place.users)
        if entry.top is not None:
            people.update(people_in(entry.place, entry.top))
    content = {
        "dialogs": [_dialog(call, entry) for entry in page],
        "messages": [call.view.message(entry.place, entry.top) for entry in page if entry.top],
        "chats": call.view.chats(entry.place for entry in page),
        "users": call.view.users(people),
    }
    if len(page) == len(dialogs):
        return types.messages.Dialogs(**content)
    return types.messages.DialogsSlice(count=len(dialogs), **content)


def _offset(call: Call, request: Any) -> Offset:
    peer, peer_id = request.offset_peer, None
    if isinstance(peer, types.InputPeerSelf):
        peer_id = call.viewer
    elif not isinstance(peer, types.InputPeerEmpty):
        peer_id = utils.get_peer_id(peer)
    date = int(request.offset_date.timestamp()) if request.offset_date else 0
    return Offset(date, request.offset_id, peer_id)


def _dialog(call: Call, entry: Entry) -> types.Dialog:
    top_id = entry.top.id if entry.top else 0
    place = entry.place
    pts = None
    if not isinstance(place, Conversation) and place.is_channel:
        pts = call.backend.updates.channels[place.id].pts
    return types.Dialog(
        peer=call.view.peer(place),
        top_message=top_id,
        read_inbox_max_id=top_id,
        read_outbox_max_id=top_id,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        notify_settings=types.PeerNotifySettings(),
        pinned=entry.pin is not None,
        pts=pts,
        folder_id=ARCHIVE if entry.archived else None,
    )
