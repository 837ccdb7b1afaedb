"""The admin's first page: what there is, what is wrong, what waits for a person, and what to do next."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from audits.lifecycle import Change, State
from audits.models import AuditRun, Finding, FindingChange, GroupResult, RunState, Trigger
from audits.rows import Verdict
from groupadmin.dashboard import RUNS_IN_TREND, RUNS_LISTED, Overview, load
from groupadmin.models import Schedule
from members.models import ENDS_SOON, Category, Employee, Exclusion, Group, MembershipRule, ScopeLine
from members.platforms.types import AdminStatus, GroupKind, History, Platform, Privacy
from members.policy import EmployeeStatus, FindingKind, ScopeKind
from telegram_ops.models import TelegramAccount

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)
INDEX = "/admin/"


@pytest.fixture
def owner() -> User:
    return User.objects.create_superuser("owner")


@pytest.fixture
def customers() -> Category:
    return Category.objects.create(key="customer", name="BD Customer", default=True)


def make_groups(platform: Platform, count: int, category: Category) -> list[Group]:
    return [
        Group.objects.create(
            platform=platform,
            external_id=f"{number}",
            name=f"Example customer {number}",
            kind=GroupKind.CHANNEL,
            category=category,
            privacy=Privacy.PRIVATE,
            in_scope=True,
            first_seen_at=NOW,
            last_seen_at=NOW,
        )
        for number in range(count)
    ]


def make_run(platforms: tuple[Platform, ...] = tuple(Platform), **values: Any) -> AuditRun:
    defaults = {
        "state": RunState.COMPLETE,
        "trigger": Trigger.SCHEDULE,
        "started_at": NOW,
        "finished_at": NOW,
    }
    return AuditRun.objects.create(platforms=list(platforms), **{**defaults, **values})


def record(run: AuditRun, groups: list[Group], *verdicts: Verdict) -> None:
    """One result for each group, with the verdicts in turn."""
    for number, group in enumerate(groups):
        GroupResult.objects.create(
            run=run,
            group=group,
            name=group.name,
            category=group.category,
            category_key=group.category.key if group.category else "",
            requires_full_team=True,
            verdict=verdicts[number % len(verdicts)],
            privacy=Privacy.PRIVATE,
            history_visibility=History.NOT_APPLICABLE,
            admin_status=AdminStatus.NOT_APPLICABLE,
            completeness="1/1",
        )


def find(run: AuditRun, group: Group, kind: FindingKind, state: State = State.OPEN) -> Finding:
    return Finding.objects.create(
        platform=group.platform,
        group_external_id=group.external_id,
        kind=kind,
        state=state,
        group=group,
        first_seen_run=run,
        last_seen_run=run,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )


def stats(overview: Overview) -> dict[str, str]:
    return {stat.label: stat.value for stat in overview.stats}


# --- The first day ---


def test_an_empty_product_says_what_to_do_first(owner: User, admin_client: Client) -> None:
    overview = load(owner, NOW)

    assert [(step.title, step.done) for step in overview.setup] == [
        ("Add your people", False),
        ("Say who must be where", False),
        ("Say which groups count", False),
        ("Connect the accounts", False),
        ("Sign in to Telegram", False),
        ("Run the first audit", False),
    ]
    assert all(admin_client.get(step.url).status_code == 200 for step in overview.setup if step.url)
    assert not (overview.coverage or overview.findings or overview.notices)


def test_the_first_steps_go_once_all_are_done(owner: User, settings: Settings) -> None:
    ada = Employee.objects.create(key="ada", name="Ada Example")
    assert [step.done for step in load(owner, NOW).setup] == [True, False, False, False, False, False]

    MembershipRule.objects.create(platform=Platform.SLACK, employee=ada)
    ScopeLine.objects.create(platform=Platform.SLACK, kind=ScopeKind.INCLUDE, pattern="example")
    settings.SLACK_USER_TOKEN = "xoxp-example"
    make_run()

    assert load(owner, NOW).setup == ()


def test_an_audit_that_learnt_nothing_is_no_first_audit(owner: User) -> None:
    for state in (RunState.QUEUED, RunState.FAILED, RunState.CANCELLED):
        make_run(state=state)
    assert not load(owner, NOW).setup[-1].done

    make_run(state=RunState.PARTIAL)
    assert load(owner, NOW).setup[-1].done


def test_missing_keys_of_the_platforms_in_use_are_named(owner: User, settings: Settings) -> None:
    def connecting() -> tuple[bool, list[str]]:
        step = next(step for step in load(owner, NOW).setup if step.title == "Connect the accounts")
        return step.done, re.findall("[A-Z]+_[A-Z_]+", step.hint)

    telegram = ["TELEGRAM_API_ID", "TELEGRAM_API_HASH"]
    assert connecting() == (False, ["SLACK_USER_TOKEN", *telegram])

    ScopeLine.objects.create(platform=Platform.TELEGRAM, kind=ScopeKind.INCLUDE, pattern="example")
    assert connecting() == (False, telegram)

    settings.TELEGRAM_API_ID, settings.TELEGRAM_API_HASH = 1, "hash"
    assert connecting() == (True, [])


def test_signing_in_to_telegram_is_a_step_of_its_own(owner: User, settings: Settings) -> None:
    def done() -> bool:
        return next(step.done for step in load(owner, NOW).setup if step.title == "Sign in to Telegram")

    assert not done()
    settings.TELEGRAM_SESSION = "session"
    assert done()

    settings.TELEGRAM_SESSION = ""
    TelegramAccount.objects.create(label="Main", phone="+15550000101", is_default=True)
    assert done()


# --- Coverage ---


def test_coverage_counts_groups_that_need_the_full_team_and_could_be_judged(
    owner: User, customers: Category
) -> None:
    groups = make_groups(Platform.SLACK, 8, customers)
    record(
        make_run(),
        groups,
        Verdict.COMPLETE,
        Verdict.INCOMPLETE,
        Verdict.COMPLETE,
        Verdict.COMPLETE,
        Verdict.EXEMPT,
        Verdict.NOT_VISIBLE,
        Verdict.ERROR,
        Verdict.EXEMPT,
    )

    overview = load(owner, NOW)

    assert stats(overview)["Coverage"] == "75 %"
    assert {part.label: part.value for part in overview.coverage[0].parts} == {
        "Complete": 3,
        "Incomplete": 1,
        "Exempt": 2,
        "Not visible": 1,
        "Error": 1,
    }
    assert [(bar.label, bar.value, bar.note) for bar in overview.categories] == [
        ("BD Customer", 75, "3 of 4")
    ]


def test_each_platform_is_shown_as_its_own_latest_audit_saw_it(owner: User, customers: Category) -> None:
    slack, telegram = (make_groups(platform, 2, customers) for platform in Platform)
    both = make_run()
    record(both, slack + telegram, Verdict.INCOMPLETE)
    slack_alone = make_run((Platform.SLACK,))
    record(slack_alone, slack, Verdict.COMPLETE)

    coverage = {item.platform: item for item in load(owner, NOW).coverage}

    assert (coverage["Slack"].run.name, coverage["Slack"].parts[0].value) == (str(slack_alone), 2)
    assert (coverage["Telegram"].run.name, coverage["Telegram"].parts[0].value) == (str(both), 0)


def test_a_platform_that_is_audited_seldom_keeps_its_place(owner: User, customers: Category) -> None:
    slack, telegram = (make_groups(platform, 1, customers) for platform in Platform)
    record(make_run(), slack + telegram, Verdict.COMPLETE)
    for _ in range(RUNS_IN_TREND + 1):
        record(make_run((Platform.SLACK,)), slack, Verdict.INCOMPLETE)

    overview = load(owner, NOW)

    assert [item.platform for item in overview.coverage] == ["Slack", "Telegram"]
    assert stats(overview)["Coverage"] == "50 %"


def test_an_audit_that_never_reached_a_platform_leaves_the_earlier_picture(
    owner: User, customers: Category
) -> None:
    groups = make_groups(Platform.TELEGRAM, 2, customers)
    record(make_run(), groups, Verdict.COMPLETE)
    make_run(state=RunState.PARTIAL, message="Telegram: sign in again.")
    make_run(state=RunState.FAILED)

    assert stats(load(owner, NOW))["Coverage"] == "100 %"


# --- Findings, runs, notices ---


def test_open_findings_are_counted_by_kind_and_lead_to_their_rows(
    owner: User, customers: Category, admin_client: Client
) -> None:
    run = make_run(opened=2, reopened=1, resolved=2)
    groups = make_groups(Platform.SLACK, 3, customers)
    for group in groups:
        find(run, group, FindingKind.PUBLIC_CHANNEL)
    find(run, groups[0], FindingKind.DEPRECATED_NAME)
    for group, reason in ((groups[1], "fixed"), (groups[2], "rule changed")):
        ended = find(run, group, FindingKind.DEPRECATED_NAME, State.RESOLVED)
        FindingChange.objects.create(run=run, finding=ended, change=Change.RESOLVED, reason=reason, at=NOW)

    overview = load(owner, NOW)

    assert [(bar.label, bar.value) for bar in overview.findings] == [
        ("Public channel", 3),
        ("Deprecated name", 1),
    ]
    assert stats(overview)["Open findings"] == "4"
    assert next(stat.note for stat in overview.stats if stat.label == "Open findings") == (
        "last audit: 3 new, 1 fixed"
    ), "what ended with its rule was not fixed"
    assert admin_client.get(overview.findings[0].url).context["cl"].result_count == 3


def test_the_latest_audits_tell_their_state_and_what_went_wrong(owner: User) -> None:
    for number in range(RUNS_LISTED + 2):
        make_run(open_findings=number)
    make_run(state=RunState.FAILED, message="Slack: the token was refused.\nTelegram: not signed in.")

    overview = load(owner, NOW)

    assert len(overview.runs) == RUNS_LISTED
    assert (overview.runs[0].state, overview.runs[0].tone) == ("Failed", "bad")
    assert overview.runs[0].outcome == "Slack: the token was refused."
    assert overview.trend == tuple(range(RUNS_LISTED + 2)), "a failed audit counted nothing"


def test_a_running_audit_shows_its_bar(admin_client: Client) -> None:
    run = make_run(
        state=RunState.RUNNING, finished_at=None, progress_label="Slack: listing groups", progress_percent=20
    )

    page = admin_client.get(INDEX).content.decode()

    assert f'data-progress="{reverse("admin:audits_auditrun_progress", args=[run.pk])}"' in page
    assert "Slack: listing groups" in page


def test_the_running_audit_comes_before_those_that_wait(owner: User, admin_client: Client) -> None:
    first = make_run(state=RunState.QUEUED, finished_at=None)
    assert load(owner, NOW).running == first
    assert "Waiting for its turn" in admin_client.get(INDEX).content.decode()

    running = make_run(state=RunState.RUNNING, finished_at=None)
    make_run(state=RunState.QUEUED, finished_at=None)

    assert load(owner, NOW).running == running


def test_what_waits_for_a_person_is_named_with_its_number(
    owner: User, admin_client: Client, customers: Category
) -> None:
    now = datetime.now(UTC)  # the list that a notice leads to knows no other
    today = now.date()
    ada = Employee.objects.create(key="ada", name="Ada Example", status=EmployeeStatus.UNDER_REVIEW)
    ends: list[date | None] = [None, today - timedelta(days=1), today, today + ENDS_SOON]
    ends.append(today + ENDS_SOON + timedelta(days=1))
    for number, expires in enumerate(ends):
        Exclusion.objects.create(
            platform=Platform.SLACK,
            group_external_id=f"C{number}",
            employee=ada,
            reason="asked",
            expires=expires,
        )

    run, (group,) = make_run(), make_groups(Platform.SLACK, 1, customers)
    find(run, group, FindingKind.UNRESOLVED_IDENTITY)

    overview = load(owner, now)

    assert [notice.count for notice in overview.notices] == [1, 1, 2]
    in_force = next(stat for stat in overview.stats if stat.label == "Exclusions")
    assert in_force.value == "4"
    assert admin_client.get(in_force.url).context["cl"].result_count == 4
    assert [admin_client.get(notice.url).context["cl"].result_count for notice in overview.notices] == [
        1,
        1,
        2,
    ]


def test_the_audit_that_starts_by_itself_next_is_announced(owner: User, admin_client: Client) -> None:
    found = load(owner, datetime(2026, 5, 4, 2, 30, tzinfo=UTC)).next_audit  # a Monday

    assert found is not None
    assert found.schedule == "Audit Slack and Telegram every week"
    assert found.at == datetime(2026, 5, 4, 3, tzinfo=UTC)
    assert admin_client.get(found.url).status_code == 200
    assert "Next: " in admin_client.get(INDEX).content.decode()

    Schedule.objects.update(enabled=False)
    assert load(owner, NOW).next_audit is None


# --- Who sees what, and what it costs ---


def test_a_reader_sees_only_what_they_may_open(client: Client, customers: Category) -> None:
    run = make_run()
    record(run, make_groups(Platform.SLACK, 1, customers), Verdict.COMPLETE)
    reader = User.objects.create_user("reader", is_staff=True)
    assert not any(stats(load(reader, NOW)))

    may_view = Permission.objects.get(codename="view_group", content_type__app_label="members")
    reader.user_permissions.add(may_view)
    reader = User.objects.get(pk=reader.pk)

    overview = load(reader, NOW)
    assert list(stats(overview)) == ["Groups"]
    assert (overview.coverage, overview.findings, overview.runs, overview.setup) == ((), (), (), ())
    client.force_login(reader)
    assert client.get(INDEX).status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_rows(admin_client: Client, customers: Category) -> None:
    admin_client.get(INDEX)  # what Django asks once per process is not the page's
    costs = []
    for count in (2, 30):
        run = make_run()
        Group.objects.all().delete()
        Finding.objects.all().delete()
        groups = [group for platform in Platform for group in make_groups(platform, count, customers)]
        record(run, groups, Verdict.COMPLETE, Verdict.INCOMPLETE)
        for group in groups:
            find(run, group, FindingKind.PUBLIC_CHANNEL)
        for _ in range(count):
            make_run(state=RunState.PARTIAL, message="Telegram: sign in again.")
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(INDEX).status_code == 200
        costs.append(len(queries))

    assert costs[0] == costs[1]
    assert costs[0] < 25
