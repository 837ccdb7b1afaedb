"""The Telegram that the sandbox serves: users, chats, members and messages; plain mutable data, no MTProto.

While a server runs, its own thread owns the world: change it through the server's methods
(`TelegramSandbox.join`, `leave`, `post`, …), which also tell the connected clients.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import chain
from typing import Literal

from groupadmin.sandbox.telegram.messages import Action, Conversation, TelegramMessage, TextEntity

ChatKind = Literal["basic", "supergroup", "broadcast"]
Role = Literal["creator", "admin", "member", "restricted", "banned", "absent"]


@dataclass
class TelegramUser:
    id: int
    first_name: str
    last_name: str = ""
    usernames: list[str] = field(default_factory=list)
    """Active usernames, the main one first; empty when the person has none."""
    phone: str | None = None
    password: str | None = None
    """Two-step password (the server derives the SRP verifier when it is first needed)."""
    password_hint: str | None = None
    is_bot: bool = False
    deleted: bool = False
    refuses_invites: bool = False
    """Privacy: comes back in `missing_invitees` instead of being added."""
    trusts_premium: bool = False
    """With `refuses_invites`: an account with Telegram Premium, which nobody here has, could add them."""
    unreachable: bool = False
    """Only such an account could write to them, and send a link."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


@dataclass
class AdminRights:
    change_info: bool = True
    ban_users: bool = True
    invite_users: bool = True
    add_admins: bool = False
    delete_messages: bool = True
    pin_messages: bool = True


ALL_RIGHTS = AdminRights(**{right.name: True for right in fields(AdminRights)})


@dataclass(frozen=True)
class Standing:
    """What one user is in one chat at one moment."""

    user_id: int
    role: Role
    since: int = 0
    """Unix time of joining; 0 for people who are not there."""
    rights: AdminRights | None = None

    @property
    def present(self) -> bool:
        return self.role in ("creator", "admin", "member", "restricted")


@dataclass
class TelegramChat:
    id: int
    """Bare id: no sign, no -100."""
    kind: ChatKind
    title: str
    creator: int | None
    """None when the owner's account is gone."""
    members: dict[int, int] = field(default_factory=dict)
    """User id → unix time of joining, in the order of joining."""
    admins: dict[int, AdminRights] = field(default_factory=dict)
    anonymous: set[int] = field(default_factory=set)
    """Admins, the owner among them, whom the lists of a supergroup show to other admins alone."""
    banned: set[int] = field(default_factory=set)
    """Banned from a supergroup or channel, or removed from a basic group by somebody else."""
    ban_ends: dict[int, datetime] = field(default_factory=dict)
    """When the bans that are not for ever end by themselves; nobody here lives to see it."""
    restricted: set[int] = field(default_factory=set)
    """Members who may read but not write."""
    left: set[int] = field(default_factory=set)
    """Former members: they may still name a basic group, which everybody else cannot."""
    join_requests: dict[int, int] = field(default_factory=dict)
    """User id → unix time of asking to join, oldest first."""
    invite_links: list[str] = field(default_factory=list)
    usernames: list[str] = field(default_factory=list)
    """A public group has at least one."""
    about: str = ""
    hidden_prehistory: bool = False
    members_hidden: bool = False
    """Supergroup: only admins may list members. Basic group: nobody may."""
    listed_members: int | None = None
    """At most so many members are ever listed, however large the count (Telethon issue 3820)."""
    members_may_invite: bool = True
    forum: bool = False
    migrated_to: int | None = None
    migrated_from: int | None = None
    created: int = 1_700_000_000
    count_hidden: bool = False
    """True: `participants_count` is left out of dialogs, as Telegram sometimes does."""
    messages: list[TelegramMessage] = field(default_factory=list)
    """Oldest first."""
    last_message_id: int = 0
    """In supergroups and channels the highest id ever given: the ids of deleted messages stay taken."""

    @property
    def is_channel(self) -> bool:
        """Supergroups and broadcast channels are "channels" to the protocol, basic groups are not."""
        return self.kind != "basic"

    def rights_of(self, user_id: int) -> AdminRights | None:
        """The admin rights of `user_id`, or None for everybody who is no admin."""
        if user_id not in self.members:
            return None
        return ALL_RIGHTS if user_id == self.creator else self.admins.get(user_id)

    def standing_of(self, user_id: int) -> Standing:
        if user_id in self.banned:
            return Standing(user_id, "banned")
        if user_id not in self.members:
            return Standing(user_id, "absent")
        role: Role = "restricted" if user_id in self.restricted else "member"
        if user_id == self.creator:
            role = "creator"
        elif user_id in self.admins:
            role = "admin"
        return Standing(user_id, role, self.members[user_id], self.rights_of(user_id))

    def is_listed_for(self, user_id: int) -> bool:
        """Whether the chat is among the dialogs of `user_id` (a basic group stays there after a removal)."""
        return user_id in self.members or (not self.is_channel and user_id in self.banned)


Place = TelegramChat | Conversation
"""Wherever messages are."""


@dataclass
class TelegramWorld:
    users: dict[int, TelegramUser] = field(default_factory=dict)
    chats: dict[int, TelegramChat] = field(default_factory=dict)
    conversations: dict[tuple[int, int], Conversation] = field(default_factory=dict)
    bot_tokens: dict[str, int] = field(default_factory=dict)
    contacts: dict[int, set[int]] = field(default_factory=dict)
    pinned: dict[int, list[int]] = field(default_factory=dict)
    """User id → chat ids pinned to the top of the dialogs, topmost first."""
    archived: dict[int, set[int]] = field(default_factory=dict)
    """User id → chat ids in the archive folder."""
    login_code: str = "12345"
    revision: int = 0
    """Grows with every change of membership or messages made through the methods below."""
    _chats_of: dict[int, set[int]] | None = field(default=None, repr=False)
    _last_shared_id: int | None = field(default=None, repr=False)

    def add_user(self, user: TelegramUser) -> TelegramUser:
        self.users[user.id] = user
        return user

    def add_chat(self, chat: TelegramChat) -> TelegramChat:
        """Add `chat`; an empty one gets the service message that every group begins with."""
        self.chats[chat.id] = chat
        self._chats_of = None
        self.revision += 1
        if not chat.messages:
            self.post(chat, chat.creator, action=Action("create", chat.title), date=chat.created)
        return chat

    def remove_chat(self, chat_id: int) -> None:
        """The chat was deleted by its owner: nobody sees it any more."""
        del self.chats[chat_id]
        self.revision += 1

    def converse(self, first: int, second: int, *, date: int = 1_700_000_000) -> Conversation:
        """The private chat of two people; a new one begins with "… joined Telegram"."""
        users = (min(first, second), max(first, second))
        conversation = self.conversations.get(users)
        if conversation is None:
            conversation = self.conversations[users] = Conversation(users)
            self.post(conversation, second, action=Action("contact_sign_up"), date=date)
        return conversation

    def join(self, chat: TelegramChat, user_id: int, *, date: int | None = None) -> None:
        chat.members[user_id] = int(time.time()) if date is None else date
        for former in (chat.banned, chat.left):
            former.discard(user_id)
        chat.join_requests.pop(user_id, None)
        if self._chats_of is not None:
            self._chats_of[user_id].add(chat.id)
        self.revision += 1

    def part(self, chat: TelegramChat, user_id: int, *, banned: bool) -> None:
        """Take `user_id` out of `chat`, by their own will or (`banned`) somebody else's."""
        if chat.members.pop(user_id, None) is not None:
            chat.left.add(user_id)
        if banned:
            chat.banned.add(user_id)
        chat.admins.pop(user_id, None)
        chat.restricted.discard(user_id)
        self.revision += 1

    def chats_of(self, user_id: int) -> Iterator[TelegramChat]:
        """The chats among the dialogs of `user_id`, without looking at all the others."""
        index = self.reindex() if self._chats_of is None else self._chats_of
        for chat_id in list(index.get(user_id, ())):
            chat = self.chats.get(chat_id)
            if chat is not None and chat.is_listed_for(user_id):
                yield chat

    def reindex(self) -> dict[int, set[int]]:
        """Read the members of every chat again: needed after adding to `members` without `join`."""
        chats_of: dict[int, set[int]] = defaultdict(set)
        for chat in self.chats.values():
            for user_id in (*chat.members, *chat.banned):
                chats_of[user_id].add(chat.id)
        self._chats_of = chats_of
        self.revision += 1
        return chats_of

    def find_username(self, username: str) -> TelegramUser | TelegramChat | None:
        """Whoever answers to `username`; case does not count."""
        wanted = username.casefold()
        owners: Iterator[TelegramUser | TelegramChat] = chain(self.users.values(), self.chats.values())
        return next((one for one in owners if any(n.casefold() == wanted for n in one.usernames)), None)

    def conversations_of(self, user_id: int) -> list[Conversation]:
        return [one for one in self.conversations.values() if user_id in one.users]

    def post(
        self,
        place: Place,
        sender: int | None,
        text: str = "",
        *,
        action: Action | None = None,
        date: int | None = None,
        reply_to: int | None = None,
        entities: list[TextEntity] | None = None,
    ) -> TelegramMessage:
        """Append a message to a chat or conversation under the next free id."""
        message = TelegramMessage(
            id=self._next_message_id(place),
            date=int(time.time()) if date is None else date,
            sender=sender,
            text=text,
            entities=entities or [],
            reply_to=reply_to,
            action=action,
        )
        place.messages.append(message)
        self.revision += 1
        return message

    def _next_message_id(self, place: Place) -> int:
        if isinstance(place, TelegramChat) and place.is_channel:
            newest = place.messages[-1].id if place.messages else 0
            place.last_message_id = max(newest, place.last_message_id) + 1
            return place.last_message_id
        if self._last_shared_id is None:
            self._last_shared_id = max((m.id for box in self.shared_boxes() for m in box.messages), default=0)
        self._last_shared_id += 1
        return self._last_shared_id

    def shared_boxes(self) -> Iterator[Place]:
        """The places whose messages draw their ids from one common row: everything but channels."""
        yield from self.conversations.values()
        yield from (chat for chat in self.chats.values() if not chat.is_channel)
