"""Signing in to the sandbox's Telegram, as a person and as a bot, with an unmodified client."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from telethon import TelegramClient, errors
from telethon.sessions import StringSession
from telethon.tl import functions, types

from groupadmin.sandbox.telegram.server import TelegramSandbox
from tests.telegram_clients import (
    ADA,
    BOB,
    EVE,
    EVES_PHONE,
    PASSWORD,
    PHONE,
    ROBO,
    TOKEN,
    connected,
    new_client,
    signed_in,
    small_world,
)

CODE = "12345"


@pytest.fixture
def sandbox() -> Iterator[TelegramSandbox]:
    with TelegramSandbox(small_world()) as server:
        yield server
        assert server.bugs == []


@pytest.fixture
async def client(sandbox: TelegramSandbox) -> AsyncIterator[TelegramClient]:
    """A client without a session: its first connection makes a key with the server."""
    async with connected(new_client(sandbox)) as stranger:
        yield stranger


class TestCode:
    async def test_the_right_code_signs_in(self, client: TelegramClient) -> None:
        assert await client.get_me() is None
        sent = await client.send_code_request(PHONE)
        assert sent.type.length == len(CODE)
        await client.sign_in(PHONE, CODE)
        me = await client.get_me()
        assert (me.id, me.first_name, me.username, me.phone) == (ADA, "Ada", "AdaExample", PHONE.lstrip("+"))

    async def test_the_session_can_be_saved_between_the_two_steps(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sent = await client.send_code_request(PHONE)
        async with connected(new_client(sandbox, client.session.save())) as later:
            me = await later.sign_in(PHONE, CODE, phone_code_hash=sent.phone_code_hash)
            assert me.id == ADA

    async def test_another_key_cannot_use_the_code(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        sent = await client.send_code_request(PHONE)
        async with connected(new_client(sandbox)) as other:
            with pytest.raises(errors.PhoneCodeExpiredError):
                await other.sign_in(PHONE, CODE, phone_code_hash=sent.phone_code_hash)

    async def test_a_wrong_code_can_be_corrected(self, client: TelegramClient) -> None:
        await client.send_code_request(PHONE)
        with pytest.raises(errors.PhoneCodeInvalidError):
            await client.sign_in(PHONE, "54321")
        assert (await client.sign_in(PHONE, CODE)).id == ADA

    async def test_an_empty_code_is_named(self, client: TelegramClient) -> None:
        sent = await client.send_code_request(PHONE)
        with pytest.raises(errors.PhoneCodeEmptyError):
            await client(functions.auth.SignInRequest(PHONE, sent.phone_code_hash, ""))

    async def test_an_expired_code_needs_a_new_one(
        self, client: TelegramClient, sandbox: TelegramSandbox
    ) -> None:
        await client.send_code_request(PHONE)
        sandbox.expire_codes()
        with pytest.raises(errors.PhoneCodeExpiredError):
            await client.sign_in(PHONE, CODE)
        await client.send_code_request(PHONE)
        assert (await client.sign_in(PHONE, CODE)).id == ADA

    async def test_a_code_can_be_sent_again_by_sms(self, client: TelegramClient) -> None:
        first = await client.send_code_request(PHONE)
        again = await client.send_code_request(PHONE)
        assert isinstance(first.next_type, types.auth.CodeTypeSms)
        assert isinstance(again.type, types.auth.SentCodeTypeSms)
        assert (await client.sign_in(PHONE, CODE)).id == ADA

    async def test_a_malformed_number_is_refused(self, client: TelegramClient) -> None:
        with pytest.raises(errors.PhoneNumberInvalidError):
            await client(functions.auth.SendCodeRequest("none", 1, "", types.CodeSettings()))

    async def test_a_number_without_an_account_gets_a_code_and_no_further(
        self, client: TelegramClient
    ) -> None:
        await client.send_code_request("+15559999999")
        with pytest.raises(errors.PhoneNumberUnoccupiedError):
            await client.sign_in("+15559999999", CODE)


class TestPassword:
    @pytest.fixture
    async def halfway(self, client: TelegramClient) -> TelegramClient:
        await client.send_code_request(EVES_PHONE)
        with pytest.raises(errors.SessionPasswordNeededError):
            await client.sign_in(EVES_PHONE, CODE)
        return client

    async def test_the_right_password_signs_in(self, halfway: TelegramClient) -> None:
        assert await halfway.get_me() is None
        assert (await halfway.sign_in(password=PASSWORD)).id == EVE

    async def test_a_wrong_password_can_be_corrected(self, halfway: TelegramClient) -> None:
        with pytest.raises(errors.PasswordHashInvalidError):
            await halfway.sign_in(password="wrong")
        assert (await halfway.sign_in(password=PASSWORD)).id == EVE

    async def test_it_is_nothing_without_the_code(self, client: TelegramClient) -> None:
        with pytest.raises(errors.AuthKeyUnregisteredError):
            await client.sign_in(password=PASSWORD)


class TestBot:
    async def test_its_token_signs_it_in(self, client: TelegramClient) -> None:
        me = await client.sign_in(bot_token=TOKEN)
        assert (me.id, me.bot, me.username) == (ROBO, True, "robo_bot")

    async def test_an_unknown_token_is_refused(self, client: TelegramClient) -> None:
        with pytest.raises(errors.AccessTokenInvalidError):
            await client.sign_in(bot_token="106:WRONG")

    async def test_it_may_not_do_what_only_people_do(self, sandbox: TelegramSandbox) -> None:
        async with signed_in(sandbox, ROBO) as bot:
            with pytest.raises(errors.BotMethodInvalidError):
                await bot.get_dialogs()


class TestSession:
    async def test_a_minted_one_is_signed_in_without_a_handshake(self, sandbox: TelegramSandbox) -> None:
        async with signed_in(sandbox, BOB) as client:
            assert (await client.get_me()).id == BOB
        assert sandbox.calls.counts() == {}

    async def test_it_needs_a_known_user(self, sandbox: TelegramSandbox) -> None:
        with pytest.raises(ValueError, match="no user 4"):
            sandbox.mint_session(4)

    async def test_logging_out_ends_it(self, sandbox: TelegramSandbox) -> None:
        session = sandbox.mint_session(ADA)
        client = new_client(sandbox, session)
        await client.connect()
        assert await client.log_out() is True
        async with connected(new_client(sandbox, session)) as again:
            assert await again.get_me() is None

    async def test_it_can_be_revoked_while_it_is_used(self, sandbox: TelegramSandbox) -> None:
        async with signed_in(sandbox, ADA) as client, signed_in(sandbox, BOB) as other:
            sandbox.sign_out(ADA)
            with pytest.raises(errors.AuthKeyUnregisteredError):
                await client.get_dialogs()
            assert await other.get_dialogs() == []

    async def test_it_survives_a_restart_on_the_same_port(self, sandbox: TelegramSandbox) -> None:
        session, port = sandbox.mint_session(ADA), sandbox.port
        sandbox.stop()
        sandbox.start()
        assert sandbox.port == port
        async with connected(new_client(sandbox, session)) as client:
            assert (await client.get_me()).id == ADA

    async def test_a_key_of_another_server_is_unknown(self, sandbox: TelegramSandbox) -> None:
        with TelegramSandbox(small_world()) as elsewhere:
            client = new_client(sandbox, elsewhere.mint_session(ADA))
            with pytest.raises(errors.AuthKeyNotFound):
                await client.connect()

    def test_it_holds_the_address_of_the_server(self, sandbox: TelegramSandbox) -> None:
        session = StringSession(sandbox.mint_session(ADA))
        assert (session.server_address, session.port) == sandbox.address
        assert sandbox.server == f"2:127.0.0.1:{sandbox.port}"


class TestServer:
    def test_a_taken_port_is_an_error_of_the_caller(self, sandbox: TelegramSandbox) -> None:
        with pytest.raises(OSError, match="in use"):
            TelegramSandbox(small_world(), port=sandbox.port).start()

    async def test_noise_on_the_port_disturbs_nobody(self, sandbox: TelegramSandbox) -> None:
        async with signed_in(sandbox, ADA) as client:
            with socket.create_connection(sandbox.address) as noise:
                noise.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert noise.recv(100) == b""
            assert (await client.get_me()).id == ADA

    def test_stopping_twice_is_harmless(self) -> None:
        sandbox = TelegramSandbox(small_world()).start()
        sandbox.stop()
        sandbox.stop()
