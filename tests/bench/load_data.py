"""Two years of an invented company in the database, within a minute, around one real audit of its sandbox."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, Max, Min
from django.utils import timezone

from audits.events.models import LiveEvent
from audits.history.models import Conversation, Message, Sender, WeekOfTalk
from audits.models import AuditRun, Finding, FindingChange, GroupResult, RunState, Trigger
from audits.rows import summarise
from audits.services import execute_audit, request_audit
from members.models import Employee, Group
from members.notices.models import Delivery, Notice
from members.notices.models import Message as NoticeMessage
from members.operations import activity
from members.operations.activity import Event
from members.operations.models import Operation, Step
from members.platforms.types import Platform
from members.policy import EmployeeStatus
from tests.bench.load_pouring import pour, poured, settle
from tests.bench.searching import texts
from tests.bench.workplace import load_policy
from whitelist.models import CommunityMember, CommunityReading, Subscriber, Subscription, WhitelistEntry
from whitelist.record import gated_chat_id

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many rows of each kind there shall be."""

    groups: int = 1_000
    runs: int = 730
    findings: int = 200_000
    colleagues: int = 120
    """Who are in no team: nobody looks for them, but findings of earlier times are about them."""
    subscribers: int = 100_000
    messages: int = 1_000_000
    senders: int = 5_000
    operations: int = 3_000
    steps: int = 60_000
    events: int = 60_000
    notices: int = 5_000
    live_events: int = 20_000

    def divided_by(self, number: int) -> Amounts:
        """So many times less of everything but days and colleagues."""
        same = {"runs": self.runs, "colleagues": self.colleagues}
        return Amounts(**{name: same.get(name, count // number) for name, count in asdict(self).items()})

    def __str__(self) -> str:
        return (
            f"{self.groups:,} groups, {self.runs:,} daily audits, {self.findings:,} findings, "
            f"{self.subscribers:,} subscribers, {self.messages:,} messages"
        )


def fill(amounts: Amounts, policy: dict[str, object]) -> None:
    """Everything, into an emptied database. The settings lead to the sandbox of the company with `policy`."""
    load_policy(policy)
    rng, now = random.Random(7), timezone.now()
    runs = _runs(amounts.runs - 1, now)
    run = execute_audit(request_audit(platforms=list(Platform), trigger=Trigger.SCHEDULE).pk)
    assert run.state == RunState.COMPLETE, run.message
    User.objects.create_superuser("owner")
    groups = list(Group.objects.filter(in_scope=True).order_by("pk"))
    colleagues = Employee.objects.bulk_create(
        Employee(key=f"colleague{number}", name=f"Colleague {number} Example", status=EmployeeStatus.OPTIONAL)
        for number in range(amounts.colleagues)
    )
    with poured():
        _results_of(runs, run)
        _findings(amounts.findings, runs, groups, colleagues, rng)
        _conversations(amounts, groups, now, rng)
        _operations(amounts, groups, colleagues, now, rng)
        _community(amounts.subscribers, now, rng)
        _notices(amounts.notices, now, rng)
        _live_events(amounts.live_events, groups, now, rng)
    _record(amounts.events, groups, now, rng)
    settle()


def _moment(at: datetime) -> str:
    """As both databases read it where the session's zone is UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


# --- Audits ------------------------------------------------------------------------------------


def _runs(count: int, now: datetime) -> list[AuditRun]:
    """The days before today; their numbers are put right once there is an audit to take them from."""
    return AuditRun.objects.bulk_create(
        AuditRun(
            state=RunState.COMPLETE,
            platforms=[str(platform) for platform in Platform],
            trigger=Trigger.SCHEDULE,
            started_at=now - (count - number) * DAY - timedelta(minutes=1),
            finished_at=now - (count - number) * DAY,
        )
        for number in range(count)
    )


def _results_of(runs: Sequence[AuditRun], last: AuditRun) -> None:
    """On every day before, the groups were as the last audit found them."""
    told = ("summary", "verdicts", "blind_spots", "api_calls", "accounts", "open_findings")
    AuditRun.objects.filter(pk__in=[run.pk for run in runs]).update(
        **{name: getattr(last, name) for name in told}, opened=12, resolved=11
    )
    assert asdict(summarise(())).keys() == last.summary.keys()
    columns = [
        str(field.column) for field in GroupResult._meta.local_concrete_fields if not field.primary_key
    ]
    copied = ", ".join("run.id" if column == "run_id" else f"result.{column}" for column in columns)
    table, others = GroupResult._meta.db_table, AuditRun._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {copied} FROM {others} run "  # noqa: S608  # ours
            f"CROSS JOIN {table} result WHERE result.run_id = %s AND run.id <> %s ORDER BY run.id, result.id",
            [last.pk, last.pk],
        )


def _findings(
    count: int,
    runs: Sequence[AuditRun],
    groups: Sequence[Group],
    colleagues: Sequence[Employee],
    rng: random.Random,
) -> None:
    """What was wrong once and is mended: as many as there are missing beside those of the audit."""
    there = Finding.objects.count()
    first = (Finding.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
    at = [_moment(run.finished_at) for run in runs if run.finished_at]
    kinds = ("missing_required", "missing_optional")
    made = []
    for number in range(count - there):
        group = groups[number % len(groups)]
        turn = number // len(groups)
        person = colleagues[turn // len(kinds)]
        opened, ended = sorted(rng.sample(range(len(runs)), 2))
        made.append((group, kinds[turn % len(kinds)], person, opened, ended))
    pour(
        Finding,
        (
            *("id", "platform", "group_external_id", "group_id", "kind", "subject", "employee_id"),
            *("first_seen_run_id", "last_seen_run_id", "first_seen_at", "last_seen_at", "resolved_at"),
        ),
        (
            (
                *(first + number, group.platform, group.external_id, group.pk, kind, person.key, person.pk),
                *(runs[opened].pk, runs[ended].pk, at[opened], at[ended], at[ended]),
            )
            for number, (group, kind, person, opened, ended) in enumerate(made)
        ),
        state="resolved",
        detail="Team core is required on Slack",
        end_reason="fixed",
    )
    changes = [
        (runs[when].pk, first + number, change, at[when])
        for number, (_, _, _, opened, ended) in enumerate(made)
        for change, when in (("opened", opened), ("resolved", ended))
    ]
    pour(FindingChange, ("run_id", "finding_id", "change", "at"), sorted(changes))
    _go_on_after(Finding)


def _go_on_after(*models: type) -> None:
    """Numbers that we gave out are not given out again."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for model in models:
                table = model._meta.db_table  # type: ignore[attr-defined]  # a model
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608  # ours
                )


# --- Conversations -----------------------------------------------------------------------------


def _conversations(amounts: Amounts, groups: Sequence[Group], now: datetime, rng: random.Random) -> None:
    """Some groups talk much, most little; two years, the newest last."""
    conversations = Conversation.objects.bulk_create(
        Conversation(group=group, kept=number % 3 > 0) for number, group in enumerate(groups)
    )
    senders = Sender.objects.bulk_create(
        Sender(
            platform=list(Platform)[number % 2],
            external_id=f"U{number}",
            name=f"Customer {number} Example",
            username=f"customer{number}",
        )
        for number in range(amounts.senders)
    )
    said, whom, who = list(texts(rng, 20_000, longest=12)), len(conversations), len(senders)
    begin, step = now - amounts.runs * DAY, amounts.runs * DAY / amounts.messages
    where = [conversation.pk for conversation in conversations]
    by = [sender.pk for sender in senders]
    pour(
        Message,
        ("conversation_id", "number", "sent_at", "sender_id", "text", "raw"),
        (
            (
                where[min(int(rng.expovariate(8 / whom)), whom - 1)],
                number + 1,
                _moment(begin + number * step),
                by[min(int(rng.expovariate(8 / who)), who - 1)],
                said[number % len(said)],
                f'{{"ts": "{number}"}}',
            )
            for number in range(amounts.messages)
        ),
    )
    told = Message.objects.values("conversation").annotate(
        count=Count("pk"), first=Min("sent_at"), last=Max("sent_at")
    )
    for each in told.order_by():
        Conversation.objects.filter(pk=each["conversation"]).update(
            message_count=each["count"],
            first_message_at=each["first"],
            last_message_at=each["last"],
            last_said_at=each["last"],
            waiting_since=each["last"] if each["count"] % 5 == 0 else None,
            read_at=now,
        )
    monday = (now - timedelta(days=now.weekday())).date()
    pour(
        WeekOfTalk,
        ("conversation_id", "monday", "messages", "from_customers"),
        (
            (pk, f"{monday - timedelta(weeks=week)}", 20, rng.randint(1, 15))
            for pk in where
            for week in range(amounts.runs // 7)
        ),
        by_employee={"ada": 3, "bo": 2},
        answers=[120, 3600],
    )


# --- Operations and their record ---------------------------------------------------------------


def _operations(
    amounts: Amounts,
    groups: Sequence[Group],
    colleagues: Sequence[Employee],
    now: datetime,
    rng: random.Random,
) -> None:
    each = amounts.steps // amounts.operations
    pause = amounts.runs * DAY / amounts.operations
    operations = Operation.objects.bulk_create(
        (
            Operation(
                kind=("add_missing", "add_people", "rename_groups")[number % 3],
                platforms=[str(platform) for platform in Platform],
                state="failed" if number % 40 == 0 else "done",
                plan_hash=f"{number:016}",
                count=each,
                trigger=Trigger.PERSON,
                planned_by=f"staff{number % 50}",
                confirmed_by=f"staff{number % 50}",
                planned_at=now - (amounts.operations - number) * pause,
                expires_at=now - (amounts.operations - number) * pause,
                confirmed_at=now - (amounts.operations - number) * pause,
                started_at=now - (amounts.operations - number) * pause,
                finished_at=now - (amounts.operations - number) * pause,
            )
            for number in range(amounts.operations)
        ),
        batch_size=500,
    )

    def steps() -> Iterator[tuple[int | str, ...]]:
        for operation in operations:
            at = _moment(operation.planned_at)
            for position in range(each):
                group, person = rng.choice(groups), rng.choice(colleagues)
                failed = operation.state == "failed" and position == 0
                end = ("failed", "admin_rights_needed") if failed else ("done", "done")
                yield (
                    *(operation.pk, position, group.platform, group.external_id, group.name),
                    *(person.key, person.name, f"U{person.pk}", *end, at, at),
                )

    pour(
        Step,
        (
            *("operation_id", "position", "platform", "group_id", "group_name", "subject", "subject_name"),
            *("user_id", "state", "outcome", "started_at", "finished_at"),
        ),
        steps(),
        verb="add",
    )


def _record(count: int, groups: Sequence[Group], now: datetime, rng: random.Random) -> None:
    """The activity record, as its own writer chains it."""
    events = 500
    for start in range(0, count, events):
        activity.record(
            events=[
                Event(
                    actor=f"staff{rng.randrange(50)}",
                    action="step.done",
                    operation_id=1 + (start + number) * 3_000 // count,
                    platform=group.platform,
                    group_id=group.external_id,
                    group_name=group.name,
                    subject=f"colleague{rng.randrange(100)}",
                    outcome="done",
                )
                for number, group in enumerate(rng.choices(groups, k=events))
            ],
            at=now - (count - start) * 730 * DAY / count,
        )


# --- The gated community, notices, live events -------------------------------------------------


def _community(count: int, now: datetime, rng: random.Random) -> None:
    """One in ten has expired; everybody was protected, and one in a hundred is not any more."""
    chat, people = gated_chat_id(), range(10_001, 10_001 + count)

    def ago(days: float) -> str:
        return _moment(now - timedelta(days=days))

    names = [f"Name{number}" for number in range(2_000)]
    pour(
        Subscriber,
        ("telegram_id", "username", "first_name", "last_name", "last_seen_at"),
        ((who, f"user_{who}", rng.choice(names), f"Example{who}", ago(who % 30)) for who in people),
    )
    pour(
        Subscription,
        ("subscriber_id", "status", "expires_at", "grace_until", "updated_at"),
        (
            (who, "expired", ago(9 + who % 300), ago(6 + who % 300), ago(who % 300))
            if who % 10 == 0
            else (who, "active", ago(-1 - who % 300), None, ago(who % 300))
            for who in people
        ),
    )
    pour(
        WhitelistEntry,
        ("telegram_id", "granted_at", "revoked_at", "revoked_by", "revoke_cause"),
        (
            (who, ago(who % 700), ago(who % 90), "ada", "manual")
            if who % 100 == 0
            else (who, ago(who % 700), None, "", "")
            for who in people
        ),
        source="seed",
        granted_by="ada",
    )
    pour(
        CommunityMember,
        ("telegram_id", "username", "name", "first_seen_at", "last_seen_at", "left_at"),
        (
            (who, f"user_{who}", f"{rng.choice(names)} Example{who}", ago(700), ago(who % 3), gone)
            for who in people
            for gone in [ago(who % 90) if who % 100 == 0 else None]
        ),
        chat_id=chat,
    )
    CommunityReading.objects.create(chat_id=chat, read_at=now, seen=count, expected=count, whole=True)


def _notices(count: int, now: datetime, rng: random.Random) -> None:
    at = [now - (count - number) * 730 * DAY / count for number in range(count)]
    kinds = ("gaps_found", "operation_finished", "audit_failed")
    notices = Notice.objects.bulk_create(
        Notice(kind=rng.choice(kinds), text=f"Notice {number}: something happened.", created_at=at[number])
        for number in range(count)
    )
    messages = NoticeMessage.objects.bulk_create(
        NoticeMessage(
            channel="slack",
            kind=notice.kind,
            state="sent",
            created_at=notice.created_at,
            sent_at=notice.created_at,
        )
        for notice in notices
    )
    pairs = zip(notices, messages, strict=True)
    pour(
        Delivery,
        ("notice_id", "message_id"),
        ((notice.pk, message.pk) for notice, message in pairs),
        channel="slack",
    )


def _live_events(count: int, groups: Sequence[Group], now: datetime, rng: random.Random) -> None:
    pause = 180 * DAY / count
    times = [_moment(now - (count - number) * pause) for number in range(count)]
    pour(
        LiveEvent,
        (
            *("platform", "group_external_id", "group_name", "heard_at"),
            *("last_heard_at", "due_at", "done_at"),
        ),
        (
            (group.platform, group.external_id, group.name, at, at, at, at)
            for at in times
            for group in [rng.choice(groups)]
        ),
        what="joined",
        state="seen",
    )
