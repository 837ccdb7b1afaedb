"""The pages of operations: the preview and its confirmation, the run, its result, the record of it all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from groupadmin.sandbox.slack import SlackSandbox
from members.operations import activity, runner, services
from members.operations.activity import Event, verify
from members.operations.admin.pages import load_plan_page
from members.operations.display import STEP_TONES
from members.operations.kinds import Link
from members.operations.membership import ADD
from members.operations.models import ActivityEvent, Operation, OperationReport, Relation, Step, Trigger
from members.operations.plan import Cap, Unit
from members.operations.services import Actor
from members.operations.states import OperationState, StepState
from members.operations.templatetags.operation_ui import steps_url
from members.operations.words import OUTCOME_WORDS, STEP_WORDS
from members.platforms.outcomes import Outcome
from tests.adding_people import REMOVING, Pair, confirmed, kinds_known, plan_of, planned, small_slack
from tests.sandboxes import empty_slack
from tests.slack_writing import ARCHIVED, BOB, NEW, NEWER, PRIVATE, effects

pytestmark = pytest.mark.django_db

LIST = reverse("admin:operations_operation_changelist")
STEPS = reverse("admin:operations_step_changelist")
ACTIVITY = reverse("admin:operations_activityevent_changelist")
ACTIONS = ("confirm", "cancel", "resume", "again", "retry", "undo")
NORA, NILS, LATE = (PRIVATE, NEW), (PRIVATE, NEWER), (ARCHIVED, NEW)
"""Two who can be added, and one whose channel is archived."""


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with kinds_known(monkeypatch):
        yield


server = pytest.fixture(empty_slack, scope="module")


@pytest.fixture
def slack(server: SlackSandbox, settings: Settings) -> Iterator[SlackSandbox]:
    with small_slack(server, settings) as sandbox:
        yield sandbox


def person(name: str, *rights: str) -> Client:
    """Somebody of the staff with these rights on operations, signed in."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="operations", codename__in=rights)
    )
    client = Client()
    client.force_login(user)
    return client


VIEW = ("view_operation", "view_activityevent")
RUN = (*VIEW, "run_operation", "confirm_removals")


@pytest.fixture
def rosa() -> Client:
    """May plan, confirm and cancel."""
    return person("rosa", *RUN)


@pytest.fixture
def vera() -> Client:
    """May look."""
    return person("vera", *VIEW)


def page_of(operation: Operation) -> str:
    return reverse("admin:operations_operation_change", args=[operation.pk])


def read(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def found_link(page: str, words: str) -> dict[str, list[str]]:
    """What the link that is called so keeps of the address."""
    (link,) = re.findall(rf'<a [^>]*href="([^"]*)"[^>]*>{words}</a>', page)
    return parse_qs(urlsplit(unescape(link)).query)


def way_to(client: Client, url: str) -> tuple[list[tuple[str, str]], str]:
    """The pages that a page's breadcrumbs lead back to, and what they call it itself."""
    (crumbs,) = re.findall(r'<div class="breadcrumbs">(.*?)</div>', read(client, url), re.DOTALL)
    links = re.findall(r'<a href="([^"]*)">(.*?)</a>', crumbs)
    return [(name, link) for link, name in links], crumbs.rpartition("&rsaquo;")[2].strip()


def press(client: Client, action: str, operation: Operation, **fields: object) -> Any:
    return client.post(reverse(f"admin:operations_operation_{action}", args=[operation.pk]), fields)


def confirm(client: Client, operation: Operation, **fields: object) -> Any:
    """Press the button of the page as it was shown, or with other `fields`."""
    return press(
        client,
        "confirm",
        operation,
        **({"plan_hash": operation.plan_hash, "count": operation.count} | fields),
    )


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def state(operation: Operation) -> str:
    operation.refresh_from_db()
    return operation.state


def ran(*pairs: Pair) -> Operation:
    """Confirmed by rosa, and run."""
    return runner.run_operation(confirmed(*pairs, by="rosa").pk)


def many(count: int) -> list[Pair]:
    return [(f"C{number:04}", f"U{number % 7}") for number in range(count)]


TOO_LATE = "Shout loudly: this release cannot do that any more."


class TestWhoMayDoWhat:
    @pytest.mark.parametrize("url", [LIST, STEPS, ACTIVITY])
    def test_strangers_are_asked_to_sign_in(self, client: Client, url: str) -> None:
        assert client.get(url).status_code == 302

    def test_staff_without_the_right_are_refused(self) -> None:
        noah, operation = person("noah"), planned(NORA)
        for url in (LIST, STEPS, ACTIVITY, page_of(operation)):
            assert noah.get(url).status_code == 403, url
        assert (
            noah.get(reverse("admin:operations_operation_progress", args=[operation.pk])).status_code == 403
        )

    def test_an_auditor_reads_the_plan_and_finds_no_button(self, vera: Client) -> None:
        page = read(vera, page_of(planned(NORA)))

        assert "Nora Example" in page
        assert "To confirm it, you need the right" in page
        assert "submit-row" not in page

    @pytest.mark.parametrize("action", ACTIONS)
    def test_whoever_may_only_look_cannot_act(self, vera: Client, action: str) -> None:
        operation = planned(NORA)
        assert press(vera, action, operation).status_code == 403
        assert Operation.objects.count() == 1
        assert state(operation) == OperationState.PLANNED

    @pytest.mark.parametrize("action", ACTIONS)
    def test_looking_changes_nothing(self, rosa: Client, action: str) -> None:
        url = reverse(f"admin:operations_operation_{action}", args=[planned(NORA).pk])
        assert rosa.get(url).status_code == 405

    @pytest.mark.parametrize("model", ["operation", "step", "activityevent"])
    def test_nobody_edits_by_hand_not_even_an_owner(self, admin_client: Client, model: str) -> None:
        planned(NORA)
        row = apps.get_model("operations", model)._default_manager.get()
        for page in ("change", "delete"):
            url = reverse(f"admin:operations_{model}_{page}", args=[row.pk])
            assert admin_client.post(url, {}).status_code == 403, page
        assert admin_client.get(reverse(f"admin:operations_{model}_add")).status_code == 403


class TestThePreview:
    def test_every_step_and_everything_left_out_with_its_reason(self, rosa: Client) -> None:
        operation = planned(NORA, NILS, LATE, skipped={(PRIVATE, BOB): "Already there."})
        page = read(rosa, page_of(operation))

        assert "Nothing has been done yet" in page
        for words in ("acme-bitsafe", "old-times", "Nora Example", "Nils Example", "Bob Example"):
            assert words in page
        assert "Already there." in page
        assert ">Add 3</button>" in page
        assert state(operation) == OperationState.PLANNED

    def test_steps_of_one_group_stand_in_one_row(self, rosa: Client) -> None:
        plan = rosa.get(page_of(planned(NORA, NILS, LATE))).context["plan"]

        assert [(group.group_id, len(group.steps)) for group in plan.by_group] == [
            (PRIVATE, 2),
            (ARCHIVED, 1),
        ]
        assert (plan.groups, plan.people) == (2, 2)

    def test_people_are_counted_once_whatever_their_accounts(self) -> None:
        """An employee is the same on both platforms; a stranger's id means nobody on the other one."""
        operation = planned(NORA)
        operation.steps.all().delete()
        people = [
            ("slack", "ada", "U0ADA"),
            ("telegram", "ada", "701"),
            ("slack", "7", "7"),
            ("telegram", "7", "7"),
        ]
        for position, (platform, subject, user_id) in enumerate(people, 1):
            operation.steps.create(
                position=position, platform=platform, group_id="1", verb=ADD, subject=subject, user_id=user_id
            )

        assert load_plan_page(operation, {}).people == 3

    def test_a_long_plan_has_pages_that_keep_one_another(self, rosa: Client) -> None:
        left_out = dict.fromkeys(many(450), "The group is out of scope.")
        operation = planned(*many(450), skipped=left_out)
        plan = rosa.get(page_of(operation), {"page": "3", "skipped": "2"}).context["plan"]

        assert sum(len(group.steps) for group in plan.by_group) == 50
        assert plan.listing.earlier_url == "?skipped=2&page=2#page"
        assert plan.listing.later_url == ""
        assert plan.skipped.later_url == "?page=3&skipped=3#skipped"
        assert plan.reasons == (("The group is out of scope.", 450),)

    def test_ten_thousand_steps_take_no_more_queries_than_two(self, rosa: Client) -> None:
        counts = []
        for size in (1, 2, 10_000):  # the first fills Django's own caches
            operation = planned(*many(size))
            with CaptureQueriesContext(connection) as queries:
                read(rosa, page_of(operation))
            counts.append(len(queries))
        assert counts[1] == counts[2]

    def test_a_name_is_text_and_never_markup(self, rosa: Client) -> None:
        page = read(rosa, page_of(planned(("<b>C</b>", "<i>U</i>"), skipped={("C1", "U1"): "<u>no</u>"})))

        assert "&lt;b&gt;C&lt;/b&gt;" in page
        for markup in ("<b>C", "<i>U", "<u>no"):
            assert markup not in page

    def test_a_plan_of_nothing_cannot_be_confirmed(self, rosa: Client) -> None:
        page = read(rosa, page_of(planned(skipped={NORA: "Already there."})))

        assert "There is nothing to do" in page
        assert "Add 0" not in page
        assert "Can be confirmed until" not in page

    def test_the_focus_is_on_what_is_to_be_read_not_on_the_button(self, rosa: Client) -> None:
        page = read(rosa, page_of(planned(NORA, kind=REMOVING, verb="remove")))

        assert page.count("autofocus") == 1
        assert '<h2 id="plan-heading" tabindex="-1" autofocus>' in page

    def test_the_button_says_what_it_does_and_a_removal_looks_dangerous(self, rosa: Client) -> None:
        adding, removing = planned(NORA), planned(NORA, NILS, kind=REMOVING, verb="remove")

        assert '<button type="submit" class="button">Add 1</button>' in read(rosa, page_of(adding))
        assert '<button type="submit" class="button danger">Remove 2</button>' in read(
            rosa, page_of(removing)
        )

    def test_large_numbers_are_written_alike_everywhere(self, rosa: Client) -> None:
        page = read(rosa, page_of(planned(*many(1797))))

        assert ">Add 1,797</button>" in page
        assert '<span class="count">1,797</span>' in page
        assert "1 – 200 of 1,797" in page
        assert 'name="count" value="1797"' in page

    def test_a_plan_can_be_dropped(self, rosa: Client) -> None:
        operation = planned(NORA)
        press(rosa, "cancel", operation)

        assert state(operation) == OperationState.CANCELLED
        page = read(rosa, page_of(operation))
        assert "Dropped: nothing was done" in page
        assert ">Add 1</button>" not in page
        assert said(press(rosa, "cancel", operation)) == [f"Operation {operation.pk} is cancelled already."]


class TestConfirming:
    def test_the_plan_that_was_shown_is_allowed(self, rosa: Client) -> None:
        operation = planned(NORA)
        response = confirm(rosa, operation)

        assert response["Location"] == page_of(operation)
        assert state(operation) == OperationState.CONFIRMED
        assert operation.confirmed_by == "rosa"

    @pytest.mark.parametrize("fields", [{"plan_hash": "0" * 16}, {"count": 2}, {"count": "many"}])
    def test_another_hash_or_count_is_refused(self, rosa: Client, fields: dict[str, object]) -> None:
        operation = planned(NORA)
        response = confirm(rosa, operation, **fields)

        assert said(response) == ["The plan is not the one that was shown. Look at the new one."]
        assert state(operation) == OperationState.PLANNED

    def test_an_old_plan_is_refused_and_a_new_one_offered(self, rosa: Client) -> None:
        operation = planned(NORA)
        shown = read(rosa, page_of(operation))
        Operation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        response = confirm(rosa, operation)

        assert ">Add 1</button>" in shown
        assert said(response) == ["The plan is too old to be confirmed. Look at a new one."]
        page = read(rosa, page_of(operation))
        assert ">Add 1</button>" not in page
        assert "Look at a new plan" in page

    def test_a_new_plan_takes_the_place_of_the_old_one(self, rosa: Client) -> None:
        operation = planned(NORA)
        response = press(rosa, "again", operation)
        new = Operation.objects.get(parent=operation)

        assert response["Location"] == page_of(new)
        assert (new.relation, new.planned_by, new.plan_hash) == (Relation.REPLAN, "rosa", operation.plan_hash)
        assert state(operation) == OperationState.EXPIRED
        assert f'href="{page_of(new)}"' in read(rosa, page_of(operation))

    def test_pressing_twice_is_one_run_and_no_error(self, rosa: Client) -> None:
        operation = planned(NORA)
        confirm(rosa, operation)
        again = confirm(rosa, operation)

        assert said(again) == []
        assert again["Location"] == page_of(operation)
        assert ActivityEvent.objects.filter(action="operation.confirmed").count() == 1

    def test_the_second_of_two_confirmers_learns_who_was_first(self, rosa: Client) -> None:
        operation = planned(NORA)
        confirm(rosa, operation)

        assert said(confirm(person("paul", *RUN), operation)) == ["rosa has confirmed it already."]
        assert state(operation) == OperationState.CONFIRMED
        assert operation.confirmed_by == "rosa"


class TestAboveTheCap:
    @pytest.fixture(autouse=True)
    def _cap(self, _kinds: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with kinds_known(monkeypatch, cap=lambda: Cap(Unit.PEOPLE, count=1)):
            yield

    def test_without_the_right_there_is_a_sentence_and_no_field(self, rosa: Client) -> None:
        operation = planned(NORA, NILS)
        page = read(rosa, page_of(operation))

        assert "2 people are more than the 1 allowed at once." in page
        assert "Somebody with the right to override this has to confirm it." in page
        assert "typed_count" not in page
        assert ">Add 2</button>" not in page
        refusal = (
            "2 people are more than the 1 allowed at once. Somebody who may override that has to confirm it."
        )
        assert said(confirm(rosa, operation, typed_count=2)) == [refusal]
        assert state(operation) == OperationState.PLANNED

    def test_with_the_right_the_count_has_to_be_typed(self) -> None:
        olga, operation = person("olga", *RUN, "override_cap"), planned(NORA, NILS)

        assert 'name="typed_count"' in read(olga, page_of(operation))
        for typed in ("", "3", "two"):
            assert "type the count: 2" in said(confirm(olga, operation, typed_count=typed))[0]
        assert state(operation) == OperationState.PLANNED
        confirm(olga, operation, typed_count=" 2 ")
        assert state(operation) == OperationState.CONFIRMED


class TestASecondPerson:
    @pytest.fixture(autouse=True)
    def _required(self, settings: Settings) -> None:
        settings.REQUIRE_SECOND_PERSON = True

    def test_whoever_planned_a_removal_cannot_confirm_it(self, rosa: Client) -> None:
        operation = planned(NORA, kind=REMOVING, verb="remove", by="rosa")
        page = read(rosa, page_of(operation))

        assert "You planned this, so somebody else has to confirm it" in page
        assert ">Remove 1</button>" not in page
        assert said(confirm(rosa, operation)) == [
            "Remove people: somebody else than rosa has to confirm this plan."
        ]

    def test_somebody_else_can(self, rosa: Client) -> None:
        operation = planned(NORA, kind=REMOVING, verb="remove", by="ada")

        assert "ada planned it; a second person has to confirm it" in read(rosa, page_of(operation))
        confirm(rosa, operation)
        assert state(operation) == OperationState.CONFIRMED

    def test_additions_need_only_one(self, rosa: Client) -> None:
        assert ">Add 1</button>" in read(rosa, page_of(planned(NORA, by="rosa")))


def under_way(state: OperationState = OperationState.RUNNING, **fields: object) -> Operation:
    """Three steps: one added half a minute ago, one failed, one to come."""
    operation = confirmed(NORA, LATE, NILS)
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=30), "finished_at": now - timedelta(seconds=10)}
    first, second, _ = operation.steps.order_by("position")
    Step.objects.filter(pk=first.pk).update(state=StepState.APPLIED, outcome=Outcome.DONE, **times)
    Step.objects.filter(pk=second.pk).update(
        state=StepState.FAILED, outcome=Outcome.ARCHIVED, message="The channel is archived", **times
    )
    Operation.objects.filter(pk=operation.pk).update(state=state, started_at=now, **fields)
    operation.refresh_from_db()
    return operation


class TestWhileItRuns:
    def progress(self, client: Client, operation: Operation) -> dict[str, object]:
        response = client.get(reverse("admin:operations_operation_progress", args=[operation.pk]))
        body: dict[str, object] = response.json()
        return body

    def test_the_bar_counts_what_has_been_tried(self, vera: Client) -> None:
        operation = under_way()
        job = self.progress(vera, operation)

        assert (job["state"], job["done"], job["total"], job["finished"]) == ("running", 2, 3, False)
        assert 10 < float(str(job["eta_seconds"])) < 20, "two steps in 30 s, one to go"
        for words in ("Added, to be checked", "Group is archived", "Nora Example", "The channel is archived"):
            assert words in str(job["html"])

    def test_the_page_says_the_same_without_a_script(self, vera: Client) -> None:
        page = read(vera, page_of(under_way()))

        assert "2 of 3" in page
        assert "Group is archived" in page
        assert 'data-live="live"' in page

    def test_a_wait_is_told_with_the_time_until_it_goes_on(self, vera: Client) -> None:
        resume_at = timezone.now() + timedelta(seconds=300)
        waits = "Slack asked to wait 300 s (conversations.invite)."
        operation = under_way(OperationState.WAITING, resume_at=resume_at, message=waits)
        job = self.progress(vera, operation)

        assert (job["label"], job["eta_words"]) == (waits, "until it goes on")
        assert 290 < float(str(job["eta_seconds"])) <= 300
        page = read(vera, page_of(operation))
        assert waits in page
        assert "until it goes on" in page

    def test_what_waits_can_be_told_to_go_on(self, rosa: Client) -> None:
        operation = under_way(OperationState.WAITING, resume_at=timezone.now() + timedelta(hours=1))
        press(rosa, "resume", operation)

        operation.refresh_from_db()
        assert operation.resume_at is not None
        assert operation.resume_at <= timezone.now()
        running = under_way()
        assert said(press(rosa, "resume", running)) == [f"{running} does not wait."]

    def test_it_can_be_stopped_and_says_so_until_it_has(self, rosa: Client) -> None:
        operation = under_way()
        response = press(rosa, "cancel", operation)

        assert said(response) == ["It stops after the call that is under way. What was done stays done."]
        assert "Stopping after the call" in read(rosa, page_of(operation))
        assert "Stop it for good" not in read(rosa, page_of(operation))

    def test_after_its_end_it_waits_for_the_reports(self, vera: Client) -> None:
        operation = under_way(OperationState.DONE, owner="this-machine:1:abc")
        assert (job := self.progress(vera, operation))["finished"] is False
        assert job["label"] == "Writing the reports"
        assert "Writing the reports" in read(vera, page_of(operation))

        Operation.objects.update(owner="")
        assert self.progress(vera, operation)["finished"] is True
        assert "Writing the reports" not in read(vera, page_of(operation))

    def test_what_waits_for_a_worker_has_no_numbers_yet(self, vera: Client) -> None:
        job = self.progress(vera, confirmed(NORA))

        assert (job["state"], job["label"], job["total"]) == ("confirmed", "Waiting for its turn", None)


class TestTheResult:
    def test_failures_come_first_with_what_to_do(self, rosa: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA, LATE)
        response = rosa.get(page_of(operation))
        page, result = response.content.decode(), response.context["result"]

        assert state(operation) == OperationState.PARTIAL
        assert "1 of 2 done" in page
        assert [failure.label for failure in result.failures] == ["Group is archived"]
        assert "unarchive it in Slack first" in page
        assert [step.state for step in result.listing.page] == [StepState.FAILED, StepState.DONE]
        assert "conversations.invite" in page

    def test_what_failed_can_be_tried_again_and_nothing_else(self, rosa: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA, LATE)
        response = press(rosa, "retry", operation)
        new = Operation.objects.get(relation=Relation.RETRY)

        assert response["Location"] == page_of(new)
        assert list(new.steps.values_list("group_id", "user_id")) == [LATE]
        assert new.state == OperationState.PLANNED
        assert "Retry of" in read(rosa, page_of(new))

    def test_what_was_done_can_be_undone_once(self, rosa: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA, LATE)
        press(rosa, "undo", operation)
        undo = Operation.objects.get(relation=Relation.UNDO)

        assert list(undo.steps.values_list("verb", "group_id", "user_id")) == [("remove", *NORA)]
        name = f"Undo of #{operation.pk}: Remove people"
        assert f"Operation {undo.pk}: {name}" in read(rosa, page_of(undo))
        assert f"{undo.pk} · {name}" in read(rosa, reverse("admin:operations_operation_changelist"))
        confirm(rosa, undo)
        runner.run_operation(undo.pk)
        assert [method for method, _, _ in effects(slack)] == ["conversations.invite", "conversations.kick"]
        assert "Undo…" not in read(rosa, page_of(operation))

    def test_an_undo_that_was_planned_anew_counts_as_one(self, rosa: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA)
        press(rosa, "undo", operation)
        press(rosa, "again", Operation.objects.get(relation=Relation.UNDO))
        new = Operation.objects.get(relation=Relation.REPLAN)
        assert "Undo…" in read(rosa, page_of(operation)), "nothing was undone yet"

        confirm(rosa, new)
        runner.run_operation(new.pk)
        assert "Undo…" not in read(rosa, page_of(operation))

    def test_a_plain_success_offers_no_second_try(self, rosa: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA)

        assert "Try the failed ones again" not in read(rosa, page_of(operation))
        assert said(press(rosa, "retry", operation)) == [
            f"Operation {operation.pk} has nothing to try again."
        ]

    def test_before_and_after_of_the_touched_groups(self, vera: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA)
        before = {"slack:C1": _group("acme", "7/8"), "slack:C2": _group("globex", "8/8")}
        Operation.objects.update(before=before)
        page = read(vera, page_of(operation))
        assert "1 of 2 before" in page
        assert "No audit has told how it is afterwards." in page

        Operation.objects.update(after=before | {"slack:C1": _group("acme", "8/8")})
        page = read(vera, page_of(operation))
        assert "1 → 2 of 2" in page
        assert page.index("acme</th>") < page.index("globex</th>"), "what changed stands first"

    def test_reports_can_be_taken_away(self, vera: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA)
        report = OperationReport(operation=operation, format="md")
        report.file.save("member_additions_nora.md", ContentFile(b"# Added"))
        url = reverse("admin:operations_operation_report", args=[operation.pk, "md"])

        assert f'href="{url}"' in read(vera, page_of(operation))
        response = vera.get(url)
        assert b"".join(response) == b"# Added"
        assert "member_additions_nora" in response["Content-Disposition"]
        report.file.delete(save=False)
        assert f'href="{url}"' not in read(vera, page_of(operation))
        assert vera.get(url).status_code == 404

    def test_the_floors_above_may_add_a_page(
        self, vera: Client, slack: SlackSandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with kinds_known(
            monkeypatch, see_also=lambda pk: [Link("Checked by", f"Audit after {pk}", "/there/")]
        ):
            operation = ran(NORA)
            assert f'<a href="/there/">Audit after {operation.pk}</a>' in read(vera, page_of(operation))

    def test_a_kind_that_is_gone_can_still_be_read(self, rosa: Client, slack: SlackSandbox) -> None:
        operation = ran(NORA, LATE)
        Operation.objects.update(kind="shout_loudly")

        page = read(rosa, page_of(operation))
        assert "Shout loudly" in page
        assert "Look at a new plan" not in page
        assert "Undo…" not in page
        assert said(press(rosa, "again", operation)) == [TOO_LATE]

    def test_nor_can_its_plan_be_confirmed(self, rosa: Client) -> None:
        plan = planned(NORA)
        Operation.objects.update(kind="shout_loudly")

        assert said(confirm(rosa, plan)) == [TOO_LATE]

    def test_its_queries_do_not_grow_with_it(self, vera: Client) -> None:
        counts = []
        for size in (1, 3, 3000):  # the first fills Django's own caches
            operation = confirmed(*many(size))
            operation.steps.update(state=StepState.FAILED, outcome=Outcome.ARCHIVED)
            Operation.objects.filter(pk=operation.pk).update(state=OperationState.FAILED)
            with CaptureQueriesContext(connection) as queries:
                read(vera, page_of(operation))
            counts.append(len(queries))
        assert counts[1] == counts[2]


def _group(name: str, completeness: str) -> dict[str, str]:
    return {"name": name, "completeness": completeness, "verdict": ""}


class TestTheList:
    def found(self, client: Client, **query: str) -> set[int]:
        response = client.get(LIST, query)
        assert response.status_code == 200
        return {operation.pk for operation in response.context["cl"].result_list}

    def test_a_plan_past_its_time_is_listed_as_expired(self, vera: Client) -> None:
        fresh, old = planned(NORA), planned(NILS)
        Operation.objects.filter(pk=old.pk).update(expires_at=timezone.now())

        assert self.found(vera, state="planned") == {fresh.pk}
        assert self.found(vera, state="expired") == {old.pk}
        assert self.found(vera) == {fresh.pk, old.pk}

    def test_it_is_found_by_platform_kind_person_and_group(self, vera: Client) -> None:
        adding, removing = planned(NORA), planned(LATE, kind=REMOVING, verb="remove", by="bea")

        assert self.found(vera, platform="slack") == {adding.pk, removing.pk}
        assert self.found(vera, platform="telegram") == set()
        assert self.found(vera, kind=REMOVING) == {removing.pk}
        assert self.found(vera, q="old-times") == {removing.pk}
        assert self.found(vera, q="nora") == {adding.pk, removing.pk}
        assert self.found(vera, q="bea") == {removing.pk}

    def test_every_row_tells_how_much_was_done(self, vera: Client) -> None:
        under_way()
        row = vera.get(LIST).context["cl"].result_list[0]

        assert (row.count, row.numbers[StepState.APPLIED], row.numbers[StepState.FAILED]) == (3, 1, 1)

    @pytest.mark.parametrize("url", [LIST, STEPS, ACTIVITY])
    def test_a_constant_number_of_queries(self, vera: Client, url: str) -> None:
        counts = []
        for size in (1, 20):
            for _ in range(size):
                planned(*many(3))
            with CaptureQueriesContext(connection) as queries:
                read(vera, url + "?_facets=True")
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestSteps:
    def test_those_of_one_operation_with_a_way_back(self, vera: Client) -> None:
        operation, _ = under_way(), planned(NORA)
        response = vera.get(STEPS, {"operation__id__exact": operation.pk})

        assert response.context["cl"].result_count == 3
        assert f'href="{page_of(operation)}"' in response.content.decode()
        assert [step.state for step in response.context["cl"].result_list][0] == StepState.FAILED

    def test_they_stay_those_of_one_operation_whatever_is_cleared(self, vera: Client) -> None:
        operation, _ = under_way(), planned(NORA)
        those, of_it = steps_url(operation), {"operation__id__exact": [str(operation.pk)]}
        nobody = read(vera, f"{those}&state__exact=failed&q=nobody&p=2")

        assert found_link(nobody, "Clear") == of_it | {"state__exact": ["failed"]}
        assert found_link(nobody, "Show all") == of_it

        Step.objects.filter(operation=operation).delete()
        assert found_link(read(vera, those), "Show all") == {}, "not to where one is already"

    def test_they_stand_below_operations(self, vera: Client) -> None:
        step = under_way().steps.get(state=StepState.FAILED)
        operation, those = step.operation, steps_url(step.operation)
        row = reverse("admin:operations_step_change", args=[step.pk])
        way = [("Overview", reverse("admin:index")), ("Operations", LIST)]

        assert way_to(vera, STEPS) == (way, "Steps")
        assert way_to(vera, page_of(operation)) == (way, str(operation))
        way.append((str(operation), page_of(operation)))
        assert way_to(vera, those) == (way, "Steps")
        assert way_to(vera, row) == ([*way, ("Steps", those)], "Add Nora Example · old-times")
        for page in (STEPS, row):
            assert f'<a href="{LIST}" aria-current="page"' in read(vera, page), "in the menu"

    def found(self, client: Client, term: str) -> list[Pair]:
        response = client.get(STEPS, {"q": term})
        assert response.status_code == 200, term
        return [(step.group_id, step.user_id) for step in response.context["cl"].result_list]

    def test_they_are_found_by_group_and_person_in_names_keys_and_ids(self, vera: Client) -> None:
        assert self.found(vera, "nora") == []
        planned(NORA, LATE, NILS)

        assert self.found(vera, "OLD-times") == self.found(vera, ARCHIVED) == [LATE]
        assert self.found(vera, "nora") == self.found(vera, NEW.lower()) == [NORA, LATE]
        assert self.found(vera, "nora old-times") == self.found(vera, '"old-times" nora') == [LATE]
        assert self.found(vera, "nils old-times") == self.found(vera, "nobody") == []

    @pytest.mark.parametrize("term", ["%", "n_ra", "\\", "nora'", "old-times nora ada"])
    def test_signs_of_the_database_are_letters_like_others(self, vera: Client, term: str) -> None:
        planned(NORA, LATE)
        assert self.found(vera, term) == []

    def test_one_step_tells_all_that_is_known_of_it(self, vera: Client) -> None:
        step = under_way().steps.get(state=StepState.FAILED)
        page = read(vera, reverse("admin:operations_step_change", args=[step.pk]))

        for words in ("Group is archived", "The channel is archived", "old-times", ARCHIVED, NEW):
            assert words in page
        assert f'<span title="{step.subject}">{step.subject_name}</span>' in page

    def test_they_are_a_part_of_operations_and_no_page_of_the_navigation(self, vera: Client) -> None:
        assert f'href="{STEPS}"' not in read(vera, LIST)

    def test_every_state_and_outcome_has_its_words(self) -> None:
        assert set(OUTCOME_WORDS) == set(Outcome)
        assert set(STEP_WORDS) == set(STEP_TONES) == set(StepState)


class TestTheRecord:
    def test_who_did_what_with_a_link_to_the_operation(self, vera: Client) -> None:
        operation = confirmed(NORA, by="rosa")
        page = read(vera, ACTIVITY)

        assert "Operation: planned" in page
        assert "Operation: confirmed" in page
        assert f'href="{page_of(operation)}"' in page

    def test_people_are_called_by_their_names(self, vera: Client) -> None:
        step = confirmed(NORA, by="rosa").steps.get()
        event = Event("rosa", "step.add", step.operation_id, subject=step.subject)
        activity.record(events=[event], at=timezone.now())

        assert f'<span title="{step.subject}">{step.subject_name}</span>' in read(vera, ACTIVITY)

    def test_it_says_whether_and_how_it_was_verified(self, vera: Client) -> None:
        confirmed(NORA)
        page = read(vera, ACTIVITY)
        assert "Nobody has verified this record yet." in page
        assert "manage.py verify_activity" in page

        response = vera.post(reverse("admin:operations_activityevent_verify"))
        assert said(response) == ["The record is whole: 2 events."]
        page = read(vera, ACTIVITY)
        assert "Verified by vera: 2 events" in page
        assert verify().problem == "", "the check is itself in the record"

    def test_a_record_that_was_tampered_with_is_not_called_whole(self, vera: Client) -> None:
        confirmed(NORA)
        event = ActivityEvent.objects.earliest("pk")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE operations_activityevent SET actor = 'eve' WHERE id = %s", [event.pk])

        response = vera.post(reverse("admin:operations_activityevent_verify"))
        assert said(response) == [f"The record is not whole. Event {event.pk}: it was changed."]
        assert "not whole" in read(vera, ACTIVITY)

    def test_looking_verifies_nothing(self, vera: Client) -> None:
        planned(NORA)
        assert vera.get(reverse("admin:operations_activityevent_verify")).status_code == 405
        assert ActivityEvent.objects.count() == 1

    def test_it_can_be_searched_by_person_group_and_operation(
        self, vera: Client, slack: SlackSandbox
    ) -> None:
        operation = ran(NORA)
        planned(NILS)

        def found(query: str) -> set[str]:
            return {event.action for event in vera.get(ACTIVITY, {"q": query}).context["cl"].result_list}

        assert found("acme-bitsafe") == {"step.add"}
        assert found("rosa") >= {"step.add", "operation.confirmed", "operation.finished"}
        assert found(str(operation.pk)) >= {"operation.confirmed"}


def test_an_operation_that_no_person_asked_for_says_so(vera: Client) -> None:
    schedule = Actor("Add missing members", Trigger.SCHEDULE)
    operation = services.plan_operation(plan=plan_of(NORA), actor=schedule)

    assert "Add missing members (schedule)" in read(vera, page_of(operation))
