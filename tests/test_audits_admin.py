"""The lists and pages of runs, results and findings: who sees what, what is shown first, where links lead."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from urllib.parse import parse_qs, urljoin, urlsplit

import openpyxl
import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models.signals import post_init
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audits.display import KINDS_BY_URGENCY, VERDICTS_BY_URGENCY
from audits.models import AuditRun, Finding, RunState, Trigger
from audits.reports import store_reports
from audits.rows import Verdict
from members.admin.base import TableExportMixin
from members.models import Employee, Exclusion, Group
from members.policy import FindingKind
from members.services import load_policy
from members.table_files import Xlsx
from tests.audit_rows import ADA, BOB, on_telegram, slack_run, stored
from tests.worlds import NOW, TELEGRAM, channel, in_groups, judge, policy, seen, supergroup

pytestmark = pytest.mark.django_db

RUNS = reverse("admin:audits_auditrun_changelist")
RESULTS = reverse("admin:audits_groupresult_changelist")
FINDINGS = reverse("admin:audits_finding_changelist")


@pytest.fixture
def viewer(client: Client) -> Client:
    """Somebody who may look at everything and change nothing."""
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def telegram_run(*names: str) -> AuditRun:
    """A run over Telegram groups of these names; Ada and Bob are in all of them."""
    chats = [supergroup(str(number), name) for number, name in enumerate(names, start=1)]
    ids = [chat.id for chat in chats]
    sight = seen(chats, on_telegram("ada", *ids), on_telegram("bob", *ids), platform=TELEGRAM)
    return stored(judge(policy(ADA, BOB), sight))


def read(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code, response.get("Location"))
    return response.content.decode()


def rows(client: Client, url: str) -> list[object]:
    """The rows of a list, as the page shows them."""
    response = client.get(url)
    assert response.status_code == 200, (url, response.get("Location"))
    return list(response.context["cl"].result_list)


def links(client: Client, url: str) -> Iterator[str]:
    for address in dict.fromkeys(re.findall(r'href="([^"#]+)', read(client, url))):
        target = urljoin(url, html.unescape(address))
        if target.startswith("/admin/"):
            yield target


def tabs(client: Client, url: str) -> dict[str, int]:
    return {tab.title: tab.count for tab in client.get(url).context["cl"].tabs}


class TestWhoMayLook:
    PAGES = (RUNS, RESULTS, FINDINGS)

    @pytest.mark.parametrize("url", PAGES)
    def test_strangers_are_asked_to_sign_in(self, client: Client, url: str) -> None:
        response = client.get(url)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")

    @pytest.mark.parametrize("url", PAGES)
    def test_staff_without_the_right_are_refused(self, client: Client, url: str) -> None:
        client.force_login(User.objects.create_user("noah", is_staff=True))
        assert client.get(url).status_code == 403

    @pytest.mark.parametrize("url", PAGES)
    def test_an_auditor_sees_the_lists(self, viewer: Client, url: str) -> None:
        slack_run("acme-bitsafe")
        assert len(rows(viewer, url)) >= 1

    @pytest.mark.parametrize("model", ["auditrun", "groupresult", "finding"])
    def test_evidence_is_never_edited_not_even_by_an_owner(self, admin_client: Client, model: str) -> None:
        slack_run("acme-bitsafe")
        row = apps.get_model("audits", model)._default_manager.get()
        change = reverse(f"admin:audits_{model}_change", args=[row.pk])
        assert admin_client.post(change, {}).status_code == 403
        assert admin_client.post(reverse(f"admin:audits_{model}_delete", args=[row.pk])).status_code == 403
        assert admin_client.get(reverse(f"admin:audits_{model}_add")).status_code == 403
        assert 'name="_save"' not in read(admin_client, change)


class TestLinks:
    def test_every_link_from_a_run_on_leads_somewhere(self, viewer: Client) -> None:
        """Run → results → findings → group → employee, and every filter, tab and file on the way."""
        slack_run("acme-bitsafe", "globex-ibtc-bitsafe", bob_in=1)
        run = slack_run("acme-bitsafe", "initech-bitsafe", "hooli-bitsafe")
        store_reports(run_id=run.pk)
        pages = [
            reverse("admin:audits_auditrun_change", args=[run.pk]),
            RUNS,
            RESULTS,
            FINDINGS,
            reverse("admin:audits_groupresult_change", args=[run.results.latest("pk").pk]),
            reverse(
                "admin:audits_finding_change", args=[Finding.objects.filter(state="open").latest("pk").pk]
            ),
            reverse("admin:members_group_change", args=[Group.objects.get(external_id="C0").pk]),
            reverse("admin:members_employee_change", args=[Employee.objects.get(key="bob").pk]),
        ]
        found = {link for url in pages for link in links(viewer, url)}
        assert {*pages} <= found, "the pages lead to one another"
        one_of_each_filter = {
            (urlsplit(link).path, *parse_qs(urlsplit(link).query)): link for link in sorted(found)
        }
        for link in one_of_each_filter.values():
            response = viewer.get(link)
            assert response.status_code == 200, (link, response.status_code, response.get("Location"))
            assert response.getvalue()

    def test_a_group_leads_to_its_findings_and_results(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe")
        slack_run("acme-bitsafe", "globex-bitsafe")
        group = Group.objects.get(external_id="C0")
        to_findings, to_results = (
            link
            for link in links(viewer, reverse("admin:members_group_change", args=[group.pk]))
            if "group__id__exact" in link
        )
        assert [finding.group for finding in rows(viewer, to_findings)] == [group]  # type: ignore[attr-defined]
        assert {result.run_id for result in rows(viewer, to_results)} == {  # type: ignore[attr-defined]
            run.pk for run in AuditRun.objects.all()
        }

    def test_an_employee_leads_to_what_is_open_about_them(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe", bob_in=1)
        bob = Employee.objects.get(key="bob")
        change = reverse("admin:members_employee_change", args=[bob.pk])
        (link,) = (link for link in links(viewer, change) if "employee__id__exact" in link)
        assert [finding.employee for finding in rows(viewer, link)] == [bob]  # type: ignore[attr-defined]

    def test_no_links_for_those_who_may_not_follow_them(self, client: Client) -> None:
        slack_run("acme-bitsafe")
        user = User.objects.create_user("gus", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=["view_group", "view_employee"]))
        client.force_login(user)
        for name, row in (("group", Group.objects.get()), ("employee", Employee.objects.get(key="bob"))):
            assert "/admin/audits/" not in read(
                client, reverse(f"admin:members_{name}_change", args=[row.pk])
            )


class TestFindingsList:
    def test_what_is_open_comes_first(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe")
        slack_run("acme-bitsafe", "globex-bitsafe", bob_in=1)
        assert [finding.state for finding in rows(viewer, FINDINGS)] == ["open"]  # type: ignore[attr-defined]
        assert tabs(viewer, FINDINGS) == {"Open": 1, "Resolved": 1, "All": 2}

    def test_everything_is_one_click_away(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe")
        slack_run("acme-bitsafe", "globex-bitsafe", bob_in=1)
        everything = next(tab for tab in viewer.get(FINDINGS).context["cl"].tabs if tab.title == "All")
        assert len(rows(viewer, FINDINGS + everything.url)) == 2

    def test_people_who_merely_may_be_there_do_not_bury_those_who_must(self, viewer: Client) -> None:
        run = slack_run("acme-bitsafe")
        Finding.objects.create(
            platform="slack",
            kind="missing_optional",
            state="open",
            first_seen_run=run,
            last_seen_run=run,
            first_seen_at=NOW + timedelta(days=1),
            last_seen_at=NOW,
        )
        kinds = [finding.kind for finding in rows(viewer, FINDINGS)]  # type: ignore[attr-defined]
        assert kinds == ["missing_required", "missing_optional"]

    def test_gaps_come_first_and_each_tells_its_platform(self, viewer: Client) -> None:
        slack_run("acme-ibtc-bitsafe", "globex-ibtc-bitsafe", bob_in=1)
        kinds = [finding.kind for finding in rows(viewer, FINDINGS)]  # type: ignore[attr-defined]
        assert kinds == ["missing_required", "deprecated_name", "deprecated_name"]
        assert read(viewer, FINDINGS).count('class="field-platform') == 3

    def test_every_kind_has_its_place_in_the_list(self) -> None:
        assert set(KINDS_BY_URGENCY) == set(FindingKind)

    def test_nothing_open_is_good_news_not_an_empty_record(self, viewer: Client) -> None:
        slack_run("acme-bitsafe")
        slack_run("acme-bitsafe", bob_in=1)
        shown = read(viewer, FINDINGS)
        assert "Nothing here is open" in shown
        assert "Show all 1" in shown
        assert "filter-button" in shown, "what is hidden can be asked for"

    def test_an_empty_record_says_what_to_do_and_offers_no_filters(self, viewer: Client) -> None:
        shown = read(viewer, FINDINGS)
        assert "Run an audit" in shown
        assert "filter-button" not in shown

    def test_a_run_leads_to_what_it_changed_whatever_became_of_it_since(self, viewer: Client) -> None:
        first = slack_run("acme-bitsafe", "globex-bitsafe")
        second = slack_run("acme-bitsafe", "globex-bitsafe", bob_in=2)
        query = {"changed_by": f"{first.pk}-opened", "state__exact": "all"}
        assert len(viewer.get(FINDINGS, query).context["cl"].result_list) == 2
        query["changed_by"] = f"{second.pk}-opened"
        assert len(viewer.get(FINDINGS, query).context["cl"].result_list) == 0

    def test_search_by_group_and_by_person(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe")
        assert len(rows(viewer, f"{FINDINGS}?q=globex")) == 1
        assert len(rows(viewer, f"{FINDINGS}?q=bob+example")) == 2

    def test_the_life_of_a_finding_run_by_run(self, viewer: Client) -> None:
        slack_run("acme-bitsafe")
        slack_run("acme-bitsafe", bob_in=1)
        slack_run("acme-bitsafe")
        shown = read(viewer, reverse("admin:audits_finding_change", args=[Finding.objects.get().pk]))
        assert "Missing required: Bob Example in acme-bitsafe" in shown
        reopened, resolved, opened = (
            shown.index(f"{word}</span>") for word in ("Reopened", "Resolved", "Opened")
        )
        assert reopened < resolved < opened

    def test_a_problem_can_be_accepted_from_its_page(self, admin_client: Client) -> None:
        slack_run("acme-bitsafe")
        finding = Finding.objects.get()
        change = reverse("admin:audits_finding_change", args=[finding.pk])
        (accept,) = (link for link in links(admin_client, change) if "accept" in link)
        assert "Missing required: Bob Example in acme-bitsafe" in read(admin_client, accept)
        answer = admin_client.post(accept, {"reason": "They asked.", "expires": ""}, follow=True)
        granted = Exclusion.objects.get()
        assert (granted.platform, granted.group_external_id) == ("slack", "C0")
        assert (granted.employee, granted.kind, granted.granted_by) == (
            finding.employee,
            "missing_required",
            "admin",
        )
        exclusion = reverse("admin:members_exclusion_change", args=[granted.pk])
        (message,) = answer.context["messages"]
        assert exclusion in str(message)
        assert "It takes effect with the next audit" in str(message)
        page = read(admin_client, change)
        assert f'<a href="{exclusion}">They asked.</a>' in page
        assert "It takes effect with the next audit" in page
        assert accept not in page
        assert ">Accepted</span>" in read(admin_client, FINDINGS)

    def test_the_next_audit_excludes_what_was_accepted(self, admin_client: Client) -> None:
        slack_run("acme-bitsafe")
        finding = Finding.objects.get()
        accept = reverse("admin:audits_finding_accept", args=[finding.pk])
        admin_client.post(accept, {"reason": "They asked."}, follow=True)
        channels = seen([channel("C0")], in_groups("ada", "C0"), in_groups("bob"))
        stored(judge(replace(policy(ADA, BOB), exclusions=load_policy().exclusions), channels))
        finding.refresh_from_db()
        assert finding.state == "excluded"
        page = read(admin_client, reverse("admin:audits_finding_change", args=[finding.pk]))
        assert ">They asked.</a>" in page
        assert "next audit" not in page
        Exclusion.objects.all().delete()
        page = read(admin_client, reverse("admin:audits_finding_change", args=[finding.pk]))
        assert "the next audit opens this finding again" in page

    def test_an_exception_that_has_ended_is_granted_anew(self, admin_client: Client) -> None:
        slack_run("acme-bitsafe")
        finding = Finding.objects.get()
        today = datetime.now(UTC).date()
        ended = Exclusion.objects.create(
            platform="slack",
            group_external_id="C0",
            employee=finding.employee,
            kind=finding.kind,
            reason="On leave.",
            expires=today - timedelta(days=1),
        )
        accept = reverse("admin:audits_finding_accept", args=[finding.pk])
        assert "On leave." not in read(admin_client, accept)
        answer = admin_client.post(accept, {"reason": "On leave again.", "expires": ended.expires})
        assert "This day is over." in answer.content.decode()
        admin_client.post(accept, {"reason": "On leave again.", "expires": today})
        ended.refresh_from_db()
        assert (ended.reason, ended.expires, ended.granted_by) == ("On leave again.", today, "admin")

    def test_an_exception_needs_a_reason(self, admin_client: Client) -> None:
        slack_run("acme-bitsafe")
        accept = reverse("admin:audits_finding_accept", args=[Finding.objects.get().pk])
        assert "This field is required." in admin_client.post(accept, {"reason": " "}).content.decode()
        assert not Exclusion.objects.exists()

    def test_what_is_accepted_or_over_is_not_accepted_again(self, admin_client: Client) -> None:
        slack_run("acme-bitsafe")
        accept = reverse("admin:audits_finding_accept", args=[Finding.objects.get().pk])
        admin_client.post(accept, {"reason": "They asked."})
        answer = admin_client.post(accept, {"reason": "Twice."}, follow=True)
        assert "There is nothing to accept" in answer.content.decode()
        assert Exclusion.objects.get().reason == "They asked."

    def test_a_search_can_be_cleared_where_there_is_one(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe")
        assert ">Clear</a>" not in read(viewer, FINDINGS)
        assert ">Clear</a>" in read(viewer, f"{FINDINGS}?q=globex")

    def test_two_who_accept_at_the_same_moment_are_told_which_of_them_did(self, admin_client: Client) -> None:
        slack_run("acme-bitsafe")
        finding = Finding.objects.get()

        def be_faster(**_: object) -> None:
            """As soon as the form is made, which nothing holds against it yet."""
            post_init.disconnect(be_faster, sender=Exclusion)
            Exclusion.objects.create(
                platform=finding.platform,
                group_external_id=finding.group_external_id,
                employee=finding.employee,
                kind=finding.kind,
                reason="Mine.",
            )

        post_init.connect(be_faster, sender=Exclusion)
        accept = reverse("admin:audits_finding_accept", args=[finding.pk])
        answer = admin_client.post(accept, {"reason": "Mine too."}, follow=True)

        (message,) = answer.context["messages"]
        assert "Somebody else accepted it at the same moment" in str(message)
        assert Exclusion.objects.get().reason == "Mine."

    def test_those_who_may_not_grant_exceptions_accept_nothing(self, viewer: Client) -> None:
        slack_run("acme-bitsafe")
        pk = Finding.objects.get().pk
        accept = reverse("admin:audits_finding_accept", args=[pk])
        assert accept not in read(viewer, reverse("admin:audits_finding_change", args=[pk]))
        assert viewer.post(accept, {"reason": "Please."}).status_code == 403
        assert not Exclusion.objects.exists()

    def test_an_exclusion_that_has_ended_explains_nothing(self, admin_client: Client) -> None:
        slack_run("acme-bitsafe")
        finding = Finding.objects.get()
        today = datetime.now(UTC).date()
        for reason, expires in (("Until today.", today), ("Over.", today - timedelta(days=1))):
            Exclusion.objects.create(
                platform="slack",
                group_external_id="C0",
                employee=finding.employee,
                kind="missing_required" if expires == today else "",
                reason=reason,
                expires=expires,
            )
        Finding.objects.update(state="excluded")
        page = read(admin_client, reverse("admin:audits_finding_change", args=[finding.pk]))
        assert ">Until today.</a>" in page
        assert "Over." not in page

    def test_the_times_of_the_table_say_that_they_are_utc(self, viewer: Client) -> None:
        slack_run("acme-bitsafe")
        form = viewer.get(reverse("admin:audits_finding_export")).context["form"]
        columns = {name.removeprefix("findingresource_") for name in form.fields}
        assert {"first_seen_utc", "last_seen_utc", "resolved_utc"} <= columns
        assert not {name for name in columns if name.endswith("_at")}

    def test_the_list_as_a_table_with_the_filters_that_are_set(self, viewer: Client) -> None:
        slack_run("=acme-bitsafe", "globex-bitsafe")
        slack_run("=acme-bitsafe", "globex-bitsafe", bob_in=0)
        fields = {f"findingresource_{name}": "on" for name in ("group_name", "employee_name", "state")}
        export = reverse("admin:audits_finding_export") + "?q=acme"
        workbook = str(TableExportMixin.export_formats.index(Xlsx))
        response = viewer.post(export, {"format": workbook, "resource": "0", **fields})
        assert response.status_code == 200, response.content.decode()[:500]
        sheet = openpyxl.load_workbook(BytesIO(response.content)).active
        assert list(sheet.values) == [  # type: ignore[union-attr]
            ("Group name", "Employee name", "State"),
            ("'=acme-bitsafe", "Bob Example", "open"),
        ]


class TestResultsList:
    def test_the_newest_word_on_each_platform(self, viewer: Client) -> None:
        slack_run("old-bitsafe", "older-bitsafe")
        telegram_run("Acme <> BitSafe")
        newest = slack_run("acme-bitsafe")
        names = {result.name for result in rows(viewer, RESULTS)}  # type: ignore[attr-defined]
        assert names == {"Acme <> BitSafe", "acme-bitsafe"}
        assert {r.name for r in rows(viewer, f"{RESULTS}?run={newest.pk}")} == {"acme-bitsafe"}  # type: ignore[attr-defined]

    def test_a_run_that_reached_one_platform_leaves_the_other_to_the_run_before(self, viewer: Client) -> None:
        both = stored(
            judge(
                policy(ADA),
                seen([], platform=TELEGRAM),
                seen([supergroup("1")], on_telegram("ada", "1"), platform=TELEGRAM),
            )
        )
        slack_run("acme-bitsafe")
        assert {result.run_id for result in rows(viewer, RESULTS)} == {both.pk, both.pk + 1}  # type: ignore[attr-defined]

    def test_the_newest_word_is_that_of_the_run_that_finished_last(self, viewer: Client) -> None:
        patient = slack_run("acme-bitsafe", at=NOW + timedelta(hours=2))
        slack_run("globex-bitsafe", at=NOW + timedelta(hours=1))
        assert {result.run_id for result in rows(viewer, RESULTS)} == {patient.pk}  # type: ignore[attr-defined]

    def test_gaps_come_first(self, viewer: Client) -> None:
        run = slack_run("a-bitsafe", "b-bitsafe", "c-bitsafe", "d-company-bitsafe", "e-bitsafe", bob_in=1)
        run.results.filter(name="b-bitsafe").update(verdict="error")
        run.results.filter(name="c-bitsafe").update(verdict="not_visible")
        verdicts = [result.verdict for result in rows(viewer, RESULTS)]  # type: ignore[attr-defined]
        assert verdicts == ["incomplete", "not_visible", "error", "complete", "exempt"]
        assert list(tabs(viewer, RESULTS)) == [
            "All",
            "Incomplete",
            "Not visible",
            "Error",
            "Complete",
            "Exempt",
        ]
        by_verdict = rows(viewer, f"{RESULTS}?o=3")
        assert [result.verdict for result in by_verdict] == verdicts  # type: ignore[attr-defined]

    def test_every_verdict_has_its_place_in_the_list(self) -> None:
        assert set(VERDICTS_BY_URGENCY) == set(Verdict)

    def test_of_one_group_the_last_audit_comes_first(self, viewer: Client) -> None:
        first = slack_run("acme-bitsafe")
        second = slack_run("acme-bitsafe", bob_in=1, at=NOW + timedelta(hours=1))
        history = f"{RESULTS}?run=all&group__id__exact={Group.objects.get().pk}"
        assert [result.run_id for result in rows(viewer, history)] == [second.pk, first.pk]  # type: ignore[attr-defined]

    def test_all_runs(self, viewer: Client) -> None:
        slack_run("acme-bitsafe")
        slack_run("acme-bitsafe")
        assert len(rows(viewer, f"{RESULTS}?run=all")) == 2

    def test_the_verdicts_are_tabs(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe", "company-bitsafe", bob_in=1)
        assert tabs(viewer, RESULTS) == {"All": 3, "Complete": 1, "Incomplete": 1, "Exempt": 1}
        assert tabs(viewer, f"{RESULTS}?verdict__exact=exempt&q=acme") == {
            "All": 1,
            "Complete": 1,
            "Exempt": 0,
        }

    def test_missing_people_have_names_and_the_page_links_them(self, viewer: Client) -> None:
        run = slack_run("acme-bitsafe")
        assert "Bob Example" in read(viewer, RESULTS)
        Employee.objects.get(key="ada").delete()
        shown = read(viewer, reverse("admin:audits_groupresult_change", args=[run.results.get().pk]))
        bob = reverse("admin:members_employee_change", args=[Employee.objects.get(key="bob").pk])
        assert f'<a href="{bob}">Bob Example</a>' in shown
        assert ">ada<" in shown, "who is gone is known by key"


class TestRunsList:
    def test_the_newest_run_first_with_its_outcome(self, viewer: Client) -> None:
        slack_run("acme-bitsafe")
        run = slack_run("acme-bitsafe", "globex-bitsafe", bob_in=1)
        (first, _) = rows(viewer, RUNS)
        assert first == run
        shown = read(viewer, RUNS)
        assert ("42\N{NO-BREAK SPACE}s" in shown, "Command" in shown) == (True, True)

    def test_runs_that_recorded_nothing_show_no_numbers(self, viewer: Client) -> None:
        AuditRun.objects.create(state=RunState.CANCELLED, platforms=["slack"], trigger=Trigger.SCHEDULE)
        assert 'class="field-coverage">–' in read(viewer, RUNS)


@pytest.mark.parametrize(
    "query",
    [
        "run=abc",
        "run=99999999999999999999",
        "group__id__exact=x",
        "verdict__exact=x",
        "state__exact=x",
        "changed_by=x",
        "changed_by=-opened",
        "employee__id__exact=²",
    ],
)
@pytest.mark.parametrize("url", [RESULTS, FINDINGS])
def test_a_wrong_address_is_no_crash(viewer: Client, url: str, query: str) -> None:
    slack_run("acme-bitsafe")
    assert viewer.get(f"{url}?{query}", follow=True).status_code == 200


@pytest.mark.parametrize("pk", ["0", "x", "99999999999999999999"])
@pytest.mark.parametrize("model", ["auditrun", "groupresult", "finding"])
def test_a_row_that_is_not_there_is_no_crash(viewer: Client, model: str, pk: str) -> None:
    response = viewer.get(f"/admin/audits/{model}/{pk}/change/", follow=True)
    assert response.status_code in (200, 404)


class TestQueries:
    """A page asks the database as often for thirty rows as for three."""

    def count(self, client: Client, url: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            read(client, url)
        return len(queries)

    @pytest.mark.parametrize(
        "url", [RUNS, RESULTS, f"{RESULTS}?run=all", FINDINGS, f"{FINDINGS}?state__exact=all&_facets=True"]
    )
    def test_lists(self, viewer: Client, url: str) -> None:
        for number in range(3):
            slack_run(f"{number}-bitsafe")
        read(viewer, url)  # fills what Django caches per process
        few = self.count(viewer, url)
        for number in range(10):
            slack_run(*(f"{number}-{index}-bitsafe" for index in range(3)))
        assert self.count(viewer, url) == few

    def test_pages(self, viewer: Client) -> None:
        def counts(channels: int) -> list[int]:
            slack_run(*(f"{number}-bitsafe" for number in range(channels)), bob_in=channels)
            run = slack_run(*(f"{number}-bitsafe" for number in range(channels)))
            pages = (
                reverse("admin:audits_auditrun_change", args=[run.pk]),
                reverse("admin:audits_groupresult_change", args=[run.results.latest("pk").pk]),
                reverse("admin:audits_finding_change", args=[Finding.objects.latest("pk").pk]),
                reverse("admin:members_group_change", args=[Group.objects.latest("pk").pk]),
            )
            return [self.count(viewer, url) for url in pages]

        counts(1)
        assert counts(3) == counts(30)
