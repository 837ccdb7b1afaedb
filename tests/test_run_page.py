"""The page of one run: start it, watch it, stop it, read what it changed, and take the files away."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import openpyxl
import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from audits.models import AuditRun, RunReport, RunState, Trigger
from audits.observation import BlindSpot, PlatformObservation, Trouble
from audits.reports import NOT_WRITTEN, store_reports
from audits.run_page import seconds_to_go
from groupadmin.sandbox.runner import Sandbox
from members import policy_load
from members.platforms.types import CallCount
from tests.audit_rows import ADA, BOB, on_telegram, slack_run, stored
from tests.worlds import NOW, SLACK, TELEGRAM, channel, in_groups, judge, policy, seen, supergroup

START = reverse("admin:audits_auditrun_start")


def address(run: AuditRun, view: str = "change", *arguments: str) -> str:
    return reverse(f"admin:audits_auditrun_{view}", args=[run.pk, *arguments])


def staff(name: str, *codenames: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(staff("vera", "view_auditrun", "view_finding", "view_groupresult"))
    return client


@pytest.fixture
def runner(client: Client) -> Client:
    """Somebody who may start and stop audits."""
    client.force_login(staff("rosa", "view_auditrun", "view_finding", "view_groupresult", "run_audit"))
    return client


def unfinished(state: RunState = RunState.RUNNING, **fields: object) -> AuditRun:
    values = {"platforms": ["slack"], "trigger": Trigger.PERSON, "owner": "somebody", **fields}
    if state is RunState.RUNNING:
        values = {
            "started_at": datetime.now(UTC) - timedelta(seconds=30),
            "heartbeat_at": datetime.now(UTC),
        } | values
    return AuditRun.objects.create(state=state, **values)


def words(client: Client, run: AuditRun) -> str:
    """What the run's page says, its tags and line breaks left out."""
    response = client.get(address(run))
    assert response.status_code == 200
    main = response.content.decode().partition("<main")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


@pytest.mark.django_db
class TestFinished:
    def test_what_came_of_it(self, viewer: Client) -> None:
        run = slack_run("acme-bitsafe", "globex-ibtc-bitsafe", "company-bitsafe", bob_in=1)
        text = words(viewer, run)
        assert "Complete" in text
        assert "Started by Command" in text
        assert "Coverage 50 % 1 of 2 groups complete" in text
        assert "0 public, 0 with hidden history, 1 to rename" in text
        assert f"Open findings {run.open_findings} {run.open_before} before, 2 new, 0 resolved" in text

    def test_who_started_it(self, viewer: Client) -> None:
        run = slack_run("acme-bitsafe")
        run.requested_by = staff("rosa")
        run.save()
        assert "Started by rosa" in words(viewer, run)

    def test_what_it_changed_since_the_run_before(self, viewer: Client) -> None:
        slack_run("acme-bitsafe", "globex-bitsafe", "initech-bitsafe", bob_in=1)
        group = channel("C9", "hooli-bitsafe")
        ids = ["C0", "C1", "C9"]
        names = dict(zip(ids, ("acme-bitsafe", "globex-bitsafe", "hooli-bitsafe"), strict=True))
        sight = seen(
            [channel(id, name) for id, name in names.items()],
            in_groups("ada", *ids),
            in_groups("bob", "C1", "C9"),
        )
        assert group.name == names["C9"]
        text = words(viewer, stored(judge(policy(ADA, BOB), sight)))
        assert "Slack since Audit" in text
        assert "Complete → Incomplete 1 acme-bitsafe 2/2 → 1/2" in text
        assert "Incomplete → Complete 1 globex-bitsafe 1/2 → 2/2" in text
        assert "New groups 1 hooli-bitsafe 2/2" in text
        assert "No longer audited 1 initech-bitsafe 1/2" in text
        assert "Resolved 1 finding Missing required: Bob Example globex-bitsafe · fixed" in text
        assert "Missing required: Bob Example acme-bitsafe" in text

    def test_more_and_fewer_missing_where_the_verdict_stayed(self, viewer: Client) -> None:
        def run(*ada_is_in: str) -> AuditRun:
            people = in_groups("ada", *ada_is_in), in_groups("bob")
            return stored(
                judge(policy(ADA, BOB), seen([channel("C0"), channel("C1", "hooli-bitsafe")], *people))
            )

        run("C0")
        text = words(viewer, run("C1"))
        assert "More people are missing 1 acme-bitsafe 1/2 → 0/2" in text
        assert "Fewer people are missing 1 hooli-bitsafe 0/2 → 1/2" in text

    @pytest.mark.parametrize(
        ("verdict", "says"),
        [
            ("exempt", "Incomplete → Exempt 1 acme-bitsafe 1/2 → exempt"),
            ("not_visible", "Incomplete → Not visible 1 acme-bitsafe 1/2 → not visible"),
            ("error", "Incomplete → Error 1 acme-bitsafe 1/2 → error"),
        ],
    )
    def test_a_group_that_is_judged_otherwise_and_back(self, viewer: Client, verdict: str, says: str) -> None:
        before, run = slack_run("acme-bitsafe"), slack_run("acme-bitsafe")
        run.results.update(verdict=verdict)
        assert says in words(viewer, run)
        page = viewer.get(address(run)).content.decode()
        for result in (before.results.get(), run.results.get()):
            assert reverse("admin:audits_groupresult_change", args=[result.pk]) in page
        title = says.partition(" 1 ")[0].removeprefix("Incomplete → ")
        assert f"{title} → Incomplete 1 acme-bitsafe {title.lower()} → 1/2" in words(
            viewer, slack_run("acme-bitsafe")
        )

    def test_what_became_worst_stands_first(self, viewer: Client) -> None:
        names = ("acme-bitsafe", "globex-bitsafe")
        slack_run(*names, bob_in=1)
        run = slack_run(*names, bob_in=1)
        run.results.filter(name="acme-bitsafe").update(verdict="not_visible")
        run.results.filter(name="globex-bitsafe").update(verdict="exempt")
        text = words(viewer, run)
        assert text.index("Complete → Not visible") < text.index("Incomplete → Exempt")

    def test_nothing_changed(self, viewer: Client) -> None:
        slack_run("acme-bitsafe")
        assert "Every group stands as it did." in words(viewer, slack_run("acme-bitsafe"))

    def test_the_first_run_is_compared_with_nothing(self, viewer: Client) -> None:
        assert "since" not in words(viewer, slack_run("acme-bitsafe"))

    def test_a_platform_that_a_run_did_not_reach_is_not_called_gone(self, viewer: Client) -> None:
        """Neither in that run, nor as new groups in the run after it."""
        telegram = seen([supergroup("1")], on_telegram("ada", "1"), platform=TELEGRAM)
        slack = seen([channel("C0")], in_groups("ada", "C0"))
        down = PlatformObservation(TELEGRAM, trouble=Trouble("down", "Telegram does not answer. Try again."))
        stored(judge(policy(ADA), slack, telegram))
        partial = stored(judge(policy(ADA), slack, down), state=RunState.PARTIAL)
        whole = stored(judge(policy(ADA), slack, telegram))
        assert "No longer audited" not in words(viewer, partial)
        text = words(viewer, whole)
        assert "New groups" not in text
        assert f"Telegram since Audit {partial.pk - 1}" in text
        assert f"Slack since Audit {partial.pk}" in text

    def test_the_run_before_is_the_one_that_finished_before(self, viewer: Client) -> None:
        """A run that was asked for first may have waited for others."""
        patient = slack_run("acme-bitsafe", at=NOW + timedelta(hours=2))
        quick = slack_run("acme-bitsafe", "globex-bitsafe", at=NOW + timedelta(hours=1))
        assert f"Slack since Audit {quick.pk}" in words(viewer, patient)
        assert "since" not in words(viewer, quick)

    def test_long_lists_are_cut_and_say_so(self, viewer: Client) -> None:
        text = words(viewer, slack_run(*(f"{number}-bitsafe" for number in range(30))))
        assert "Opened 30 findings" in text
        assert "All 30" in text
        assert text.count("Missing required: Bob Example") == 10

    def test_what_it_could_not_see_and_what_it_cost(self, viewer: Client) -> None:
        sight = seen(
            [channel("C0")],
            in_groups("ada", "C0"),
            blind_spots=(BlindSpot(SLACK, "<b>Private</b> channels", "They are invisible."),),
            cost=CallCount({"users.conversations": 13}, waited_seconds=65.0),
        )
        text = words(viewer, stored(judge(policy(ADA), sight)))
        assert "<b>Private</b> channels Slack · They are invisible." in text
        assert "users.conversations 13" in text
        assert "Waited 1 min 5 s for rate limits and outages." in text


@pytest.mark.django_db
class TestBadDays:
    def test_a_failed_run_says_why_and_nothing_else(self, viewer: Client) -> None:
        trouble = Trouble("invalid_auth", "Slack refused the token. Set SLACK_USER_TOKEN anew.")
        evaluation = judge(policy(ADA), PlatformObservation(SLACK, trouble=trouble))
        run = stored(evaluation, state=RunState.FAILED, message=f"Slack: {trouble.message}")
        text = words(viewer, run)
        assert "Failed" in text
        assert "Slack: Slack refused the token. Set SLACK_USER_TOKEN anew." in text
        assert "Coverage" not in text

    def test_what_could_not_be_seen_for_one_reason_is_told_together(self, viewer: Client) -> None:
        down = "Slack cannot be reached: try again in a minute"
        spots = [BlindSpot(SLACK, name, down) for name in ("Slack", *(f"group-{n}" for n in range(12)))]
        run = stored(judge(policy(ADA), seen([channel("C0")], blind_spots=tuple(spots))), message=down)
        text = words(viewer, run)
        assert "group-0, group-1, " in text
        assert f"and 2 more; the workbook has them all Slack · {down}" in text

    def test_a_run_that_was_stopped_before_it_began(self, viewer: Client) -> None:
        run = AuditRun.objects.create(state=RunState.CANCELLED, platforms=["slack"], trigger=Trigger.SCHEDULE)
        text = words(viewer, run)
        assert "Cancelled" in text
        assert "Started by Schedule Asked for" in text


@pytest.mark.django_db
class TestStart:
    def test_asking_changes_nothing(self, runner: Client) -> None:
        response = runner.get(START)
        assert response.status_code == 200
        assert "An audit only reads." in response.content.decode()
        assert not AuditRun.objects.exists()

    def test_confirming_puts_an_audit_in_the_queue(self, runner: Client) -> None:
        response = runner.post(START, {"platforms": ["slack"], "deep": "on"})
        run = AuditRun.objects.get()
        assert response["Location"] == address(run)
        assert (run.state, run.platforms, run.deep) == (RunState.QUEUED, ["slack"], True)
        assert (run.trigger, str(run.requested_by)) == (Trigger.PERSON, "rosa")

    def test_an_audit_of_nothing_is_refused(self, runner: Client) -> None:
        response = runner.post(START, {})
        assert response.status_code == 200
        assert "This field is required." in response.content.decode()
        assert not AuditRun.objects.exists()

    def test_it_says_when_another_one_is_under_way(self, runner: Client) -> None:
        run = unfinished()
        assert f"{run} is running." in strip_tags(runner.get(START).content.decode())

    def test_the_list_offers_it_to_those_who_may(self, runner: Client) -> None:
        assert START in runner.get(reverse("admin:audits_auditrun_changelist")).content.decode()

    def test_those_who_only_look_are_refused(self, viewer: Client) -> None:
        assert START not in viewer.get(reverse("admin:audits_auditrun_changelist")).content.decode()
        assert viewer.get(START).status_code == 403
        assert viewer.post(START, {"platforms": ["slack"]}).status_code == 403
        assert not AuditRun.objects.exists()

    def test_strangers_are_asked_to_sign_in(self, client: Client) -> None:
        assert urlsplit(client.post(START, {"platforms": ["slack"]})["Location"]).path == "/admin/login/"
        assert not AuditRun.objects.exists()


@pytest.mark.django_db
class TestCancel:
    def test_a_running_audit_is_asked_to_stop(self, runner: Client) -> None:
        run = unfinished(progress_label="Slack: listing groups")
        response = runner.post(address(run, "cancel"), follow=True)
        run.refresh_from_db()
        assert (run.cancel_requested, run.state) == (True, RunState.RUNNING)
        text = strip_tags(response.content.decode())
        assert "is asked to stop" in text
        assert "Stop this audit" not in text

    def test_a_waiting_audit_ends_at_once(self, runner: Client) -> None:
        run = unfinished(RunState.QUEUED)
        runner.post(address(run, "cancel"))
        run.refresh_from_db()
        assert run.state == RunState.CANCELLED

    def test_a_finished_audit_stays_as_it_is(self, runner: Client) -> None:
        run = slack_run("acme-bitsafe")
        response = runner.post(address(run, "cancel"), follow=True)
        assert "was finished already" in response.content.decode()
        assert AuditRun.objects.get().state == RunState.COMPLETE

    def test_a_link_alone_stops_nothing(self, runner: Client) -> None:
        run = unfinished()
        assert runner.get(address(run, "cancel")).status_code == 405
        assert not AuditRun.objects.get().cancel_requested

    def test_those_who_only_look_are_refused(self, viewer: Client) -> None:
        run = unfinished()
        assert "Stop this audit" not in words(viewer, run)
        assert viewer.post(address(run, "cancel")).status_code == 403
        assert not AuditRun.objects.get().cancel_requested

    def test_an_audit_that_is_not_there(self, runner: Client) -> None:
        assert runner.post(reverse("admin:audits_auditrun_cancel", args=[404])).status_code == 404


@pytest.mark.django_db
class TestProgress:
    def test_a_running_audit(self, viewer: Client) -> None:
        run = unfinished(progress_label="Slack: reading memberships 7 of 13", progress_percent=60)
        assert viewer.get(address(run, "progress")).json() == {
            "state": "running",
            "label": "Slack: reading memberships 7 of 13",
            "done": 0,
            "total": None,
            "percent": 60,
            "eta_seconds": None,
            "finished": False,
            "url": None,
        }

    def test_a_waiting_audit_waits_for_the_running_one(self, viewer: Client) -> None:
        running, waiting = unfinished(), unfinished(RunState.QUEUED)
        answer = viewer.get(address(waiting, "progress")).json()
        assert (answer["label"], answer["percent"], answer["eta_seconds"]) == (
            "Waiting for its turn",
            None,
            None,
        )
        assert f"One audit runs at a time; now it is {running}" in words(viewer, waiting)

    def test_an_audit_that_is_being_stopped(self, viewer: Client) -> None:
        run = unfinished(cancel_requested=True, progress_label="Slack: listing groups")
        assert viewer.get(address(run, "progress")).json()["label"] == "Stopping"

    def test_a_finished_audit(self, viewer: Client) -> None:
        answer = viewer.get(address(slack_run("acme-bitsafe"), "progress")).json()
        assert (answer["state"], answer["finished"], answer["percent"]) == ("complete", True, 100)

    def test_only_for_those_who_may_see_the_run(self, client: Client) -> None:
        run = unfinished()
        assert client.get(address(run, "progress")).status_code == 302
        client.force_login(staff("noah"))
        assert client.get(address(run, "progress")).status_code == 403


@pytest.mark.django_db
class TestTimeToGo:
    """What `slack_run` leaves behind took 42 seconds; the running audit has been at it for 30."""

    def left(self, run: AuditRun, *, after: float = 30.0) -> float | None:
        assert run.started_at is not None
        return seconds_to_go(run, run.started_at + timedelta(seconds=after))

    def test_nobody_can_tell_before_a_run_like_it_has_finished(self) -> None:
        assert self.left(unfinished(progress_percent=60)) is None

    def test_it_takes_as_long_as_the_last_run_like_it_whatever_the_bar_says(self) -> None:
        slack_run("acme-bitsafe")
        run = unfinished(progress_percent=5)
        assert self.left(run) == 12
        run.progress_percent = 95
        assert self.left(run) == 12
        assert self.left(run, after=40) == 2

    def test_once_that_time_has_passed_nobody_can_tell(self) -> None:
        slack_run("acme-bitsafe")
        assert self.left(unfinished(), after=43) is None

    def test_a_run_of_another_sort_tells_nothing(self) -> None:
        slack_run("acme-bitsafe")
        run = unfinished()
        run.deep = True
        assert self.left(run) is None
        run.deep, run.platforms = False, ["slack", "telegram"]
        assert self.left(run) is None

    def test_a_run_that_was_cut_short_tells_nothing(self) -> None:
        slack_run("acme-bitsafe")
        AuditRun.objects.update(state=RunState.PARTIAL)
        assert self.left(unfinished()) is None

    def test_an_audit_that_is_being_stopped_has_no_time_to_go(self) -> None:
        slack_run("acme-bitsafe")
        assert self.left(unfinished(cancel_requested=True)) is None


@pytest.mark.django_db
class TestDownloads:
    @pytest.mark.parametrize("format", ["xlsx", "csv", "json"])
    def test_the_files_of_a_run(self, viewer: Client, format: str) -> None:
        run = slack_run("acme-bitsafe")
        store_reports(run_id=run.pk)
        response = viewer.get(address(run, "report", format))
        name = re.escape(f"customer_group_audit_20260504_115918_run{run.pk}")
        assert re.fullmatch(rf'attachment; filename="{name}\w*\.{format}"', response["Content-Disposition"])
        assert response.getvalue() == Path(RunReport.objects.get(format=format).file.path).read_bytes()
        assert address(run, "report", format) in viewer.get(address(run)).content.decode()

    def test_only_for_those_who_may_see_the_run(self, client: Client) -> None:
        run = slack_run("acme-bitsafe")
        store_reports(run_id=run.pk)
        assert client.get(address(run, "report", "json")).status_code == 302
        client.force_login(staff("noah", "view_finding"))
        assert client.get(address(run, "report", "json")).status_code == 403

    def test_what_was_never_written_is_not_found(self, viewer: Client) -> None:
        run = slack_run("acme-bitsafe")
        assert viewer.get(address(run, "report", "xlsx")).status_code == 404
        assert viewer.get(address(run, "report", "exe")).status_code == 404

    def test_lost_files_can_be_written_again(self, runner: Client) -> None:
        run = slack_run("acme-bitsafe")
        store_reports(run_id=run.pk)
        lost = RunReport.objects.get(format="json")
        default_storage.delete(str(lost.file))
        assert runner.get(address(run, "report", "json")).status_code == 404
        assert "Write the files again" in words(runner, run)
        response = runner.post(address(run, "reports"), follow=True)
        assert "The report files are written." in response.content.decode()
        assert json.loads(runner.get(address(run, "report", "json")).getvalue())["run"]["id"] == run.pk
        assert "Write the files again" not in words(runner, run)

    def test_right_after_the_end_they_are_still_being_written(self, runner: Client) -> None:
        run = slack_run("acme-bitsafe", at=datetime.now(UTC))
        text = words(runner, run)
        assert "The files are being written." in text
        assert "Write the files again" not in text
        store_reports(run_id=run.pk)
        assert "The files are being written." not in words(runner, run)

    def test_what_the_disk_refused_can_be_written_again_at_once(self, runner: Client) -> None:
        run = slack_run("acme-bitsafe", at=datetime.now(UTC))
        run.message = f"{NOT_WRITTEN}: No space left on device."
        run.save()
        text = words(runner, run)
        assert "The files are being written." not in text
        assert "Write the files again" in text

    def test_writing_them_needs_the_right_and_a_finished_run(self, runner: Client) -> None:
        run = unfinished()
        assert runner.get(address(run, "reports")).status_code == 405
        assert "has not finished yet" in runner.post(address(run, "reports"), follow=True).content.decode()
        runner.force_login(staff("noah", "view_auditrun"))
        assert runner.post(address(run, "reports")).status_code == 403
        assert not RunReport.objects.exists()


@pytest.fixture
def show(page: Page, live_server: LiveServer) -> Callable[[str], object]:
    """Opens a path of the admin as a signed-in owner."""
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    return lambda path: page.goto(f"{live_server.url}{path}")


@pytest.mark.django_db(transaction=True)
class TestInTheBrowser:
    def test_the_bar_moves_and_the_outcome_appears_by_itself(
        self, page: Page, show: Callable[[str], object]
    ) -> None:
        run = unfinished(progress_label="Slack: listing groups", progress_percent=10)
        show(address(run))
        bar = page.locator("progress")
        expect(bar).to_have_js_property("value", 10)
        AuditRun.objects.update(progress_label="Slack: reading memberships 7 of 13", progress_percent=60)
        expect(bar).to_have_js_property("value", 60)
        expect(page.get_by_text("reading memberships 7 of 13").first).to_be_visible()
        AuditRun.objects.update(state=RunState.FAILED, message="Slack: it does not answer. Try again later.")
        expect(page.get_by_text("Slack: it does not answer. Try again later.")).to_be_visible()
        expect(bar).to_have_count(0)

    @pytest.mark.usefixtures("worker")
    def test_an_audit_from_the_button_to_the_workbook(
        self, page: Page, show: Callable[[str], object], sandbox: Sandbox, tmp_path: Path
    ) -> None:
        policy_load.load(json.dumps(sandbox.company.policy).encode(), reason="test")
        show(reverse("admin:audits_auditrun_changelist"))
        page.get_by_role("link", name="Run an audit").first.click()
        page.get_by_role("button", name="Run the audit").click()
        expect(page.get_by_role("heading", name="Groups by verdict")).to_be_visible(timeout=60_000)
        with page.expect_download() as download:
            page.get_by_role("link", name="Workbook (XLSX)").click()
        download.value.save_as(tmp_path / "audit.xlsx")
        rows = openpyxl.load_workbook(tmp_path / "audit.xlsx")["Audit Results"].max_row - 1
        assert rows == len(sandbox.company.truth_now().groups)
        page.get_by_role("link", name="Open findings").click()
        expect(page.locator("#result_list tbody tr").first).to_be_visible()
