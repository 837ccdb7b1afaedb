"""The invented company's Slack workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

from groupadmin.sandbox.company import words
from groupadmin.sandbox.company.attendance import draw_customers, draw_staff, required_keys
from groupadmin.sandbox.company.policy import EXCLUDED_CHANNEL
from groupadmin.sandbox.company.size import Size
from groupadmin.sandbox.company.staff import ACCOUNT, Staff, by_key
from groupadmin.sandbox.slack.world import (
    TEAM_ID,
    SlackAppToken,
    SlackChannel,
    SlackToken,
    SlackUser,
    SlackWorld,
)

USER_TOKEN = "xoxp-sandbox-ada-example"
APP_TOKEN = "xapp-sandbox-example"
USER_SCOPES = frozenset(
    {
        *("team:read", "users:read", "users:read.email", "chat:write", "im:write"),
        *("files:read", "files:write"),
        *("channels:read", "channels:history", "channels:write", "channels:write.invites"),
        *("groups:read", "groups:history", "groups:write", "groups:write.invites"),
    }
)
BOTS = 15
STRANGER_TEAMS = 20
ODD_PEOPLE = (("=1+1", "Example"), ("مثال", "Sample"), ("Robo \N{ROBOT FACE}", "Specimen"))


def build_slack(size: Size, random: Random, staff: Sequence[Staff]) -> SlackWorld:
    return _Workspace(size, random, staff).build()


class _Workspace:
    def __init__(self, size: Size, random: Random, staff: Sequence[Staff]) -> None:
        self.size = size
        self.random = random
        self.staff = [member for member in staff if member.slack is not None and not member.slack.deleted]
        self.all_staff = staff
        self.required = required_keys(staff, ("core", "slack-crew"))
        self.owner = by_key(staff)[ACCOUNT].slack_account.id
        self.world = SlackWorld(
            tokens={USER_TOKEN: SlackToken(self.owner, USER_SCOPES)},
            app_tokens={APP_TOKEN: SlackAppToken(self.owner)},
        )
        self.customers: list[str] = []
        self.bots: list[str] = []

    def build(self) -> SlackWorld:
        self._add_staff()
        self._add_bots()
        self._add_customers(self.size.slack_users - len(self.world.users))
        self._add_channels_in_scope()
        self._add_other_channels()
        return self.world

    def _add_staff(self) -> None:
        for member in self.all_staff:
            for user in (*member.slack_lookalikes, *([member.slack] if member.slack else [])):
                self.world.add_user(user)

    def _add_bots(self) -> None:
        for number in range(1, BOTS + 1):
            bot = SlackUser(
                f"U0BOT{number:06}", f"example-bot-{number}", f"Example Bot {number}", is_bot=True
            )
            self.bots.append(self.world.add_user(bot).id)

    def _add_customers(self, total: int) -> None:
        """Guests and Slack Connect strangers; one in twenty has been deactivated."""
        for number, (first, last) in enumerate(islice(_names(self.random), max(0, total))):
            handle = f"{first}.{last}.{number}".lower() if number >= len(ODD_PEOPLE) else f"odd.name.{number}"
            stranger = number % 3 == 0
            user = SlackUser(
                id=f"U{number % 10}{number:09}",
                name=handle,
                real_name=f"{first} {last}",
                display_name="" if number % 4 == 0 else first,
                email=f"{handle}@customers.example.com",
                deleted=number % 20 == 7,
                is_restricted=not stranger,
            )
            if stranger:
                user.team_id = f"T0CUSTOMER{number % STRANGER_TEAMS:02}"
            self.world.add_user(user)
            if not user.deleted:
                self.customers.append(user.id)

    def _add_channels_in_scope(self) -> None:
        names = words.slack_names(self.size.slack_in_scope)
        self.random.shuffle(names)
        community = next((index for index, name in enumerate(names) if name.category == "community"), None)
        for index, (name, category) in enumerate(names):
            without_owner = index == len(names) - 1 and index != community  # public: visible all the same
            channel = self._new_channel(name, is_private=index != community and not without_owner)
            shared = index == community or (category in ("customer", "intro") and index % 10 < 7)
            big = len(self.customers) * 2 // 3 if index == community else None
            customers = draw_customers(self.customers, index, self.size.members_per_group, exactly=big)
            staff = draw_staff(
                self.random,
                self.staff,
                required=self.required,
                always={ACCOUNT},
                full_teams=self.size.full_teams,
            )
            if without_owner:
                staff = [member for member in staff if member.key != ACCOUNT]
            if not shared:
                customers = [user_id for user_id in customers if not self._is_stranger(user_id)]
            self._seat(channel, staff, customers, staff_first=index % 2 == 0)

    def _add_other_channels(self) -> None:
        for index in range(self.size.slack_other):
            plan = _other_channel(index)
            channel = self._new_channel(plan.name, is_private=plan.private)
            channel.is_archived = plan.archived
            channel.is_general = plan.name == "general"
            staff = [member for member in self.staff if self._joins(member, plan)]
            everybody = len(self.customers) if channel.is_general else None
            customers = draw_customers(self.customers, index, self.size.members_per_group, exactly=everybody)
            guests = [user_id for user_id in customers if not self._is_stranger(user_id)]
            self._seat(channel, staff, guests, staff_first=index % 2 == 0)

    def _joins(self, member: Staff, plan: _OtherChannel) -> bool:
        """Most colleagues sit in most internal channels, so that some people's lists take two pages."""
        if member.key == ACCOUNT and plan.private:
            return not plan.unseen
        return self.random.random() < (0.97 if "core" in member.teams else 0.3)

    def _new_channel(self, name: str, *, is_private: bool) -> SlackChannel:
        number = len(self.world.channels) + 1
        old_private = is_private and number % 9 == 0  # made before March 2021: the id starts with G
        return self.world.add_channel(
            SlackChannel(
                id=f"{'G' if old_private else 'C'}0{number:09}",
                name=name,
                creator=self.owner,
                is_private=is_private,
                created=(1_500_000_000 if old_private else 1_640_000_000) + number * 3_600,
                topic="=1+1" if number % 50 == 3 else "",
                purpose=f"Invented channel number {number}",
            )
        )

    def _seat(
        self, channel: SlackChannel, staff: Sequence[Staff], customers: Sequence[str], *, staff_first: bool
    ) -> None:
        """Staff come first or last in the member list: on its first page or on its last."""
        keys = {member.key for member in staff}
        ours = [member.slack_account.id for member in staff]
        ours += [
            user.id
            for member in self.all_staff
            if member.key not in keys
            for user in member.slack_lookalikes
            if not user.deleted
        ]
        if self.bots and len(self.world.channels) % 3 == 0:
            ours.append(self.bots[len(self.world.channels) % len(self.bots)])
        ids: Iterable[str] = [*ours, *customers] if staff_first else [*customers, *ours]
        channel.members = dict.fromkeys(ids)
        channel.is_ext_shared = any(self._is_stranger(user_id) for user_id in channel.members)

    def _is_stranger(self, user_id: str) -> bool:
        """Somebody of another workspace, who comes in through Slack Connect."""
        return self.world.users[user_id].team_id != TEAM_ID


class _OtherChannel(NamedTuple):
    """One of the channels that are not audited."""

    name: str
    private: bool = False
    archived: bool = False
    unseen: bool = False
    """The token's owner is not in it, though it is private."""


def _other_channel(index: int) -> _OtherChannel:
    """The first few by name, then mostly open ones, with a few archived and unseen ones of either scope."""
    named = ("general", "random", EXCLUDED_CHANNEL, "bit-safe-drills")
    if index < len(named):
        return _OtherChannel(named[index])
    word = words.COMPANY_WORDS[index % len(words.COMPANY_WORDS)].lower()
    if index % 28 == 5:
        return _OtherChannel(f"closed-{word}-bitsafe-{index}", private=True, archived=True)
    if index % 47 == 6:
        return _OtherChannel(f"secret-{word}-bitsafe-{index}", private=True, unseen=True)
    if index % 35 == 8:
        return _OtherChannel(f"secret-{word}-{index}", private=True, unseen=True)
    return _OtherChannel(f"team-{word}-{index}", private=index % 5 == 4, archived=index % 28 == 10)


def _names(random: Random) -> Iterable[tuple[str, str]]:
    yield from ODD_PEOPLE
    yield from words.people(random)
