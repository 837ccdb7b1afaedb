"""The admin's side navigation: sections by duty, plain labels, and nothing that the reader may not open."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from groupadmin.navigation import SECTIONS, arrange

pytestmark = pytest.mark.django_db


def shown(client: Client, path: str = "/admin/") -> list[tuple[str, list[str]]]:
    """The sections with their pages, as they stand in the page."""
    sections = client.get(path).context["available_apps"]
    return [(section["name"], [page["name"] for page in section["models"]]) for section in sections]


def test_pages_stand_in_the_order_of_the_work_under_plain_labels(admin_client: Client) -> None:
    assert shown(admin_client)[:8] == [
        (
            "People",
            ["Employees", "Teams", "Leaving and joining", "My groups", "Find a person", "Remove a person"],
        ),
        (
            "Groups",
            [
                "Groups",
                "Categories",
                "Customers",
                "Groups where we cannot act",
                "Ownership requests",
                "Request templates",
            ],
        ),
        ("Policy", ["Membership rules", "Scope lines", "Naming rules", "Exclusions", "Exclusion requests"]),
        (
            "Audits",
            ["Audit runs", "Findings", "Group results", "Live events", "Trends", "Compare two audits"],
        ),
        (
            "Conversations",
            [
                "Conversations",
                "Engagement",
                "Exports",
                "Syncs",
                "Retention periods",
                "Purges",
                "Search messages",
            ],
        ),
        ("Changes", ["Operations", "Activity events", "Evidence", "Old records"]),
        (
            "Gated community",
            [
                "Subscribers",
                "Subscriptions",
                "Whitelist",
                "Seedings",
                "Community members",
                "Switches",
                "Status of a person",
                "Community report",
            ],
        ),
        (
            "System",
            ["Slack workspaces", "Telegram accounts", "Users", "Roles", "API tokens", "Schedules", "Notices"],
        ),
    ]


def test_a_page_is_called_as_the_link_that_leads_to_it(admin_client: Client) -> None:
    sections = admin_client.get("/admin/").context["available_apps"]

    for page in (page for section in sections for page in section["models"]):
        assert f"<h1>{page['name']}</h1>" in admin_client.get(page["admin_url"]).content.decode()


def test_every_page_it_names_exists() -> None:
    for section in SECTIONS:
        for label in section.pages:
            assert apps.get_model(label), label


def test_a_model_that_nobody_placed_is_found_under_more() -> None:
    class Stranger:
        class _meta:
            label_lower = "elsewhere.stranger"

    entry = {"model": Stranger, "name": "Strangers", "admin_url": "/admin/elsewhere/stranger/"}

    found = arrange([entry])[-1]
    assert (found["name"], found["models"][0]["name"]) == ("More", "Strangers")


def test_a_reader_sees_only_what_they_may_open(client: Client) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_team"))
    client.force_login(reader)

    assert shown(client) == [("People", ["Teams", "My groups"])], "everybody has groups of their own"


def test_the_page_one_is_on_is_marked_also_below_its_list(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:members_team_add"))

    assert re.findall(r'<a href="([^"]*)" aria-current="page"', response.content.decode()) == [
        reverse("admin:members_team_changelist")
    ]


def test_an_apps_own_page_keeps_to_that_app(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:app_list", args=["members"]))

    assert {entry["model"]._meta.app_label for entry in response.context["app_list"][0]["models"]} == {
        "members"
    }


def test_the_front_door_leads_to_the_admin(client: Client) -> None:
    assert client.get("/").headers["Location"] == reverse("admin:index")
