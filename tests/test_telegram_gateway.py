"""From the settings to a Telegram reader, and what it leaves for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.platforms.base import CallMeter
from members.platforms.configs import AccessHashes
from members.platforms.errors import NotConfigured
from members.platforms.telegram import TelegramReader
from members.platforms.types import Wanted
from telegram_ops.gateway import Access, known_hashes, remember_hashes, telegram_config
from telegram_ops.models import PeerAccess
from tests.sandboxes import point_at
from tests.telegram_reading import ADA, BOB, add_group, company, config, everything


@pytest.fixture
def sandbox() -> Iterator[TelegramSandbox]:
    world = company()
    add_group(world, 7, ADA, BOB)
    with TelegramSandbox(world) as server:
        yield server


@pytest.fixture
def configured(settings: Settings, sandbox: TelegramSandbox, tmp_path: Path) -> Settings:
    point_at(sandbox, settings, tmp_path, session=sandbox.mint_session(ADA))
    return settings


class TestConfig:
    def test_is_what_the_settings_say(self, configured: Settings, sandbox: TelegramSandbox) -> None:
        made = telegram_config()
        assert (made.api_id, made.api_hash) == (12345, "invented")
        assert made.session == configured.TELEGRAM_SESSION
        assert made.server == config(sandbox).server
        assert made.server_key_pem == sandbox.public_key_pem

    def test_telegrams_own_server_needs_no_address(self, configured: Settings) -> None:
        configured.TELEGRAM_SERVER = configured.TELEGRAM_SERVER_KEY = ""
        made = telegram_config()
        assert (made.server, made.server_key_pem) == (None, None)

    @pytest.mark.django_db
    @pytest.mark.parametrize("name", ["TELEGRAM_API_ID", "TELEGRAM_API_HASH", "TELEGRAM_SESSION"])
    @pytest.mark.parametrize("value", ["", "  ", None])
    def test_a_missing_setting_is_named(self, configured: Settings, name: str, value: str | None) -> None:
        setattr(configured, name, value)
        assert trouble().code == name

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TELEGRAM_API_ID", "twelve"),
            ("TELEGRAM_API_ID", "-5"),
            ("TELEGRAM_API_ID", str(2**40)),
            ("TELEGRAM_SERVER", "127.0.0.1:443"),
            ("TELEGRAM_SERVER", "2:127.0.0.1:telegram"),
            ("TELEGRAM_SERVER_KEY", "/nowhere/server.pem"),
            ("TELEGRAM_SERVER_KEY", "/"),
        ],
    )
    def test_an_unusable_setting_is_named(self, configured: Settings, name: str, value: str) -> None:
        setattr(configured, name, value)
        error = trouble()
        assert error.code == name
        assert name in str(error)

    def test_no_secret_is_shown(self, configured: Settings) -> None:
        made = telegram_config()
        assert made.session not in repr(made)
        assert made.api_hash not in repr(made)


def trouble() -> NotConfigured:
    with pytest.raises(NotConfigured) as caught:
        telegram_config()
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


@pytest.mark.django_db
class TestHashes:
    def test_what_one_reader_learns_the_next_one_knows(
        self, configured: Settings, sandbox: TelegramSandbox
    ) -> None:
        bob = Wanted("bob", "Bob", username="bobsample")
        access = Access()
        first = access.reader(CallMeter())
        asyncio.run(look_at_everything(first, bob))
        access.keep_books()
        assert first.meter.snapshot().calls["ResolveUsername"] == 1

        second = Access().reader(CallMeter())
        asyncio.run(look_at_everything(second, Wanted("bob", "Bob", id=str(BOB), username="bobsample")))
        assert "ResolveUsername" not in second.meter.snapshot().calls

    def test_are_kept_for_each_account_apart(self) -> None:
        remember_hashes(ADA, AccessHashes(users={BOB: 1}, channels={7: 2}))
        remember_hashes(BOB, AccessHashes(users={ADA: 3}))
        assert known_hashes() == {
            ADA: AccessHashes(users={BOB: 1}, channels={7: 2}),
            BOB: AccessHashes(users={ADA: 3}),
        }

    def test_a_user_and_a_group_may_have_the_same_number(self) -> None:
        remember_hashes(ADA, AccessHashes(users={7: 1}, channels={7: 2}))
        assert known_hashes() == {ADA: AccessHashes(users={7: 1}, channels={7: 2})}

    def test_the_newest_wins_and_the_others_stay(self) -> None:
        remember_hashes(ADA, AccessHashes(users={BOB: 1, 300: 5}))
        before = PeerAccess.objects.get(peer_id=BOB).seen_at
        remember_hashes(ADA, AccessHashes(users={BOB: -(2**63)}))
        assert known_hashes()[ADA].users == {BOB: -(2**63), 300: 5}
        assert PeerAccess.objects.get(peer_id=BOB).seen_at > before

    def test_a_reader_that_never_connected_leaves_nothing(self, sandbox: TelegramSandbox) -> None:
        reader = TelegramReader(config(sandbox))
        remember_hashes(reader.account_id, reader.learned_hashes())
        assert known_hashes() == {}


async def look_at_everything(reader: TelegramReader, person: Wanted) -> None:
    async with reader:
        await everything(reader.groups())
        await reader.users([person])
