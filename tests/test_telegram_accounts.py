"""The Telegram accounts: which one is used, one client at a time, and what happens when its session dies."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audits.models import AuditRun, RunState, Trigger
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.telegram.server import TelegramSandbox
from members.operations import lease, runner
from members.operations.models import ActivityEvent
from members.platforms.errors import NotConfigured, NotSignedIn
from members.platforms.types import Platform
from telegram_ops import gateway, signin
from telegram_ops.models import AccountState, SignedInSession, TelegramAccount, mask_phone
from telegram_ops.signin import SignInRefused
from tests.audit_world import TINY, Office
from tests.command_line import run
from tests.remediation_world import confirmed, planned
from tests.sign_in_world import ACTOR, CODE, new_account, sign_in, telegram_server
from tests.telegram_clients import ADA, BOB, EVES_PHONE, PASSWORD, PHONE

pytestmark = pytest.mark.django_db

BOBS_PHONE = "+15550000102"
SOMEBODY = "another-machine:1:x"


@pytest.fixture
def telegram(settings: Settings, tmp_path: Path) -> Iterator[TelegramSandbox]:
    with telegram_server(settings, tmp_path) as server:
        yield server


def connection() -> str:
    return lease.connection_of(Platform.TELEGRAM)


class TestWhichOneIsUsed:
    def test_the_first_that_is_signed_in_then_the_chosen_one(self, telegram: TelegramSandbox) -> None:
        main, spare = sign_in(new_account()), sign_in(new_account("Spare", BOBS_PHONE), BOBS_PHONE)
        assert gateway.account_in_use() == main
        first = gateway.telegram_config().session

        signin.use(account_id=spare.pk, actor=ACTOR)
        assert gateway.account_in_use() == spare
        assert gateway.telegram_config().session not in ("", first)

    def test_the_environment_wins(
        self, telegram: TelegramSandbox, settings: Settings, admin_client: Client
    ) -> None:
        sign_in(new_account())
        settings.TELEGRAM_SESSION = "from-the-environment"
        assert gateway.telegram_config().session == "from-the-environment"
        assert (gateway.account_in_use(), connection()) == (None, "telegram:environment")
        page = admin_client.get(reverse("admin:telegram_ops_telegramaccount_changelist"))
        assert "From the environment" in page.content.decode()
        assert "from-the-environment" not in page.content.decode()

    def test_it_can_be_called_something_else(
        self, telegram: TelegramSandbox, admin_client: Client, client: Client
    ) -> None:
        account, _ = new_account(), new_account("Spare", BOBS_PHONE)
        page = reverse("admin:telegram_ops_telegramaccount_label", args=[account.pk])
        taken = admin_client.post(page, {"label": "Spare"}, follow=True).content.decode()
        assert "already exists" in taken
        admin_client.post(page, {"label": "Sales desk", "phone": "+15550000999"})

        account.refresh_from_db()
        assert (account.label, account.phone) == ("Sales desk", PHONE)
        event = ActivityEvent.objects.get(action="telegram.account_renamed")
        assert (event.actor, event.detail) == ("admin", "Main → Sales desk")
        assert client.post(page, {"label": "x"}).status_code == 302, "to the sign-in"

    def test_never_two_at_once(self, telegram: TelegramSandbox) -> None:
        sign_in(new_account())
        with pytest.raises(IntegrityError):
            TelegramAccount.objects.create(label="Spare", phone=PHONE, is_default=True)

    def test_nobody_is_signed_in(self, telegram: TelegramSandbox) -> None:
        with pytest.raises(NotSignedIn, match=r"Nobody is signed in to Telegram: .*telegram_signin"):
            gateway.telegram_config()
        account = new_account()
        TelegramAccount.objects.update(is_default=True)
        signin.send_code(account_id=account.pk, phone=PHONE, actor=ACTOR)
        with pytest.raises(NotSignedIn, match="The sign-in of “Main” is not finished"):
            gateway.telegram_config()

    def test_the_key_is_lost(
        self, telegram: TelegramSandbox, settings: Settings, admin_client: Client
    ) -> None:
        account = sign_in(new_account())
        settings.FIELD_ENCRYPTION_KEYS = ["Z" * 43 + "="]
        with pytest.raises(NotConfigured, match="FIELD_ENCRYPTION_KEYS lacks the key"):
            gateway.telegram_config()
        page = admin_client.get(reverse("admin:telegram_ops_telegramaccount_change", args=[account.pk]))
        assert "FIELD_ENCRYPTION_KEYS lacks the key" in page.content.decode()
        assert "is signed out" in signin.sign_out(account_id=account.pk, actor=ACTOR).message


class TestOneClientAtATime:
    def test_each_account_has_a_lease_of_its_own(self, telegram: TelegramSandbox) -> None:
        main, spare = sign_in(new_account()), new_account("Spare", BOBS_PHONE)
        assert connection() == f"telegram:{main.pk}"
        assert lease.take_account(Platform.TELEGRAM, owner=SOMEBODY) is not None

        assert sign_in(spare, BOBS_PHONE).state == AccountState.SIGNED_IN
        for step in (signin.sign_out, signin.use):
            with pytest.raises(SignInRefused, match="uses the account now"):
                step(account_id=main.pk, actor=ACTOR)

    def test_while_it_is_held_it_stays_the_one_in_use(self, telegram: TelegramSandbox) -> None:
        main, spare = sign_in(new_account()), sign_in(new_account("Spare", BOBS_PHONE), BOBS_PHONE)
        assert lease.take_account(Platform.TELEGRAM, owner=SOMEBODY) is not None
        with pytest.raises(SignInRefused, match="uses the account now"):
            signin.use(account_id=spare.pk, actor=ACTOR)
        assert gateway.account_in_use() == main

    def test_a_limit_on_signing_in_keeps_nobody_from_using_another(self, telegram: TelegramSandbox) -> None:
        main, spare = sign_in(new_account()), sign_in(new_account("Spare", BOBS_PHONE), BOBS_PHONE)
        TelegramAccount.objects.update(wait_until=timezone.now() + timedelta(hours=3))

        signin.use(account_id=spare.pk, actor=ACTOR)
        signin.sign_out(account_id=main.pk, actor=ACTOR)

        assert gateway.account_in_use() == spare
        with pytest.raises(SignInRefused, match="lets nobody try again for"):
            signin.send_code(account_id=main.pk, phone=PHONE, actor=ACTOR)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--account=" + "x" * 41, f"--phone={PHONE}"], "at most 40 characters"),
        (["--account=Main", "--phone=12"], "Write the number with its country code"),
    ],
)
def test_the_command_asks_for_nothing_that_cannot_be_kept(arguments: list[str], said: str) -> None:
    new_account()

    told = run("telegram_signin", *arguments)

    assert told.code == 2
    assert said in told.complaint


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], settings: Settings) -> Office:
    """A company whose account is signed in here, and not by the environment."""
    office = Office(start_sandbox(build_company(TINY)))
    settings.TELEGRAM_SESSION = ""
    phone = office.company.telegram_phone
    office.company.telegram.login_code = CODE
    sign_in(new_account(phone=phone), phone)
    return office


class TestTheSessionDies:
    def test_in_an_audit_which_goes_on_after_the_next_sign_in(
        self, office: Office, admin_client: Client
    ) -> None:
        office.telegram.sign_out(office.company.telegram_account_id)
        stopped = office.audit()
        assert (stopped.code, stopped.run.state, stopped.run.sign_in_needed) == (3, "partial", True)

        account = TelegramAccount.objects.get()
        assert (account.state, "sign in again" in account.reason) == (AccountState.IN_TROUBLE, True)
        page = reverse("admin:telegram_ops_telegramaccount_change", args=[account.pk])
        for shown in (reverse("admin:audits_auditrun_change", args=[stopped.run.pk]), reverse("admin:index")):
            assert f'<a href="{page}">Sign in again</a>' in admin_client.get(shown).content.decode()
        again = office.audit("--platform", "telegram")
        assert (again.code, again.error) == (4, account.reason)
        assert office.telegram.calls.counts().get("GetDialogs", 0) == 0

        values = {"platforms": ["telegram"], "narrow": True, "groups": [["telegram", "1"]]}
        AuditRun.objects.create(state=RunState.FAILED, trigger=Trigger.EVENT, **values)  # tells nothing
        signin.send_code(account_id=account.pk, phone=account.phone, actor="admin")
        step = signin.enter_code(account_id=account.pk, code=CODE, actor="admin")
        waiting = AuditRun.objects.get(state=RunState.QUEUED)
        assert [link.label for link in step.went_on] == [str(waiting)]
        assert (waiting.platforms, str(waiting.requested_by)) == (["telegram"], "admin")
        assert "Sign in again" not in admin_client.get(reverse("admin:index")).content.decode()

    def test_in_an_operation_whose_rest_can_be_tried_again(
        self, office: Office, admin_client: Client
    ) -> None:
        office.audit()
        operation = confirmed(planned(plan_missing(MissingSelection(platforms=(Platform.TELEGRAM,)))))
        office.telegram.sign_out(office.company.telegram_account_id)
        operation = runner.run_operation(operation.pk)
        assert (operation.state, operation.account_trouble) == ("failed", True)

        account = TelegramAccount.objects.get()
        assert account.state == AccountState.IN_TROUBLE
        url = reverse("admin:operations_operation_change", args=[operation.pk])
        assert "Sign in again" in admin_client.get(url).content.decode()

        signin.send_code(account_id=account.pk, phone=account.phone, actor=ACTOR)
        step = signin.enter_code(account_id=account.pk, code=CODE, actor=ACTOR)
        assert [link.url for link in step.went_on] == [url]
        page = admin_client.get(url).content.decode()
        assert "Sign in again" not in page
        assert "Try the failed ones again" in page


class TestOnATerminal:
    @pytest.fixture(autouse=True)
    def _phone(self, telegram: TelegramSandbox, settings: Settings) -> None:
        settings.TELEGRAM_PHONE = PHONE

    def type_in(self, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    def test_the_code_corrected_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.type_in(monkeypatch, "54321", CODE)
        told = run("telegram_signin")
        assert told.code == 0
        assert told.lines == [
            "Telegram sent the code to the Telegram app on another device.",
            "Main is signed in as Ada Example (@AdaExample).",
        ]
        assert "This is not the code that Telegram sent last" in told.progress
        assert told.document["user"]["id"] == str(ADA)
        assert run("telegram_signin").lines == ["Main is signed in as Ada Example (@AdaExample) already."]

    def test_the_code_sent_again_and_the_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.type_in(monkeypatch, "", CODE, PASSWORD)
        told = run("telegram_signin", "--account", "Eve", "--phone", EVES_PHONE)
        assert told.code == 0
        assert told.lines[-1] == "Eve is signed in as Eve Invented (@eve_invented)."
        assert PASSWORD not in told.printed + told.progress

    def test_what_is_not_finished_ends_with_4_and_goes_on_next_time(
        self, monkeypatch: pytest.MonkeyPatch, telegram: TelegramSandbox
    ) -> None:
        self.type_in(monkeypatch)
        told = run("telegram_signin")
        assert (told.code, told.complaint) == (
            4,
            "The sign-in is not finished: run the command again to go on with “Main”.",
        )
        self.type_in(monkeypatch, CODE)
        assert run("telegram_signin").code == 0
        assert telegram.calls.counts()["SendCode"] == 1

    def test_somebody_else_is_not_taken_without_a_yes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        account = sign_in(new_account())
        signin.sign_out(account_id=account.pk, actor=ACTOR)
        self.type_in(monkeypatch, CODE, "no")
        told = run("telegram_signin", "--phone", BOBS_PHONE)
        assert (told.code, told.complaint) == (4, "Nobody is signed in.")
        self.type_in(monkeypatch, CODE, "yes")
        assert run("telegram_signin", "--phone", BOBS_PHONE).document["user"]["id"] == str(BOB)


def test_only_what_is_signed_out_can_be_deleted(telegram: TelegramSandbox, admin_client: Client) -> None:
    account = sign_in(new_account())
    delete = reverse("admin:telegram_ops_telegramaccount_delete", args=[account.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    signin.sign_out(account_id=account.pk, actor=ACTOR)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 302
    assert not TelegramAccount.objects.exists()
    assert not SignedInSession.objects.exists()


@pytest.mark.parametrize(
    ("phone", "shown"), [("+15550000101", "+155••••••01"), ("+99912", "••••••"), ("", "")]
)
def test_a_number_is_shown_without_its_middle(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown
