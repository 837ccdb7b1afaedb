"""From the audits' lists to a plan: exactly what was selected, for whoever may, and nothing is done yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audits.models import AuditRun, Finding, GroupResult
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from members.models import Employee, Group, Team
from members.operations import services
from members.operations.membership import ADD, REMOVE
from members.operations.models import Operation
from members.operations.plan import Plan, PlannedStep, Target
from members.operations.services import Actor
from members.operations.states import OperationState
from members.platforms.types import Platform
from members.policy import FindingKind
from tests.audit_world import TINY, Office
from tests.visitors import client_of

pytestmark = pytest.mark.django_db

Pair = tuple[str, str, str]
"""Platform, group id, employee key."""


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox]) -> Office:
    """A company that was audited on both platforms."""
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first()
    return office


@pytest.fixture
def rosa() -> Client:
    """May look at everything, and plan."""
    return client_of("run_operation")


def act(client: Client, model: str, action: str, rows: Iterable[Model], **fields: object) -> Any:
    """Select rows of a list and run an action on them."""
    url = reverse(f"admin:{model}_changelist")
    keys = [row.pk for row in rows]
    return client.post(url, {"action": action, "_selected_action": keys} | fields)


def planned(response: Any) -> Operation:
    """The plan to whose page the answer leads."""
    operation = Operation.objects.get()
    assert response["Location"] == reverse("admin:operations_operation_change", args=[operation.pk])
    assert (operation.state, operation.planned_by) == (OperationState.PLANNED, "rosa")
    return operation


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def pairs(operation: Operation) -> set[Pair]:
    return set(operation.steps.values_list("platform", "group_id", "subject"))


def missing(**which: object) -> set[Pair]:
    """Who is missing where, as the open findings say."""
    gaps = Finding.objects.filter(kind=FindingKind.MISSING_REQUIRED, state="open", **which)
    return set(gaps.values_list("platform", "group_external_id", "subject"))


def writes(office: Office) -> int:
    return len(office.slack.writes.effects()) + len(office.telegram.writes.effects())


class TestAddingTheMissing:
    def test_from_findings_exactly_those_selected(self, rosa: Client, office: Office) -> None:
        gaps = list(Finding.objects.filter(kind=FindingKind.MISSING_REQUIRED, state="open")[:3])
        operation = planned(act(rosa, "audits_finding", "add_missing", gaps))

        assert pairs(operation) <= {(gap.platform, gap.group_external_id, gap.subject) for gap in gaps}
        assert operation.count + len(operation.skipped) == 3
        assert operation.count
        assert writes(office) == 0

    def test_from_groups_and_results_whoever_is_missing_there(self, rosa: Client, office: Office) -> None:
        result = GroupResult.objects.filter(verdict="incomplete", group__platform="slack").earliest("pk")
        expected = missing(group=result.group)
        for model, row in (("members_group", result.group), ("audits_groupresult", result)):
            operation = planned(act(rosa, model, "add_missing", [row]))
            assert pairs(operation) == expected, model
            Operation.objects.all().delete()

    @pytest.mark.parametrize("chosen", [["slack"], ["telegram"], ["slack", "telegram"]])
    def test_from_a_run_on_the_chosen_platforms(
        self, rosa: Client, office: Office, chosen: list[str]
    ) -> None:
        run = AuditRun.objects.get()
        url = reverse("admin:audits_auditrun_add_missing", args=[run.pk])
        page = rosa.get(reverse("admin:audits_auditrun_change", args=[run.pk])).content.decode()
        operation = planned(rosa.post(url, {"platforms": chosen}))

        assert f'action="{url}"' in page
        assert operation.platforms == chosen
        assert pairs(operation) == missing(platform__in=chosen) - _skipped(operation)

    def test_findings_of_another_kind_make_no_plan(self, rosa: Client, office: Office) -> None:
        others = list(Finding.objects.exclude(kind=FindingKind.MISSING_REQUIRED)[:2])
        response = act(rosa, "audits_finding", "add_missing", others)

        assert others
        assert response["Location"] == reverse("admin:audits_finding_changelist")
        assert said(response) == ["None of the selected findings is about a missing person."]
        assert not Operation.objects.exists()

    def test_a_run_without_a_platform_asks_for_one(self, rosa: Client, office: Office) -> None:
        run = AuditRun.objects.get()
        rosa.post(reverse("admin:audits_auditrun_add_missing", args=[run.pk]), {})

        assert not Operation.objects.exists()


def _skipped(operation: Operation) -> set[Pair]:
    """Left out by name: a person in one group, or a person on a whole platform."""
    gaps = missing()
    targets = [line["target"] for line in operation.skipped]
    return {
        gap
        for gap in gaps
        for target in targets
        if gap[0] == target["platform"]
        and target["group_id"] in ("", gap[1])
        and target["subject"] in ("", gap[2])
    }


class TestAddingPeople:
    def test_somebody_new_into_every_group_of_a_category(self, rosa: Client, office: Office) -> None:
        bo = Employee.objects.get(key="bo")
        asked = act(rosa, "members_employee", "add_to_groups", [bo])
        assert "Look at the plan" in asked.content.decode()
        assert not Operation.objects.exists()

        answer = {"plan": "1", "platforms": ["slack"], "category": "customer"}
        operation = planned(act(rosa, "members_employee", "add_to_groups", [bo], **answer))
        assert operation.parameters == {
            "employees": ["bo"],
            "platforms": ["slack"],
            "category": "customer",
            "where": "required",
        }
        assert pairs(operation) == missing(platform="slack", subject="bo", group__category__key="customer")
        assert "Where the rules require it" in rosa.get(page_of(operation)).content.decode()
        customers = Group.objects.filter(platform="slack", category__key="customer")
        assert {group_id for _, group_id, _ in pairs(operation)} <= set(
            customers.values_list("external_id", flat=True)
        )
        assert {key for _, _, key in pairs(operation)} <= {"bo"}

    def test_a_team_everywhere(self, rosa: Client, office: Office) -> None:
        team = Team.objects.earliest("pk")
        answer = {"plan": "1", "platforms": ["slack", "telegram"], "where": "all"}
        operation = planned(act(rosa, "members_team", "add_to_groups", [team], **answer))

        assert operation.parameters == {"teams": [team.key], "platforms": ["slack", "telegram"]}

    def test_into_selected_groups_whom_the_form_names(self, rosa: Client, office: Office) -> None:
        groups = list(Group.objects.filter(platform="slack", in_scope=True)[:2])
        refused = act(rosa, "members_group", "add_people", groups, plan="1")
        assert "Choose a team, or somebody." in refused.content.decode()

        bo = Employee.objects.get(key="bo")
        operation = planned(act(rosa, "members_group", "add_people", groups, plan="1", employees=[bo.pk]))
        assert operation.parameters["employees"] == ["bo"]
        named = set(operation.parameters["groups"])
        assert named == {f"slack:{group.external_id}" for group in groups}

    def test_a_form_without_a_platform_is_asked_again(self, rosa: Client, office: Office) -> None:
        bo = Employee.objects.get(key="bo")
        response = act(rosa, "members_employee", "add_to_groups", [bo], plan="1")

        assert "This field is required." in response.content.decode()
        assert not Operation.objects.exists()


class TestThePageOfAnOperation:
    """What only the audits know of it."""

    @pytest.fixture
    def ended(self) -> Operation:
        plan = Plan("add_people", (step(ADD, "slack", "C1"),))
        operation = services.plan_operation(plan=plan, actor=Actor("rosa"))
        before = {"slack:C1": {"name": "acme", "completeness": "7/8", "verdict": ""}}
        Operation.objects.update(
            state=OperationState.DONE, confirmed_at=timezone.now(), finished_at=timezone.now(), before=before
        )
        operation.refresh_from_db()
        return operation

    def test_it_looks_for_news_until_the_audit_has_told_what_came_of_it(
        self, rosa: Client, ended: Operation
    ) -> None:
        run = AuditRun.objects.create(platforms=["slack"], operation_id=ended.pk, trigger="event")
        awaited = f"{run} looks at how it is now"
        for state, finished_at in (("queued", None), ("running", None), ("complete", timezone.now())):
            AuditRun.objects.update(state=state, finished_at=finished_at)
            job = progress(rosa, ended)
            assert (job["finished"], job["label"], job["state"]) == (False, awaited, awaited), state
            page = rosa.get(page_of(ended)).content.decode()
            assert f'data-state="{awaited}"' in page
            assert "How it is afterwards stands here in a moment." in page

        after = {"slack:C1": {"name": "acme", "completeness": "8/8", "verdict": ""}}
        no_full_team = {"slack:C2": {"name": "lunch", "completeness": "1/1", "verdict": "exempt"}}
        never_audited = {"slack:C3": {"name": "elsewhere", "completeness": "", "verdict": ""}}
        Operation.objects.update(
            before=ended.before | no_full_team | never_audited, after=after | no_full_team
        )
        assert progress(rosa, ended)["finished"] is True
        page = rosa.get(page_of(ended)).content.decode()
        assert "0 → 1 of 1" in page
        assert "Of 3 groups that were touched, 1 is in scope and needs the full team." in page
        assert "data-progress" not in page

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_an_audit_that_tells_nothing_is_not_waited_for(
        self, rosa: Client, ended: Operation, state: str
    ) -> None:
        AuditRun.objects.create(
            platforms=["slack"],
            operation_id=ended.pk,
            trigger="event",
            state=state,
            finished_at=timezone.now(),
        )
        assert progress(rosa, ended)["finished"] is True
        assert "No audit has told how it is afterwards." in rosa.get(page_of(ended)).content.decode()

    def test_a_removal_where_our_account_lacks_the_right_is_warned_of(self, rosa: Client) -> None:
        for group_id, name, may_remove in (("1", "acme", False), ("2", "globex", True)):
            Group.objects.create(
                platform="telegram",
                external_id=group_id,
                name=name,
                may_remove=may_remove,
                first_seen_at=timezone.now(),
                last_seen_at=timezone.now(),
            )
        warning = "not remove anybody from: acme."
        for verb, is_warned in ((REMOVE, True), (ADD, False)):
            steps = tuple(step(verb, "telegram", group_id) for group_id in ("1", "2"))
            operation = services.plan_operation(plan=Plan("remove_people", steps), actor=Actor("rosa"))
            assert (warning in rosa.get(page_of(operation)).content.decode()) is is_warned


def step(verb: str, platform: str, group_id: str) -> PlannedStep:
    target = Target(Platform(platform), group_id, group_id, "ada", "Ada Example", "7")
    return PlannedStep(verb, target)


def page_of(operation: Operation) -> str:
    return reverse("admin:operations_operation_change", args=[operation.pk])


def progress(client: Client, operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(
        reverse("admin:operations_operation_progress", args=[operation.pk])
    ).json()
    return answer


LISTS = (
    ("audits_finding", "add_missing"),
    ("audits_groupresult", "add_missing"),
    ("members_group", "add_missing"),
    ("members_group", "add_people"),
    ("members_employee", "add_to_groups"),
    ("members_team", "add_to_groups"),
)


class TestWhoMayPlan:
    @pytest.mark.parametrize(("model", "action"), LISTS)
    def test_the_actions_are_there_for_those_with_the_right_alone(
        self, office: Office, model: str, action: str
    ) -> None:
        url = reverse(f"admin:{model}_changelist")
        option = f'<option value="{action}">'
        assert option not in client_of().get(url).content.decode()
        User.objects.all().delete()
        assert option in client_of("run_operation").get(url).content.decode()

    def test_whoever_may_only_look_plans_nothing(self, office: Office) -> None:
        vera = client_of()
        for model, action in LISTS:
            rows = {
                "audits_finding": Finding,
                "audits_groupresult": GroupResult,
                "members_group": Group,
                "members_employee": Employee,
                "members_team": Team,
            }[model]._default_manager.all()[:2]
            act(vera, model, action, rows, plan="1", platforms=["slack"])
        run = AuditRun.objects.get()
        answer = vera.post(
            reverse("admin:audits_auditrun_add_missing", args=[run.pk]), {"platforms": "slack"}
        )

        assert answer.status_code == 403
        assert not Operation.objects.exists()
