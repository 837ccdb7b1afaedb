"""A company with two Slack workspaces and two Telegram accounts, on sandbox servers.

Bob is in both workspaces, under another name and id in the second one, where a stranger is called as Cy is at
home. One channel is shared by both, so the second one also shows the people of the first, as Slack does.
Ada's Telegram account is the usual one; Bob's is audited too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_django import Settings

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramChat, TelegramWorld
from members import policy_load
from members.models import SlackWorkspace
from members.workspaces.services import connect_workspace
from telegram_ops.models import AccountState, SignedInSession, TelegramAccount
from tests import telegram_reading
from tests.sandboxes import point_at
from tests.slack_world import USER_SCOPES
from tests.telegram_reading import ADA as TG_ADA
from tests.telegram_reading import BOB as TG_BOB
from tests.telegram_reading import CY as TG_CY

HOME, PARTNER = "T0SANDBOX", "T0SECOND"
TOKEN, PARTNERS_TOKEN = "xoxp-canary-at-home", "xoxp-canary-second"
ADA, BOB, CY = "U0ADA", "U0BOB", "U0CY"
EVE, BOB_THERE, STRANGER = "U9EVE", "U9BOB", "U9CY"
ACME, BETA, JOINT = "C0ACME", "C9BETA", "C5JOINT"
BOTH, ADAS, BOBS = 1000, 1001, 1002

POLICY = b"""{
  "teams": [{"key": "core", "name": "Core"}],
  "employees": [
    {"key": "ada", "name": "Ada Example", "teams": ["core"], "slack_username": "ada",
     "telegram_username": "adaexample", "email": "ada@example.com"},
    {"key": "bob", "name": "Bob Sample", "teams": ["core"], "slack_username": "bob",
     "telegram_username": "bobsample", "email": "bob@example.com"},
    {"key": "cy", "name": "Cy Nobody", "slack_username": "cy", "telegram_username": "cynobody",
     "email": "cy@example.com"}],
  "categories": [{"key": "customer", "name": "Customer", "full_team": true, "default": true, "patterns": []}],
  "rules": [{"platform": "slack", "team": "core", "level": "required"},
            {"platform": "telegram", "team": "core", "level": "required"},
            {"platform": "slack", "employee": "cy", "level": "optional"}],
  "scope": [{"platform": "slack", "kind": "include", "match": "contains", "pattern": "bitsafe"},
            {"platform": "telegram", "kind": "include", "match": "contains", "pattern": "Group"}],
  "naming": [], "exclusions": []}"""


@dataclass(frozen=True)
class TwoOfEach:
    slack: SlackSandbox
    second: SlackWorld
    telegram: TelegramSandbox
    workspace: SlackWorkspace
    account: TelegramAccount


@contextmanager
def two_of_each(settings: Settings, folder: Path) -> Iterator[TwoOfEach]:
    """The servers, with the policy loaded and both further connections entered."""
    home, second = _workspaces()
    with SlackSandbox(home, neighbours=[second]) as slack, TelegramSandbox(_telegram()) as telegram:
        settings.SLACK_USER_TOKEN, settings.SLACK_API_URL = TOKEN, slack.api_url
        point_at(telegram, settings, folder, session=telegram.mint_session(TG_ADA))
        policy_load.load(POLICY, reason="test")
        workspace = connect_workspace(label="Second", token=PARTNERS_TOKEN, actor="ada")
        account = TelegramAccount.objects.create(
            label="Bob's", phone="+15550000102", state=AccountState.SIGNED_IN, audited_too=True
        )
        SignedInSession.objects.create(account=account, session=telegram.mint_session(TG_BOB))
        yield TwoOfEach(slack, second, telegram, workspace, account)
        assert (slack.bugs, telegram.bugs) == ([], [])


def _workspaces() -> tuple[SlackWorld, SlackWorld]:
    home = SlackWorld(tokens={TOKEN: SlackToken(ADA, USER_SCOPES)})
    second = SlackWorld(
        team_id=PARTNER, team_name="Second Company", tokens={PARTNERS_TOKEN: SlackToken(EVE, USER_SCOPES)}
    )
    for user_id, name in ((ADA, "ada"), (BOB, "bob"), (CY, "cy")):
        home.add_user(SlackUser(user_id, name, name.capitalize(), email=f"{name}@example.com"))
        second.add_user(
            SlackUser(user_id, name, name.capitalize(), email=f"{name}@example.com", team_id=HOME)
        )
    for user_id, name, email in (
        (EVE, "eve", "eve@example.net"),
        ("U9ADA", "ada.e", "ada@example.com"),
        (BOB_THERE, "robert", "bob@example.com"),
        (STRANGER, "cy", "cyrus@example.net"),
    ):
        second.add_user(SlackUser(user_id, name, name.capitalize(), email=email, team_id=PARTNER))
    home.add_channel(_channel(ACME, "acme-bitsafe", ADA, BOB))
    second.add_channel(_channel(BETA, "beta-bitsafe", EVE, BOB_THERE, STRANGER, team_id=PARTNER))
    joint = _channel(JOINT, "joint-bitsafe", ADA, EVE, BOB_THERE, is_ext_shared=True)
    home.add_channel(joint)
    second.add_channel(joint)
    return home, second


def _channel(id: str, name: str, *members: str, **fields: object) -> SlackChannel:
    return SlackChannel(id, name, members[0], dict.fromkeys(members), is_private=True, **fields)  # type: ignore[arg-type]  # any


def _telegram() -> TelegramWorld:
    world = telegram_reading.company()
    world.users[TG_CY].usernames = ["cynobody"]
    telegram_reading.add_group(world, BOTH, TG_ADA, TG_BOB, creator=TG_BOB)
    telegram_reading.add_group(world, ADAS, TG_ADA, creator=TG_ADA)
    telegram_reading.add_group(world, BOBS, TG_BOB, TG_CY, creator=TG_BOB)
    return world


def chat(world: TwoOfEach, chat_id: int) -> TelegramChat:
    return world.telegram.world.chats[chat_id]
