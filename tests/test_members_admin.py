"""The admin pages of people, groups and policy: what staff see, edit and cannot break."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from members.models import (
    Category,
    Employee,
    EmployeeHandle,
    Exclusion,
    Group,
    MembershipRule,
    NamingRule,
    ScopeLine,
    Team,
)
from members.platforms.types import AdminStatus, GroupKind, History, Platform, Privacy
from members.policy import EmployeeStatus, FindingKind, Level, Match, ScopeKind

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)


def make_group(number: int = 1, **values: Any) -> Group:
    defaults: dict[str, Any] = {
        "platform": Platform.TELEGRAM,
        "external_id": str(1000 + number),
        "name": f"Example customer {number}",
        "kind": GroupKind.SUPERGROUP,
        "privacy": Privacy.PRIVATE,
        "history_visibility": History.HIDDEN,
        "admin_status": AdminStatus.MEMBER,
        "in_scope": True,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
    }
    return Group.objects.create(**{**defaults, **values})


def make_rows(numbers: range) -> None:
    """A row of every model for each number, all of them related to one another."""
    for number in numbers:
        team = Team.objects.create(key=f"team{number}", name=f"Team {number}")
        employee = Employee.objects.create(
            key=f"ada{number}", name=f"Ada Example {number}", slack_username=f"ada{number}"
        )
        employee.teams.add(team)
        EmployeeHandle.objects.create(
            employee=employee, platform=Platform.SLACK, username="old", first_seen_at=NOW, last_seen_at=NOW
        )
        category = Category.objects.create(key=f"cat{number}", name=f"Category {number}", patterns=["x", "y"])
        group = make_group(number, category=category, category_pinned=True)
        MembershipRule.objects.create(platform=Platform.SLACK, category=category, team=team)
        ScopeLine.objects.create(
            platform=Platform.TELEGRAM, kind=ScopeKind.SHARED_WITH, employee=employee
        )
        NamingRule.objects.create(pattern=f"customer {number}", replacement="client")
        Exclusion.objects.create(
            platform=group.platform,
            group_external_id=group.external_id,
            employee=employee,
            reason="asked for it",
            expires=date(2027, 1, 31),
        )


MODELS = ("team", "employee", "category", "group", "membershiprule", "scopeline", "namingrule", "exclusion")


def url(page: str, model: str, *args: Any) -> str:
    return reverse(f"admin:members_{model}_{page}", args=args)


@pytest.fixture
def staff(client: Client) -> Callable[..., Client]:
    """A signed-in member of staff with these permissions ("view_employee")."""

    def sign_in(*permissions: str) -> Client:
        user = User.objects.create_user("auditor", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return client

    return sign_in


def page_text(response: Any) -> str:
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_the_same_for_3_rows_and_for_30(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, model: str
) -> None:
    make_rows(range(3))
    admin_client.get(url("changelist", model))  # content types are cached from here on
    with django_assert_max_num_queries(60) as few:
        page_text(admin_client.get(url("changelist", model)))
    make_rows(range(3, 30))
    with django_assert_max_num_queries(len(few)):
        page = page_text(admin_client.get(url("changelist", model)))
    assert page.count('name="_selected_action"') == 30


@pytest.mark.parametrize("model", MODELS)
def test_every_page_opens_and_no_look_changes_anything(admin_client: Client, model: str) -> None:
    make_rows(range(2))
    stored = {name: list(_model(name).objects.order_by("pk").values()) for name in MODELS}
    pk = _model(model).objects.first().pk
    pages = [
        url("changelist", model),
        url("changelist", model) + "?q=ada",
        url("change", model, pk),
        url("history", model, pk),
        url("delete", model, pk),
        url("import", model),
        url("export", model),
    ]
    for page in pages:
        assert admin_client.get(page).status_code == 200, page
    assert {name: list(_model(name).objects.order_by("pk").values()) for name in MODELS} == stored


def _model(name: str) -> Any:
    models = (Team, Employee, Category, Group, MembershipRule, ScopeLine, NamingRule, Exclusion)
    return next(model for model in models if model._meta.model_name == name)
