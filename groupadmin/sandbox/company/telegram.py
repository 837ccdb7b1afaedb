"""The invented company's Telegram: what its auditing account sees, and a little that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, islice
from random import Random

from groupadmin.sandbox.company import words
from groupadmin.sandbox.company.attendance import draw_customers, draw_staff, required_keys
from groupadmin.sandbox.company.policy import ARCHIVED_SUFFIX
from groupadmin.sandbox.company.size import Size
from groupadmin.sandbox.company.staff import ACCOUNT, ANCHOR, Staff, by_key
from groupadmin.sandbox.telegram.messages import Action
from groupadmin.sandbox.telegram.world import AdminRights, ChatKind, TelegramChat, TelegramUser, TelegramWorld

BOT_ID = 6_900_000_001
BOT_TOKEN = f"{BOT_ID}:sandbox-bot-token"
FIRST_CUSTOMER = 5_100_000_001
BIG_GROUP = 640
BASIC_GROUP_LIMIT = 150
"""Telegram itself allows 200 members in a basic group."""
HIDDEN_LIST_SIZE = 120
"""Telegram lets admins hide the member list of supergroups with at least 100 members."""
HIDDEN_LISTS = 1
EXCLUDED_SHARED = 4
BROADCASTS = 6
UNSEEN = 3
NEWEST = 1_700_000_000
DAY = 86_400
JOINED = tuple(NEWEST + day * DAY for day in range(64))


def build_telegram(size: Size, random: Random, staff: Sequence[Staff]) -> TelegramWorld:
    return _Network(size, random, staff).build()


class _Network:
    def __init__(self, size: Size, random: Random, staff: Sequence[Staff]) -> None:
        self.size = size
        self.random = random
        self.all_staff = staff
        self.staff = [member for member in staff if member.telegram is not None]
        self.account = by_key(staff)[ACCOUNT].telegram_account.id
        self.anchor = by_key(staff)[ANCHOR].telegram_account.id
        self.world = TelegramWorld(bot_tokens={BOT_TOKEN: BOT_ID})
        self.customers: list[int] = []
        self.numbers = count(1)

    def build(self) -> TelegramWorld:
        self._add_people()
        titles = words.telegram_titles(self.size.telegram_shared)
        self.random.shuffle(titles)
        community = next((index for index, name in enumerate(titles) if name.category == "community"), None)
        for index, (title, category) in enumerate(titles):
            self._add_shared(index, title, category, customers=BIG_GROUP if index == community else None)
        self._hide_member_lists()
        self._add_not_shared()
        if self.size.telegram_shared:
            self._add_never_audited()
        return self.world

    def _add_people(self) -> None:
        for member in self.all_staff:
            for user in (*member.telegram_lookalikes, *([member.telegram] if member.telegram else [])):
                self.world.add_user(user)
        self.world.add_user(
            TelegramUser(BOT_ID, "Sandbox Bot", usernames=["sandbox_example_bot"], is_bot=True)
        )
        names = islice(words.people(self.random), self.size.telegram_users)
        for number, (first, last) in enumerate(names):
            user = TelegramUser(FIRST_CUSTOMER + number * 31, first, last)
            if number % 33 == 16:
                user.deleted, user.first_name, user.last_name = True, "", ""
            elif number % 10 < 7:
                user.usernames = [f"{first}{last}{number}".lower()]
            self.customers.append(self.world.add_user(user).id)

    def _add_shared(self, index: int, title: str, category: str, *, customers: int | None) -> None:
        basic = index % 8 == 3 and category != "community"
        chat = self._new_chat("basic" if basic else "supergroup", title)
        staff = self._draw_staff(category, always={ACCOUNT, ANCHOR})
        self._seat(chat, staff, self._customers(index, exactly=customers), staff_first=index % 2 == 0)
        self._appoint(chat, index)
        if not basic:
            chat.forum = index % 29 == 5
            chat.count_hidden = index % 19 == 6
            if category == "community" or index % 97 == 9:
                chat.usernames = [f"bitsafe_sandbox_{index}"]
            else:
                chat.hidden_prehistory = index % 24 == 4
        self.world.add_chat(chat)
        if not basic and index % 61 == 10:
            self._add_origin(chat)

    def _draw_staff(self, category: str, *, always: set[str]) -> list[Staff]:
        required = required_keys(self.staff, ("core", "slack-crew") if category == "special" else ("core",))
        return draw_staff(
            self.random, self.staff, required=required, always=always, full_teams=self.size.full_teams
        )

    def _appoint(self, chat: TelegramChat, index: int) -> None:
        """Of twenty groups the account owns nine, may rename five more, and is a lesser admin of two."""
        place = index % 20
        if place < 9:
            chat.creator = self.account
        elif place < 14:
            chat.admins[self.account] = AdminRights()
        elif place < 16:
            # Basic groups have no lesser admins: every admin may change the title.
            chat.admins[self.account] = AdminRights(change_info=chat.kind == "basic")
        if chat.creator is None and index % 3:  # of every third other group the owner has gone
            chat.creator = next(reversed(chat.members))

    def _add_origin(self, chat: TelegramChat) -> None:
        """The basic group that `chat` once was: still listed, with its old members and `migrated_to`."""
        origin = self._new_chat("basic", chat.title)
        origin.members = dict.fromkeys(
            (self.account, self.anchor, *islice(chat.members, BASIC_GROUP_LIMIT)), NEWEST
        )
        origin.creator = chat.creator
        self.world.add_chat(origin)
        origin.migrated_to, chat.migrated_from = chat.id, origin.id
        self.world.post(
            origin, origin.creator, action=Action("migrate_to", chat_id=chat.id), date=chat.created
        )
        came_from = Action("migrate_from", origin.title, chat_id=origin.id)
        self.world.post(chat, chat.creator, action=came_from, date=chat.created)

    def _hide_member_lists(self) -> None:
        """Groups where a plain member cannot list the others, and one of the core team lacks."""
        staff = [member for member in self.staff if member.status != "offboarded"]
        absent = next(
            (m for m in reversed(staff) if "core" in m.teams and m.key not in (ACCOUNT, ANCHOR)), None
        )
        plain = (
            chat
            for chat in self.world.chats.values()
            if chat.kind == "supergroup" and not chat.usernames and chat.migrated_from is None
            if self.account not in (chat.creator, *chat.admins)
        )
        for chat in islice(plain, HIDDEN_LISTS):
            chat.members_hidden = True
            present = [member for member in staff if member is not absent]
            self._seat(chat, present, self.customers[:HIDDEN_LIST_SIZE], staff_first=False)

    def _add_not_shared(self) -> None:
        """Groups of the account that the anchor is not in; some carry the excluded suffix as well."""
        for index, company in enumerate(islice(words.companies(), self.size.telegram_other)):
            suffix = ARCHIVED_SUFFIX if index % 10 == 7 else ""
            kind: ChatKind = "basic" if index % 6 == 2 else "supergroup"
            chat = self._new_chat(kind, f"{company} partner desk{suffix}")
            staff = [m for m in self._draw_staff("", always={ACCOUNT}) if m.key != ANCHOR]
            self._seat(chat, staff, self._customers(self.size.telegram_shared + index), staff_first=True)
            self._appoint(chat, index)
            self.world.add_chat(chat)

    def _add_never_audited(self) -> None:
        """Shared but excluded groups, broadcast channels, and groups that the account cannot see."""
        everybody = [member for member in self.staff if member.status != "offboarded"]
        without_account = [member for member in everybody if member.key != ACCOUNT]
        plans: list[tuple[ChatKind, str, list[Staff]]] = [
            *(("supergroup", "{} <> iBTC" + ARCHIVED_SUFFIX, everybody) for _ in range(EXCLUDED_SHARED - 1)),
            ("supergroup", "{} <> iBTC" + ARCHIVED_SUFFIX.upper(), everybody),
            *(("broadcast", "{} News", everybody) for _ in range(BROADCASTS)),
            *(("supergroup", "{} <> BitSafe (CBTC)", without_account) for _ in range(UNSEEN)),
        ]
        for index, ((kind, title, staff), company) in enumerate(zip(plans, words.companies(), strict=False)):
            chat = self._new_chat(kind, title.format(company))
            chat.creator = self.anchor
            self._seat(chat, staff, self._customers(index), staff_first=True)
            self.world.add_chat(chat)

    def _new_chat(self, kind: ChatKind, title: str) -> TelegramChat:
        """Ids are scattered: their order says nothing about the order of the list."""
        number = next(self.numbers)
        base = 400_000_000 if kind == "basic" else 1_600_000_000
        return TelegramChat(
            base + number * 7_919 % 1_000_003, kind, title, None, created=NEWEST - number * 3_600
        )

    def _customers(self, index: int, *, exactly: int | None = None) -> list[int]:
        return draw_customers(self.customers, index, self.size.members_per_group, exactly=exactly)

    def _seat(
        self, chat: TelegramChat, staff: Sequence[Staff], customers: Sequence[int], *, staff_first: bool
    ) -> None:
        """Staff come first or last in the member list: on its first page or on its last."""
        keys = {member.key for member in staff}
        ours = [member.telegram_account.id for member in staff]
        ours += [user.id for m in self.all_staff if m.key not in keys for user in m.telegram_lookalikes]
        if chat.kind == "basic":
            customers = customers[:BASIC_GROUP_LIMIT]
        ids: Iterable[int] = (*ours, *customers) if staff_first else (*customers, *ours)
        chat.members = {user_id: JOINED[min(place, len(JOINED) - 1)] for place, user_id in enumerate(ids)}
