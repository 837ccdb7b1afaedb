"""Customers: whose each group is, guessed or said; and how it stands with the groups of one."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from pytest_django import DjangoAssertNumQueries

from audits.history.models import Conversation
from groupadmin.roles import AUDITOR, give_roles
from members.customers.guess import guess, index_names, words
from members.customers.models import Customer
from members.models import Group
from members.platforms.types import Platform
from members.services import follow_migrations
from tests.audit_rows import slack_run
from tests.test_members_admin import make_group
from tests.worlds import NOW

# --- The guess --------------------------------------------------------------------------------

KNOWN = {
    1: ("Acme, Inc.",),
    2: ("Acme Labs Ltd", "Rocket"),
    3: ("Example Co",),
    4: ("Café Größe B.V.",),
    5: ("Rocket",),
    6: ("X",),
    7: ("Limited",),
}


@pytest.mark.parametrize(
    ("name", "customers"),
    [
        ("acme-bitsafe", [1]),
        ("BitSafe x ACME | pilot", [1]),
        ("acmelabs-bitsafe", [2]),
        ("Acme Labs <> BitSafe (CBTC)", [2]),
        ("Acme <> Example", [1, 3]),
        ("rocket_bitsafe", [2, 5]),
        ("cafe-große-bv <> us", [4]),
        ("acmesomething-bitsafe", []),
        ("intro-x-bitsafe", []),
        ("limited-edition", [7]),
        ("", []),
    ],
    ids=str,
)
def test_a_groups_name_names_its_customer(name: str, customers: list[int]) -> None:
    assert sorted(match.customer for match in guess(name, index_names(KNOWN.items()))) == customers


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whoever_is_named_stands_in_the_name(before: str, customer: str, after: str) -> None:
    index = index_names([(1, [customer])])
    found = guess(f"{before} {customer} {after}", index)

    assert all(match.name == customer for match in found)
    if index and len(words(customer)) <= 8:
        assert [match.customer for match in found] == [1]
    assert guess("", index) == ()


# --- Whose a group is -------------------------------------------------------------------------

pytestmark = pytest.mark.django_db
MATCH = "/admin/members/customer/match/"


def customer(crm_id: str = "A-1", name: str = "Acme", **values: object) -> Customer:
    return Customer.objects.create(crm_id=crm_id, name=name, **values)


def test_only_what_is_ticked_is_stored_and_nothing_said_before_is_overwritten(admin_client: Client) -> None:
    assert "There are no customers yet" in admin_client.get(MATCH).content.decode()
    acme, other = customer(), customer("B-2", "Birch", aliases=["BRC"])
    ticked, left, meanwhile = (
        make_group(n, name=f"{name} <> us") for n, name in enumerate(["acme", "brc", "Acme"])
    )
    both = make_group(4, name="Acme x Birch")
    make_group(5, name="Nobody Example")
    make_group(6, name="acme internal", in_scope=False)

    page = admin_client.get(MATCH)
    shown = {(each.group, tuple(match.customer for match in each.matches)) for each in page.context["page"]}
    clear = {(ticked, (acme.pk,)), (left, (other.pk,)), (meanwhile, (acme.pk,))}
    assert shown == clear | {(both, (acme.pk, other.pk))}
    assert "checked" not in page.content.decode()
    assert admin_client.get(f"{MATCH}?tick=all").content.decode().count(" checked") == 3
    assert Group.objects.filter(customer__isnull=False).count() == 0, "looking stores nothing"

    Group.objects.filter(pk=meanwhile.pk).update(customer=other)
    chosen = [
        f"{ticked.pk}:{acme.pk}",
        f"{meanwhile.pk}:{acme.pk}",
        f"{both.pk}:{other.pk}",
        "",
        "x:1",
        "1:9:9",
    ]
    answer = admin_client.post(MATCH, {"take": chosen}, follow=True)

    said = [str(message) for message in answer.context["messages"]]
    assert said[0].startswith("2 groups given a customer.")
    assert said[1].startswith("1 group left alone")
    stored = dict(Group.objects.filter(customer__isnull=False).values_list("pk", "customer"))
    assert stored == {ticked.pk: acme.pk, meanwhile.pk: other.pk, both.pk: other.pk}

    seen, guessed = ticked.history.order_by("history_id")
    assert (guessed.history_change_reason, guessed.history_user) == (
        "guessed by its name, and confirmed",
        User.objects.get(username="admin"),
    )
    before = reverse("admin:members_group_simple_history", args=[ticked.pk, seen.pk])
    form = admin_client.get(before).context["adminform"].form
    admin_client.post(before, {name: form.initial[name] or "" for name in ("category", "customer")})
    ticked.refresh_from_db()
    assert ticked.customer is None, "taken back from its history"


def test_the_customer_is_set_by_hand_and_survives_what_happens_to_the_group(admin_client: Client) -> None:
    acme, group = customer(), make_group(1)
    listed = reverse("admin:members_group_changelist")
    asked = {"action": "set_customer", "_selected_action": [group.pk]}
    assert "1 group selected" in admin_client.post(listed, asked).content.decode()
    admin_client.post(listed, {**asked, "store": "1", "customer": acme.pk})
    group.refresh_from_db()
    assert (group.customer, group.history.count()) == (acme, 2)

    rows = {
        choice: list(admin_client.get(f"{listed}?customer={choice}").context["cl"].result_list)
        for choice in ("any", "none", acme.pk)
    }
    assert rows == {"any": [group], "none": [], acme.pk: [group]}
    heir = make_group(2)
    follow_migrations(platform=Platform.TELEGRAM, moved={group.external_id: heir.external_id})
    heir.refresh_from_db()
    assert heir.customer == acme
    admin_client.post(reverse("admin:members_customer_delete", args=[acme.pk]), {"post": "yes"})
    heir.refresh_from_db()
    assert heir.customer is None
    assert heir.history.latest().prev_record.customer_id == acme.pk, "its history knows whose it was"


def imported(client: Client, model: str, text: str) -> str:
    """Upload a table, confirm it where it has no fault; what the pages say."""
    table = SimpleUploadedFile("table.csv", text.encode())
    page = client.post(f"/admin/members/{model}/import/", {"import_file": table, "format": "1"})
    if (confirm := page.context.get("confirm_form")) is None:
        return page.content.decode()
    client.post(f"/admin/members/{model}/process_import/", confirm.initial)
    return ""


def test_tables_bring_the_customers_and_whose_each_group_is(admin_client: Client) -> None:
    head = "CRM ID,Name,Aliases,CRM link\n"
    bad = imported(admin_client, "customer", f"{head}A-1,Acme,,http://crm.example.com/1\nA 2,,,\n")
    assert "Enter a valid URL" in bad and "without spaces" in bad
    assert not Customer.objects.exists()

    imported(admin_client, "customer", f"{head}A-1,Acme,ACM,https://crm.example.com/1\nA-2,Birch,,\n")
    imported(admin_client, "customer", "CRM ID,Name\nA-1,Acme Labs\n")
    acme = Customer.objects.get(crm_id="A-1")
    assert (acme.name, acme.aliases, acme.crm_url) == ("Acme Labs", ["ACM"], "https://crm.example.com/1")

    group = make_group(1)
    table = "Platform,External ID,Customer CRM ID\ntelegram,{},{}\n"
    refused = imported(admin_client, "group", table.format(group.external_id, "A-9"))
    assert "There is no customer with the CRM id “A-9”." in refused
    imported(admin_client, "group", table.format(group.external_id, "A-1"))
    group.refresh_from_db()
    assert group.customer == acme


_COLUMNS = [
    f"activityresource_{name}"
    for name in ("crm_id", "crm_link", "groups_complete", "groups_judged", "last_message_utc")
]

# --- The page of a customer -------------------------------------------------------------------


def test_a_customers_page_tells_how_it_stands(
    admin_client: Client, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    acme = customer(crm_url="https://crm.example.com/acme")
    slack_run("acme-1-bitsafe", "acme-2-bitsafe", "birch-bitsafe", bob_in=1)
    groups = Group.objects.filter(name__startswith="acme").order_by("name")
    groups.update(customer=acme)
    for group in groups:
        Conversation.objects.create(group=group, message_count=1, last_said_at=NOW - timedelta(days=400))
    old = make_group(1, name="=acme-old", customer=acme, archived=True)
    page = reverse("admin:members_customer_change", args=[acme.pk])
    admin_client.get(page)

    with django_assert_max_num_queries(28):
        shown = admin_client.get(page).content.decode()
    overview = admin_client.get(page).context["overview"]
    assert [(line.group.name, line.result and line.result.completeness) for line in overview.lines] == [
        ("acme-1-bitsafe", "2/2"),
        ("acme-2-bitsafe", "1/2"),
        (old.name, None),
    ]
    assert overview.lines[1].missing == ("Bob Example",)
    assert (overview.coverage.complete, overview.coverage.judged, overview.finding_count) == (1, 2, 1)
    assert 'href="https://crm.example.com/acme" rel="noopener noreferrer"' in shown
    assert "Waits for an answer" not in shown

    row = admin_client.get(reverse("admin:members_customer_changelist")).content.decode()
    assert "50 %" in row and "noopener" in row
    for chosen, there in (("coverage=gaps", True), ("coverage=complete", False), ("activity=quiet", True)):
        listed = admin_client.get(f"/admin/members/customer/?{chosen}").context["cl"].result_list
        assert bool(listed) is there, chosen
    export = {"format": "1", "resource": ""} | dict.fromkeys(_COLUMNS, "on")
    table = admin_client.post("/admin/members/customer/export/", export).content.decode("utf-8-sig")
    assert table.splitlines()[0] == "CRM ID,CRM link,Groups complete,Groups judged,Last message (UTC)"
    assert table.splitlines()[1].startswith("A-1,https://crm.example.com/acme,1,2,")
    findings = admin_client.get(f"/admin/audits/finding/?customer={acme.pk}").context["cl"].result_list
    assert [finding.group.name for finding in findings] == ["acme-2-bitsafe"]

    book = load_workbook(BytesIO(admin_client.get(f"/admin/members/customer/{acme.pk}/xlsx/").content))
    rows = list(book["Groups"].values)
    assert [row[1] for row in rows[1:]] == ["acme-1-bitsafe", "acme-2-bitsafe", "=acme-old"]
    assert book["Groups"]["B4"].data_type == "s", "a name is no formula"
    assert book["Open findings"].max_row == 2

    give_roles()
    auditor = User.objects.create_user("auditor", is_staff=True)
    auditor.groups.set(Role.objects.filter(name=AUDITOR))
    client.force_login(auditor)
    seen = client.get(page).content.decode()
    assert "acme-2-bitsafe" in seen and 'name="crm_url"' not in seen


def test_a_link_that_is_not_https_is_never_one(admin_client: Client) -> None:
    acme = customer(crm_url="javascript:alert(1)")  # past the form

    page = admin_client.get(reverse("admin:members_customer_change", args=[acme.pk])).content.decode()
    assert 'href="javascript:' not in page
