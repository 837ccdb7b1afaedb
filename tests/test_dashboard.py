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

from audits.lifecycle import State
from audits.models import AuditRun, Finding, GroupResult, RunState, Trigger
from audits.rows import Verdict
from groupadmin.dashboard import Overview, load
from groupadmin.dashboard.audits import RUNS_LISTED
from groupadmin.models import Schedule
from members.models import (
    ENDS_SOON,
    Category,
    Employee,
    Exclusion,
    Group,
    MembershipRule,
    ScopeLine,
    SlackWorkspace,
)
from members.operations.models import Operation, Step
from members.operations.states import OperationState, StepState
from members.platforms.types import AdminStatus, GroupKind, History, Platform, Privacy
from members.policy import EmployeeStatus, FindingKind, ScopeKind
from members.time_charts import line_chart
from telegram_ops.models import TelegramAccount
from whitelist.flags import turn_kicks_on

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
    """One result for each group, with the verdicts in turn, and their numbers with the run."""
    for number, group in enumerate(groups):
        key = group.category.key if group.category else ""
        counts = run.verdicts.setdefault(group.platform, {}).setdefault(key, {})
        verdict = verdicts[number % len(verdicts)]
        counts[verdict] = counts.get(verdict, 0) + 1
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
    run.save(update_fields=["verdicts"])


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
    assert not (overview.audits.coverage or overview.findings.kinds or overview.notices)


def test_the_first_steps_go_once_all_are_done(owner: User, settings: Settings) -> None:
    ada = Employee.objects.create(key="ada", name="Ada Example")
    assert [step.done for step in load(owner, NOW).setup] == [True, False, False, False, False, False]

    MembershipRule.objects.create(platform=Platform.SLACK, employee=ada)
    ScopeLine.objects.create(platform=Platform.SLACK, kind=ScopeKind.INCLUDE, pattern="example")
    settings.SLACK_USER_TOKEN = "xoxp-example"
    make_run()

    assert load(owner, NOW).setup == ()


def test_the_first_audit_is_done_when_it_told_of_every_platform_that_counts(
    owner: User, customers: Category
) -> None:
    def step() -> tuple[bool, str]:
        last = load(owner, NOW).setup[-1]
        return last.done, next((name for name in ("Slack", "Telegram") if name in last.hint), "")

    for state in (RunState.QUEUED, RunState.FAILED, RunState.CANCELLED):
        make_run(state=state)
    assert step() == (False, "")

    record(make_run(state=RunState.PARTIAL), make_groups(Platform.SLACK, 1, customers), Verdict.COMPLETE)
    assert step() == (False, "Telegram"), "of which that audit saw nothing"

    ScopeLine.objects.create(platform=Platform.SLACK, kind=ScopeKind.INCLUDE, pattern="example")
    assert step() == (True, "")

    ScopeLine.objects.create(platform=Platform.TELEGRAM, kind=ScopeKind.INCLUDE, pattern="example")
    make_run((Platform.TELEGRAM,))
    assert step() == (True, ""), "it saw everything there, and no group that counts"


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

    ScopeLine.objects.create(platform=Platform.SLACK, kind=ScopeKind.INCLUDE, pattern="example")
    workspace = SlackWorkspace.objects.create(label="Example EU", team_id="T1", in_use=False)
    assert connecting() == (False, ["SLACK_USER_TOKEN"])
    SlackWorkspace.objects.filter(pk=workspace.pk).update(in_use=True)
    assert connecting() == (True, []), "its token is in the admin"


def test_signing_in_to_telegram_is_a_step_of_its_own(owner: User, settings: Settings) -> None:
    def done() -> bool:
        return next(step.done for step in load(owner, NOW).setup if step.title == "Sign in to Telegram")

    assert not done()
    settings.TELEGRAM_SESSION = "session"
    assert done()

    settings.TELEGRAM_SESSION = ""
    account = TelegramAccount.objects.create(label="Main", phone="+15550000101")
    assert not done()
    for use in ({"is_default": True}, {"is_default": False, "audited_too": True}):
        TelegramAccount.objects.filter(pk=account.pk).update(**use)
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
    assert {part.label: part.value for part in overview.audits.coverage[0].parts} == {
        "Complete": 3,
        "Incomplete": 1,
        "Exempt": 2,
        "Not visible": 1,
        "Error": 1,
    }
    assert [(each.name, str(each.share)) for each in overview.audits.categories] == [("BD Customer", "75 %")]


def test_each_platform_is_shown_as_its_own_latest_audit_saw_it(owner: User, customers: Category) -> None:
    slack, telegram = (make_groups(platform, 2, customers) for platform in Platform)
    both = make_run()
    record(both, slack + telegram, Verdict.INCOMPLETE)
    slack_alone = make_run((Platform.SLACK,))
    record(slack_alone, slack, Verdict.COMPLETE)

    coverage = {item.platform: item for item in load(owner, NOW).audits.coverage}

    assert (coverage["Slack"].run, coverage["Slack"].parts[0].value) == (str(slack_alone), 2)
    assert (coverage["Telegram"].run, coverage["Telegram"].parts[0].value) == (str(both), 0)


def test_a_platform_that_is_audited_seldom_keeps_its_place(owner: User, customers: Category) -> None:
    slack, telegram = (make_groups(platform, 1, customers) for platform in Platform)
    record(make_run(), slack + telegram, Verdict.COMPLETE)
    for _ in range(RUNS_LISTED + 1):
        record(make_run((Platform.SLACK,)), slack, Verdict.INCOMPLETE)

    overview = load(owner, NOW)

    assert [item.platform for item in overview.audits.coverage] == ["Slack", "Telegram"]
    assert stats(overview)["Coverage"] == "50 %"


def test_an_audit_that_never_reached_a_platform_leaves_the_earlier_picture(
    owner: User, customers: Category
) -> None:
    groups = make_groups(Platform.TELEGRAM, 2, customers)
    record(make_run(), groups, Verdict.COMPLETE)
    make_run(state=RunState.PARTIAL, message="Telegram: sign in again.")
    make_run(state=RunState.FAILED)

    assert stats(load(owner, NOW))["Coverage"] == "100 %"


def test_coverage_over_time_tells_each_platform_and_what_became_of_it_in_a_week(
    owner: User, customers: Category
) -> None:
    slack, telegram = (make_groups(platform, 4, customers) for platform in Platform)
    verdicts = [Verdict.COMPLETE, Verdict.INCOMPLETE]
    for weeks, groups in ((2, slack), (2, telegram), (0, slack)):
        at = NOW - timedelta(weeks=weeks, minutes=len(groups))
        platform = Platform(groups[0].platform)
        record(make_run((platform,), finished_at=at), groups, *(verdicts if weeks else verdicts[:1]))

    audits = load(owner, NOW).audits

    assert {line.label: [point.value for point in line.points] for line in audits.series} == {
        "Slack": [50, 100],
        "Telegram": [50],
    }
    assert (audits.categories[0].change, audits.categories[0].trend) == (25, (50, 50, 75))
    assert "6 of 8 groups complete; +25 points in a week" in audits.stats[0].note
    chart = line_chart(audits.series, "Coverage", unit=" %", most=100)
    assert "Slack: from 50 % on 20 Apr 2026, 07:56 UTC to 100 % on 4 May 2026, 07:56 UTC" in chart
    assert "4 of 4 complete" in chart, "the numbers stand in a table as well"
    assert "style=" not in chart


# --- Findings, runs, notices ---


def test_open_findings_are_counted_by_kind_and_lead_to_their_rows(
    owner: User, customers: Category, admin_client: Client
) -> None:
    run = make_run()
    groups = make_groups(Platform.SLACK, 3, customers)
    for group in groups:
        find(run, group, FindingKind.HIDDEN_HISTORY)
    find(run, groups[0], FindingKind.DEPRECATED_NAME)
    find(run, groups[2], FindingKind.PUBLIC_CHANNEL)
    for group, reason in ((groups[1], "fixed"), (groups[2], "group archived")):
        ended = find(run, group, FindingKind.DEPRECATED_NAME, State.RESOLVED)
        Finding.objects.filter(pk=ended.pk).update(end_reason=reason)

    overview = load(owner, NOW)

    assert [(bar.label, bar.value) for bar in overview.findings.kinds] == [
        ("Hidden history", 3),
        ("Public channel", 1),
        ("Deprecated name", 1),
    ]
    assert stats(overview)["Open findings"] == "5"
    assert stats(overview)["Rebranding"] == "50 %", "an archived group was not renamed"
    assert [(each.name, each.what) for each in overview.findings.groups] == [
        ("Example customer 2", "public channel (1), hidden history (1)"),
        ("Example customer 0", "hidden history (1), deprecated name (1)"),
        ("Example customer 1", "hidden history (1)"),
    ]
    assert admin_client.get(overview.findings.kinds[0].url).context["cl"].result_count == 3
    assert admin_client.get(overview.findings.groups[0].url).context["cl"].result_count == 2


def test_what_came_and_went_this_week_stands_beside_the_week_before(owner: User) -> None:
    for days, opened, resolved in ((1, 3, 2), (6, 1, 0), (8, 7, 9)):
        make_run(
            finished_at=NOW - timedelta(days=days),
            opened=opened,
            resolved=resolved,
            reopened=1,
            excluded=4 if days == 6 else 0,
        )

    overview = load(owner, NOW)

    assert (stats(overview)["Opened this week"], stats(overview)["Resolved this week"]) == ("6", "2")
    notes = {stat.label: stat.note for stat in overview.stats}
    assert notes["Opened this week"] == "8 the week before"
    assert notes["Resolved this week"] == "9 the week before; 4 more excluded"
    assert [(flow.came, flow.went) for flow in overview.audits.flows[-2:]] == [(8, 9), (6, 2)]


def test_what_could_not_be_seen_is_told_by_its_reasons(owner: User, customers: Category) -> None:
    spots = [
        {"platform": "slack", "subject": name, "reason": reason}
        for name, reason in (("Ada", "Not found"), ("Bob", "Not found"), ("acme", "Out of sight"))
    ]
    run = make_run(blind_spots=spots)
    record(run, make_groups(Platform.SLACK, 1, customers), Verdict.COMPLETE)

    found = load(owner, NOW).audits.blind_spots

    assert found is not None
    assert found.count == 3
    assert found.reasons == (("Slack", "Not found", 2), ("Slack", "Out of sight", 1))


def test_accounts_and_switches_tell_how_they_stand(owner: User, settings: Settings) -> None:
    def health() -> dict[str, tuple[str, str]]:
        return {line.name: (line.state, line.tone) for line in load(owner, NOW).health}

    assert health() == {
        "Slack token": ("Missing", "muted"),
        "Telegram account": ("None", "muted"),
        "Kicks": ("Off", "good"),
    }

    settings.SLACK_USER_TOKEN = "xoxp-example"
    make_run((Platform.SLACK,), state=RunState.FAILED, message="Slack: the token was refused.")
    TelegramAccount.objects.create(label="Main", phone="+15550000101", is_default=True)
    turn_kicks_on(actor="owner")

    assert health() == {
        "Slack token": ("In trouble", "bad"),
        "Telegram account “Main”": ("Signed out", "muted"),
        "Kicks": ("On", "warn"),
    }


def test_operations_under_way_have_bars_and_open_plans_wait_for_somebody(
    owner: User, admin_client: Client
) -> None:
    def operation(state: OperationState, expires_at: datetime) -> Operation:
        return Operation.objects.create(
            kind="add_missing",
            platforms=["slack"],
            state=state,
            plan_hash="0",
            count=3,
            trigger="person",
            planned_by="rosa",
            expires_at=expires_at,
        )

    now = datetime.now(UTC)
    running = operation(OperationState.RUNNING, now)
    for position, step_state in enumerate((StepState.DONE, StepState.PENDING, StepState.PENDING)):
        Step.objects.create(
            operation=running,
            position=position,
            platform="slack",
            verb="add",
            group_id="C1",
            state=step_state,
        )
    operation(OperationState.PLANNED, now - timedelta(minutes=1))
    waiting = operation(OperationState.PLANNED, now + timedelta(minutes=9))

    overview = load(owner, now)

    assert [(job.title, job.done, job.total) for job in overview.jobs] == [
        (f"Add missing members ({running})", 1, 3)
    ]
    assert [(plan.title, plan.by) for plan in overview.plans] == [
        (f"Add missing members ({waiting})", "rosa")
    ]
    page = admin_client.get(INDEX).content.decode()
    assert f'data-progress="{reverse("admin:operations_operation_progress", args=[running.pk])}"' in page
    assert "Planned by rosa" in page


def test_the_latest_audits_tell_their_state_and_what_went_wrong(owner: User) -> None:
    for number in range(RUNS_LISTED + 2):
        make_run(open_findings=number)
    make_run(state=RunState.FAILED, message="Slack: the token was refused.\nTelegram: not signed in.")

    overview = load(owner, NOW)

    runs = overview.audits.runs
    assert len(runs) == RUNS_LISTED
    assert (runs[0].state, runs[0].tone) == ("Failed", "bad")
    assert runs[0].outcome == "Slack: the token was refused."
    trend = next(stat.trend for stat in overview.stats if stat.label == "Open findings")
    assert trend == tuple(range(RUNS_LISTED + 2)), "a failed audit counted nothing"


def test_a_running_audit_shows_its_bar(admin_client: Client) -> None:
    run = make_run(
        state=RunState.RUNNING, finished_at=None, progress_label="Slack: listing groups", progress_percent=20
    )

    page = admin_client.get(INDEX).content.decode()

    assert f'data-progress="{reverse("admin:audits_auditrun_progress", args=[run.pk])}"' in page
    assert "Slack: listing groups" in page


def test_the_running_audit_comes_before_those_that_wait(owner: User, admin_client: Client) -> None:
    first = make_run(state=RunState.QUEUED, finished_at=None)
    assert [job.title for job in load(owner, NOW).jobs] == [str(first)]
    assert "Waiting for its turn" in admin_client.get(INDEX).content.decode()

    running = make_run(state=RunState.RUNNING, finished_at=None)
    make_run(state=RunState.QUEUED, finished_at=None)

    assert [job.title for job in load(owner, NOW).jobs] == [str(running)]


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
    assert [admin_client.get(notice.url).context["cl"].result_count for notice in overview.notices] == [
        1,
        1,
        2,
    ]


def test_the_audit_that_starts_by_itself_next_is_announced(owner: User, admin_client: Client) -> None:
    runs = load(owner, datetime(2026, 5, 4, 2, 30, tzinfo=UTC)).next_runs  # a Monday

    assert (runs[0].name, runs[0].at) == (
        "Audit Slack and Telegram every week",
        datetime(2026, 5, 4, 3, tzinfo=UTC),
    )
    assert [run.at for run in runs] == sorted(run.at for run in runs)
    assert admin_client.get(runs[0].url).status_code == 200
    assert "Starts by itself" in admin_client.get(INDEX).content.decode()

    Schedule.objects.update(enabled=False)
    assert load(owner, NOW).next_runs == ()


# --- Who sees what, and what it costs ---


def test_a_reader_sees_only_what_they_may_open(client: Client, customers: Category) -> None:
    run = make_run()
    record(run, make_groups(Platform.SLACK, 1, customers), Verdict.COMPLETE)
    reader = User.objects.create_user("reader", is_staff=True)
    overview = load(reader, NOW)
    assert not any(stats(overview))
    assert (overview.jobs, overview.plans, overview.health, overview.next_runs) == ((), (), (), ())
    assert (overview.audits.coverage, overview.audits.runs, overview.findings.kinds, overview.setup) == (
        (),
        (),
        (),
        (),
    )

    may_view = Permission.objects.get(codename="view_finding", content_type__app_label="audits")
    reader.user_permissions.add(may_view)
    reader = User.objects.get(pk=reader.pk)

    assert list(stats(load(reader, NOW))) == ["Open findings"]
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
    assert costs[0] < 20
