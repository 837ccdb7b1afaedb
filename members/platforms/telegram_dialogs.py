"""The list of our dialogs, page by page: how the account learns which groups it is in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from telethon import utils
from telethon.tl import functions
from telethon.tl import types as tl

from members.platforms.errors import Refused
from members.platforms.telegram_errors import BAD_ANSWER, cursor_loop

Call = Callable[[Any], Awaitable[Any]]

DIALOGS_A_PAGE = 100

_PEERS = (tl.User, tl.Chat, tl.ChatForbidden, tl.Channel, tl.ChannelForbidden)


async def read_dialogs(call: Call) -> AsyncGenerator[Sequence[Any], None]:
    """messages.getDialogs: the chats that we have a dialog with; not those that messages merely mention.

    A folder (the archive) that stands in the list as one line is opened. May raise any PlatformError.
    """
    folders: list[int | None] = [None]
    for folder_id in folders:  # grows on the way
        async with aclosing(_dialogs_in(call, folder_id, folders)) as pages:
            async for page in pages:
                yield page


async def _dialogs_in(
    call: Call, folder_id: int | None, folders: list[int | None]
) -> AsyncGenerator[Sequence[Any], None]:
    """One folder's dialogs (None: all that Telegram gives without one); adds to `folders`."""
    request = _dialogs_request(folder_id=folder_id)
    seen: set[int] = set()
    total = 0  # only a slice tells how many there are in all, and later slices leave out the pinned ones
    while True:
        answer = await call(request)
        if isinstance(answer, tl.messages.DialogsNotModified):  # we hold no copy: it cannot be the same
            raise Refused("Telegram did not tell the list of dialogs", code=BAD_ANSWER)
        dialogs = [line for line in answer.dialogs if isinstance(line, tl.Dialog)]
        inside = (line.folder.id for line in answer.dialogs if isinstance(line, tl.DialogFolder))
        folders += (number for number in inside if number not in folders)
        if not dialogs:
            return
        peers = dict.fromkeys(utils.get_peer_id(dialog.peer) for dialog in dialogs)
        if peers.keys() <= seen:
            if len(seen) >= total > 0 or peers.keys() == {utils.get_peer_id(request.offset_peer)}:
                return  # all were told, or nothing but where we had come to: that was the end
            raise cursor_loop("the list of dialogs")
        known = _by_peer_id(answer.chats)
        yield [known[peer] for peer in peers if peer in known and peer not in seen]
        seen |= peers.keys()
        if isinstance(answer, tl.messages.Dialogs):
            return
        total = max(total, answer.count)
        if len(seen) >= total > 0 and len(dialogs) < DIALOGS_A_PAGE:
            return
        request = _dialogs_after(answer, dialogs)
        request.folder_id = folder_id


def _dialogs_after(answer: Any, dialogs: Sequence[tl.Dialog]) -> functions.messages.GetDialogsRequest:
    """The request that goes on after `dialogs`: with all that is older than the last dated one of them.

    Paging: https://core.telegram.org/api/offsets. Pinned dialogs open the first page, out of
    order, and would open every other page too.
    """
    peers = _by_peer_id([*answer.users, *answer.chats])
    dates = {_message_key(message.peer_id, message.id): message.date for message in answer.messages}
    known = [dialog for dialog in dialogs if utils.get_peer_id(dialog.peer) in peers]
    dated = [dialog for dialog in known if dates.get(_message_key(dialog.peer, dialog.top_message))]
    if not known:
        raise cursor_loop("the list of dialogs")
    last = (dated or known)[-1]
    return _dialogs_request(
        offset_date=dates.get(_message_key(last.peer, last.top_message)),
        offset_id=last.top_message,
        offset_peer=utils.get_input_peer(peers[utils.get_peer_id(last.peer)], check_hash=False),
        exclude_pinned=True,
    )


def _dialogs_request(**offset: Any) -> functions.messages.GetDialogsRequest:
    start = {"offset_date": None, "offset_id": 0, "offset_peer": tl.InputPeerEmpty()}
    return functions.messages.GetDialogsRequest(limit=DIALOGS_A_PAGE, hash=0, **(start | offset))


def _by_peer_id(peers: Sequence[Any]) -> dict[int, Any]:
    return {utils.get_peer_id(peer): peer for peer in peers if isinstance(peer, _PEERS)}


def _message_key(peer: Any, message_id: int) -> tuple[int | None, int]:
    """Only supergroups and channels number their messages on their own; the others share one count."""
    return getattr(peer, "channel_id", None), message_id
