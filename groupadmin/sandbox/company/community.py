"""The gated community that the invented company sells entrance to, for whoever looks at the demo.

Tests make the communities that they need themselves: without this, the company has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from groupadmin.sandbox.company.company import Company
from groupadmin.sandbox.telegram.world import AdminRights, TelegramChat, TelegramUser

CHAT_ID = 1_599_000_001
TITLE = "Sandbox Insiders (paid, invented)"
MEMBERS = 84
SHARES = {"active": 0.6, "grace": 0.1, "expired": 0.15, "cancelled": 0.05}
"""Of the members, by their subscription; of the others nothing is known."""
ELSEWHERE = 6
"""Subscribers who are not in the community, or not yet."""
UNPROTECTED = 3
"""Members who have expired, and whose protection was taken back."""


@dataclass(frozen=True)
class Community:
    """What the product has to be told of it."""

    chat_id: int
    subscribers: str
    """A file for `loadsubscribers`."""
    unprotected: Sequence[int]


def add_community(company: Company, now: datetime, seed: int = 7) -> Community:
    """Put a community into the company's Telegram, which its account owns and its bot looks after."""
    random = Random(seed)
    staff = {member.telegram.id for member in company.staff.values() if member.telegram}
    people = [
        user
        for user in company.telegram.users.values()
        if user.usernames and not user.is_bot and user.id not in staff
    ]
    chosen = random.sample(people, min(MEMBERS + ELSEWHERE, len(people)))
    members, others = chosen[:MEMBERS], chosen[MEMBERS:]
    joined = int((now - timedelta(days=200)).timestamp())
    bots = company.telegram.bot_tokens.values()
    chat = TelegramChat(CHAT_ID, "supergroup", TITLE, company.telegram_account_id, created=joined)
    chat.members = dict.fromkeys((company.telegram_account_id, *bots), joined)
    chat.members |= {user.id: joined + place * 86_400 for place, user in enumerate(members)}
    chat.admins = dict.fromkeys(bots, AdminRights())
    company.telegram.add_chat(chat)
    states = dict(_states(members))
    lines = [_line(user, states[user.id], now, random) for user in members if states[user.id]]
    lines += [_line(user, "pending", now, random) for user in others]
    expired = [user.id for user in members if states[user.id] == "expired"]
    header = "telegram_id,username,first_name,status,expires_at,grace_until"
    return Community(CHAT_ID, "\n".join((header, *lines)) + "\n", expired[:UNPROTECTED])


def _states(members: Sequence[TelegramUser]) -> Iterator[tuple[int, str]]:
    """Each member's subscription; "" for those who have none."""
    words = [word for word, share in SHARES.items() for _ in range(round(share * len(members)))]
    for place, user in enumerate(members):
        yield user.id, words[place] if place < len(words) else ""


def _line(user: TelegramUser, status: str, now: datetime, random: Random) -> str:
    def day(first: int, last: int) -> str:
        return f"{(now + timedelta(days=random.randint(first, last))).astimezone(UTC):%Y-%m-%d}"

    ends, grace = {
        "active": (day(3, 80), ""),
        "grace": (day(-5, -1), day(2, 9)),
        "expired": (day(-60, -10), ""),
        "cancelled": (day(-40, 20), ""),
    }.get(status, ("", ""))
    return f"{user.id},{user.usernames[0]},{user.first_name},{status},{ends},{grace}"
