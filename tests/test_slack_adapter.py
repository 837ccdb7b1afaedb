"""What the Slack reader tells of a workspace, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from groupadmin.sandbox.slack import SlackChannel, SlackSandbox, SlackToken, SlackUser, SlackWorld
from groupadmin.sandbox.slack.faults import Perform, RepeatCursor, SlackError
from groupadmin.sandbox.slack.wire import Request, Response, json_response
from members.platforms import slack_transport
from members.platforms.base import PlatformReader
from members.platforms.configs import SlackConfig
from members.platforms.errors import Refused
from members.platforms.slack import SlackReader
from members.platforms.types import Account, GroupKind, Platform, PlatformGroup, PlatformUser, Privacy, Wanted
from tests.sandboxes import empty_slack

TOKEN = "xoxp-ada"
BOB = PlatformUser(Platform.SLACK, "U0BOB")
DANA = PlatformUser(Platform.SLACK, "U0DANA")
T = TypeVar("T")


def company() -> SlackWorld:
    """Ada holds the token. Bob is in a private channel without her; Dana belongs to a partner."""
    scopes = frozenset({"channels:read", "groups:read", "users:read", "users:read.email"})
    world = SlackWorld(tokens={TOKEN: SlackToken("U0ADA", scopes)})
    world.add_user(SlackUser("U0ADA", "ada", "Ada Example", email="ada@example.com"))
    world.add_user(SlackUser("U0BOB", "bob", "Bob Example", display_name="Bobby"))
    world.add_user(SlackUser("U0CAL", "cal", "Cal Example", deleted=True))
    world.add_user(SlackUser("U0DANA", "dana", "Dana Example", team_id="T0PARTNER"))
    world.add_user(SlackUser("U0ROBOT", "robot", "Robot Example", is_bot=True))
    world.add_channel(channel("C0GENERAL", "general", "ada", "bob", created=1_600_000_000))
    world.add_channel(channel("C0LOBBY", "lobby", "bob"))
    world.add_channel(channel("C0OLD", "old", "ada", is_archived=True))
    world.add_channel(channel("C0SECRET", "secret", "bob", is_private=True))
    world.add_channel(channel("C0SHARED", "shared", "ada", "dana", is_private=True, is_ext_shared=True))
    world.add_channel(channel("G0ACME", "acme", "ada", "bob", is_private=True))
    return world


def channel(channel_id: str, name: str, *members: str, **fields: Any) -> SlackChannel:
    ids = dict.fromkeys(f"U0{member.upper()}" for member in members)
    return SlackChannel(channel_id, name, creator="U0BOB", members=ids, **fields)


server = pytest.fixture(empty_slack, scope="module")


@pytest.fixture
def sandbox(server: SlackSandbox) -> Iterator[SlackSandbox]:
    server.world, server.page_cap, server.empty_pages = company(), None, False
    server.script.clear()
    server.calls.clear()
    yield server
    assert server.bugs == []


@pytest.fixture
async def slack(sandbox: SlackSandbox) -> AsyncIterator[SlackReader]:
    async with SlackReader(SlackConfig(TOKEN, sandbox.api_url)) as reader:
        yield reader


@dataclass
class Edited:
    """An effect: the ordinary answer with some keys replaced, and a record of what was asked."""

    change: Mapping[str, Any] = field(default_factory=dict)
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def respond(self, request: Request, perform: Perform) -> Response:
        self.asked.append(request.arguments)
        return json_response(json.loads(perform(request).content) | dict(self.change))


async def everything(pages: AsyncIterator[Sequence[T]]) -> list[T]:
    return [item async for page in pages for item in page]


async def group_named(slack: SlackReader, name: str) -> PlatformGroup:
    return next(group for group in await everything(slack.groups()) if group.name == name)


async def names_of(pages: AsyncIterator[Sequence[PlatformGroup]]) -> list[str]:
    return sorted(group.name for group in await everything(pages))


# The account


async def test_the_account_is_the_tokens_user(slack: SlackReader) -> None:
    assert await slack.account() == Account(
        Platform.SLACK, "U0ADA", "ada", "ada", workspace_id="T0SANDBOX", workspace_name="Sandbox Company"
    )


async def test_who_we_are_is_asked_once(slack: SlackReader, sandbox: SlackSandbox) -> None:
    await asyncio.gather(slack.account(), slack.users([]), everything(slack.groups()), slack.account())

    assert sandbox.calls.counts()["auth.test"] == 1


async def test_the_reader_is_a_platform_reader(slack: SlackReader) -> None:
    reader: PlatformReader = slack

    assert reader.platform is Platform.SLACK


# Groups


async def test_a_group_with_all_that_the_list_tells(slack: SlackReader) -> None:
    assert await group_named(slack, "general") == PlatformGroup(
        platform=Platform.SLACK,
        id="C0GENERAL",
        name="general",
        kind=GroupKind.CHANNEL,
        privacy=Privacy.PUBLIC,
        total_members=2,
        created_at=datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
    )


async def test_private_channels_are_seen_only_from_within(slack: SlackReader) -> None:
    groups = {group.name: group for group in await everything(slack.groups())}

    assert sorted(groups) == ["acme", "general", "lobby", "old", "shared"]
    assert {name for name, group in groups.items() if group.privacy is Privacy.PRIVATE} == {"acme", "shared"}
    assert {name for name, group in groups.items() if not group.joined} == {"lobby"}
    assert {name for name, group in groups.items() if group.archived} == {"old"}
    assert {name for name, group in groups.items() if group.shared_externally} == {"shared"}


@pytest.mark.parametrize("empty_pages", [False, True])
async def test_short_and_empty_pages_are_followed_to_the_end(
    slack: SlackReader, sandbox: SlackSandbox, empty_pages: bool
) -> None:
    sandbox.page_cap, sandbox.empty_pages = 1, empty_pages

    assert await names_of(slack.groups()) == ["acme", "general", "lobby", "old", "shared"]
    assert await names_of(slack.groups_of(BOB)) == ["acme", "general", "lobby"]
    assert len(await slack.users([])) == 5


async def test_both_types_are_asked_for_in_the_largest_pages(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    spy = Edited()
    sandbox.script.add("conversations.list", spy)

    await everything(slack.groups())

    assert spy.asked == [{"types": "public_channel,private_channel", "limit": "999", "team_id": "T0SANDBOX"}]


async def test_the_workspace_is_named_as_an_organization_wide_token_has_to(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    spy = Edited()
    for method in ("conversations.list", "users.conversations", "users.list"):
        sandbox.script.add(method, spy)

    await everything(slack.groups())
    await everything(slack.groups_of(BOB))
    await slack.users([])

    assert [arguments["team_id"] for arguments in spy.asked] == ["T0SANDBOX"] * 3


# People


async def test_the_directory_holds_everybody(slack: SlackReader) -> None:
    users = {user.id: user for user in await slack.users([])}

    assert users["U0ADA"] == PlatformUser(
        Platform.SLACK,
        "U0ADA",
        usernames=("ada",),
        name="Ada Example",
        email="ada@example.com",
        workspace_id="T0SANDBOX",
    )
    assert users["U0BOB"].name == "Bobby"
    assert [user.id for user in users.values() if not user.active] == ["U0CAL"]
    assert [user.id for user in users.values() if user.external] == ["U0DANA"]
    assert [user.id for user in users.values() if user.is_bot] == ["U0ROBOT"]


async def test_wanted_people_whom_the_directory_lacks_are_asked_for_by_id(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    sandbox.script.add("users.list", Edited({"members": [{"id": "U0ADA", "name": "ada"}]}))
    wanted = [
        Wanted("ada", "Ada Example", id="U0ADA"),
        Wanted("dana", "Dana Example", id="U0DANA"),
        Wanted("dana-again", "Dana Example", id="U0DANA"),
        Wanted("nobody", "Nobody Example", id="U0NOBODY"),
        Wanted("handle", "Handle Example", username="handle"),
    ]

    users = await slack.users(wanted)

    assert [user.id for user in users] == ["U0ADA", "U0DANA"]
    assert users[1].external
    assert slack.lookup_failures == {}
    assert sandbox.calls.counts()["users.info"] == 2


async def test_who_could_not_be_looked_up_is_not_taken_for_missing(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    for word in ("user_not_found", "user_not_visible"):
        sandbox.script.add("users.info", SlackError(word))
    nobody, hidden = (Wanted(key, "", id=f"U0{key.upper()}") for key in ("nobody", "hidden"))

    users = await slack.users([nobody, hidden])

    assert len(users) == 5
    assert {key: error.code for key, error in slack.lookup_failures.items()} == {"hidden": "user_not_visible"}


async def test_without_the_email_scope_the_directory_has_no_addresses(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    sandbox.world.tokens[TOKEN].scopes = frozenset({"users:read"})

    assert {user.email for user in await slack.users([])} == {None}


# Who is where


async def test_the_groups_of_a_user_are_the_public_ones_and_those_shared_with_us(slack: SlackReader) -> None:
    groups = {group.name: group for group in await everything(slack.groups_of(BOB))}

    assert sorted(groups) == ["acme", "general", "lobby"]
    assert {group.total_members for group in groups.values()} == {None}
    assert groups["acme"].joined
    assert not groups["lobby"].joined


async def test_an_unknown_user_is_refused(slack: SlackReader) -> None:
    with pytest.raises(Refused) as refused:
        await everything(slack.groups_of(PlatformUser(Platform.SLACK, "U0NOBODY")))

    assert refused.value.code == "user_not_found"


async def test_a_group_is_asked_whether_somebody_is_in_it(slack: SlackReader, sandbox: SlackSandbox) -> None:
    acme = await group_named(slack, "acme")

    assert await slack.is_member(acme, BOB)
    assert not await slack.is_member(acme, DANA)


async def test_the_search_for_a_member_stops_at_the_page_that_has_them(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    general = await group_named(slack, "general")
    sandbox.world.channels["C0GENERAL"].members |= dict.fromkeys(["U0CAL", "U0DANA", "U0ROBOT"])
    sandbox.page_cap = 1

    assert await slack.is_member(general, BOB)
    assert sandbox.calls.counts()["conversations.members"] == 2


async def test_members_come_page_by_page_without_a_promised_count(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    acme = await group_named(slack, "acme")
    sandbox.page_cap = 1

    pages = [page async for page in slack.members(acme)]

    assert [page.ids for page in pages] == [{"U0ADA"}, {"U0BOB"}]
    assert {page.expected for page in pages} == {None}


async def test_a_group_that_vanished_is_refused(slack: SlackReader, sandbox: SlackSandbox) -> None:
    acme = await group_named(slack, "acme")
    del sandbox.world.channels[acme.id]

    with pytest.raises(Refused) as refused:
        await slack.is_member(acme, BOB)

    assert refused.value.code == "channel_not_found"


async def test_slack_has_no_details(slack: SlackReader) -> None:
    with pytest.raises(Refused) as refused:
        await slack.details(await group_named(slack, "acme"))

    assert refused.value.code == "not_applicable"


# What it costs


async def test_the_meter_counts_what_the_server_counts(slack: SlackReader, sandbox: SlackSandbox) -> None:
    sandbox.page_cap = 2
    people = await slack.users([])

    await asyncio.gather(*(everything(slack.groups_of(user)) for user in people), everything(slack.groups()))

    cost = slack.meter.snapshot()
    assert cost.calls == sandbox.calls.counts()
    assert cost.waited_seconds == 0


# Cursors that go astray


async def test_a_cursor_that_comes_twice_ends_the_walk(slack: SlackReader, sandbox: SlackSandbox) -> None:
    sandbox.script.add("conversations.list", RepeatCursor(), times=None)
    learnt: list[PlatformGroup] = []

    with pytest.raises(Refused) as refused:
        async for page in slack.groups():
            learnt += page

    assert refused.value.code == "cursor_loop"
    assert len(learnt) == 5
    assert sandbox.calls.counts()["conversations.list"] == 2


async def test_a_list_without_end_is_given_up(
    slack: SlackReader, sandbox: SlackSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_transport, "MOST_PAGES", 3)
    sandbox.page_cap = 1

    with pytest.raises(Refused) as refused:
        await everything(slack.groups())

    assert refused.value.code == "cursor_loop"
    assert sandbox.calls.counts()["conversations.list"] == 3


async def test_a_cursor_that_expires_restarts_the_walk(slack: SlackReader, sandbox: SlackSandbox) -> None:
    sandbox.page_cap = 2
    sandbox.script.add("conversations.list", SlackError("invalid_cursor"), skip=1)

    assert await names_of(slack.groups()) == ["acme", "general", "lobby", "old", "shared"]
    assert sandbox.calls.counts()["conversations.list"] == 1 + 1 + 3


async def test_a_cursor_that_expires_again_is_refused(slack: SlackReader, sandbox: SlackSandbox) -> None:
    sandbox.page_cap = 2
    sandbox.script.add(
        "conversations.list", SlackError("invalid_cursor"), times=None, when=lambda a: "cursor" in a
    )

    with pytest.raises(Refused) as refused:
        await everything(slack.groups())

    assert refused.value.code == "invalid_cursor"


async def test_a_server_that_refuses_large_pages_is_asked_for_the_recommended_ones(
    slack: SlackReader, sandbox: SlackSandbox
) -> None:
    too_large = SlackError("invalid_limit")
    sandbox.script.add("conversations.list", too_large, times=None, when=lambda a: int(a["limit"]) > 200)

    assert len(await names_of(slack.groups())) == 5
