"""The invented company's Slack workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from random import Random

from groupadmin.sandbox.company import words
from groupadmin.sandbox.company.attendance import draw_customers, draw_staff, required_keys
from groupadmin.sandbox.company.policy import EXCLUDED_CHANNEL
from groupadmin.sandbox.company.size import Size
from groupadmin.sandbox.company.staff import ACCOUNT, Staff, by_key
from groupadmin.sandbox.slack.world import SlackChannel, SlackToken, SlackUser, SlackWorld

USER_TOKEN = "xoxp-sandbox-ada-example"
USER_SCOPES = frozenset(
    "channels:read groups:read channels:history groups:history channels:write groups:write channels:write.invites "
    "groups:write.invites users:read users:read.email chat:write team:read".split()
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
        self.world = SlackWorld(tokens={USER_TOKEN: SlackToken(self.owner, USER_SCOPES)})
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
            bot = SlackUser(f"U0BOT{number:06}", f"example-bot-{number}", f"Example Bot {number}", is_bot=True)
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
                is_ultra_restricted=not stranger and number % 3 == 1,
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
            channel.is_ext_shared = category in ("customer", "intro") and index % 10 < 7
            big = len(self.customers) * 2 // 3 if index == community else None
            customers = draw_customers(self.customers, index, self.size.members_per_group, exactly=big)
            staff = draw_staff(self.random, self.staff, required=self.required, always={ACCOUNT})
            if without_owner:
                staff = [member for member in staff if member.key != ACCOUNT]
            self._seat(channel, staff, customers, staff_first=index % 2 == 0)

    def _add_other_channels(self) -> None:
        for index in range(self.size.slack_other):
            name, visible, archived, private = self._other_kind(index)
            channel = self._new_channel(name, is_private=private)
            channel.is_archived = archived
            channel.is_general = index == 0
            staff = [member for member in self.staff if self._joins(member, private=private)]
            if not visible:
                staff = [member for member in staff if member.key != ACCOUNT]
            everybody = len(self.customers) if name == "general" else None
            customers = draw_customers(self.customers, index, self.size.members_per_group, exactly=everybody)
            self._seat(channel, staff, customers, staff_first=index % 2 == 0)

    def _other_kind(self, index: int) -> tuple[str, bool, bool, bool]:
        """(name, visible to the token's owner, archived, private) of the n-th channel that is not audited."""
        word = words.COMPANY_WORDS[index % len(words.COMPANY_WORDS)].lower()
        fixed = {0: "general", 1: "random", 2: EXCLUDED_CHANNEL, 3: "bit-safe-drills"}
        if index in fixed:
            return fixed[index], True, False, False
        if index % 28 == 5:
            return f"closed-{word}-bitsafe-{index}", True, True, True
        if index % 47 == 6:
            return f"secret-{word}-bitsafe-{index}", False, False, True
        if index % 35 == 8:
            return f"secret-{word}-{index}", False, False, True
        return f"team-{word}-{index}", True, index % 28 == 10, index % 5 == 4

    def _joins(self, member: Staff, *, private: bool) -> bool:
        """Most colleagues sit in most internal channels, so that some people's lists take two pages."""
        if member.key == ACCOUNT and private:
            return True
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


def _names(random: Random) -> Iterable[tuple[str, str]]:
    yield from ODD_PEOPLE
    yield from words.people(random)
