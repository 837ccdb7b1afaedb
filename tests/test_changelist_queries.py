"""Lists that grow for years: what they ask the database for, and what they leave until somebody wants it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audits.models import Finding
from members import records
from members.models import Employee, Group, Team
from members.operations import activity
from members.operations.activity import Event
from tests.adding_people import kinds_known, planned
from tests.audit_rows import slack_run
from tests.one_of_each import one_of
from tests.slack_writing import NEW, NEWER, PRIVATE

pytestmark = pytest.mark.django_db

FINDINGS = reverse("admin:audits_finding_changelist")
ACTIVITY = reverse("admin:operations_activityevent_changelist")
OPERATIONS = reverse("admin:operations_operation_changelist")


@pytest.fixture
def _plans(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with kinds_known(monkeypatch):
        yield


def found(client: Client, url: str, **query: str) -> list[int]:
    """The rows that the list shows, in its order."""
    response = client.get(url, query)
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


@pytest.mark.usefixtures("_plans")
@pytest.mark.parametrize("named", [0, 5_000])
def test_a_search_finds_the_same_whether_its_rows_can_be_named_or_are_too_many(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, named: int
) -> None:
    monkeypatch.setattr(records, "NAMED_AT_MOST", named)
    both, only_nils = planned((PRIVATE, NEW), (PRIVATE, NEWER)), planned((PRIVATE, NEWER), by="bea")

    assert found(admin_client, OPERATIONS, q="nils") == [only_nils.pk, both.pk]
    assert found(admin_client, OPERATIONS, q="nora acme") == [both.pk]
    assert found(admin_client, OPERATIONS, q="bea") == [only_nils.pk]
    assert found(admin_client, OPERATIONS, q="nobody") == []


def test_every_list_can_be_searched_also_when_nothing_is_found(admin_client: Client) -> None:
    for model, its_admin in admin.site._registry.items():
        if not its_admin.search_fields:
            continue
        one_of(model)
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert found(admin_client, url, q="nowhere to be found") == [], model


def test_the_record_offers_every_action_outcome_and_actor_that_it_has_once(admin_client: Client) -> None:
    happened = [
        Event(who, action, outcome=outcome)
        for who in ("bea", "Ada", "ümit", "bea")
        for action, outcome in (("step.done", "done"), ("operation.planned", ""))
    ]
    activity.record(events=happened, at=timezone.now())
    specs = admin_client.get(ACTIVITY).context["cl"].filter_specs

    offered = {spec.title: set(spec.lookup_choices) for spec in specs if spec.title != "platform"}
    assert offered == {
        "action": {"step.done", "operation.planned"},
        "outcome": {"", "done"},
        "actor": {"bea", "Ada", "ümit"},
    }
    assert len(found(admin_client, ACTIVITY, actor="bea")) == 4


def test_choices_of_filters_are_counted_among_few_rows_and_on_request_among_many(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack_run(*(f"{number}-bitsafe" for number in range(3)))
    open_ones = Finding.objects.filter(state="open").count()

    def look(**query: str) -> tuple[str, int]:
        with CaptureQueriesContext(connection) as queries:
            page = admin_client.get(FINDINGS, query).content.decode()
        return page, len(queries)

    look()  # fills what Django caches per process
    few, asked_of_few = look()
    monkeypatch.setattr(records, "COUNTED_UNASKED", open_ones - 1)
    many, asked_of_many = look()
    wanted, _ = look(_facets="True")

    assert f"Open ({open_ones})" in few
    assert f"Open ({open_ones})" not in many
    assert "Show counts" in many
    assert f"Open ({open_ones})" in wanted
    assert asked_of_many < asked_of_few


def test_findings_that_are_over_come_from_the_newest_on(admin_client: Client) -> None:
    slack_run("1-bitsafe", "2-bitsafe", "3-bitsafe")
    now = timezone.now()
    for age, finding in enumerate(Finding.objects.order_by("?")):
        seen = now - timedelta(days=age)
        Finding.objects.filter(pk=finding.pk).update(state="resolved", last_seen_at=seen, resolved_at=now)

    newest_first = list(Finding.objects.order_by("-last_seen_at").values_list("pk", flat=True))
    assert found(admin_client, FINDINGS, state__exact="resolved") == newest_first
    assert found(admin_client, FINDINGS, state__exact="all") == newest_first


def test_a_searched_list_offers_years_only_where_one_was_chosen(admin_client: Client) -> None:
    activity.record(events=[Event("bea", "step.done")], at=timezone.now())
    year = str(timezone.now().year)

    assert admin_client.get(ACTIVITY).context["cl"].date_hierarchy == "at"
    assert admin_client.get(ACTIVITY, {"q": "bea"}).context["cl"].date_hierarchy is None
    assert admin_client.get(ACTIVITY, {"q": "bea", "at__year": year}).context["cl"].date_hierarchy == "at"


def dates_offered(client: Client, **query: str) -> list[str]:
    """What stands above the list of findings: years, months or days, and the way back."""
    above = client.get(FINDINGS, query).content.decode().partition('aria-label="Dates">')[2]
    return re.findall(r">(\w[^<>]*)<", above.partition("</nav>")[0].replace("&lsaquo; ", ""))


def test_a_list_offers_the_years_from_its_first_row_to_its_last_then_months_and_days(
    admin_client: Client,
) -> None:
    assert dates_offered(admin_client) == []
    slack_run("1-bitsafe", "2-bitsafe", "3-bitsafe")
    rows = Finding.objects.filter(state="open")
    one = rows.filter(pk=rows.latest("pk").pk)

    rows.update(first_seen_at=datetime(2025, 3, 4, 12, tzinfo=UTC))
    assert dates_offered(admin_client) == ["2025", "4 March"]
    one.update(first_seen_at=datetime(2025, 1, 1, 12, tzinfo=UTC))
    assert dates_offered(admin_client) == ["All dates", "January 2025", "March 2025"]
    one.update(first_seen_at=datetime(2023, 1, 1, 12, tzinfo=UTC))
    assert dates_offered(admin_client) == ["2023", "2024", "2025"]

    assert dates_offered(admin_client, first_seen_at__year="2024") == ["All dates"]
    assert dates_offered(admin_client, first_seen_at__year="2025") == ["All dates", "March 2025"]
    in_march = {"first_seen_at__year": "2025", "first_seen_at__month": "3"}
    assert dates_offered(admin_client, **in_march) == ["2025", "4 March"]
    assert found(admin_client, FINDINGS, first_seen_at__year="2023") == [one.get().pk]


def test_findings_come_in_their_order_on_every_page(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack_run(*(f"{number}-bitsafe" for number in range(3)))
    whole = found(admin_client, FINDINGS)
    monkeypatch.setattr(admin.site.get_model_admin(Finding), "list_per_page", 2)

    pages = [found(admin_client, FINDINGS, p=str(1 + number)) for number in range((len(whole) + 1) // 2)]
    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert [pk for page in pages for pk in page] == whole


def test_a_tab_of_the_findings_has_the_columns_in_which_its_rows_differ(admin_client: Client) -> None:
    slack_run("1-bitsafe")

    def columns(state: str) -> set[str]:
        shown = set(admin_client.get(FINDINGS, {"state__exact": state}).context["cl"].list_display)
        return shown & {"status", "last_seen", "resolved"}

    assert columns("open") == set()
    assert columns("resolved") == {"resolved"}
    assert columns("excluded") == {"last_seen"}
    assert columns("all") == {"status", "last_seen"}


def test_tabs_are_counted_among_few_rows_and_on_request_among_many(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack_run("1-bitsafe", "2-bitsafe", "3-bitsafe")

    def tabs(**query: str) -> dict[str, int | None]:
        changelist = admin_client.get(FINDINGS, {"state__exact": "all"} | query).context["cl"]
        return {tab.title: tab.count for tab in changelist.tabs}

    open_ones = Finding.objects.filter(state="open").count()
    few = {"Open": open_ones, "All": Finding.objects.count()}
    assert tabs() == few
    monkeypatch.setattr(records, "TABS_COUNTED_UNASKED", open_ones - 1)
    assert tabs() == {"Open": None, "Excluded": None, "Resolved": None, "All": None}
    assert tabs(_facets="True") == few


def counted(client: Client, url: str, **query: str) -> tuple[dict[str, list[str]], int]:
    """What each filter of a list offers, with the numbers beside it; and how many queries counted them."""
    with CaptureQueriesContext(connection) as queries:
        changelist = client.get(url, query).context["cl"]
    offered = {
        str(spec.title): [str(choice["display"]) for choice in spec.choices(changelist)]
        for spec in changelist.filter_specs
    }
    return offered, sum("FILTER (WHERE" in each["sql"] for each in queries)


def test_the_choices_of_all_filters_that_nobody_set_are_counted_in_one_query(admin_client: Client) -> None:
    slack_run("1-bitsafe", "2-bitsafe", "3-bitsafe")
    Group.objects.filter(name="1-bitsafe").update(archived=True)
    url = reverse("admin:members_group_changelist")

    offered, queries = counted(admin_client, url)
    assert (offered["platform"][1:], queries) == (["Slack (3)", "Telegram (0)"], 1)
    assert "Yes (1)" in offered["archived"]

    offered, queries = counted(admin_client, url, archived__exact="1")
    assert offered["platform"][1:] == ["Slack (1)", "Telegram (0)"], "among those that the other one leaves"
    assert {"Yes (1)", "No (2)"} <= set(offered["archived"]), "the one that is set among all"
    assert queries == 2


def test_whoever_is_in_two_teams_is_counted_once_in_all_else(admin_client: Client) -> None:
    ada = Employee.objects.create(key="ada", name="Ada Example", status="active")
    ada.teams.set([Team.objects.create(key="core", name="Core"), Team.objects.create(key="bd", name="BD")])

    offered, _ = counted(admin_client, reverse("admin:members_employee_changelist"))
    assert "Active (1)" in offered["status"]
    assert {"Core (1)", "BD (1)"} <= set(offered["teams"])


def test_findings_are_found_by_group_and_person_also_by_those_that_were_deleted(admin_client: Client) -> None:
    slack_run("acme-bitsafe", "globex-bitsafe")
    about_acme = set(Finding.objects.filter(group__name="acme-bitsafe").values_list("pk", flat=True))
    of_bob = set(Finding.objects.filter(employee__key="bob").values_list("pk", flat=True))
    assert about_acme
    assert of_bob

    def search(text: str) -> set[int]:
        return set(found(admin_client, FINDINGS, q=text))

    assert search("ACME") == search("c0") == about_acme
    assert search("bob") == search('"Bob Example"') == of_bob
    assert search("acme bob") == about_acme & of_bob
    assert search('"acme bob"') == set()
    Employee.objects.get(key="bob").delete()
    assert search("bob") == of_bob


@pytest.mark.services
def test_postgresql_compiles_no_query_and_takes_one_process_for_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('jit'), current_setting('max_parallel_workers_per_gather')")
        assert cursor.fetchone() == ("off", "0")
