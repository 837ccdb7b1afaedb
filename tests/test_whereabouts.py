"""Where one employee is and should be, and why: from the latest audits."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from django.urls import reverse
from openpyxl import load_workbook
from pytest_django import DjangoAssertNumQueries

from audits.models import GroupResult
from audits.whereabouts import Presence, Want, Whereabout, load_whereabouts
from groupadmin.sandbox.company import build_company
from groupadmin.sandbox.runner import Sandbox
from members.models import Employee
from members.platforms.types import Platform
from members.policy import Category, EmployeeStatus, Level, Rule, why
from tests.audit_world import TINY, Office
from tests.visitors import staff
from tests.worlds import CUSTOMER, INTERNAL, SLACK, TELEGRAM, person

RULES = (
    Rule(SLACK, Level.REQUIRED, team="core"),
    Rule(SLACK, Level.OPTIONAL, category="internal", employee="bo"),
    Rule(TELEGRAM, Level.REQUIRED, team="bd"),
)


@pytest.mark.parametrize(
    ("status", "platform", "category", "words"),
    [
        (EmployeeStatus.ACTIVE, SLACK, CUSTOMER, "Team core is required on Slack."),
        (
            EmployeeStatus.ACTIVE,
            SLACK,
            INTERNAL,
            "Team core is required on Slack; bo is optional on Slack, category internal. "
            "Groups of the category Internal need no full team.",
        ),
        (EmployeeStatus.ACTIVE, TELEGRAM, CUSTOMER, "No rule asks for them there."),
        (
            EmployeeStatus.OPTIONAL,
            SLACK,
            CUSTOMER,
            "Team core is required on Slack. Bo Example is optional, whatever a rule requires.",
        ),
        (EmployeeStatus.OFFBOARDED, SLACK, CUSTOMER, "Bo Example is offboarded: no rule counts."),
        (EmployeeStatus.UNDER_REVIEW, SLACK, CUSTOMER, "Bo Example is under review: no rule counts."),
    ],
)
def test_why_somebody_belongs_in_a_group(
    status: EmployeeStatus, platform: Platform, category: Category, words: str
) -> None:
    assert why(person("bo", status=status), platform, category, RULES) == words


@pytest.fixture
def office(start_sandbox: Callable[..., Sandbox], transactional_db: None) -> Office:
    office = Office(start_sandbox(build_company(TINY)))
    office.audit_first()
    return office


def test_says_of_every_group_what_the_audit_said(
    office: Office, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    results = {
        (result.group.platform, result.group.external_id): result
        for result in GroupResult.objects.select_related("group")
    }
    for key in ("bo", "ivy", "jo", "kim"):  # active, optional, under review, offboarded
        with django_assert_max_num_queries(19):
            rows = load_whereabouts(Employee.objects.get(key=key)).rows

        assert {(row.platform, row.group_id): row.presence for row in rows} == {
            place: presence
            for place, result in results.items()
            for presence, lists in (
                (Presence.PRESENT, (result.required_present, result.optional_present)),
                (Presence.PRESENT, (result.under_review, result.departed)),
                (Presence.MISSING, (result.required_missing, result.optional_missing)),
                (Presence.EXCLUDED, (result.excluded,)),
                (Presence.UNRESOLVED, (result.unresolved,)),
            )
            if any(key in names for names in lists)
        }
        required = {(row.platform, row.group_id) for row in rows if row.want is Want.REQUIRED}
        assert {place for place, result in results.items() if key in result.required_present} <= required
        assert all(row.why for row in rows)


def test_the_page_is_reached_from_the_employee_filters_and_exports(office: Office) -> None:
    employee = Employee.objects.get(key="bo")
    client = staff("rosa", "view_employee", "view_groupresult", "view_group")
    address = reverse("admin:members_employee_whereabouts", args=[employee.pk])

    home = client.get(reverse("admin:members_employee_change", args=[employee.pk])).content.decode()
    assert address in home
    page = client.get(address, {"presence": "missing", "platform": "slack", "want": "nonsense"})
    shown = [row for row, _, _ in page.context["lines"]]
    assert shown == [
        row
        for row in load_whereabouts(employee).rows
        if row.presence is Presence.MISSING and row.platform is SLACK
    ]
    assert shown
    assert {(said, tone) for row, said, tone in page.context["lines"] if row.lacked} == {("Missing", "bad")}
    assert f"{len(shown)} of {page.context['total']}" in page.content.decode().replace("\n", " ")
    book = client.get(address + page.context["xlsx"])
    assert load_workbook(BytesIO(book.content))["Groups"].max_row == 1 + len(shown)


def test_only_where_somebody_has_to_be_is_their_absence_called_missing(office: Office) -> None:
    optional = Employee.objects.get(key="ivy")
    client = staff("rosa", "view_employee", "view_groupresult")
    page = client.get(reverse("admin:members_employee_whereabouts", args=[optional.pk]))

    absent = {said for row, said, _ in page.context["lines"] if row.presence is Presence.MISSING}
    assert absent == {"Not there"}
    assert "Missing" not in dict(page.context["counts"])
    exempt = Whereabout(
        SLACK, "C1", "acme", 1, "Internal", Presence.MISSING, Want.REQUIRED, "", full_team=False
    )
    assert not exempt.lacked


def test_the_page_needs_the_right_to_see_results(office: Office) -> None:
    address = reverse("admin:members_employee_whereabouts", args=[Employee.objects.get(key="bo").pk])

    assert staff("rosa", "view_employee").get(address).status_code == 403
