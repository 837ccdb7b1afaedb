"""Signing a Telegram account in and out in the admin: every step, and every way it can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from groupadmin.sandbox.telegram.effects import Drop, RpcFault
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.operations import lease
from members.operations.models import ActivityEvent
from members.platforms.types import Platform
from telegram_ops.models import AccountState, SignedInSession, SignIn, TelegramAccount
from tests.sign_in_world import CODE, new_account, sign_in, telegram_server
from tests.telegram_clients import ADA, BOB, EVE, EVES_PHONE, PASSWORD, PHONE

pytestmark = pytest.mark.django_db


@pytest.fixture
def telegram(settings: Settings, tmp_path: Path) -> Iterator[TelegramSandbox]:
    with telegram_server(settings, tmp_path) as server:
        yield server


@pytest.fixture
def account(telegram: TelegramSandbox) -> TelegramAccount:
    return new_account()


def url(name: str, account: TelegramAccount) -> str:
    return reverse(f"admin:telegram_ops_telegramaccount_{name}", args=[account.pk])


class Walk:
    """Somebody who clicks through the pages; each request could be answered by another process."""

    def __init__(self, client: Client, account: TelegramAccount) -> None:
        self._client, self._account = client, account

    def post(self, step: str, **data: str) -> str:
        """The page that follows, as one line."""
        answer = self._client.post(url(step, self._account), data, follow=True)
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    def get(self, name: str) -> str:
        return " ".join(self._client.get(url(name, self._account)).content.decode().split())

    def page(self) -> str:
        return self.get("change")

    @property
    def state(self) -> str:
        self._account.refresh_from_db()
        return self._account.state


@pytest.fixture
def walk(admin_client: Client, account: TelegramAccount) -> Walk:
    return Walk(admin_client, account)


def record() -> list[str]:
    return list(ActivityEvent.objects.order_by("pk").values_list("action", flat=True))


class TestTheWholeWalk:
    def test_phone_and_code(self, walk: Walk, account: TelegramAccount) -> None:
        assert "Send the code" in walk.page()

        page = walk.post("send_code", phone=PHONE)
        assert "to the Telegram app on another device" in page
        assert 'autocomplete="one-time-code"' in page

        page = walk.post("code", code="12 345")
        assert "Main is signed in as Ada Example (@AdaExample)." in page
        account.refresh_from_db()
        assert (account.user_id, account.state, account.is_default) == (ADA, AccountState.SIGNED_IN, True)
        assert not SignIn.objects.exists()
        assert record() == ["telegram.code_sent", "telegram.signed_in"]

    def test_with_a_two_step_password(self, walk: Walk, account: TelegramAccount) -> None:
        walk.post("send_code", phone=EVES_PHONE)
        page = walk.post("code", code=CODE)
        assert "Hint: a horse" in page

        page = walk.post("password", password="wrong")
        assert "This is not the two-step password of the account: try again." in page
        assert walk.state == AccountState.PASSWORD_NEEDED

        assert "signed in as Eve Invented" in walk.post("password", password=PASSWORD)
        account.refresh_from_db()
        assert account.user_id == EVE

    def test_the_account_lives_in_another_data_centre(
        self, walk: Walk, telegram: TelegramSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("telethon.TelegramClient._config", None, raising=False)  # it outlives a server
        telegram.script.add("SendCode", RpcFault("PHONE_MIGRATE_2"))
        walk.post("send_code", phone=PHONE)
        walk.post("code", code=CODE)
        assert walk.state == AccountState.SIGNED_IN

    def test_out_again(self, walk: Walk, account: TelegramAccount, telegram: TelegramSandbox) -> None:
        sign_in(account)
        assert "Sign out Main" in walk.get("sign_out")
        assert "Main is signed out." in walk.post("sign_out")
        assert telegram.calls.counts()["LogOut"] == 1
        assert not SignedInSession.objects.exists()
        assert "Send the code" in walk.page()


class TestTheCode:
    @pytest.fixture(autouse=True)
    def _sent(self, walk: Walk) -> None:
        walk.post("send_code", phone=PHONE)

    def test_a_wrong_one_can_be_corrected(self, walk: Walk) -> None:
        assert "This is not the code that Telegram sent last: look again." in walk.post("code", code="54321")
        walk.post("code", code=CODE)
        assert walk.state == AccountState.SIGNED_IN

    def test_it_can_be_sent_again_as_long_as_there_is_a_way(self, walk: Walk) -> None:
        assert "in a text message" in walk.post("resend_code")
        assert "Telegram has no other way left" in walk.post("resend_code")
        walk.post("code", code=CODE)
        assert walk.state == AccountState.SIGNED_IN

    def test_an_expired_one_ends_the_sign_in(self, walk: Walk, telegram: TelegramSandbox) -> None:
        telegram.expire_codes()
        page = walk.post("code", code=CODE)
        assert "The code has expired: ask for a new one." in page
        assert "Send the code" in page

    def test_too_many_tries_are_told_with_a_time(self, walk: Walk, telegram: TelegramSandbox) -> None:
        telegram.script.add("SignIn", RpcFault("FLOOD_WAIT_7500"))
        page = walk.post("code", code=CODE)
        assert "Telegram lets nobody try again for 2 h 5 min." in page
        assert "The next one may begin <time" in page
        asked = telegram.calls.counts()["SignIn"]
        walk.post("code", code=CODE)  # from a page that was open still
        assert telegram.calls.counts()["SignIn"] == asked

    def test_it_can_be_given_up(self, walk: Walk, telegram: TelegramSandbox) -> None:
        assert "The sign-in is given up." in walk.post("give_up")
        assert (walk.state, SignIn.objects.exists()) == (AccountState.SIGNED_OUT, False)
        assert telegram.calls.counts()["CancelCode"] == 1

    def test_a_step_from_an_old_page_changes_nothing(self, walk: Walk) -> None:
        assert "is at another step by now" in walk.post("password", password="x")
        assert walk.state == AccountState.CODE_SENT


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("PHONE_NUMBER_INVALID", "Telegram knows no such phone number"),
        ("PHONE_NUMBER_BANNED", "Telegram has banned the account's phone number"),
        ("API_ID_INVALID", "Telegram does not accept TELEGRAM_API_ID and TELEGRAM_API_HASH: check both."),
        ("PHONE_NUMBER_FLOOD", "too many codes for this number today: try again tomorrow."),
        ("FLOOD_WAIT_90", "Telegram lets nobody try again for 1 min 30 s"),
        ("UPDATE_APP_TO_LOGIN", "Telegram wants a newer client"),
        ("SOMETHING_NEW", "Telegram refused SendCode: SOMETHING_NEW."),
    ],
)
def test_no_code_is_sent(walk: Walk, telegram: TelegramSandbox, fault: str, said: str) -> None:
    telegram.script.add("SendCode", RpcFault(fault))
    assert said in walk.post("send_code", phone=PHONE).replace("&#x27;", "'")
    assert (walk.state, record()) == (AccountState.SIGNED_OUT, ["telegram.sign_in_refused"])


def test_telegram_is_out_of_reach(walk: Walk, telegram: TelegramSandbox) -> None:
    telegram.script.add("SendCode", Drop())
    assert "Telegram cannot be reached" in walk.post("send_code", phone=PHONE)
    assert walk.state == AccountState.SIGNED_OUT


def test_a_number_without_an_account(walk: Walk) -> None:
    walk.post("send_code", phone="+15559999999")
    assert "No Telegram account has this number: make one in the Telegram app" in walk.post("code", code=CODE)
    assert walk.state == AccountState.SIGNED_OUT


def test_a_number_that_is_none_is_not_sent_anywhere(walk: Walk, telegram: TelegramSandbox) -> None:
    assert "country code" in walk.post("send_code", phone="555 0101")
    assert telegram.calls.total == 0


class TestSomebodyElse:
    @pytest.fixture(autouse=True)
    def _bob_signed_in(self, walk: Walk, account: TelegramAccount) -> None:
        sign_in(account)
        walk.post("sign_out")
        walk.post("send_code", phone="+15550000102")
        self.page = walk.post("code", code=CODE)

    def test_has_to_be_confirmed(self, walk: Walk, account: TelegramAccount) -> None:
        assert (
            "This account was Ada Example (@AdaExample). Now Bob Sample (@bobsample) signed in." in self.page
        )
        assert not SignedInSession.objects.exists()
        assert "signed in as Bob Sample" in walk.post("accept")
        account.refresh_from_db()
        assert (account.user_id, account.state) == (BOB, AccountState.SIGNED_IN)

    def test_or_is_signed_out_again(
        self, walk: Walk, account: TelegramAccount, telegram: TelegramSandbox
    ) -> None:
        walk.post("give_up")
        account.refresh_from_db()
        assert (account.user_id, account.state) == (ADA, AccountState.SIGNED_OUT)
        assert telegram.calls.counts()["LogOut"] == 2


class TestWhoMay:
    def test_who_has_the_right(self, account: TelegramAccount, client: Client) -> None:
        ivy = User.objects.create_user("ivy", password="x", is_staff=True)
        ivy.user_permissions.add(Permission.objects.get(codename="view_telegramaccount"))
        client.force_login(ivy)
        walk = Walk(client, account)
        assert "needs a right that you do not have" in walk.page()
        assert client.post(url("send_code", account), {"phone": PHONE}).status_code == 403
        assert client.get(url("sign_out", account)).status_code == 403

        ivy.user_permissions.add(Permission.objects.get(codename="sign_in_telegram"))
        assert "Send the code" in walk.page()

    def test_nothing_happens_by_looking(self, admin_client: Client, account: TelegramAccount) -> None:
        for step in ("send_code", "resend_code", "code", "password", "accept", "give_up"):
            assert admin_client.get(url(step, account)).status_code == 405


def test_not_while_somebody_uses_the_account(walk: Walk, account: TelegramAccount) -> None:
    connection = lease.connection_of(Platform.TELEGRAM, str(account.pk))
    assert lease.take(connection=connection, owner="another-machine:1:x") is not None
    assert "uses the account now: try again when it has ended" in walk.post("send_code", phone=PHONE)


def test_no_secret_is_in_the_log_the_record_or_the_pages(
    walk: Walk, account: TelegramAccount, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    pages = walk.post("send_code", phone=EVES_PHONE) + walk.post("code", code=CODE)
    begun = SignIn.objects.get()
    pages += walk.post("password", password="not this one") + walk.post("password", password=PASSWORD)
    session = SignedInSession.objects.get().session

    printed = capfd.readouterr()
    told = (
        caplog.text
        + printed.out
        + printed.err
        + "".join(ActivityEvent.objects.values_list("detail", flat=True))
    )
    for secret in (session, begun.session, PASSWORD, "not this one"):
        assert secret not in told + pages
    assert CODE not in told
    assert EVES_PHONE not in told
    assert "+155••••••05" in told
