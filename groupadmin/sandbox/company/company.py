"""The whole company, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

from groupadmin.sandbox.company.policy import SCOPE_WORD, exclusion, policy_file
from groupadmin.sandbox.company.size import Size
from groupadmin.sandbox.company.slack import APP_TOKEN, USER_TOKEN, build_slack
from groupadmin.sandbox.company.staff import ACCOUNT, ANCHOR, Staff, by_key, default_staff
from groupadmin.sandbox.company.telegram import BOT_TOKEN, build_telegram
from groupadmin.sandbox.company.truth import Identities, Truth, truth_of
from groupadmin.sandbox.slack.world import SlackChannel, SlackWorld
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramWorld


@dataclass(frozen=True)
class Company:
    slack: SlackWorld
    telegram: TelegramWorld
    policy: dict[str, Any]
    """The content of `policy.json`."""
    staff: Mapping[str, Staff]
    """By employee key, in the order of the policy file."""
    identities: Identities
    truth: Truth
    """As built; after a change of a world or of the policy ask `truth_now`."""
    slack_token: str
    slack_app_token: str
    telegram_account_id: int
    telegram_phone: str
    telegram_bot_token: str

    def truth_now(self) -> Truth:
        """What a right audit must say of the worlds and the policy as they are at this moment."""
        return truth_of(self.slack, self.telegram, self.policy, self.identities)


PRIVATE = ("di", "hal")
"""Who lets nobody add them to Telegram groups, where that is wanted."""


def build_company(size: Size | None = None, seed: int = 7, *, privacy: bool = False) -> Company:
    """The company of the demo: the same for the same size and seed, everybody's identity findable.

    With `privacy`, the Telegram settings of a few keep strangers from adding them: they need invite links.
    """
    company = assemble(size or Size(), seed, default_staff())
    for key in PRIVATE if privacy else ():
        company.staff[key].telegram_account.refuses_invites = True
    return company


def assemble(size: Size, seed: int, staff: Sequence[Staff]) -> Company:
    """Build both worlds around `staff`, who include the account's owner and the anchor."""
    random = Random(seed)
    slack = build_slack(size, random, staff)
    telegram = build_telegram(size, random, staff)
    account = by_key(staff)[ACCOUNT]
    identities = Identities(
        slack={member.key: member.slack.id if member.slack else None for member in staff},
        telegram={member.key: member.telegram.id if member.telegram else None for member in staff},
        slack_account=account.slack_account.id,
        telegram_account=account.telegram_account.id,
    )
    policy = policy_file(staff, _exclusions(slack, telegram, identities))
    return Company(
        slack=slack,
        telegram=telegram,
        policy=policy,
        staff=by_key(staff),
        identities=identities,
        truth=truth_of(slack, telegram, policy, identities),
        slack_token=USER_TOKEN,
        slack_app_token=APP_TOKEN,
        telegram_account_id=account.telegram_account.id,
        telegram_phone=f"+{account.telegram_account.phone}",
        telegram_bot_token=BOT_TOKEN,
    )


def _exclusions(
    slack: SlackWorld, telegram: TelegramWorld, identities: Identities
) -> Iterator[dict[str, Any]]:
    """A handful of accepted exceptions, each where it makes a difference; a tiny company has fewer."""
    channels = [
        channel
        for channel in slack.channels.values()
        if SCOPE_WORD in channel.name
        and identities.slack_account in channel.members
        and not channel.is_archived
    ]
    chats = [
        chat
        for chat in telegram.chats.values()
        if chat.kind == "supergroup"
        and {identities.telegram_account, identities.telegram.get(ANCHOR)} <= chat.members.keys()
    ]

    def channels_with(person: str, *, present: bool) -> Iterator[SlackChannel]:
        return (one for one in channels if (identities.slack[person] in one.members) is present)

    def chats_with(person: str, *, present: bool) -> Iterator[TelegramChat]:
        return (one for one in chats if (identities.telegram[person] in one.members) is present)

    for channel in islice(channels_with("eve", present=False), 1):
        yield exclusion("slack", channel.id, employee="eve", reason="The customer asked for fewer people.")
    for channel in islice(channels_with("gus", present=True), 1):
        yield exclusion("slack", channel.id, employee="gus", reason="Only helps out.", expires="2099-12-31")
    for channel in islice(channels_with("bo", present=False), 1):
        yield exclusion("slack", channel.id, employee="bo", reason="Was on leave.", expires="2020-01-31")
    for channel in islice((one for one in channels if not one.is_private), 1):
        yield exclusion("slack", channel.id, kind="public_channel", reason="Meant to be open to everybody.")
    for chat in islice(chats_with("di", present=False), 1):
        yield exclusion("telegram", str(chat.id), employee="di", reason="The customer's own wish.")
    for chat in islice(chats_with("hal", present=True), 1):
        yield exclusion("telegram", str(chat.id), employee="hal", reason="Reads along.", expires="2099-12-31")
    for chat in islice((one for one in chats if one.hidden_prehistory), 1):
        yield exclusion("telegram", str(chat.id), kind="hidden_history", reason="Agreed with the customer.")
