"""A small company whose staff are hard to tell apart: every trap that an identity can set.

Each employee's key names the trap. The truth knows who is who; the policy file says only what
a person would have written there, and the worlds hold the people one could fall for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from groupadmin.sandbox.company.company import Company, assemble
from groupadmin.sandbox.company.size import Size
from groupadmin.sandbox.company.staff import Staff, default_staff, employee
from groupadmin.sandbox.slack.world import SlackUser
from groupadmin.sandbox.telegram.world import TelegramUser

TRICKY_SIZE = Size(
    slack_in_scope=40,
    slack_other=20,
    slack_users=260,
    telegram_shared=60,
    telegram_other=8,
    telegram_users=300,
    full_teams=0.05,
)
IDENTITY_CHANGED = frozenset({"handle-changed", "handle-taken"})
"""Keys of the employees whose username in the policy file is no longer theirs, on both platforms."""


def tricky_company(size: Size = TRICKY_SIZE, seed: int = 7) -> Company:
    """The default staff and, in the core team, one employee for each trap."""
    return assemble(size, seed, [*default_staff(), *_trapped()])


def _trapped() -> Iterator[Staff]:
    yield _nobody_has_the_handle()
    yield _handle_taken()
    yield _handle_changed()
    yield _id_only()
    yield _equal_name()
    yield _other_case()
    yield _old_account_too()
    yield _bot_namesake()
    yield _email_only()
    yield _from_another_workspace()


def _nobody_has_the_handle() -> Staff:
    """Nobody has this username on either platform: not to be found, and missing nowhere."""
    member = _core(21, "nobody-has-it", "Nan Unfindable")
    written = {"slack_username": "nan.unfindable", "telegram_username": "nan_unfindable"}
    return replace(member, slack=None, telegram=None, written=written)


def _handle_taken() -> Staff:
    """The policy names the id; the username beside it now belongs to a stranger of another name."""
    member = _core(22, "handle-taken", "Tom Renamed")
    written = {
        **_ids(member),
        "slack_username": "tom.before",
        "telegram_username": "tom_before",
    }
    return replace(
        member,
        written=written,
        slack_lookalikes=(SlackUser("U5TAKEN0022", "tom.before", "Una Newcomer"),),
        telegram_lookalikes=(TelegramUser(7_100_000_022, "Una", "Newcomer", ["tom_before"]),),
    )


def _handle_changed() -> Staff:
    """The policy names the id and the username of old, which nobody has now."""
    member = _core(23, "handle-changed", "Cleo Rewritten")
    written = {
        **_ids(member),
        "slack_username": "cleo.before",
        "telegram_username": "cleo_before",
    }
    return replace(member, written=written)


def _id_only() -> Staff:
    """No username in the policy and none on Telegram: only the id tells who it is."""
    member = _core(24, "id-only", "Ida Nameless")
    member.telegram_account.usernames.clear()
    return replace(member, written={**_ids(member), "slack_username": None})


def _equal_name() -> Staff:
    """Two others go by exactly the same name."""
    return replace(
        _core(25, "equal-name", "Sam Sameness"),
        slack_lookalikes=(
            SlackUser("U0EQUAL0001", "sam.two", "Sam Sameness", "Sam"),
            SlackUser("U9EQUAL0002", "sam.three", "Sam Sameness", "equal.name"),
        ),
        telegram_lookalikes=(
            TelegramUser(7_100_000_025, "Sam", "Sameness", ["sam_the_second"]),
            TelegramUser(7_100_001_025, "Sam", "Sameness"),
        ),
    )


def _other_case() -> Staff:
    """The policy writes both usernames in capitals."""
    return replace(
        _core(26, "other-case", "Ola Uppercase"),
        written={"slack_username": "OTHER.CASE", "telegram_username": "OLAUPPERCASE"},
    )


def _old_account_too() -> Staff:
    """A deactivated Slack account with the same username lies beside the active one."""
    old = SlackUser(
        "U0OLD000027", "old.account.too", "Rea Returned", email="rea.before@example.com", deleted=True
    )
    return replace(_core(27, "old-account-too", "Rea Returned"), slack_lookalikes=(old,))


def _bot_namesake() -> Staff:
    """A bot shows the same names on both platforms."""
    return replace(
        _core(28, "bot-namesake", "Mel Manual"),
        slack_lookalikes=(SlackUser("U0BOTMEL028", "mel.bot", "Mel Manual", "bot.namesake", is_bot=True),),
        telegram_lookalikes=(TelegramUser(7_100_000_028, "Mel", "Manual", ["melmanual_bot"], is_bot=True),),
    )


def _email_only() -> Staff:
    """The policy knows no Slack username, only the address of the account."""
    member = _core(29, "email-only", "Emma Letterbox")
    return replace(member, written={"slack_username": None, "email": "Email.Only@example.com"})


def _from_another_workspace() -> Staff:
    """Works in a partner's Slack workspace, where anybody may have our people's usernames: known by id."""
    member = _core(30, "slack-connect", "Pat Partner")
    member.slack_account.team_id = "T0PARTNER00"
    return replace(member, written={"slack_user_id": member.slack_account.id})


def _core(number: int, key: str, name: str) -> Staff:
    return employee(number, key, name, "Associate", ("core",))


def _ids(member: Staff) -> dict[str, Any]:
    return {"slack_user_id": member.slack_account.id, "telegram_user_id": member.telegram_account.id}
