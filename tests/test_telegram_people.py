"""How people are found on Telegram: by id, by username, and by name where nothing else is left."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from groupadmin.sandbox.telegram.effects import RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramWorld
from members.platforms.base import CallMeter
from members.platforms.configs import AccessHashes
from members.platforms.errors import AccountTrouble, TryLater
from members.platforms.telegram import TelegramReader
from members.platforms.types import Platform, PlatformUser, Wanted
from tests.sandboxes import telegram_of
from tests.telegram_reading import (
    ADA,
    BOB,
    CY,
    DEE,
    add_group,
    add_groups,
    add_user,
    company,
    config,
    everything,
    find,
    ids_of,
    reader,
)

world = pytest.fixture(company)
sandbox = pytest.fixture(telegram_of)


@pytest.fixture
async def telegram(sandbox: TelegramSandbox) -> AsyncIterator[TelegramReader]:
    async with reader(sandbox, meter=CallMeter(patience=2)) as connected:
        yield connected


def wanted(user_id: int | None = None, username: str | None = None, name: str = "Bob Sample") -> Wanted:
    return Wanted("bob", name, id=None if user_id is None else str(user_id), username=username)


async def learnt_about(sandbox: TelegramSandbox, *usernames: str) -> AccessHashes:
    """What a connection that resolved these usernames leaves to the next one."""
    async with reader(sandbox) as earlier:
        for username in usernames:
            await find(earlier, username)
        return earlier.learned_hashes()


class TestByUsername:
    @pytest.mark.parametrize("username", ["bobsample", "BobSample", "@bobsample", "bobby_sample"])
    async def test_whatever_the_case_and_whichever_of_several(
        self, telegram: TelegramReader, username: str
    ) -> None:
        assert await telegram.users([wanted(username=username)]) == [
            PlatformUser(Platform.TELEGRAM, str(BOB), ("bobsample", "bobby_sample"), "Bob Sample")
        ]

    @pytest.mark.parametrize("username", ["nobody_here", "no", "no such name", "@", "", "‮"])
    async def test_a_name_that_leads_to_nobody_is_no_failure(
        self, telegram: TelegramReader, username: str
    ) -> None:
        assert await telegram.users([wanted(username=username)]) == []
        assert telegram.lookup_failures == {}

    async def test_the_name_of_a_group_is_nobodys(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, usernames=["acme_chat"])
        assert await telegram.users([wanted(username="acme_chat")]) == []

    async def test_is_asked_once_for_all_who_claim_it(self, telegram: TelegramReader) -> None:
        twice = [Wanted("bob", "Bob", username="bobsample"), Wanted("robert", "Robert", username="BOBSAMPLE")]
        assert len(await telegram.users(twice)) == 1
        assert telegram.meter.snapshot().calls["ResolveUsername"] == 1

    async def test_a_bot_says_that_it_is_one(self, telegram: TelegramReader) -> None:
        assert (await find(telegram, "robo_bot")).is_bot

    async def test_nothing_leads_from_an_address_to_a_person(self, telegram: TelegramReader) -> None:
        assert await telegram.users([Wanted("bob", "Bob", email="bob@example.com")]) == []
        assert telegram.meter.snapshot().calls.get("ResolveUsername") is None


class TestById:
    async def test_an_earlier_connection_saves_the_lookup(self, sandbox: TelegramSandbox) -> None:
        known = await learnt_about(sandbox, "bobsample")
        async with reader(sandbox, known=known) as telegram:
            (bob,) = await telegram.users([wanted(BOB, "bobsample")])
            assert bob.id == str(BOB)
            assert "ResolveUsername" not in telegram.meter.snapshot().calls

    async def test_a_changed_username_is_followed(
        self, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        known = await learnt_about(sandbox, "bobsample")
        world.users[BOB].usernames = ["bob_renamed"]
        async with reader(sandbox, known=known) as telegram:
            (bob,) = await telegram.users([wanted(BOB, "bobsample")])
            assert (bob.id, bob.username) == (str(BOB), "bob_renamed")

    async def test_what_one_account_knows_is_of_no_use_to_another(self, sandbox: TelegramSandbox) -> None:
        bobs_view = AccessHashes(users={BOB: 1}, channels={})
        async with TelegramReader(config(sandbox), known_hashes={BOB: bobs_view}) as telegram:
            assert await telegram.users([wanted(BOB)]) == []

    async def test_an_access_hash_that_is_no_longer_good_is_not_the_end(
        self, sandbox: TelegramSandbox
    ) -> None:
        async with reader(sandbox, known=AccessHashes(users={BOB: 12345})) as telegram:
            (bob,) = await telegram.users([wanted(BOB, "bobsample")])
            assert bob.id == str(BOB)

    async def test_a_hundred_at_a_time(self, world: TelegramWorld, sandbox: TelegramSandbox) -> None:
        ids = range(1000, 1230)
        for user_id in ids:
            add_user(world, user_id, f"person_{user_id}")
        known = await learnt_about(sandbox, *(f"person_{user_id}" for user_id in ids))
        async with reader(sandbox, known=known) as telegram:
            before = telegram.meter.snapshot().calls["GetUsers"]
            found = await telegram.users([Wanted(str(one), "", id=str(one)) for one in ids])
            assert {user.id for user in found} == {str(one) for one in ids}
            assert telegram.meter.snapshot().calls["GetUsers"] - before == 3

    async def test_ourselves(self, telegram: TelegramReader) -> None:
        (ada,) = await telegram.users([wanted(ADA, "somebody_else")])
        assert (ada.id, ada.username) == (str(ADA), "adaexample")

    async def test_a_deleted_account_is_found_and_not_active(
        self, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        known = await learnt_about(sandbox, "bobsample")
        world.users[BOB].deleted = True
        async with reader(sandbox, known=known) as telegram:
            (bob,) = await telegram.users([wanted(BOB)])
            assert not bob.active

    async def test_somebody_we_write_to_is_known_from_the_dialogs(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        world.converse(ADA, CY)
        await everything(telegram.groups())
        (cy,) = await telegram.users([wanted(CY, name="Another Name")])
        assert cy.id == str(CY)

    @pytest.mark.parametrize("garbage", ["U123", "", "-5", "²", "12 34"])
    async def test_an_id_that_telegram_cannot_have(self, telegram: TelegramReader, garbage: str) -> None:
        assert await telegram.users([Wanted("bob", "Bob", id=garbage)]) == []


class TestByName:
    async def test_finds_an_id_without_username_in_the_groups(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, BOB, CY)
        await everything(telegram.groups())
        (cy,) = await telegram.users([wanted(CY, name="Cy Nobody")])
        assert cy.id == str(CY)
        assert await ids_of(telegram.groups_of(cy)) == ["7"]

    async def test_the_id_decides_among_equal_names(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        for user_id in (301, 302, 303):
            add_user(world, user_id, name="Cy")
        add_group(world, 7, ADA, 301, 302, CY, 303)
        await everything(telegram.groups())
        assert [one.id for one in await telegram.users([wanted(CY, name="Cy Nobody")])] == [str(CY)]

    async def test_a_username_that_belongs_to_somebody_else_now(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_user(world, 300, "cy_old_name")
        add_group(world, 7, ADA, CY)
        await everything(telegram.groups())
        found = await telegram.users([wanted(CY, "cy_old_name", name="Cy Nobody")])
        assert {user.id for user in found} == {str(CY), "300"}

    async def test_costs_a_few_calls_however_many_groups_there_are(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_groups(world, 60, ADA)
        await everything(telegram.groups())
        assert await telegram.users([wanted(CY, name="Cy Nobody")]) == []
        assert telegram.meter.snapshot().calls["GetParticipants"] <= 9
        assert telegram.lookup_failures == {}

    async def test_groups_that_hide_their_members_are_passed_over(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 1, ADA, BOB, CY, DEE, members_hidden=True)
        add_group(world, 2, ADA, CY)
        await everything(telegram.groups())
        (cy,) = await telegram.users([wanted(CY, name="Cy Nobody")])
        assert cy.id == str(CY)

    @pytest.mark.parametrize("name", ["", "   "])
    async def test_nobody_can_be_searched_without_a_name(
        self, world: TelegramWorld, telegram: TelegramReader, name: str
    ) -> None:
        add_group(world, 7, ADA, CY, *(add_user(world, one).id for one in range(1000, 1200)))
        await everything(telegram.groups())
        assert await telegram.users([wanted(CY, name=name)]) == []

    async def test_the_list_of_a_small_group_tells_people_of_any_name_at_once(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, BOB, CY, DEE)
        await everything(telegram.groups())
        nameless = [Wanted(str(one), "Quite Another", id=str(one)) for one in (BOB, CY, DEE)]
        assert {one.id for one in await telegram.users(nameless)} == {str(BOB), str(CY), str(DEE)}
        assert telegram.meter.snapshot().calls["GetParticipants"] == 1


class TestFailures:
    async def test_a_limited_lookup_is_not_an_absence(
        self, sandbox: TelegramSandbox, telegram: TelegramReader
    ) -> None:
        sandbox.script.add("ResolveUsername", RpcFault("FLOOD_WAIT_3600"), times=None)
        people = [Wanted("bob", "Bob", username="bobsample"), Wanted("dee", "Dee", username="deesample")]
        assert await telegram.users(people) == []
        assert set(telegram.lookup_failures) == {"bob", "dee"}
        failure = telegram.lookup_failures["bob"]
        assert isinstance(failure, TryLater)
        assert failure.code == "FLOOD_WAIT" and 3500 < failure.seconds <= 3600

    async def test_a_limit_is_not_tried_again_for_everybody(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramReader
    ) -> None:
        sandbox.script.add("ResolveUsername", RpcFault("FLOOD_WAIT_3600"), times=None)
        people = [Wanted(str(one), "", username=f"person_{one}") for one in range(50)]
        await telegram.users(people)
        assert telegram.meter.snapshot().calls["ResolveUsername"] <= 8  # as many as were under way
        assert len(telegram.lookup_failures) == 50

    async def test_whoever_is_found_in_another_way_has_not_failed(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, BOB)
        await everything(telegram.groups())
        sandbox.script.add("ResolveUsername", RpcFault("FLOOD_WAIT_3600"), times=None)
        (bob,) = await telegram.users([wanted(BOB, "bobsample")])
        assert bob.id == str(BOB)
        assert telegram.lookup_failures == {}

    async def test_the_others_are_found_all_the_same(
        self, sandbox: TelegramSandbox, telegram: TelegramReader
    ) -> None:
        sandbox.script.add(
            "ResolveUsername", RpcFault("SOMETHING_ODD"), when=lambda call: call["username"] == "bobsample"
        )
        people = [Wanted("bob", "Bob", username="bobsample"), Wanted("ada", "Ada", username="adaexample")]
        assert [user.id for user in await telegram.users(people)] == [str(ADA)]
        assert {key: error.code for key, error in telegram.lookup_failures.items()} == {
            "bob": "SOMETHING_ODD"
        }

    async def test_are_forgotten_with_the_next_round(
        self, sandbox: TelegramSandbox, telegram: TelegramReader
    ) -> None:
        sandbox.script.add("ResolveUsername", RpcFault("SOMETHING_ODD"))
        await telegram.users([wanted(username="bobsample")])
        assert telegram.lookup_failures
        await telegram.users([wanted(username="bobsample")])
        assert telegram.lookup_failures == {}

    async def test_an_account_in_trouble_ends_the_search(
        self, sandbox: TelegramSandbox, telegram: TelegramReader
    ) -> None:
        sandbox.script.add("ResolveUsername", RpcFault("PEER_FLOOD"))
        with pytest.raises(AccountTrouble):
            await telegram.users([wanted(username="bobsample")])


class TestLearnedHashes:
    async def test_the_people_found_and_our_supergroups(
        self, world: TelegramWorld, telegram: TelegramReader
    ) -> None:
        add_group(world, 7, ADA, BOB, CY)
        add_group(world, 8, ADA, kind="basic")
        await everything(telegram.groups())
        await find(telegram, "bobsample")
        learnt = telegram.learned_hashes()
        assert set(learnt.users) == {BOB}
        assert set(learnt.channels) == {7}
