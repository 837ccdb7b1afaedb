"""Exclusions as accepted risk: asked for, looked at, granted by another person, and over by themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audits.exclusions.effects import effect_of
from audits.exclusions.models import ExclusionRequest
from audits.models import Finding, FindingChange
from audits.tasks import let_exclusions_end
from members.dates import day_in_words
from members.models import Employee, Exclusion
from members.notices.models import Notice
from members.operations.models import ActivityEvent
from members.services import load_policy
from tests.audit_rows import ADA, BOB, slack_run, stored
from tests.visitors import staff
from tests.worlds import channel, in_groups, judge, policy, seen

pytestmark = pytest.mark.django_db

ADD = reverse("admin:audits_exclusionrequest_add")
LIST = reverse("admin:members_exclusion_changelist")


def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture
def asker() -> Client:
    """May ask, and nothing else."""
    return staff("asker", "add_exclusionrequest", "view_finding")


@pytest.fixture
def operator() -> Client:
    """May grant."""
    return staff("operator", "add_exclusion", "view_exclusion", "change_exclusion", "view_finding")


def ask(client: Client, **values: Any) -> ExclusionRequest:
    """Ask for Bob to be missing from acme-bitsafe, until in a month."""
    wish = {
        "platform": "slack",
        "group_external_id": "acme-bitsafe",
        "employee": Employee.objects.get(key="bob").pk,
        "reason": "The customer asked.",
        "expires": today() + timedelta(days=30),
    }
    answer = client.post(ADD, wish | values)
    assert answer.status_code == 302, answer.context["errors"]
    return ExclusionRequest.objects.latest("pk")


def decide(client: Client, asked: ExclusionRequest, decision: str = "grant") -> Any:
    url = reverse("admin:audits_exclusionrequest_decide", args=[asked.pk])
    return client.post(url, {"decision": decision, "note": "Fine."}, follow=True)


def told(kind: str) -> list[str]:
    return list(Notice.objects.filter(kind=kind).order_by("pk").values_list("text", flat=True))


# --- Asking and granting ---


def test_the_page_of_a_request_shows_what_it_would_hide_before_anything_is_hidden(operator: Client) -> None:
    slack_run("acme-bitsafe", "globex-bitsafe")
    asked = ask(operator)

    page = operator.get(reverse("admin:audits_exclusionrequest_change", args=[asked.pk])).content.decode()
    for words in (
        "acme-bitsafe",
        "Bob Example",
        "1/2 → 1/1",
        "Missing required",
        "Whatever is found about Bob",
    ):
        assert words in page, words
    assert not Exclusion.objects.exists()

    page = decide(operator, asked).content.decode()
    assert "Granted." in page
    assert "Bob Example in acme-bitsafe</a>" in page, "the exclusion, by the group's name"
    granted = Exclusion.objects.get()
    assert (granted.granted_by, granted.reason) == ("operator", "The customer asked.")
    assert granted.history.latest().history_change_reason == f"Request {asked.pk}, by operator"
    assert set(ActivityEvent.objects.values_list("action", flat=True)) == {
        "exclusion.requested",
        "exclusion.granted",
    }
    assert told("exclusion_requested") == [], "nobody else had to be asked"


def test_a_kind_without_a_person_hides_it_for_everybody_and_says_so() -> None:
    slack_run("acme-bitsafe")
    wish = ExclusionRequest(platform="slack", group_external_id="C0", kind="missing_required")

    effect = effect_of(wish)
    assert (effect.count, effect.people, effect.before, effect.after) == (1, ("Bob Example",), "1/2", "1/1")
    assert "whoever they come to be about" in effect.later

    elsewhere = effect_of(ExclusionRequest(platform="slack", group_external_id="C9", kind="missing_required"))
    assert (elsewhere.group, elsewhere.count, elsewhere.people) == (None, 0, ())


def test_where_two_are_needed_nobody_grants_their_own(
    settings: Settings, operator: Client, asker: Client
) -> None:
    settings.REQUIRE_SECOND_PERSON = True
    slack_run("acme-bitsafe")
    mine = ask(operator)
    (notice,) = told("exclusion_requested")
    assert notice.startswith("operator asks for an exclusion in acme-bitsafe.")
    assert "The customer asked." not in notice

    assert "Somebody else than who asked for it" in decide(operator, mine).content.decode()
    User.objects.filter(username="operator").update(username="renamed")
    assert "Somebody else than who asked for it" in decide(operator, mine).content.decode()
    assert decide(asker, mine).status_code == 403
    assert not Exclusion.objects.exists()

    decide(staff("second", "add_exclusion"), mine)
    exclusion = Exclusion.objects.get()
    assert exclusion.granted_by == "second"
    # What was granted is not changed either: it is asked for anew.
    page = reverse("admin:members_exclusion_change", args=[exclusion.pk])
    assert operator.post(page, {"reason": "Longer."}).status_code == 403
    assert ADD in operator.get(page).content.decode()
    assert operator.get(reverse("admin:members_exclusion_import")).status_code == 403

    again = ask(operator, reason="Still.", expires="")
    decide(staff("third", "add_exclusion"), again)
    exclusion.refresh_from_db()
    assert (exclusion.reason, exclusion.expires, exclusion.granted_by) == ("Still.", None, "third")


def test_who_may_only_ask_asks_also_from_a_finding_and_may_take_it_back(
    asker: Client, operator: Client
) -> None:
    slack_run("acme-bitsafe")
    finding = Finding.objects.get()
    accept = reverse("admin:audits_finding_accept", args=[finding.pk])
    assert "Somebody else has to grant it." in asker.get(accept).content.decode()
    asker.post(accept, {"reason": "They asked."})
    asked = ExclusionRequest.objects.get()
    assert (asked.group_external_id, asked.employee, asked.kind) == (
        "C0",
        finding.employee,
        "missing_required",
    )
    assert "asked for already" in asker.post(accept, {"reason": "Again."}, follow=True).content.decode()
    assert "asked for already" in operator.post(accept, {"reason": "Again."}, follow=True).content.decode()

    decide(asker, asked, "refuse")
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by, asked.note) == ("withdrawn", "asker", "Fine.")
    assert "withdrawn already" in decide(operator, asked).content.decode()
    assert not Exclusion.objects.exists()


def test_only_who_has_something_to_do_with_requests_sees_them() -> None:
    nobody = staff("nobody", "view_finding")

    assert nobody.get(reverse("admin:audits_exclusionrequest_changelist")).status_code == 403
    assert nobody.get(ADD).status_code == 403
    assert nobody.get(reverse("admin:members_exclusion_add")).status_code == 403


def test_what_is_asked_for_excuses_nobody(asker: Client) -> None:
    slack_run("acme-bitsafe")
    ask(asker)

    assert load_policy().exclusions == ()


# --- Ending ---


def excluded(expires: Any) -> Exclusion:
    """Bob's absence from acme-bitsafe, accepted as an audit saw it."""
    slack_run("acme-bitsafe")
    exclusion = Exclusion.objects.create(
        platform="slack",
        group_external_id="C0",
        employee=Employee.objects.get(key="bob"),
        reason="On leave.",
        expires=expires,
    )
    sight = seen([channel("C0", "acme-bitsafe")], in_groups("ada", "C0"), in_groups("bob"))
    stored(judge(replace(policy(ADA, BOB), exclusions=load_policy().exclusions), sight))
    return exclusion


def test_findings_are_open_again_the_day_after_and_the_warning_came_before(settings: Settings) -> None:
    settings.EXCLUSION_WARNING_DAYS = 7
    exclusion = excluded(today() + timedelta(days=7))
    finding = Finding.objects.get()
    assert finding.state == "excluded"

    let_exclusions_end()
    let_exclusions_end()
    (warning,) = told("exclusion_ending")
    assert exclusion.expires is not None
    last_day = day_in_words(exclusion.expires)
    assert warning.startswith(f"The exclusion of Bob Example in acme-bitsafe ends on {last_day}.")
    assert "open again" in warning

    Exclusion.objects.update(expires=today() - timedelta(days=1))
    let_exclusions_end()
    let_exclusions_end()
    finding.refresh_from_db()
    assert (finding.state, finding.times_reopened) == ("open", 1)
    change = FindingChange.objects.latest("pk")
    assert (change.run, change.change, change.reason) == (None, "reopened", "exclusion ended")
    assert told("exclusion_ending")[1].startswith(
        "One finding is open again, because an exclusion ended: acme"
    )
    assert len(told("exclusion_ending")) == 2


def test_somebody_who_was_entered_again_is_known_by_the_key(operator: Client) -> None:
    excluded(today())
    Finding.objects.update(employee=None)
    let_exclusions_end()
    finding = Finding.objects.get()
    assert (finding.state, told("exclusion_ending")[1:]) == ("excluded", []), "the audit goes by the key, too"
    assert effect_of(Exclusion.objects.get()).count == 1

    Exclusion.objects.all().delete()
    let_exclusions_end()
    accept = reverse("admin:audits_finding_accept", args=[finding.pk])
    operator.post(accept, {"reason": "On leave."})
    assert not Exclusion.objects.exists(), "without a person it would be for everybody"
    slack_run("acme-bitsafe")
    finding.refresh_from_db()
    assert finding.employee == Employee.objects.get(key="bob")


def test_those_that_hide_nothing_any_more_are_listed_and_not_renewed(operator: Client) -> None:
    needed = excluded(today() + timedelta(days=3))
    idle = Exclusion.objects.create(
        platform="slack", group_external_id="C0", kind="public_channel", expires=today(), reason="Was open."
    )

    def listed(answer: str) -> list[Exclusion]:
        return list(operator.get(LIST, {"hides": answer}).context["cl"].result_list)

    assert (listed("yes"), listed("no")) == ([needed], [idle])
    let_exclusions_end()
    assert sorted("hides nothing any more" in text for text in told("exclusion_ending")) == [False, True]
