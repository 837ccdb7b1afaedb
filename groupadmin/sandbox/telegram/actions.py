"""What people do to the world, with all that follows: service messages and updates.

Nothing is forbidden here: a handler has looked at the caller's rights, and a test may play anybody.
Every method returns the TL updates that belong into the origin's own answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from groupadmin.sandbox.telegram.events import (
    ChatChanged,
    JoinRequested,
    MessageEdited,
    MessagePosted,
    MessagesDeleted,
    ParticipantChanged,
)
from groupadmin.sandbox.telegram.messages import Action, TelegramMessage, TextEntity
from groupadmin.sandbox.telegram.updates import Origin, UpdateCenter
from groupadmin.sandbox.telegram.world import (
    AdminRights,
    Place,
    Standing,
    TelegramChat,
    TelegramWorld,
)

QUIET_SIZE = 50
"""In supergroups with more members nobody is told who came and went of their own will."""


class Actions:
    def __init__(self, world: TelegramWorld, updates: UpdateCenter) -> None:
        self._world = world
        self._updates = updates

    def post(
        self,
        origin: Origin,
        place: Place,
        text: str = "",
        *,
        action: Action | None = None,
        reply_to: int | None = None,
        entities: Sequence[TextEntity] = (),
    ) -> tuple[TelegramMessage, list[Any]]:
        """The origin writes in `place`; returns the new message too."""
        message = self._world.post(
            place, origin.user_id, text, action=action, reply_to=reply_to, entities=list(entities)
        )
        return message, self._updates.tell_readers(MessagePosted(place, message), origin)

    def edit(
        self, origin: Origin, place: Place, message: TelegramMessage, text: str, entities: list[TextEntity]
    ) -> list[Any]:
        message.text, message.entities, message.edited = text, entities, int(time.time())
        return self._updates.tell_readers(MessageEdited(place, message), origin)

    def delete(self, origin: Origin, place: Place, ids: Sequence[int]) -> list[Any]:
        deleted = set(ids)
        place.messages[:] = [message for message in place.messages if message.id not in deleted]
        self._world.revision += 1
        return self._updates.tell_readers(MessagesDeleted(place, tuple(ids)), origin)

    def add(self, origin: Origin, chat: TelegramChat, user_id: int) -> list[Any]:
        """`user_id` joins, brought by the origin or (the same person) alone."""
        before = chat.standing_of(user_id)
        self._world.join(chat, user_id)
        updates = self._membership_changed(origin, chat, before)
        if chat.kind != "broadcast":
            updates += self.post(origin, chat, action=Action("add", users=(user_id,)))[1]
        return updates

    def leave(self, origin: Origin, chat: TelegramChat) -> list[Any]:
        """The origin leaves."""
        before = chat.standing_of(origin.user_id)
        updates = []
        if chat.kind == "basic" or (chat.kind == "supergroup" and len(chat.members) <= QUIET_SIZE):
            updates += self.post(origin, chat, action=Action("remove", users=(origin.user_id,)))[1]
        self._world.part(chat, origin.user_id, banned=False)
        return updates + self._membership_changed(origin, chat, before)

    def ban(self, origin: Origin, chat: TelegramChat, user_id: int) -> list[Any]:
        """Throw `user_id` out; from a supergroup or channel they stay banned."""
        before = chat.standing_of(user_id)
        updates = []
        if before.present and chat.kind != "broadcast":
            updates += self.post(origin, chat, action=Action("remove", users=(user_id,)))[1]
        self._world.part(chat, user_id, banned=True)
        return updates + self._membership_changed(origin, chat, before)

    def restrict(self, origin: Origin, chat: TelegramChat, user_id: int) -> list[Any]:
        """`user_id` may read but no longer write."""
        before = chat.standing_of(user_id)
        chat.restricted.add(user_id)
        return self._membership_changed(origin, chat, before)

    def forgive(self, origin: Origin, chat: TelegramChat, user_id: int) -> list[Any]:
        """Lift a ban or a restriction. Nobody comes back by that alone."""
        before = chat.standing_of(user_id)
        chat.banned.discard(user_id)
        chat.ban_ends.pop(user_id, None)
        chat.restricted.discard(user_id)
        return self._membership_changed(origin, chat, before)

    def set_admin(
        self, origin: Origin, chat: TelegramChat, user_id: int, rights: AdminRights | None
    ) -> list[Any]:
        """Make `user_id` an admin with `rights`, or (None) a plain member again."""
        before = chat.standing_of(user_id)
        if rights is None:
            chat.admins.pop(user_id, None)
        else:
            chat.admins[user_id] = rights
            chat.restricted.discard(user_id)
        return self._membership_changed(origin, chat, before)

    def rename(self, origin: Origin, chat: TelegramChat, title: str) -> list[Any]:
        chat.title = title
        return self.post(origin, chat, action=Action("rename", title=title))[1]

    def ask_to_join(self, origin: Origin, chat: TelegramChat, link: str) -> list[Any]:
        """The origin asks to be let in."""
        date = int(time.time())
        chat.join_requests[origin.user_id] = date
        return self._updates.tell_bots(JoinRequested(chat, date, origin.user_id, link), origin)

    def decide_request(
        self, origin: Origin, chat: TelegramChat, user_id: int, *, approved: bool
    ) -> list[Any]:
        """The origin lets `user_id` in, or not."""
        del chat.join_requests[user_id]
        if not approved:
            return []
        before = chat.standing_of(user_id)
        self._world.join(chat, user_id)
        updates = self._membership_changed(origin, chat, before)
        self.post(Origin(user_id), chat, action=Action("join_by_request"))
        return updates

    def _membership_changed(self, origin: Origin, chat: TelegramChat, before: Standing) -> list[Any]:
        after = chat.standing_of(before.user_id)
        if after == before:
            return []
        event = ParticipantChanged(chat, int(time.time()), origin.user_id, before, after)
        updates = self._updates.tell_bots(event, origin)
        updates += self._updates.tell(before.user_id, ChatChanged(chat), origin)
        if origin.user_id != before.user_id:
            updates += self._updates.tell(origin.user_id, ChatChanged(chat), origin)
        return updates
