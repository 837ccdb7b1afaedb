"""Invite links for people on Telegram whom our account may not add: offered, shown, sent, and told of."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audits.remediation import invitations
from audits.remediation.invitations import not_added, offer_links, plan_invitations
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.telegram.effects import Delay
from groupadmin.sandbox.telegram.world import TelegramChat
from members.models import Employee, Exclusion
from members.operations import runner
from members.operations.membership import ADD
from members.operations.messages import Letter
from members.operations.models import Operation
from members.operations.plan import Plan, PlannedStep, Target
from members.operations.services import OperationRefused, confirm_operation, plan_operation
from members.operations.states import StepState
from members.platforms.outcomes import Outcome
from members.platforms.types import Platform
from tests.audit_world import TINY, Office
from tests.command_line import Told, run
from tests.processes import ROOT, environment, eventually, test_database_url
from tests.remediation_world import OPERATOR, confirmed, planned

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox]) -> Office:
    """Before its first audit."""
    return Office(start_sandbox(build_company(TINY)))


@pytest.fixture
def chats(office: Office) -> list[TelegramChat]:
    """Three customers' groups, Acme 1 to 3, where Bo is missing, who lets nobody add him; nobody else is
    missing anywhere. Our account owns the first two; the third is somebody else's."""
    truths = {
        int(id_): truth
        for (platform, id_), truth in office.company.truth_now().groups.items()
        if platform == "telegram"
    }
    found: list[TelegramChat] = []
    bo = office.telegram_id("bo")
    for chat_id, truth in truths.items():
        chat = office.company.telegram.chats[chat_id]
        everybody = truth.required_missing | truth.optional_missing
        chat.members |= dict.fromkeys((office.telegram_id(key) for key in everybody), 1_700_000_000)
        if truth.category == "customer" and not truth.excluded and len(found) < 3:
            found.append(chat)
            chat.members.pop(bo, None)
            chat.title = f"Acme {len(found)} bitsafe"
            chat.creator, chat.admins = None, {}
    for chat in found[:2]:
        chat.creator = office.company.telegram_account_id
    office.company.telegram.users[bo].refuses_invites = True
    office.audit_first("--platform=telegram")
    return found


def add_missing(*arguments: str) -> Told:
    return run("add_missing", "--platform=telegram", *arguments)


def inbox(office: Office) -> list[str]:
    """What Bo has read."""
    talk = office.company.telegram.converse(office.company.telegram_account_id, office.telegram_id("bo"))
    return [message.text for message in talk.messages if message.text]


def could_not_add_bo() -> Operation:
    """The additions, carried out as far as it goes; nobody has verified them yet."""
    selection = MissingSelection(platforms=(Platform.TELEGRAM,))
    return runner.run_operation(confirmed(planned(plan_missing(selection))).pk)


def report_of(operation: Operation) -> str:
    with operation.reports.get(format="md").file.open() as file:
        return str(file.read().decode())


class TestOnTheCommandLine:
    def test_from_the_addition_to_the_report(self, office: Office, chats: list[TelegramChat]) -> None:
        told = add_missing("--yes")
        addition = Operation.objects.get()
        hint = (
            f"1 person may still join by an invite link: manage.py add_missing --invite-links {addition.pk}"
        )
        assert told.code == 1
        assert hint in told.printed

        shown = add_missing("--invite-links")
        assert (shown.code, inbox(office)) == (0, [])
        assert "Send invite links: 1 step (operation" in shown.printed
        assert "      Acme 2 bitsafe: (a link for them alone, made when it is sent)" in shown.lines
        (step,) = shown.document["steps"]
        assert (step["verb"], step["group"], step["subject"]) == ("message", "", "bo")

        sent = add_missing("--invite-links", str(addition.pk), "--yes")
        assert (sent.code, sent.document["state"]) == (0, "done")
        (text,) = inbox(office)
        first, second = (chat.invite_links[-1] for chat in chats[:2])
        assert f"Acme 1 bitsafe: {first}\nAcme 2 bitsafe: {second}\n" in text
        assert "Acme 3" not in text
        assert "Left out: Acme 3 bitsafe (" in sent.document["steps"][0]["message"]

        report = report_of(addition)
        assert len(re.findall(r"Was sent one at \d\d? \w{3} \d{4}, \d\d:\d\d UTC", report)) == 2
        assert "| Sent a link to join instead | 2 |" in report

        again = add_missing("--invite-links")
        assert [line["reason"][:18] for line in again.document["skipped"]] == ["Was sent a link on"] * 2
        assert Operation.objects.latest("pk").parent == addition

    def test_nobody_to_invite(self, office: Office) -> None:
        for number in ("", "=99"):
            told = run("add_member", f"--invite-links{number}")
            assert told.code == 2
            assert "Nobody to send a link to" in told.complaint

    def test_a_process_that_is_killed_while_it_sends(
        self, office: Office, chats: list[TelegramChat], tmp_path: Path
    ) -> None:
        """With -9, when the message has arrived and its answer has not."""
        addition = could_not_add_bo()
        office.telegram.script.add("SendMessage", Delay(60, done=True))
        env = environment(
            DATABASE_URL=test_database_url(), VAR_DIR=str(tmp_path), SECRET_KEY="tests only",
            MEDIA_ROOT=str(django_settings.MEDIA_ROOT), **office.environment,
        )  # fmt: skip
        command = ["manage.py", "add_missing", "--invite-links", str(addition.pk), "--yes"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            eventually(lambda: inbox(office) or process.poll() is not None)
            time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
        invitation = Operation.objects.latest("pk")
        assert [step.state for step in invitation.steps.all()] == ["running"], (tmp_path / "log").read_text()

        told = add_missing("--invite-links", str(addition.pk), "--yes")

        invitation.refresh_from_db()
        assert (invitation.state, len(inbox(office))) == ("done", 1)
        assert "was left unfinished: it goes on first" in told.printed
        assert "reading the truth afterwards" in invitation.steps.get().message


class TestInTheAdmin:
    def test_from_the_addition_to_what_was_sent(self, office: Office, chats: list[TelegramChat]) -> None:
        addition = could_not_add_bo()
        rosa = User.objects.create_user("rosa", is_staff=True)
        rosa.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        client = Client()
        client.force_login(rosa)
        page = reverse("admin:operations_operation_change", args=[addition.pk])
        offer = reverse("admin:operations_operation_invite", args=[addition.pk])
        assert offer not in client.get(page).content.decode(), "who may not run it is not offered it"
        assert client.post(offer).status_code == 403
        rosa.user_permissions.add(Permission.objects.get(codename="run_operation"))
        assert "Offer 1 person invite links…" in client.get(page).content.decode()
        assert client.get(offer).status_code == 405

        plan_page = client.post(offer)["Location"]
        plan = client.get(plan_page).content.decode()
        assert "Acme 1 bitsafe: (a link for them alone, made when it is sent)" in plan
        assert "may probably make no link to: Acme 3 bitsafe." in plan
        assert "<dt>Groups</dt>" not in plan
        assert inbox(office) == []

        invitation = Operation.objects.latest("pk")
        assert (invitation.planned_by, invitation.parent) == ("rosa", addition)
        confirm_operation(operation_id=invitation.pk, plan_hash=invitation.plan_hash, count=1, actor=OPERATOR)
        runner.run_operation(invitation.pk)
        result = client.get(plan_page).content.decode()
        assert "1 of 1 done" in result
        assert "Links to: Acme 1 bitsafe, Acme 2 bitsafe. Left out: Acme 3 bitsafe" in result
        assert "Offer" not in result
        assert "Was sent one at" in report_of(addition)


class TestWhoIsInvited:
    def test_whom_a_link_helps(self) -> None:
        """Neither who is banned nor who is in too many groups."""
        target = Target(Platform.TELEGRAM, "1", "Acme", "bo", "Bo Sample", "701")
        operation = plan_operation(plan=Plan("add_people", (PlannedStep(ADD, target),)), actor=OPERATOR)
        helped = []
        for outcome in Outcome:
            operation.steps.update(state=StepState.FAILED, outcome=outcome)
            helped += [outcome] * not_added(operation).count()

        assert helped == [Outcome.PRIVACY_RESTRICTED, Outcome.NOT_MUTUAL_CONTACT]
        operation.steps.update(outcome=Outcome.KICKED_BEFORE)
        with pytest.raises(OperationRefused, match="nobody whom an invite link would help"):
            offer_links(operation=operation, actor=OPERATOR)

    def test_what_our_own_rules_say(
        self,
        office: Office,
        chats: list[TelegramChat],
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        addition = could_not_add_bo()
        settings.INVITATION_TEXT = "Dear {name}, {braces} are fine."
        monkeypatch.setattr(invitations, "MOST_GROUPS", 1)
        plan = plan_invitations(addition)
        assert plan.hash == plan_invitations(addition).hash
        (step,) = plan.steps
        assert Letter.of(step.arguments).preview() == (
            f"Dear {office.company.staff['bo'].name}, {{braces}} are fine.\n\n"
            "Acme 1 bitsafe: (a link for them alone, made when it is sent)"
        )
        assert [line.reason for line in plan.skipped] == [
            "The message has 1 groups already: plan again when it is sent."
        ] * 2

        operation = confirmed(planned(plan))
        Exclusion.objects.create(
            platform="telegram",
            group_external_id=str(chats[0].id),
            employee=Employee.objects.get(key="bo"),
            reason="The customer asked for it.",
            granted_by="Ola",
        )
        runner.run_operation(operation.pk)

        (done,) = operation.steps.all()
        assert (done.outcome, inbox(office)) == ("changed_meanwhile", [])
        assert done.message == (
            "Acme 1 bitsafe: Excluded without an end: The customer asked for it. Plan again."
        )
        assert [line.target.group_name[:6] for line in plan_invitations(addition).skipped] == [
            "Acme 1",
            "Acme 3",
        ]
