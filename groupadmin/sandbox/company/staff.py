"""The staff of the invented company: real accounts, and what the policy file says about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from groupadmin.sandbox.slack.world import SlackUser
from groupadmin.sandbox.telegram.world import TelegramUser

ACCOUNT = "ada"
"""Whose Slack token and Telegram account the product is given."""
ANCHOR = "cy"
"""The employee with whom a Telegram group must be shared to be in scope."""


@dataclass(frozen=True)
class Staff:
    """One employee. `slack` and `telegram` are the real accounts: None where nobody could find one."""

    key: str
    name: str
    title: str
    teams: tuple[str, ...]
    status: str = "active"
    slack: SlackUser | None = None
    telegram: TelegramUser | None = None
    written: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the policy file that do not just repeat the accounts' usernames."""
    attendance: float = 0.5
    """Part of the groups where this person is found, when not required there."""
    slack_lookalikes: tuple[SlackUser, ...] = ()
    """Others who could be taken for this person; they are found exactly where this person is not."""
    telegram_lookalikes: tuple[TelegramUser, ...] = ()

    @property
    def slack_account(self) -> SlackUser:
        """The account of somebody who must have one."""
        if self.slack is None:
            raise ValueError(f"{self.name} has no Slack account")
        return self.slack

    @property
    def telegram_account(self) -> TelegramUser:
        """The account of somebody who must have one."""
        if self.telegram is None:
            raise ValueError(f"{self.name} has no Telegram account")
        return self.telegram

    def policy_row(self) -> dict[str, Any]:
        """The employee as `policy.json` has it: usernames known, ids still to be found."""
        row: dict[str, Any] = {
            "key": self.key,
            "name": self.name,
            "title": self.title,
            "teams": list(self.teams),
            "status": self.status,
            "slack_user_id": None,
            "slack_username": self.slack.name if self.slack else None,
            "telegram_user_id": None,
            "telegram_username": self.telegram.usernames[0]
            if self.telegram and self.telegram.usernames
            else None,
            "email": None,
        }
        return row | dict(self.written)


def default_staff() -> list[Staff]:
    """Fresh accounts on every call: a test may change them."""
    return [
        employee(1, "ada", "Ada Example", "CEO", ("core", "bd"), written={"email": "ada@example.com"}),
        employee(2, "bo", "Bo Sample", "Head of Product", ("core",)),
        employee(3, "cy", "Cy Placeholder", "Sales Engineer", ("core",), telegram="placeholder_onchain"),
        employee(4, "di", "Di Specimen", "Head of Growth", ("core",), written={"slack_username": "Di"}),
        employee(
            5,
            "eve",
            "Eve Mockup",
            "Business Development",
            ("core", "bd"),
            telegram="NonFungibleEve",
            written={"telegram_username": "nonfungibleeve"},
        ),
        employee(6, "fay", "Fay Fixture", "Solutions", ("slack-crew",), attendance=0.17),
        employee(7, "gus", "Gus Dummy", "Support", ("slack-crew",), attendance=0.15),
        employee(8, "hal", "Hal Template", "Support", ("slack-crew",), attendance=0.1),
        employee(9, "ivy", "Ivy Standin", "Adviser", ("slack-crew",), status="optional", attendance=0.17),
        employee(
            10, "jo", "Jo Tentative", "Contractor", ("slack-crew",), status="under_review", attendance=0.15
        ),
        employee(
            11,
            "kim",
            "Kim Former",
            "Business Development",
            ("core", "bd"),
            status="offboarded",
            attendance=0.05,
        ),
        employee(12, "lou", "Lou Departed", "Support", ("slack-crew",), status="offboarded", attendance=0.0),
    ]


def employee(
    number: int,
    key: str,
    name: str,
    title: str,
    teams: tuple[str, ...],
    *,
    telegram: str | None = None,
    **rest: Any,
) -> Staff:
    """An employee with one account on either platform, known by its usernames."""
    handle = key.replace("-", ".")
    first, _, last = name.partition(" ")
    return Staff(
        key=key,
        name=name,
        title=title,
        teams=("everyone", *teams),
        slack=SlackUser(
            id=f"U{number * 7 % 10}STAFF{number:03}",  # scattered over the pages, which come in order of id
            name=handle,
            real_name=name,
            display_name=first,
            email=f"{handle}@example.com",
            deleted=rest.get("status") == "offboarded",
            is_admin=key == ACCOUNT,
        ),
        telegram=TelegramUser(
            id=7_000_000_000 + number * 104_729,
            first_name=first,
            last_name=last,
            usernames=[telegram or name.replace(" ", "").lower()],
            phone=f"99900000{number:03}",
        ),
        **rest,
    )


def by_key(staff: Iterable[Staff]) -> dict[str, Staff]:
    return {member.key: member for member in staff}
