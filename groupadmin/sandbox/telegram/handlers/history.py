"""Reading messages: https://core.telegram.org/api/offsets"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from telethon.tl import functions, types

from groupadmin.sandbox.telegram.build.messages import missing_message
from groupadmin.sandbox.telegram.dispatch import Call, answers
from groupadmin.sandbox.telegram.events import people_in
from groupadmin.sandbox.telegram.handlers.messages import find_message, shared_places
from groupadmin.sandbox.telegram.handlers.permissions import is_admin
from groupadmin.sandbox.telegram.messages import Conversation, TelegramMessage
from groupadmin.sandbox.telegram.world import Place

_PAGE = 100


@answers(functions.messages.GetHistoryRequest, bots=False)
def get_history(call: Call, request: Any) -> Any:
    place = call.peers.place(request.peer)
    rows = _readable(call, place)
    return _answer(call, place, _page(rows, request, _timestamp(request.offset_date)), total=len(rows))


@answers(functions.messages.SearchRequest, bots=False)
def search(call: Call, request: Any) -> Any:
    """Text, author and dates. No message here has a photo or a file, so every such filter finds nothing."""
    place = call.peers.place(request.peer)
    author = call.peers.user(request.from_id).id if request.from_id else None
    text = request.q.casefold()
    earliest, latest = _timestamp(request.min_date), _timestamp(request.max_date)
    rows = [
        row
        for row in _readable(call, place)
        if isinstance(request.filter, types.InputMessagesFilterEmpty)
        and text in row.text.casefold()
        and author in (None, row.sender)
        and (not earliest or row.date > earliest)
        and (not latest or row.date < latest)
    ]
    return _answer(call, place, _page(rows, request, offset_date=0), total=len(rows))


@answers(functions.channels.GetMessagesRequest)
def get_channel_messages(call: Call, request: Any) -> Any:
    chat = call.peers.channel(request.channel)
    readable = _readable(call, chat)
    found = [find_message(readable, wanted.id) for wanted in request.id]
    rows = [row for row in found if row is not None]
    messages = [
        call.view.message(chat, row) if row else missing_message(wanted.id)
        for row, wanted in zip(found, request.id, strict=True)
    ]
    return types.messages.ChannelMessages(
        pts=call.backend.updates.channels[chat.id].pts,
        count=len(messages),
        messages=messages,
        topics=[],
        chats=call.view.chats([chat]),
        users=call.view.users(set().union(*(people_in(chat, row) for row in rows))),
    )


@answers(functions.messages.GetMessagesRequest)
def get_messages(call: Call, request: Any) -> Any:
    """For private chats and basic groups, whose messages are named without their place."""
    places, messages, people, used = shared_places(call), [], set(), []
    for wanted in request.id:
        hits = ((place, find_message(place.messages, wanted.id)) for place in places)
        place, row = next(((place, row) for place, row in hits if row is not None), (None, None))
        if place is None or row is None:
            messages.append(missing_message(wanted.id))
            continue
        messages.append(call.view.message(place, row))
        people |= people_in(place, row)
        used.append(place)
    return types.messages.Messages(
        messages=messages, topics=[], chats=call.view.chats(used), users=call.view.users(people)
    )


def _readable(call: Call, place: Place) -> Sequence[TelegramMessage]:
    """Everything, except that newcomers do not see what was written before where that is hidden."""
    if isinstance(place, Conversation) or not place.hidden_prehistory or is_admin(call, place):
        return place.messages
    joined = place.members.get(call.viewer)
    first = len(place.messages) if joined is None else bisect_left(place.messages, joined, key=_date)
    return place.messages[first:]


def _page(rows: Sequence[TelegramMessage], request: Any, offset_date: int) -> list[TelegramMessage]:
    """The slice that the request asks for, newest first, then cut by `max_id` and `min_id`.

    Counted from the newest message, the slice begins behind `offset_id` (or `offset_date`), shifted
    by `add_offset`; a part of it that lies before the newest message stays empty.
    """
    newer = 0
    if request.offset_id:
        newer = len(rows) - bisect_left(rows, request.offset_id, key=_id)
    elif offset_date:
        newer = len(rows) - bisect_left(rows, offset_date, key=_date)
    first = newer + request.add_offset
    last = first + min(request.limit, _PAGE)
    end, begin = len(rows) - max(first, 0), len(rows) - max(last, 0)
    page = list(reversed(rows[max(begin, 0) : max(end, 0)]))
    return [
        row for row in page if row.id > request.min_id and (not request.max_id or row.id < request.max_id)
    ]


def _answer(call: Call, place: Place, page: list[TelegramMessage], *, total: int) -> Any:
    content = {
        "messages": [call.view.message(place, row) for row in page],
        "topics": [],
        "chats": call.view.chats([place]),
        "users": call.view.users(set().union(*(people_in(place, row) for row in page))),
    }
    if not isinstance(place, Conversation) and place.is_channel:
        pts = call.backend.updates.channels[place.id].pts
        return types.messages.ChannelMessages(pts=pts, count=total, **content)
    if len(page) == total:
        return types.messages.Messages(**content)
    return types.messages.MessagesSlice(count=total, **content)


def _timestamp(date: Any) -> int:
    return int(date.timestamp()) if date else 0


def _id(row: TelegramMessage) -> int:
    return row.id


def _date(row: TelegramMessage) -> int:
    return row.date
