"""Writing to a Telegram that limits, fails or hangs up: nothing is ever done twice."""

from __future__ import annotations

import asyncio

import pytest
from telethon.tl import functions

from groupadmin.sandbox.telegram import dispatch
from groupadmin.sandbox.telegram.effects import Delay, Drop, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramWorld
from members.platforms.errors import AccountTrouble, TryLater, Unreachable
from members.platforms.outcomes import Outcome
from members.platforms.telegram_writer import TelegramWriter
from members.platforms.writing import InDoubt
from tests.telegram_reading import (
    ADA,
    BOB,
    CY,
    add_group,
    everything,
    group_named,
    person,
)
from tests.telegram_writing import (
    BASIC_AND_SUPER,
    EVE,
    FAY,
    GROUP,
    INVITATION,
    OnTelegram,
    outcomes,
    own_group,
    people,
    the_cut_was_noticed,
    writer,
    written,
)


class TestAccount(OnTelegram):
    @BASIC_AND_SUPER
    async def test_a_flooded_account_stops_at_once(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, kind: str
    ) -> None:
        own_group(world, kind=kind)
        group = await group_named(telegram, GROUP)
        sandbox.script.add(INVITATION[kind], RpcFault("PEER_FLOOD"))
        with pytest.raises(AccountTrouble) as caught:
            await telegram.invite(group, people(BOB, CY))
        assert caught.value.code == "peer_flood"
        assert "@SpamBot" in str(caught.value)
        assert sandbox.writes.effects() == []
        assert len({write.at for write in sandbox.writes.all()}) == 1

    async def test_what_was_done_before_is_told(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        chat = own_group(world, kind="basic")
        group = await group_named(telegram, GROUP)
        sandbox.script.add("AddChatUser", RpcFault("PEER_FLOOD"), skip=2)
        with pytest.raises(AccountTrouble) as caught:
            await telegram.invite(group, people(BOB, CY, EVE, FAY))
        assert outcomes(caught.value.settled) == {BOB: Outcome.DONE, CY: Outcome.DONE}
        assert list(chat.members) == [ADA, BOB, CY]

    async def test_a_session_that_is_ended_on_the_way(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        group = await group_named(telegram, GROUP)
        sandbox.sign_out(ADA)
        with pytest.raises(AccountTrouble, match="sign in again"):
            await telegram.rename(group, "New name")


class TestLimits(OnTelegram):
    async def test_a_short_wait_is_slept_for_nothing_was_done(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        group = await group_named(telegram, GROUP)
        sandbox.script.add("InviteToChannel", RpcFault("FLOOD_WAIT_1"))
        assert outcomes(await telegram.invite(group, people(BOB))) == {BOB: Outcome.DONE}
        assert telegram.meter.snapshot().waited_seconds == 1.0
        assert written(sandbox) == [("InviteToChannel", str(BOB), True)]

    async def test_a_long_wait_is_the_callers_to_decide(
        self, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        own_group(world)
        async with writer(sandbox, patience=5) as telegram:
            group = await group_named(telegram, GROUP)
            sandbox.script.add("InviteToChannel", RpcFault("FLOOD_WAIT_10800"))
            for _ in range(2):
                with pytest.raises(TryLater) as caught:
                    await telegram.invite(group, people(BOB))
                assert not isinstance(caught.value, InDoubt)
                assert 10_790 < caught.value.seconds <= 10_800
            assert telegram.meter.snapshot().calls["InviteToChannel"] == 1  # the second did not even ask
        assert written(sandbox) == []


class TestDoubt(OnTelegram):
    @pytest.mark.parametrize(
        "fault",
        [
            Drop(),
            Drop(done=True),
            RpcFault("RPC_CALL_FAIL", done=True),
            RpcFault("No workers running"),
            RpcFault("Timeout"),
        ],
        ids=str,
    )
    async def test_a_call_that_may_have_been_done_is_not_repeated(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter, fault: Drop | RpcFault
    ) -> None:
        own_group(world)
        group = await group_named(telegram, GROUP)
        sandbox.script.add("InviteToChannel", fault)
        with pytest.raises(InDoubt) as caught:
            await telegram.invite(group, people(BOB))
        assert len(str(caught.value).splitlines()) == 1
        assert caught.value.settled == {}
        assert written(sandbox) == [("InviteToChannel", str(BOB), fault.done)]
        assert await telegram.is_member(group, person(BOB)) is fault.done  # the way to the truth is open

    async def test_a_silent_server(self, world: TelegramWorld, sandbox: TelegramSandbox) -> None:
        own_group(world)
        async with writer(sandbox, call_timeout=0.3) as telegram:
            group = await group_named(telegram, GROUP)
            sandbox.script.add("EditTitle", Delay(30))
            with pytest.raises(InDoubt):
                await telegram.rename(group, "New name")
            assert telegram.meter.snapshot().calls["EditTitle"] == 1

    async def test_an_answer_that_nobody_can_read(
        self,
        world: TelegramWorld,
        sandbox: TelegramSandbox,
        telegram: TelegramWriter,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        class Gibberish:
            def _bytes(self) -> bytes:
                return b"\x01\x02\x03\x04"

        own_group(world)
        group = await group_named(telegram, GROUP)
        rule = dispatch.Rule(lambda call, request: Gibberish(), anonymous=False, bots=True)
        monkeypatch.setitem(dispatch._RULES, functions.channels.EditTitleRequest, rule)
        with pytest.raises(InDoubt):
            await telegram.rename(group, "New name")
        assert telegram.meter.snapshot().calls["EditTitle"] == 1

    async def test_whoever_was_added_before_is_told(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world, kind="basic")
        group = await group_named(telegram, GROUP)
        sandbox.script.add("AddChatUser", Drop(done=True), skip=1)
        with pytest.raises(InDoubt) as caught:
            await telegram.invite(group, people(BOB, CY, EVE))
        assert outcomes(caught.value.settled) == {BOB: Outcome.DONE}
        assert [subject for _, subject, _ in written(sandbox)] == [str(BOB), str(CY)]

    async def test_overlapped_writes_are_all_in_doubt_and_none_is_repeated(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        chats = [add_group(world, chat_id, ADA, creator=ADA) for chat_id in range(10, 15)]
        groups = await everything(telegram.groups())
        sandbox.script.add("InviteToChannel", Delay(5), times=4)
        sandbox.script.add("InviteToChannel", Drop(done=True))
        jobs = (telegram.invite(group, people(BOB)) for group in groups)
        errors = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(error) for error in errors] == [InDoubt] * 5
        assert telegram.meter.snapshot().calls["InviteToChannel"] == 5
        assert sum(BOB in chat.members for chat in chats) == 1

    async def test_a_line_that_ended_while_nothing_was_under_way_leaves_none(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        own_group(world)
        group = await group_named(telegram, GROUP)
        sandbox.drop_connections()
        await the_cut_was_noticed(telegram)
        assert (await telegram.rename(group, "New name"))[0].outcome is Outcome.DONE
        assert telegram.meter.snapshot().calls["EditTitle"] == 1

    async def test_a_server_that_cannot_be_reached_leaves_none(
        self, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        own_group(world)
        async with writer(sandbox, connect_timeout=0.5) as telegram:
            group = await group_named(telegram, GROUP)
            sandbox.stop()
            await the_cut_was_noticed(telegram)
            with pytest.raises(TryLater) as caught:
                await telegram.rename(group, "New name")
            assert type(caught.value) is Unreachable
            assert "EditTitle" not in telegram.meter.snapshot().calls

    async def test_what_a_new_salt_makes_telethon_repeat_was_ignored_before(
        self, world: TelegramWorld, sandbox: TelegramSandbox, telegram: TelegramWriter
    ) -> None:
        for chat_id in range(10, 20):
            add_group(world, chat_id, ADA, creator=ADA)
        groups = await everything(telegram.groups())
        sandbox._backend.salt += 1
        replies = await asyncio.gather(*(telegram.invite(group, people(BOB)) for group in groups))
        assert [outcomes(each) for each in replies] == [{BOB: Outcome.DONE}] * 10
        assert len(sandbox.writes.all()) == len(sandbox.writes.effects()) == 10
