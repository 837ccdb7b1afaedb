"""The state of the caller's updates, and what it has missed: https://core.telegram.org/api/updates"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.build.updates import update
from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.errors import RpcError
from groupadmin.sandbox.telegram.events import MessagePosted, people_of
from groupadmin.sandbox.telegram.updates import Stamped

_SEQ = 1
"""The sandbox numbers no containers of updates: they all carry 0, and the state stays at 1."""


@answers(functions.updates.GetStateRequest)
def get_state(call: Call, request: Any) -> types.updates.State:
    updates = call.backend.updates
    return types.updates.State(
        pts=updates.accounts[call.viewer].pts,
        qts=updates.bots[call.viewer].pts,
        date=int(time.time()),
        seq=_SEQ,
        unread_count=0,
    )


@answers(functions.updates.GetDifferenceRequest)
def get_difference(call: Call, request: Any) -> Any:
    updates = call.backend.updates
    messages = updates.accounts[call.viewer].after(request.pts)
    told_to_bots = updates.bots[call.viewer].after(request.qts)
    missed = len(messages) + len(told_to_bots)
    if not missed:
        return types.updates.DifferenceEmpty(date=int(time.time()), seq=_SEQ)
    if missed > updates.longest_difference:
        return types.updates.DifferenceTooLong(pts=updates.accounts[call.viewer].pts)
    messages = messages[: updates.slice]
    told_to_bots = told_to_bots[: updates.slice - len(messages)]
    content, state = _content(call, messages + told_to_bots), get_state(call, request)
    if len(messages) + len(told_to_bots) == missed:
        return types.updates.Difference(new_encrypted_messages=[], state=state, **content)
    state.pts = messages[-1].pts if messages else request.pts
    state.qts = told_to_bots[-1].pts if told_to_bots else request.qts
    return types.updates.DifferenceSlice(new_encrypted_messages=[], intermediate_state=state, **content)


@answers(functions.updates.GetChannelDifferenceRequest)
def get_channel_difference(call: Call, request: Any) -> Any:
    chat = call.peers.any_channel(request.channel)
    if call.viewer not in chat.members:
        raise RpcError("CHANNEL_PRIVATE")
    timeline = call.backend.updates.channels[chat.id]
    missed = timeline.after(request.pts)
    if not missed:
        return types.updates.ChannelDifferenceEmpty(pts=timeline.pts, final=True)
    return types.updates.ChannelDifference(pts=timeline.pts, final=True, **_content(call, missed))


def _content(call: Call, missed: Iterable[Stamped]) -> dict[str, Any]:
    """New messages apart from everything else, with the people and chats in them."""
    new_messages, other_updates, people, places = [], [], set(), []
    for stamped in missed:
        event = stamped.event
        if isinstance(event, MessagePosted):
            new_messages.append(call.view.message(event.place, event.message))
        else:
            other_updates.append(update(call.view, event, stamped.pts, stamped.count))
        people |= people_of(event)
        places.append(event.place)
    return {
        "new_messages": new_messages,
        "other_updates": other_updates,
        "chats": call.view.chats(places),
        "users": call.view.users(people),
    }
