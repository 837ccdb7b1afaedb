"""What the Telegram reader tells of an account's groups and their members, asked over MTProto."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from telethon.tl import functions
from telethon.tl import types as tl

from groupadmin.sandbox.telegram import dispatch
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import AdminRights, TelegramWorld
from members.platforms.base import PlatformReader
from members.platforms.errors import Gone, Refused
from members.platforms.telegram import TelegramReader
from members.platforms.types import (
    Account,
    AdminStatus,
    GroupKind,
    History,
    MembersPage,
    Platform,
    PlatformGroup,
    Privacy,
)
from tests.sandboxes import telegram_of
from tests.telegram_reading import (
    ADA,
    BOB,
    CY,
    add_group,
    add_groups,
    add_user,
    company,
    elsewhere,
    everything,
    find,
    group_named,
    ids_of,
    person,
    reader,
)

world = pytest.fixture(company)
sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def telegram(sandbox: TelegramSandbox) -> AsyncIterator[TelegramReader]:
    async with reader(sandbox) as connected:
        yield connected


def repeat_first_page(monkeypatch: pytest.MonkeyPatch, request_type: type, **start: Any) -> None:
    """The sandbox forgets where the client was: every page of `request_type` is the first one."""
    rule = dispatch._RULES[request_type]

    def first_page(call: Any, request: Any) -> Any:
        for name, value in start.items():
            setattr(request, name, value)
        return rule.handler(call, request)

    forgetful = dispatch.Rule(first_page, anonymous=False, bots=True)
    monkeypatch.setitem(dispatch._RULES, request_type, forgetful)


class TestAccount:
    async def test_says_whose_eyes_we_see_with(self, telegram: TelegramReader) -> None:
        assert await telegram.account() == Account(Platform.TELEGRAM, str(ADA), "adaexample", "Ada Example")
        assert telegram.account_id == ADA

    async def test_is_a_platform_reader(self, telegram: TelegramReader) -> None:
        same: PlatformReader = telegram
        assert same.platform is Platform.TELEGRAM
        assert same.lookup_failures == {}

    async def test_is_used_inside_its_block(self, sandbox: TelegramSandbox) -> None:
        with pytest.raises(RuntimeError, match="async with"):
            await reader(sandbox).account()


class TestGroups:
    async def test_a_supergroup(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_group(world, 7, ADA, BOB, title="‮אקמה‬ <> 🚀 =1+1", usernames=["acme"], creator=ADA)
        assert await everything(telegram.groups()) == [
            PlatformGroup(
                Platform.TELEGRAM,
                "7",
                "‮אקמה‬ <> 🚀 =1+1",
                GroupKind.SUPERGROUP,
                Privacy.PUBLIC,
                admin_status=AdminStatus.OWNER,
                history=History.UNKNOWN,
                total_members=2,
            )
        ]

    async def test_a_basic_group(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_group(world, 7, ADA, BOB, kind="basic")
        (group,) = await everything(telegram.groups())
        assert (group.kind, group.privacy) == (GroupKind.BASIC, Privacy.PRIVATE)
        assert (group.history, group.total_members) == (History.NOT_APPLICABLE, 2)
        assert group.created_at == datetime.fromtimestamp(1_700_000_000, UTC)

    async def test_what_the_account_may_do_there(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 1, ADA, creator=ADA)
        add_group(world, 2, ADA, admins={ADA: AdminRights()})
        add_group(world, 3, ADA, admins={ADA: AdminRights(change_info=False)})
        add_group(world, 4, ADA)
        statuses = {group.id: group.admin_status for group in await everything(telegram.groups())}
        assert statuses == {
            "1": AdminStatus.OWNER,
            "2": AdminStatus.ADMIN_CAN_RENAME,
            "3": AdminStatus.ADMIN,
            "4": AdminStatus.MEMBER,
        }

    async def test_a_count_that_telegram_leaves_out_is_unknown(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, count_hidden=True)
        assert (await group_named(telegram, 7)).total_members is None

    async def test_only_groups_that_we_are_in(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_group(world, 1, ADA)
        add_group(world, 2, ADA, kind="broadcast")
        add_group(world, 3, BOB)
        add_group(world, 4, BOB, kind="basic", banned={ADA})
        add_group(world, 5, BOB, banned={ADA})
        world.converse(ADA, BOB)
        assert await ids_of(telegram.groups()) == ["1"]

    async def test_one_that_nobody_has_told_the_way_to_is_not_taken_for_gone(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, title="Acme <> BitSafe")
        with pytest.raises(Refused, match="no answer has told the way") as refused:
            await telegram.group("7")
        assert not isinstance(refused.value, Gone)
        await everything(telegram.groups())
        assert (await telegram.group("7")).name == "Acme <> BitSafe"

    async def test_a_basic_group_that_moved_is_superseded(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 4, ADA, kind="basic", migrated_to=7)
        add_group(world, 7, ADA, migrated_from=4)
        groups = {group.id: group for group in await everything(telegram.groups())}
        assert groups["4"].superseded_by == "7"
        assert groups["7"].superseded_by is None
        assert (await telegram.details(groups["7"])).migrated_from == "4"

    @pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (100, 1), (101, 2), (200, 3), (250, 3)])
    async def test_comes_in_pages_and_each_group_once(
        self, world: TelegramWorld, telegram: TelegramReader, count: int, pages: int
    ) -> None:
        add_groups(world, count, ADA)
        ids = await ids_of(telegram.groups())
        assert sorted(ids) == [str(number) for number in range(1000, 1000 + count)]
        assert telegram.meter.snapshot().calls["GetDialogs"] == pages

    async def test_pinned_archived_and_private_dialogs_do_not_disturb_the_pages(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_groups(world, 205, ADA)
        for user_id in range(500, 550):
            add_user(world, user_id)
            world.converse(ADA, user_id, date=1_700_001_100)
        world.pinned[ADA] = [1000, 1003, 1150, 1001, 1120]
        world.archived[ADA] = {1003, 1050, 1199}
        assert len(set(await ids_of(telegram.groups()))) == 205

    async def test_groups_written_to_in_the_same_second(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        for chat in add_groups(world, 150, ADA):
            world.post(chat, ADA, "Happy new year", date=1_760_000_000)
        assert len(set(await ids_of(telegram.groups()))) == 150

    async def test_can_be_listed_twice(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_groups(world, 120, ADA)
        assert await ids_of(telegram.groups()) == await ids_of(telegram.groups())

    async def test_a_list_that_goes_in_a_circle_is_caught(
        self, world: TelegramWorld, telegram: TelegramReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_groups(world, 150, ADA)
        repeat_first_page(
            monkeypatch,
            functions.messages.GetDialogsRequest,
            offset_date=None,
            offset_id=0,
            offset_peer=tl.InputPeerEmpty(),
        )
        learnt: list[PlatformGroup] = []
        with pytest.raises(Refused) as caught:
            async for page in telegram.groups():
                learnt += page
        assert caught.value.code == "cursor_loop"
        assert len(learnt) == 100


class TestGroupsOf:
    async def test_groups_that_we_share(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_group(world, 1, ADA, BOB)
        add_group(world, 2, ADA, BOB, kind="basic")
        add_group(world, 3, ADA)
        add_group(world, 4, BOB)
        add_group(world, 5, ADA, BOB, kind="basic", migrated_to=6)
        add_group(world, 6, ADA, BOB, migrated_from=5)
        await everything(telegram.groups())
        bob = await find(telegram, "bobsample")
        assert sorted(await ids_of(telegram.groups_of(bob))) == ["1", "2", "6"]

    @pytest.mark.parametrize(("count", "pages"), [(0, 1), (99, 1), (101, 2), (250, 3)])
    async def test_comes_in_pages(
        self, world: TelegramWorld, telegram: TelegramReader, count: int, pages: int
    ) -> None:
        add_groups(world, count, ADA, BOB)
        bob = await find(telegram, "bobsample")
        ids = await ids_of(telegram.groups_of(bob))
        assert sorted(ids) == [str(number) for number in range(1000, 1000 + count)]
        assert telegram.meter.snapshot().calls["GetCommonChats"] == pages

    async def test_a_hundred_groups_take_one_call_and_at_most_one_look_beyond(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_groups(world, 100, ADA, BOB)
        assert len(await ids_of(telegram.groups_of(await find(telegram, "bobsample")))) == 100
        assert telegram.meter.snapshot().calls["GetCommonChats"] <= 2

    async def test_pages_that_go_in_a_circle_are_caught(
        self, world: TelegramWorld, telegram: TelegramReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_groups(world, 150, ADA, BOB)
        bob = await find(telegram, "bobsample")
        repeat_first_page(monkeypatch, functions.messages.GetCommonChatsRequest, max_id=0)
        with pytest.raises(Refused) as caught:
            await ids_of(telegram.groups_of(bob))
        assert caught.value.code == "cursor_loop"

    async def test_our_own_are_all_of_ours_and_cost_nothing_more(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_groups(world, 120, ADA)
        add_group(world, 7, ADA, kind="basic", migrated_to=1000)
        listed = set(await ids_of(telegram.groups())) - {"7"}
        before = telegram.meter.snapshot().total
        assert set(await ids_of(telegram.groups_of(person(ADA)))) == listed
        assert telegram.meter.snapshot().total == before

    async def test_our_own_are_listed_when_they_are_not_known_yet(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_groups(world, 3, ADA)
        assert len(await ids_of(telegram.groups_of(person(ADA)))) == 3

    async def test_somebody_to_whom_there_is_no_way(self, telegram: TelegramReader) -> None:
        with pytest.raises(Refused) as caught:
            await ids_of(telegram.groups_of(person(BOB)))
        assert caught.value.code == "no_access_hash"


class TestMembership:
    @pytest.mark.parametrize("kind", ["supergroup", "basic"])
    async def test_asked_of_the_group_itself(
        self, world: TelegramWorld, telegram: TelegramReader, kind: str
    ) -> None:
        add_group(world, 7, ADA, BOB, kind=kind)
        add_user(world, 300, "eve_example")
        group = await group_named(telegram, 7)
        assert await telegram.is_member(group, await find(telegram, "bobsample"))
        assert await telegram.is_member(group, person(ADA))
        assert not await telegram.is_member(group, await find(telegram, "eve_example"))

    async def test_somebody_banned_is_out_and_somebody_restricted_is_in(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 1, ADA, creator=ADA, banned={BOB})
        add_group(world, 2, ADA, BOB, creator=ADA, restricted={BOB})
        groups = {group.id: group for group in await everything(telegram.groups())}
        bob = await find(telegram, "bobsample")
        assert not await telegram.is_member(groups["1"], bob)
        assert await telegram.is_member(groups["2"], bob)

    async def test_a_group_that_vanished(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_group(world, 7, ADA, BOB)
        add_group(world, 8, ADA, kind="basic")
        groups = await everything(telegram.groups())
        bob = await find(telegram, "bobsample")
        world.remove_chat(7)
        world.remove_chat(8)
        for group in groups:
            with pytest.raises(Gone):
                await telegram.is_member(group, bob)

    async def test_a_group_to_which_there_is_no_way(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA)
        stranger = elsewhere(await group_named(telegram, 7), 8)
        with pytest.raises(Refused) as caught:
            await telegram.details(stranger)
        assert caught.value.code == "no_group_access_hash"


class TestMembers:
    @pytest.mark.parametrize(("count", "pages"), [(1, 1), (200, 1), (201, 2), (450, 3)])
    async def test_of_a_supergroup_page_by_page(
        self, world: TelegramWorld, telegram: TelegramReader, count: int, pages: int
    ) -> None:
        people = [ADA, *range(1000, 1000 + count - 1)]
        for user_id in people[1:]:
            add_user(world, user_id)
        add_group(world, 7, *people)
        lists = [page async for page in telegram.members(await group_named(telegram, 7))]
        assert sorted(int(one) for page in lists for one in page.ids) == sorted(people)
        assert {page.expected for page in lists} == {count}
        assert telegram.meter.snapshot().calls["GetParticipants"] == pages

    async def test_of_a_basic_group(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_group(world, 7, ADA, BOB, CY, kind="basic")
        (page,) = [page async for page in telegram.members(await group_named(telegram, 7))]
        assert page == MembersPage(frozenset({str(ADA), str(BOB), str(CY)}), expected=3)

    async def test_a_shorter_list_than_telegram_counts_ends_too(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, BOB, CY, listed_members=2)
        pages = [page async for page in telegram.members(await group_named(telegram, 7))]
        assert sum(len(page.ids) for page in pages) == 2
        assert {page.expected for page in pages} == {3}

    @pytest.mark.parametrize("kind", ["supergroup", "basic"])
    async def test_hidden_members_are_refused(
        self, world: TelegramWorld, telegram: TelegramReader, kind: str
    ) -> None:
        add_group(world, 7, ADA, BOB, kind=kind, members_hidden=True)
        group = await group_named(telegram, 7)
        with pytest.raises(Refused) as caught:
            [page async for page in telegram.members(group)]
        assert caught.value.code in ("CHAT_ADMIN_REQUIRED", "members_hidden")
        assert not isinstance(caught.value, Gone)

    async def test_pages_that_go_in_a_circle_are_caught(
        self, world: TelegramWorld, telegram: TelegramReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        people = [ADA, *range(1000, 1700)]
        for user_id in people[1:]:
            add_user(world, user_id)
        add_group(world, 7, *people)
        group = await group_named(telegram, 7)
        repeat_first_page(monkeypatch, functions.channels.GetParticipantsRequest, offset=0)
        with pytest.raises(Refused) as caught:
            [page async for page in telegram.members(group)]
        assert caught.value.code == "cursor_loop"


class TestDetails:
    @pytest.mark.parametrize("hidden", [True, False])
    async def test_of_a_supergroup(
        self, world: TelegramWorld, telegram: TelegramReader, hidden: bool
    ) -> None:
        add_group(world, 7, ADA, BOB, hidden_prehistory=hidden, members_hidden=hidden)
        details = await telegram.details(await group_named(telegram, 7))
        assert details.history is (History.HIDDEN if hidden else History.VISIBLE)
        assert (details.members_hidden, details.total_members) == (hidden, 2)

    async def test_a_basic_group_has_none(self, world: TelegramWorld, telegram: TelegramReader) -> None:
        add_group(world, 7, ADA, kind="basic")
        with pytest.raises(Refused) as caught:
            await telegram.details(await group_named(telegram, 7))
        assert caught.value.code == "not_applicable"
