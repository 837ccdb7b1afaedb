"""An audit says of every group of a whole company what is true of it, and at what cost it learns that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from groupadmin.sandbox.company import Company, GroupTruth, Truth, build_company, tricky_company
from groupadmin.sandbox.company.tricky import IDENTITY_CHANGED
from groupadmin.sandbox.runner import Sandbox
from members.models import Employee, Group
from tests.audit_world import FindingId, Office, Outcome, findings, sorted_lists

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Audited:
    """Two audits of one company, one after the other, and what was true all the time."""

    company: Company
    truth: Truth
    first: Outcome
    second: Outcome
    open: set[FindingId]
    """Findings after the first audit."""
    excluded: set[FindingId]
    still_open: set[FindingId]
    """Findings after the second."""
    blind: set[str]
    """The names of everybody and everything that could not be seen."""
    stored_ids: set[tuple[str, str]]
    """(platform, id) of every group in the database."""
    identities: dict[str, tuple[str | None, int | None]]
    """Employee key → the Slack and the Telegram id that the audit has learnt."""
    answered: dict[str, dict[str, int]]
    """Calls that the sandbox servers counted in the first audit."""


def audit_twice(company: Company) -> Audited:
    """In a transaction that is taken back: what remains is plain data, for many tests to look at."""
    with transaction.atomic(), Sandbox(company) as sandbox, override_settings(**sandbox.environment()):
        office = Office(sandbox)
        first = office.audit()
        answered = {"slack": sandbox.slack.calls.counts(), "telegram": sandbox.telegram.calls.counts()}
        opened, excluded = findings(), findings("excluded")
        blind = {subject for subject, _ in first.blind_spots()}
        second = office.audit()
        audited = Audited(
            company=company,
            truth=company.truth_now(),
            first=first,
            second=second,
            open=opened,
            excluded=excluded,
            still_open=findings(),
            blind=blind,
            stored_ids=set(Group.objects.values_list("platform", "external_id")),
            identities={
                key: (slack_id, telegram_id)
                for key, slack_id, telegram_id in Employee.objects.values_list(
                    "key", "slack_user_id", "telegram_user_id"
                )
            },
            answered=answered,
        )
        assert (sandbox.slack.bugs, sandbox.telegram.bugs) == ([], [])
        transaction.set_rollback(True)
    return audited


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Audited]:
    """The company of the demo: 118 channels and 410 groups to be judged."""
    with django_db_blocker.unblock():
        yield audit_twice(build_company())


@pytest.fixture(scope="module")
def tricky(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Audited]:
    """A company whose staff are hard to tell apart: see `groupadmin.sandbox.company.tricky`."""
    with django_db_blocker.unblock():
        yield audit_twice(tricky_company())


@pytest.fixture(scope="module", params=["demo", "tricky"])
def audited(request: pytest.FixtureRequest) -> Audited:
    found: Audited = request.getfixturevalue(request.param)
    return found


# What the audit says of the groups


def test_the_audit_is_complete(audited: Audited) -> None:
    assert (audited.first.code, audited.first.error, audited.first.state) == (0, "", "complete")


def test_the_company_of_the_demo_has_the_size_that_was_asked_for(demo: Audited) -> None:
    assert (len(demo.first.rows("slack")), len(demo.first.rows("telegram"))) == (118, 410)


def test_lists_every_group_in_scope_and_no_other(audited: Audited) -> None:
    rows = audited.first.document["groups"]
    assert Counter((row["platform"], row["id"]) for row in rows) == Counter(audited.truth.groups.keys())


def test_every_word_about_every_group_is_true(audited: Audited) -> None:
    assert untrue(audited, audited.first) == {}, "group → word → (the truth, what the audit said)"


def test_every_word_is_still_true_when_less_is_asked(audited: Audited) -> None:
    wrong = untrue(audited, audited.second)
    not_told = {name for name, words in wrong.items() if [*words] == ["total_members"]}
    assert not_told == wrong.keys()
    assert {said for words in wrong.values() for _, said in words.values()} <= {None}
    assert len(not_told) <= sum(chat.count_hidden for chat in audited.company.telegram.chats.values())


def test_nothing_is_said_of_groups_that_the_account_cannot_see(audited: Audited) -> None:
    assert audited.truth.unseeable
    assert not audited.truth.unseeable & audited.stored_ids


def test_the_summary_adds_up(audited: Audited) -> None:
    groups = audited.truth.groups.values()
    verdicts = Counter(group.verdict for group in groups)
    flags = Counter(flag for group in groups for flag in group.flags)
    judged = verdicts["complete"] + verdicts["incomplete"]
    assert audited.first.document["summary"] == {
        "groups": len(groups),
        "complete": verdicts["complete"],
        "coverage": round(verdicts["complete"] / judged, 4),
        "by_category": dict(Counter(group.category for group in groups)),
        "public_channels": flags["public_channel"],
        "deprecated_names": flags["deprecated_name"],
        "hidden_history": flags["hidden_history"],
        "not_visible": 0,
    }


# What the audit finds wrong


def test_opens_a_finding_for_everything_wrong_and_nothing_else(audited: Audited) -> None:
    wrong, accepted = everything_wrong(audited)
    assert audited.open == wrong - accepted


def test_keeps_apart_what_somebody_accepted(audited: Audited) -> None:
    wrong, accepted = everything_wrong(audited)
    assert audited.excluded == wrong & accepted != set()


def test_counts_the_findings_that_it_opened(audited: Audited) -> None:
    count = len(audited.open)
    assert audited.first.document["findings"] == {
        "opened": count,
        "resolved": 0,
        "reopened": 0,
        "open": count,
    }


def test_a_second_audit_finds_the_same_and_opens_nothing(demo: Audited) -> None:
    count = len(demo.open)
    unchanged = dict.fromkeys(("opened", "resolved", "reopened"), 0)
    assert demo.second.document["findings"] == {**unchanged, "open": count}
    assert demo.still_open == demo.open


# Who is who


def test_everybody_is_known_by_the_right_id_afterwards(audited: Audited) -> None:
    who = audited.company.identities
    assert audited.identities == {key: (who.slack[key], who.telegram[key]) for key in who.slack}


def test_changed_usernames_are_reported_once(tricky: Audited) -> None:
    reported = {finding for finding in tricky.open if finding[2] == "identity_changed"}
    assert reported == {
        (platform, "", "identity_changed", key)
        for platform in ("slack", "telegram")
        for key in IDENTITY_CHANGED
    }
    assert tricky.still_open == tricky.open - reported
    assert tricky.second.document["findings"]["resolved"] == len(reported)


def test_a_person_whom_nobody_can_find_is_a_blind_spot_and_missing_nowhere(tricky: Audited) -> None:
    key = "nobody-has-it"
    assert tricky.truth.unresolved == {("slack", key), ("telegram", key)}
    assert tricky.company.staff[key].name in tricky.blind
    assert not [finding for finding in tricky.open if finding[2].startswith("missing") and finding[3] == key]


# What it costs


def test_slack_costs_no_more_calls_than_people_and_pages(demo: Audited) -> None:
    assert sum(demo.first.calls("slack").values()) <= 30


def test_telegram_costs_no_more_calls_than_people_and_pages(demo: Audited) -> None:
    calls = demo.first.calls("telegram")
    history_unknown = sum(group.history != "n/a" for group in demo.truth.groups.values())
    assert sum(calls.values()) <= 60 + history_unknown


def test_history_settings_that_are_known_are_not_asked_for_again(audited: Audited) -> None:
    assert "GetFullChannel" in audited.first.calls("telegram")
    assert "GetFullChannel" not in audited.second.calls("telegram")


def test_no_member_list_is_read(demo: Audited) -> None:
    calls = demo.first.calls("slack") | demo.first.calls("telegram")
    assert not calls.keys() & {"conversations.members", "GetParticipants", "GetFullChat"}


def test_the_calls_are_counted_as_the_servers_count_them(audited: Audited) -> None:
    greeting = Counter(GetUsers=1)  # the sandbox does not count with what an adapter says hello
    assert audited.first.calls("slack") == audited.answered["slack"]
    assert Counter(audited.first.calls("telegram")) - greeting == Counter(audited.answered["telegram"])


def untrue(audited: Audited, outcome: Outcome) -> dict[str, dict[str, tuple[object, object]]]:
    """Group name → word of the document → (the truth, what the audit said), where they differ."""
    rows = {(row["platform"], row["id"]): sorted_lists(row) for row in outcome.document["groups"]}
    return {
        group.name: {word: (true, said.get(word)) for word, true in truth.items() if said.get(word) != true}
        for key, group in audited.truth.groups.items()
        if (truth := group.as_json()) != (said := rows[key])
    }


def everything_wrong(audited: Audited) -> tuple[set[FindingId], set[FindingId]]:
    """All that is wrong in the company, and all that its exclusions accept (wrong or not)."""
    wrong: set[FindingId] = {
        (platform, "", "unresolved_identity", key) for platform, key in audited.truth.unresolved
    }
    if audited.company.staff.keys() >= IDENTITY_CHANGED:
        wrong |= {
            (name, "", "identity_changed", key) for name in ("slack", "telegram") for key in IDENTITY_CHANGED
        }
    absences: set[FindingId] = set()
    for (platform, group_id), group in audited.truth.groups.items():
        wrong |= {(platform, group_id, flag, "") for flag in group.flags}
        wrong |= {(platform, group_id, "departed_member_present", key) for key in group.departed_present}
        if group.admin_status == "member":
            wrong.add((platform, group_id, "no_admin_right", ""))
        if group.requires_full_team:
            wrong |= {(platform, group_id, "missing_required", key) for key in group.required_missing}
            wrong |= {(platform, group_id, "missing_optional", key) for key in group.optional_missing}
            absences |= {
                (platform, group_id, "missing_required", key)
                for key in group.excluded
                if absent(audited, group, key)
            }
    accepted = {
        (line["platform"], line["group"], line["kind"], "")
        for line in audited.company.policy["exclusions"]
        if line["kind"] is not None
    }
    return wrong | absences, accepted | absences


def absent(audited: Audited, group: GroupTruth, key: str) -> bool:
    """Whether an employee who has an account is really not in the group."""
    company = audited.company
    if group.platform == "slack":
        return company.identities.slack[key] not in company.slack.channels[group.id].members
    return company.identities.telegram[key] not in company.telegram.chats[int(group.id)].members
