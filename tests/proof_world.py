"""A busy day: an invented company in which every kind of job has something to do, all of it at once."""

from __future__ import annotations

import re
import socketserver
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from threading import Thread
from typing import Any

from django.db.models import Model
from django.utils import timezone

from audits.evidence.packs import request_pack
from audits.evidence.period import Period
from audits.evidence.tasks import enqueue_pack
from audits.evidence.verifying import verify_pack
from audits.history.exporting import ExportWish
from audits.history.exports import request_export
from audits.history.formats import Format
from audits.history.models import ExportJob, Message
from audits.history.sync import request_sync
from audits.history.tasks import enqueue_export, enqueue_sync
from audits.models import AuditRun, RunState, Trigger
from audits.remediation.missing import plan_missing
from audits.remediation.selections import MissingSelection
from audits.services import request_audit
from audits.tasks import enqueue as enqueue_audit
from groupadmin.sandbox.company import add_talk, build_company
from groupadmin.sandbox.company.telegram import BOT_ID
from groupadmin.sandbox.control import Write
from groupadmin.sandbox.runner import Sandbox
from groupadmin.sandbox.slack import SlackChannel
from groupadmin.sandbox.telegram.world import AdminRights, TelegramUser
from members.models import Employee, Group
from members.notices.kinds import NoticeKind
from members.notices.models import Message as NoticeMessage
from members.notices.models import NoticeSettings
from members.operations import activity
from members.operations.activity import Event
from members.operations.models import ActivityEvent, Operation
from members.operations.plan import Plan
from members.operations.services import Actor, confirm_operation, plan_operation
from members.operations.tasks import enqueue as enqueue_operation
from members.platforms.types import Platform
from members.policy import EmployeeStatus
from telegram_ops.removal_plans import RemovalSelection
from telegram_ops.removals import plan_removal
from telegram_ops.rename_selections import RenameSelection, Way
from telegram_ops.renames import plan_renames
from tests.audit_world import TINY, Office
from tests.history_rows import at, talk
from tests.processes import eventually
from tests.telegram_reading import add_group
from whitelist import flags, services
from whitelist.burning import Cause
from whitelist.decision import SubscriptionStatus
from whitelist.models import SeedingJob, WhitelistEntry
from whitelist.seeding_jobs import confirm_seeding, request_preview, run_seeding
from whitelist.subscriber_file import SubscriberRow
from whitelist.subscriptions import load_subscribers
from whitelist.sweep import plan_sweep
from whitelist.tasks import enqueue_seeding, reconcile_members

CHAT, BOARD = 4242, "C0NOTICES"
CUSTOMERS = tuple(range(50_000, 50_150))
EXPIRED = CUSTOMERS[:6]
OLIVIA = Actor("olivia", may_override_cap=True)
KEPT_MESSAGES, EARLIER_EVENTS = 12_000, 8_000
"""Enough that an export and a pack of evidence take a while."""
DAYS_AGO = timedelta(days=2)
PATIENCE_SECONDS = 600.0


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server on 127.0.0.1 that takes whatever it is sent; a context manager."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.letters: list[bytes] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def ids(self) -> Counter[str]:
        """How often each letter came, by its Message-ID."""
        return Counter(str(message_from_bytes(letter)["Message-ID"]) for letter in self.letters)

    def __enter__(self) -> Mailbox:
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Smtp(socketserver.StreamRequestHandler):
    """RFC 5321, as far as a client that only sends needs it."""

    server: Mailbox

    def handle(self) -> None:
        self._say("220 mailbox")
        while line := self.rfile.readline():
            match line[:4].upper():
                case b"QUIT":
                    self._say("221 bye")
                    return
                case b"DATA":
                    self._say("354 go on")
                    letter = b"".join(iter(self.rfile.readline, b".\r\n"))
                    self.server.letters.append(letter)
                    self._say("250 taken")
                case _:
                    self._say("250 yes")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@dataclass
class World:
    """The company on its servers, with what the product is told in its environment."""

    sandbox: Sandbox
    mailbox: Mailbox
    office: Office
    owner: int
    """The Telegram id of the bot's owner."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.sandbox.environment(),
            "TELEGRAM_GATED_CHAT_ID": str(-1_000_000_000_000 - CHAT),
            "TELEGRAM_BOT_OWNERS": str(self.owner),
            "SLACK_NOTIFY_CHANNEL": BOARD,
            "SITE_URL": "https://groups.example.com",
            "EMAIL_URL": self.mailbox.url,
            "SWEEP_PAUSE_SECONDS": "0.5",
            "SWEEP_CAP_SHARE": "0.5",
            "REQUIRE_SECOND_FACTOR": "False",
        }

    def take(self, seconds: float) -> None:
        """Have the platforms take so long for each call from now on."""
        self.sandbox.slack.latency = self.sandbox.telegram.latency = seconds

    def effects(self) -> list[Write]:
        return self.sandbox.writes.effects()

    def kicks(self) -> list[str]:
        """Who was banned, in order; ends of bans are not among them."""
        bans = [
            write for write in self.effects() if write.method == "EditBanned" and str(CHAT) in write.target
        ]
        return [write.subject for write in bans if "view" in write.subject]

    def posted(self) -> list[str]:
        """The last line of every notice in Slack: the number of its message."""
        return [m["text"].splitlines()[-1] for m in self.sandbox.company.slack.channels[BOARD].messages]

    def said_by_bot(self) -> list[str]:
        """What the bot answered its owner."""
        key = min(self.owner, BOT_ID), max(self.owner, BOT_ID)
        found = self.sandbox.company.telegram.conversations.get(key)
        return [message.text for message in found.messages if message.sender == BOT_ID] if found else []


@contextmanager
def world_of(settings: Any) -> Iterator[World]:
    """A company with conversations, a gated community, a board for notices; audited once. Kicks are on."""
    company = build_company(TINY)
    add_talk(company, time.time())
    account = company.telegram_account_id
    owner = company.staff["cy"].telegram_account.id
    for number, user_id in enumerate(CUSTOMERS):
        customer = TelegramUser(user_id, "Customer", f"Number{number}", [f"customer_{number}"])
        company.telegram.add_user(customer)
    add_group(company.telegram, CHAT, account, BOT_ID, *CUSTOMERS, creator=account)
    company.telegram.chats[CHAT].admins[BOT_ID] = AdminRights()
    ada = company.staff["ada"].slack_account.id
    company.slack.add_channel(SlackChannel(BOARD, "notices", ada, {ada: None}, is_private=True))
    with Sandbox(company) as sandbox, Mailbox() as mailbox:
        world = World(sandbox, mailbox, Office(sandbox), owner)
        for name, value in world.environment.items():
            if hasattr(settings, name) and name.startswith(("SLACK", "TELEGRAM", "SWEEP")):
                known = getattr(settings, name)
                setattr(settings, name, _as(known, value, name))
        settings.TELEGRAM_GATED_CHAT_ID = -1_000_000_000_000 - CHAT
        _record_much()
        world.office.audit()
        _say_much()
        _bring_in_the_community()
        yield world
        assert (sandbox.slack.bugs, sandbox.telegram.bugs) == ([], []), "the sandbox itself failed"


def _as(known: object, value: str, name: str) -> object:
    if name == "TELEGRAM_BOT_OWNERS":
        return [int(value)]
    if name == "TELEGRAM_API_ID":
        return int(value)
    return type(known)(value) if isinstance(known, (int, float)) else value


def _say_much() -> None:
    """A conversation long enough for an export that takes a while."""
    loud = talk("loud")
    Message.objects.bulk_create(
        Message(conversation=loud, number=number, sent_at=at(number), text=f"message {number}", raw={})
        for number in range(1, KEPT_MESSAGES + 1)
    )
    type(loud).objects.filter(pk=loud.pk).update(
        message_count=KEPT_MESSAGES, last_message_at=at(KEPT_MESSAGES)
    )


def _record_much() -> None:
    """A record long enough for a pack of evidence that takes a while."""
    earlier = [Event("ada", "test.earlier", detail=f"event {number}") for number in range(EARLIER_EVENTS)]
    activity.record(events=earlier, at=timezone.now() - DAYS_AGO)


def _bring_in_the_community() -> None:
    """Everybody is protected but for those who have expired, and kicks are on."""
    now = datetime.now(UTC)
    over = now - timedelta(days=30)
    services.grant(telegram_ids=CUSTOMERS, actor="test", source="test")
    rows = [SubscriberRow(who, SubscriptionStatus.EXPIRED, over, over) for who in EXPIRED]
    load_subscribers(rows=rows, actor="test", source="test", now=now)
    services.burn(telegram_ids=EXPIRED, cause=Cause.MANUAL, actor="test")
    reconcile_members()  # whose names are known, can be found
    run_seeding(request_preview(actor="test").pk)
    flags.turn_kicks_on(actor="olivia")
    everything = {str(kind): ["slack", "email"] for kind in NoticeKind}
    NoticeSettings.objects.create(pk=1, channels=everything, recipients="ada@example.com", digest_minutes=0)


@dataclass
class Day:
    """Every kind of job, asked for; each is a row by its name."""

    world: World
    jobs: dict[str, Model] = field(default_factory=dict)
    steps_wanted: int = 0

    def row(self, name: str) -> Any:
        self.jobs[name].refresh_from_db()
        return self.jobs[name]

    def goes_on(self, effects: int) -> None:
        """Wait until the platforms have changed a little more, or all is done."""
        before = len(self.world.effects())
        self.waits(lambda: len(self.world.effects()) >= before + effects or self.is_over())

    def comes_to_its_end(self) -> None:
        self.waits(self.is_over)

    def waits(self, look: Callable[[], bool]) -> None:
        """As long as jobs may take that take turns on a busy machine; a failure says where they stand."""
        try:
            eventually(look, seconds=PATIENCE_SECONDS)
        except AssertionError as error:
            stand = {name: (state, self.row(name).message) for name, state in self.states().items()}
            raise AssertionError(f"{error}; {stand}, held by {self.holders()}") from None

    def states(self) -> dict[str, str]:
        return {name: str(self.row(name).state) for name in self.jobs}

    def holders(self) -> dict[str, int]:
        """Of what is under way now: the process that does it."""
        rows = {name: self.row(name) for name in self.jobs}
        return {
            name: int(row.owner.split(":")[1])
            for name, row in rows.items()
            if row.state == "running" and row.owner
        }

    def is_over(self) -> bool:
        """Everything, and the audits that verify it, and what is to be told of it."""
        unfinished = AuditRun.objects.exclude(state__in=RunState.ended(), owner="")
        untold = NoticeMessage.objects.exclude(state__in=("sent", "failed"))
        held = Operation.objects.exclude(owner="")
        return (
            all(row.finished_at is not None for row in map(self.row, self.jobs))
            and not unfinished.exists()
            and not untold.exists()
            and not held.exists()
        )


def confirmed(plan: Plan) -> Operation:
    assert plan.steps, plan.kind
    operation = plan_operation(plan=plan, actor=OLIVIA)
    confirm_operation(
        operation_id=operation.pk,
        plan_hash=operation.plan_hash,
        count=operation.count,
        actor=OLIVIA,
        typed_count=operation.count,
    )
    return operation


def plans(*, renames: int = 6) -> dict[str, Plan]:
    """What is to be changed on the platforms."""
    Employee.objects.filter(key="bo").update(status=EmployeeStatus.OFFBOARDED)
    both = (Platform.SLACK, Platform.TELEGRAM)
    renamed = plan_renames(RenameSelection(Way.RULES))
    return {
        "adding": plan_missing(MissingSelection(platforms=both)),
        "removal": plan_removal(RemovalSelection(("bo",), both)),
        "rename": Plan(
            renamed.kind, renamed.steps[:renames], skipped=renamed.skipped, parameters=renamed.parameters
        ),
        "sweep": plan_sweep(now=timezone.now()).plan,
    }


def begin(world: World) -> Day:
    """Ask for everything at once."""
    operations: Mapping[str, Plan] = plans()
    day = Day(world)
    for name, plan in operations.items():
        day.steps_wanted += plan.count
        day.jobs[name] = operation = confirmed(plan)
        enqueue_operation(operation.pk)
    ask_for(day, "audit")
    groups = list(Group.objects.filter(in_scope=True, name__gt="").exclude(name="loud"))
    day.jobs["sync"] = sync = request_sync(groups=groups, asked_by="ada")
    enqueue_sync(sync.pk)
    ask_for(day, "export")
    ask_for(day, "evidence")
    preview = SeedingJob.objects.latest("pk")
    day.jobs["seeding"] = seeding = confirm_seeding(preview_id=preview.pk, actor="ada")
    enqueue_seeding(seeding.pk)
    return day


def ask_for(day: Day, name: str) -> None:
    """An audit, an export or a pack of evidence, in the place of the one that was asked for before."""
    if name == "audit":
        day.jobs[name] = request_audit(platforms=list(Platform), trigger=Trigger.PERSON)
        enqueue_audit(day.jobs[name].pk)
    elif name == "export":
        day.jobs[name] = ask_for_an_export()
        enqueue_export(day.jobs[name].pk)
    else:
        then = (timezone.now() - DAYS_AGO).date()
        day.jobs[name] = request_pack(period=Period(then, then), asked_by="ada")
        enqueue_pack(day.jobs[name].pk)


def ask_for_an_export() -> ExportJob:
    wish = ExportWish(list(Group.objects.filter(name="loud")), Format.HTML)
    return request_export(wish=wish, asked_by="ada", sync_first=False)


def assert_all_is_well(day: Day) -> None:
    """Nothing lost, nothing twice, states true, people told."""
    world = day.world
    messages = {name: day.row(name).message for name in day.jobs}
    ends = {name: state for name, state in day.states().items() if state not in ("done", "complete")}
    assert set(ends) <= {"adding"}, (ends, messages)  # whom nobody may add is a step that says so
    for operation in Operation.objects.all():
        unfinished = operation.steps.filter(state__in=("pending", "running", "applied"))
        assert not unfinished.exists(), f"{operation}: {list(unfinished.values())}"
        recorded = activity_of(operation)
        ended = operation.steps.exclude(state="not_tried").count()
        assert sum(recorded.values()) == ended, "each step is on record once"
        assert set(recorded.values()) <= {1}
    twice = {key: count for key, count in Counter(map(_what, world.effects())).items() if count > 1}
    assert twice == {}, "a platform was changed twice"
    assert sorted(world.kicks()) == sorted(set(world.kicks())), world.kicks()
    assert {int(re.sub(r"\D.*", "", who)) for who in world.kicks()} == set(EXPIRED)
    assert not world.sandbox.company.telegram.chats[CHAT].banned, "they may come back"
    assert set(EXPIRED).isdisjoint(world.sandbox.company.telegram.chats[CHAT].members)
    assert not WhitelistEntry.objects.filter(pk__in=EXPIRED, revoked_at=None).exists()
    assert activity.verify().problem == ""
    _assert_files_are_whole(day)
    _assert_people_were_told(day)


def _what(write: Write) -> tuple[str, str, str]:
    return write.method, write.target, write.subject


def activity_of(operation: Operation) -> Counter[tuple[str, str]]:
    events = ActivityEvent.objects.filter(operation_id=operation.pk, action__startswith="step.")
    return Counter(events.values_list("group_id", "subject"))


def _assert_files_are_whole(day: Day) -> None:
    export, pack = day.row("export"), day.row("evidence")
    assert (export.messages, export.file.size) == (KEPT_MESSAGES, export.size)
    with pack.file.open("rb") as file:
        checked = verify_pack(file)
    assert (checked.sha256, checked.bytes) == (pack.sha256, pack.size)
    for run in AuditRun.objects.exclude(state__in=("failed", "cancelled")).filter(narrow=False):
        assert run.reports.count() == 3, run
        assert all(report.file.size for report in run.reports.all())


def _assert_people_were_told(day: Day) -> None:
    world = day.world
    sent = NoticeMessage.objects.filter(channel="slack", state="sent")
    assert set(NoticeMessage.objects.values_list("state", flat=True)) == {"sent"}
    assert len(world.posted()) == len(set(world.posted())) == sent.count()
    letters = NoticeMessage.objects.filter(channel="email")
    assert len(world.mailbox.ids()) == letters.count(), "a repetition has the same Message-ID"
