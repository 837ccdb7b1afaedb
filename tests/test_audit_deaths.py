"""What follows a recorded audit survives the death of the process that ran it, and is done once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from audits import custody, services
from audits.models import AuditRun
from audits.models import Trigger as AuditTrigger
from audits.remediation import automatic
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from audits.remediation.verification import verification_of
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackChannel
from members.models import Employee, MembershipRule
from members.operations import runner
from members.operations.models import ActivityEvent, Operation, Trigger
from members.platforms.types import Platform
from tests.audit_world import TINY, Office, die_in
from tests.remediation_world import confirmed, planned


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    """Audited once; from now on a rule adds Bo to Slack's channels by itself."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first()
    MembershipRule.objects.create(
        platform=Platform.SLACK, employee=Employee.objects.get(key="bo"), auto_add=True
    )
    return office


def channel_of_a_new_customer(office: Office) -> str:
    ada = office.slack_id("ada")
    channel = SlackChannel("C9NEW", "new-customer-bitsafe", ada, {ada: None}, is_private=True)
    return office.company.slack.add_channel(channel).id


def additions_done() -> tuple[Operation, AuditRun]:
    """Additions, and the audit that shall verify them: it waits."""
    plan = plan_missing(MissingSelection(platforms=(Platform.SLACK,)))
    operation = runner.run_operation(confirmed(planned(plan)).pk)
    run = verification_of(operation.pk)
    assert run is not None
    return operation, run


def additions_by_itself() -> list[Operation]:
    return list(Operation.objects.filter(trigger=Trigger.EVENT))


def notices() -> int:
    return ActivityEvent.objects.filter(action="operation.notice").count()


def report(operation: Operation) -> str:
    return Path(operation.reports.get(format="md").file.path).read_text(encoding="utf-8")


def test_what_follows_an_audit_is_done_later_when_its_process_dies_before(
    office: Office, tmp_path: Path
) -> None:
    operation, run = additions_done()
    assert f"{run}, not finished yet" in report(operation)
    group = channel_of_a_new_customer(office)
    die_in(office, run, "audits.custody.follow_up", tmp_path)
    AuditRun.objects.filter(pk=run.pk).update(owner="another-machine:1:x")  # nobody can see that it is dead
    office.audit("--platform=slack")  # the group is not new to this one

    services.recover_audits(now=timezone.now())
    assert (additions_by_itself(), notices()) == ([], 0)
    services.recover_audits(now=timezone.now() + custody.FOLLOW_UP_TIME + timedelta(minutes=1))

    (addition,) = additions_by_itself()
    steps = list(addition.steps.values_list("group_id", "subject"))
    assert (addition.state, steps, notices()) == ("confirmed", [(group, "bo")], 1)
    run.refresh_from_db()
    operation.refresh_from_db()
    assert (run.state, run.owner, run.attempts, run.reports.count()) == ("complete", "", 1, 3)
    assert operation.after
    assert f"{run}, complete" in report(operation)


def test_what_followed_before_its_process_died_is_not_done_twice(office: Office, tmp_path: Path) -> None:
    channel_of_a_new_customer(office)
    run = services.request_audit(platforms=[Platform.SLACK], trigger=AuditTrigger.PERSON)
    die_in(office, run, "audits.remediation.automatic.notify", tmp_path)
    (addition,) = additions_by_itself()
    assert (addition.state, notices()) == ("confirmed", 0)

    for _ in range(2):
        services.recover_audits(now=timezone.now())
    automatic.add_to_new_groups(run)

    assert (additions_by_itself(), notices()) == ([addition], 1)


def test_a_verification_that_is_cancelled_is_told_in_the_report(office: Office) -> None:
    operation, run = additions_done()

    services.cancel_audit(run_id=run.pk)

    assert f"{run} cancelled: nobody has looked" in report(operation)
