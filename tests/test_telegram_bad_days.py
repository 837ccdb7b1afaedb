"""A Telegram that limits, fails, hangs up, stays silent or throws the account out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from telethon.sessions import StringSession

from groupadmin.sandbox.telegram.effects import Delay, Drop, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from groupadmin.sandbox.telegram.world import TelegramWorld
from members.platforms.base import CallMeter
from members.platforms.configs import ServerAddress, parse_server
from members.platforms.errors import (
    AccountTrouble,
    NotConfigured,
    PlatformError,
    Refused,
    SignedOut,
    TryLater,
)
from members.platforms.telegram import TelegramReader
from members.platforms.types import PlatformGroup
from tests.sandboxes import telegram_of
from tests.telegram_reading import (
    ADA,
    BOB,
    ROBO,
    add_group,
    add_groups,
    company,
    config,
    everything,
    group_named,
    ids_of,
    reader,
)

NOT_A_KEY = "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----"


@pytest.fixture
def world() -> TelegramWorld:
    world = company()
    add_group(world, 7, ADA, BOB)
    return world


sandbox = pytest.fixture(telegram_of)


async def trouble_of(telegram: TelegramReader) -> PlatformError:
    """What entering and listing the groups ends in."""
    with pytest.raises(PlatformError) as caught:
        async with telegram:
            await everything(telegram.groups())
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


@asynccontextmanager
async def some_server(greeting: bytes) -> AsyncIterator[ServerAddress]:
    """Accepts every connection, says `greeting`, and no more."""
    writers = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(greeting)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    yield ServerAddress(2, *server.sockets[0].getsockname())
    for writer in writers:
        writer.close()
    server.close()


class TestLimits:
    async def test_a_short_wait_is_slept_and_told(self, sandbox: TelegramSandbox) -> None:
        told: list[tuple[str, float]] = []
        meter = CallMeter(on_wait=lambda method, seconds, error: told.append((method, seconds)))
        async with reader(sandbox, meter=meter) as telegram:
            sandbox.script.add("GetDialogs", RpcFault("FLOOD_WAIT_1"))
            assert await ids_of(telegram.groups()) == ["7"]
        assert told == [("GetDialogs", 1.0)]
        assert meter.snapshot().waited_seconds == 1.0
        assert meter.snapshot().calls["GetDialogs"] == 2

    async def test_overlapped_calls_share_one_wait(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox) as telegram:
            group = await group_named(telegram, 7)
            sandbox.script.add("GetFullChannel", RpcFault("FLOOD_WAIT_1"), times=5)
            await asyncio.gather(*(telegram.details(group) for _ in range(20)))
            assert telegram.meter.snapshot().waited_seconds == 1.0
            assert telegram.meter.snapshot().calls["GetFullChannel"] == 25

    async def test_another_method_is_not_held_up(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox, meter=CallMeter(patience=0.5)) as telegram:
            group = await group_named(telegram, 7)
            sandbox.script.add("GetFullChannel", RpcFault("FLOOD_WAIT_60"), times=None)
            with pytest.raises(TryLater):
                await telegram.details(group)
            assert await ids_of(telegram.groups()) == ["7"]

    @pytest.mark.parametrize("fault", ["FLOOD_WAIT_60", "FLOOD_PREMIUM_WAIT_60", "SLOWMODE_WAIT_60"])
    async def test_a_wait_beyond_our_patience_is_the_callers_to_decide(
        self, sandbox: TelegramSandbox, fault: str
    ) -> None:
        async with reader(sandbox, meter=CallMeter(patience=5)) as telegram:
            group = await group_named(telegram, 7)
            sandbox.script.add("GetFullChannel", RpcFault(fault), times=None)
            with pytest.raises(TryLater) as caught:
                await telegram.details(group)
            assert 59 <= caught.value.seconds <= 60
            with pytest.raises(TryLater):
                await telegram.details(group)
            assert telegram.meter.snapshot().calls["GetFullChannel"] == 1  # the second did not even ask

    async def test_a_limit_that_never_ends(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox, flood_waits=1) as telegram:
            sandbox.script.add("GetDialogs", RpcFault("FLOOD_WAIT_0"), times=None)
            with pytest.raises(TryLater):
                await everything(telegram.groups())
            assert telegram.meter.snapshot().calls["GetDialogs"] == 2

    async def test_a_flooded_account_stops_at_once(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox) as telegram:
            sandbox.script.add("GetDialogs", RpcFault("PEER_FLOOD"))
            with pytest.raises(AccountTrouble) as caught:
                await everything(telegram.groups())
            assert caught.value.code == "PEER_FLOOD"
            assert telegram.meter.snapshot().calls["GetDialogs"] == 1


class TestServerTrouble:
    async def test_a_failed_call_is_repeated(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox) as telegram:
            sandbox.script.add("GetDialogs", RpcFault("RPC_CALL_FAIL"))
            assert await ids_of(telegram.groups()) == ["7"]

    async def test_lasting_trouble_is_reported(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox, attempts=1) as telegram:
            sandbox.script.add("GetDialogs", RpcFault("RPC_CALL_FAIL"), times=None)
            with pytest.raises(TryLater) as caught:
                await everything(telegram.groups())
            assert caught.value.code == "RPC_CALL_FAIL"

    async def test_what_was_learnt_before_an_error_is_kept(
        self, world: TelegramWorld, sandbox: TelegramSandbox
    ) -> None:
        add_groups(world, 150, ADA)
        sandbox.script.add("GetDialogs", RpcFault("TAKEOUT_REQUIRED"), skip=1)
        learnt: list[PlatformGroup] = []
        async with reader(sandbox) as telegram:
            with pytest.raises(Refused):
                async for page in telegram.groups():
                    learnt += page
        assert len(learnt) == 100


class TestLine:
    @pytest.mark.parametrize("done", [False, True])
    async def test_a_connection_cut_half_way_is_made_again_and_the_call_repeated(
        self, world: TelegramWorld, sandbox: TelegramSandbox, done: bool
    ) -> None:
        add_groups(world, 250, ADA)
        async with reader(sandbox) as telegram:
            sandbox.script.add("GetDialogs", Drop(done=done), skip=1)
            assert len(await ids_of(telegram.groups())) == 251

    async def test_overlapped_calls_survive_a_cut(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox) as telegram:
            group = await group_named(telegram, 7)
            sandbox.script.add("GetFullChannel", Drop(), skip=3)
            details = await asyncio.gather(*(telegram.details(group) for _ in range(20)))
            assert len(details) == 20

    async def test_a_server_that_hangs_up_every_time_is_given_up(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox) as telegram:
            sandbox.script.add("GetDialogs", Drop(), times=None)
            with pytest.raises(TryLater) as caught:
                await everything(telegram.groups())
            assert caught.value.code == "unreachable"
            assert telegram.meter.snapshot().calls["GetDialogs"] == 4

    async def test_a_silent_call_is_repeated_on_a_new_line(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox, call_timeout=0.5) as telegram:
            sandbox.script.add("GetDialogs", Delay(30))
            assert await ids_of(telegram.groups()) == ["7"]

    async def test_a_call_that_stays_silent_is_given_up(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox, call_timeout=0.3, attempts=2) as telegram:
            sandbox.script.add("GetDialogs", Delay(30), times=None)
            with pytest.raises(TryLater) as caught:
                await everything(telegram.groups())
            assert caught.value.code == "unreachable"

    async def test_a_server_that_dies_on_the_way(self, world: TelegramWorld) -> None:
        with TelegramSandbox(world) as sandbox:
            telegram = reader(sandbox)
            await telegram.__aenter__()
            group = await group_named(telegram, 7)
        calls = (telegram.details(group) for _ in range(10))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        await telegram.__aexit__(None, None, None)
        assert {error.code for error in errors if isinstance(error, TryLater)} == {"unreachable"}
        assert len(errors) == 10

    async def test_no_server_at_all(self, sandbox: TelegramSandbox) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nowhere = ServerAddress(2, "127.0.0.1", unused.getsockname()[1])
            error = await trouble_of(TelegramReader(replace(config(sandbox), server=nowhere)))
        assert isinstance(error, TryLater)
        assert error.code == "unreachable"

    @pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10, b"\x00" * 4])
    async def test_a_server_that_says_nothing_or_something_else(
        self, sandbox: TelegramSandbox, greeting: bytes
    ) -> None:
        async with some_server(greeting) as address:
            asked = replace(config(sandbox, connect_timeout=0.5), server=address)
            error = await trouble_of(TelegramReader(asked))
        assert isinstance(error, TryLater)
        assert error.code == "unreachable"

    async def test_a_cancelled_job_stays_cancelled(self, sandbox: TelegramSandbox) -> None:
        async with reader(sandbox) as telegram:
            sandbox.script.add("GetDialogs", Delay(30))
            job = asyncio.create_task(everything(telegram.groups()))
            await asyncio.sleep(0.2)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            assert await ids_of(telegram.groups()) == ["7"]


class TestAccount:
    async def test_a_session_that_the_server_does_not_know(self, sandbox: TelegramSandbox) -> None:
        with TelegramSandbox(company()) as other:
            session = other.mint_session(ADA)
        error = await trouble_of(reader(sandbox, session=session))
        assert isinstance(error, AccountTrouble)
        assert "sign in again" in str(error)

    async def test_a_session_that_was_ended_elsewhere(self, sandbox: TelegramSandbox) -> None:
        telegram = reader(sandbox)
        sandbox.sign_out(ADA)
        error = await trouble_of(telegram)
        assert isinstance(error, AccountTrouble)
        assert "sign in again" in str(error)

    @pytest.mark.parametrize(
        "fault",
        [
            "AUTH_KEY_UNREGISTERED",
            "AUTH_KEY_DUPLICATED",
            "SESSION_REVOKED",
            "USER_DEACTIVATED",
            "USER_DEACTIVATED_BAN",
            "PHONE_NUMBER_BANNED",
        ],
    )
    async def test_an_account_that_is_lost(self, sandbox: TelegramSandbox, fault: str) -> None:
        sandbox.script.add("GetUsers", RpcFault(fault), times=None)
        error = await trouble_of(reader(sandbox))
        assert isinstance(error, AccountTrouble)
        assert error.code == fault

    async def test_an_account_that_is_lost_on_the_way(self, sandbox: TelegramSandbox) -> None:
        sandbox.script.add("GetDialogs", RpcFault("AUTH_KEY_DUPLICATED"))
        error = await trouble_of(reader(sandbox))
        assert (type(error), error.code) == (SignedOut, "AUTH_KEY_DUPLICATED")

    async def test_a_session_in_use_at_two_places_at_once(self, sandbox: TelegramSandbox) -> None:
        sandbox.script.add("GetConfig", RpcFault("AUTH_KEY_DUPLICATED"))
        error = await trouble_of(reader(sandbox))
        assert error.code == "AUTH_KEY_DUPLICATED"

    @pytest.mark.parametrize("session", ["garbage", "1" + "A" * 352, "1", ""])
    async def test_a_session_that_cannot_be_one(self, sandbox: TelegramSandbox, session: str) -> None:
        error = await trouble_of(reader(sandbox, session=session))
        assert (type(error), error.code) == (NotConfigured, "TELEGRAM_SESSION")

    @pytest.mark.parametrize(
        "pem", ["", "garbage", "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----"]
    )
    async def test_a_server_key_that_cannot_be_one(self, sandbox: TelegramSandbox, pem: str) -> None:
        error = await trouble_of(reader(sandbox, server_key_pem=pem))
        assert (type(error), error.code) == (NotConfigured, "TELEGRAM_SERVER_KEY")

    async def test_a_bots_session(self, world: TelegramWorld, sandbox: TelegramSandbox) -> None:
        error = await trouble_of(reader(sandbox, session=sandbox.mint_session(ROBO)))
        assert (type(error), error.code) == (AccountTrouble, "BOT_METHOD_INVALID")

    async def test_a_session_made_elsewhere_speaks_to_the_configured_server(
        self, sandbox: TelegramSandbox
    ) -> None:
        session = StringSession(sandbox.mint_session(ADA))
        session.set_dc(4, "203.0.113.1", 443)
        async with reader(sandbox, session=session.save()) as telegram:
            assert await ids_of(telegram.groups()) == ["7"]

    async def test_a_server_may_have_a_name(self, sandbox: TelegramSandbox) -> None:
        by_name = parse_server(sandbox.server.replace("127.0.0.1", "localhost"))
        async with reader(sandbox, server=by_name) as telegram:
            assert await ids_of(telegram.groups()) == ["7"]
