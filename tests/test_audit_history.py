"""How it went: trends, two runs side by side, a run on paper, and what each employee sees of themselves."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from io import BytesIO
from xml.etree import ElementTree

import openpyxl
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from audits.models import AuditRun
from audits.printing.letters import BOLD, PLAIN, UnreadableFont, markup, register_fonts
from audits.two_runs import compare
from members import policy_load
from members.models import Employee, Group
from tests.audit_rows import ADA, BOB, slack_run, stored
from tests.worlds import NOW, SLACK, channel, in_groups, judge, policy, seen

COMPARE = reverse("admin:audits_auditrun_compare")
RULES = (
    b'{"teams": [{"key": "core", "name": "Core team"}],'
    b' "employees": [{"key": "ada", "name": "Ada Example", "teams": ["core"]},'
    b' {"key": "bob", "name": "Bob Example", "teams": ["core"]}],'
    b' "categories": [{"key": "customer", "name": "BD Customer", "full_team": true, "default": true,'
    b' "patterns": []}],'
    b' "rules": [{"platform": "slack", "team": "core", "level": "required"}],'
    b' "scope": [], "naming": [], "exclusions": []}'
)
WHY = "Team core is required on Slack."


@pytest.fixture
def reader(client: Client) -> Client:
    """Somebody who may see audits and change nothing."""
    names = ("view_auditrun", "view_finding", "view_groupresult", "view_group", "view_employee")
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


@pytest.fixture
def rules() -> None:
    policy_load.load(RULES, reason="test")


def words(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    main = response.content.decode().partition("<main")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


def two_weeks() -> tuple[AuditRun, AuditRun]:
    """Bob leaves acme and joins globex, initech goes, hooli appears."""
    first = slack_run(
        "acme-bitsafe", "globex-bitsafe", "initech-bitsafe", bob_in=1, at=NOW - timedelta(days=7)
    )
    names = {"C0": "acme-bitsafe", "C1": "globex-bitsafe", "C9": "hooli-bitsafe"}
    sight = seen(
        [channel(id, name) for id, name in names.items()],
        in_groups("ada", *names),
        in_groups("bob", "C1", "C9"),
        platform=SLACK,
    )
    return first, stored(judge(policy(ADA, BOB), sight), at=NOW)


@pytest.mark.django_db
class TestTwoRuns:
    def test_what_became_of_groups_people_and_findings(self, rules: None) -> None:
        first, last = two_weeks()
        found = compare(last, first)

        assert (found.earlier, found.later) == (first, last), "in the order of their ends"
        assert [(line.name, line.before, line.now) for line in found.verdicts] == [
            ("acme-bitsafe", "2/2", "1/2"),
            ("globex-bitsafe", "1/2", "2/2"),
        ]
        assert [line.name for line in found.appeared] == ["hooli-bitsafe"]
        assert [line.name for line in found.gone] == ["initech-bitsafe"]
        assert [(line.name, line.group, line.how, line.why) for line in found.became_missing] == [
            ("Bob Example", "acme-bitsafe", "was there", WHY)
        ]
        assert [(line.group, line.how) for line in found.became_present] == [("globex-bitsafe", "is there")]
        assert len(found.opened) == last.opened
        assert len(found.resolved) == last.resolved

    def test_what_opened_and_ended_in_between_is_neither(self, rules: None) -> None:
        first = slack_run("acme-bitsafe", bob_in=1, at=NOW - timedelta(days=2))
        slack_run("acme-bitsafe", at=NOW - timedelta(days=1))
        last = slack_run("acme-bitsafe", bob_in=1)

        assert (compare(first, last).opened, compare(first, last).resolved) == ((), ())

    def test_the_page_and_the_workbook(self, reader: Client, rules: None) -> None:
        first, last = two_weeks()
        page = f"{COMPARE}?a={first.pk}&b={last.pk}"
        text = words(reader, page)
        assert "Missing now 1" in text
        assert f"Bob Example in acme-bitsafe Slack · was there · {WHY}" in text
        assert words(reader, COMPARE).count("acme-bitsafe"), "the last two, where nobody chose"

        book = openpyxl.load_workbook(BytesIO(reader.get(f"{page}&format=xlsx").content))
        assert [row[0].value for row in book["Groups"].iter_rows(min_row=2)] == [
            "Verdict changed",
            "Verdict changed",
            "Appeared",
            "Gone",
        ]
        assert [cell.value for cell in book["People"][2]][4:] == ["Bob Example", "was there", WHY]

    def test_nonsense_in_the_address_compares_nothing(self, reader: Client, rules: None) -> None:
        two_weeks()
        for choice in ("a=999&b=1x", "a=²&b=-1", "a=1%00&b=" + "9" * 30):
            assert "Missing now" not in words(reader, f"{COMPARE}?{choice}")


@pytest.mark.django_db
def test_trends_of_categories_groups_and_employees(reader: Client, rules: None) -> None:
    now = datetime.now(UTC)  # charts look back from today
    for day in range(3):
        slack_run("acme-bitsafe", "globex-bitsafe", bob_in=min(day, 1), at=now - timedelta(days=3 - day))
    acme, bob = Group.objects.get(external_id="C0"), Employee.objects.get(key="bob")

    group = words(reader, reverse("admin:group_trend", args=[acme.pk]))
    assert "Incomplete → Complete 1/2 → 2/2" in group
    assert "not missing any more: Bob Example" in group
    assert "Required people there 100 % 2/2" in group, "the chart in words"
    globex = Group.objects.get(external_id="C1")
    assert f"Bob Example {WHY}" in words(reader, reverse("admin:group_trend", args=[globex.pk]))

    employee = words(reader, reverse("admin:employee_trend", args=[bob.pk]))
    assert "asked for 1" in employee, "missing in one group now"
    assert WHY in employee
    assert "Resolved Missing required : acme-bitsafe" in employee
    assert "Bob Example" in words(reader, reverse("admin:trends"))


@pytest.mark.django_db
def test_why_somebody_is_asked_for_stands_beside_every_missing_person(reader: Client, rules: None) -> None:
    run = slack_run("acme-bitsafe")
    result = run.results.get()
    for url in (
        reverse("admin:audits_groupresult_change", args=[result.pk]),
        reverse("admin:audits_auditrun_print", args=[run.pk]),
    ):
        assert f"Bob Example {WHY}" in words(reader, url)


@pytest.mark.django_db
class TestPaper:
    def test_hostile_and_foreign_names_come_through(self, reader: Client, rules: None) -> None:
        names = ["<b>&\x01‮gnp.exe bitsafe", "你好 안녕 株式会社 bitsafe", "مرحبا שלום ไทย 🚀 bitsafe"]
        run = slack_run(*names, "x" * 240 + "bitsafe")
        response = reader.get(reverse("admin:audits_auditrun_pdf", args=[run.pk]))

        assert response["Content-Type"] == "application/pdf"
        assert response.content.startswith(b"%PDF-")
        assert b"DroidSansFallback" in response.content, "the letters are in the file"

    def test_a_font_that_is_none_is_said_in_one_line(
        self, reader: Client, rules: None, settings: Settings
    ) -> None:
        run = slack_run("acme-bitsafe")
        settings.REPORT_FONTS = ["/nowhere/thai.ttf"]
        register_fonts.cache_clear()
        try:
            with pytest.raises(UnreadableFont, match=r"REPORT_FONTS: /nowhere/thai\.ttf is no TrueType font"):
                register_fonts()
            page = reader.get(reverse("admin:audits_auditrun_pdf", args=[run.pk]), follow=True)
            assert "REPORT_FONTS" in page.content.decode()
        finally:
            register_fonts.cache_clear()


def test_what_no_font_has_is_written_out() -> None:
    assert markup("Acme 🚀 & <Co>") == "Acme [rocket] &amp; &lt;Co&gt;"
    assert markup("ไ") == "[U+0E44]"
    assert markup("你", BOLD) == '<font name="Chinese">你</font>'
    assert markup("Привет") == "Привет"
    assert markup("שלום Acme (12)") == "םולש Acme (12)", "in the order in which it is seen"
    assert markup("سلام") == "\ufee1\ufefc\ufeb3"[0:1] + "\ufe8e\ufee0\ufeb3", (
        "joined, and from right to left"
    )


@given(st.text(max_size=60), st.sampled_from([PLAIN, BOLD]))
def test_any_text_becomes_paragraphs_that_can_be_read(text: str, font: str) -> None:
    ElementTree.fromstring(f"<p>{markup(text, font)}</p>")  # noqa: S314 (our own markup)


@pytest.mark.django_db
class TestMyGroups:
    URL = reverse("admin:my_groups")

    def test_whoever_is_signed_in_sees_their_own_and_nobody_elses(self, client: Client, rules: None) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe", bob_in=1)
        Employee.objects.filter(key="bob").update(email="Bob@Example.com")
        client.force_login(User.objects.create_user("bob", "bob@example.com", is_staff=True))

        text = words(client, f"{self.URL}?pk=1&employee=ada")
        assert "Everything here is about Bob Example" in text
        assert f"acme-bitsafe Slack BD Customer Present Required {WHY}" in text
        assert f"globex-bitsafe Slack BD Customer Missing Required {WHY}" in text
        book = openpyxl.load_workbook(BytesIO(client.get(f"{self.URL}?format=xlsx").content))
        assert book["Groups"].max_row == 3
        assert client.get(reverse("admin:trends")).status_code == 403

    def test_a_link_by_hand_counts_more_and_a_shared_address_nothing(
        self, client: Client, rules: None
    ) -> None:
        user = User.objects.create_user("bob", "office@example.com", is_staff=True)
        client.force_login(user)
        Employee.objects.update(email="office@example.com")
        assert "Nobody knows yet which employee you are" in words(client, self.URL)

        Employee.objects.filter(key="ada").update(user=user)
        assert "about Ada Example" in words(client, self.URL)


@pytest.mark.django_db
def test_pages_cost_the_same_whatever_the_number_of_groups_and_ask_for_rights(
    reader: Client, client: Client, rules: None
) -> None:
    def pages() -> list[str]:
        runs = AuditRun.objects.order_by("pk")
        first, last = runs.first(), runs.last()
        assert first is not None
        assert last is not None
        group, bob = Group.objects.order_by("pk").first(), Employee.objects.get(key="bob")
        assert group is not None
        return [
            reverse("admin:trends"),
            reverse("admin:group_trend", args=[group.pk]),
            reverse("admin:employee_trend", args=[bob.pk]),
            f"{COMPARE}?a={first.pk}&b={last.pk}",
            reverse("admin:audits_auditrun_print", args=[last.pk]),
        ]

    costs: list[list[int]] = []
    for count in (2, 12):
        names = [f"customer-{number}-bitsafe" for number in range(count)]
        for day in (2, 1):
            slack_run(*names, bob_in=day - 1, at=NOW - timedelta(days=day))
        costs.append([])
        for url in pages():
            reader.get(url)
            with CaptureQueriesContext(connection) as queries:
                assert reader.get(url).status_code == 200
            costs[-1].append(len(queries))

    assert costs[0] == costs[1]
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert {client.get(url).status_code for url in pages()} == {403}
