"""What the purge of old records would delete: a plan from the rules alone. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from audits.evidence.models import EvidencePack
from audits.history.retention import start_of
from audits.latest import speaking_runs
from audits.lifecycle import State
from audits.models import AuditRun, Finding, FindingChange, RunState
from members.jobs import UNFINISHED
from members.notices.retention import due_messages, due_notices
from members.operations import kinds
from members.operations.models import ActivityEvent, Operation
from members.operations.record_purge import due_events
from members.operations.states import UNDER_WAY


@dataclass(frozen=True, slots=True)
class Rule:
    """One sort of rows whose time is over when they ended before a moment."""

    name: str
    words: str
    due: Callable[[datetime], QuerySet[Any]]
    portion: int
    """How many rows one transaction deletes: others write in between."""
    days: Callable[[], int] | None = None
    """How long they are kept where that is a time of their own; 0 for ever."""

    def cutoff(self, before: datetime, now: datetime) -> datetime | None:
        """What ended before this moment is due where the others are due `before`; None where all is kept."""
        return before if self.days is None else start_of(self.days(), now)


@dataclass(frozen=True, slots=True)
class Due:
    """What a purge would delete now of one sort."""

    words: str
    count: int
    before: datetime | None
    """What ended before is due; None where all of this sort is kept."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A dry run: everything that ended before `before` and is needed by nothing."""

    before: datetime
    lines: tuple[Due, ...]
    since: date | None
    """The day of the oldest of it: with `before`, the period whose evidence is lost unless it is made now."""

    @property
    def total(self) -> int:
        return sum(line.count for line in self.lines)


def plan(before: datetime) -> Plan:
    """A constant number of queries."""
    now = timezone.now()
    cutoffs = ((rule, rule.cutoff(before, now)) for rule in RULES)
    counts = (Due(rule.words, _count(rule, cutoff), cutoff) for rule, cutoff in cutoffs)
    lines = (*counts, Due(EVENTS_WORDS, due_events(before).count(), before))
    oldest = [
        AuditRun.objects.aggregate(at=Min("finished_at"))["at"],
        Operation.objects.aggregate(at=Min("planned_at"))["at"],
        ActivityEvent.objects.order_by("pk").values_list("at", flat=True).first(),
    ]
    days = [at.date() for at in oldest if at is not None and at < before]
    return Plan(before, lines, min(days, default=None))


def _count(rule: Rule, before: datetime | None) -> int:
    return 0 if before is None else rule.due(before).count()


def due_findings(before: datetime) -> QuerySet[Finding]:
    """Those that were resolved and stayed so. If the problem comes back, it is a new finding."""
    return Finding.objects.filter(state=State.RESOLVED, resolved_at__lt=before).order_by("pk")


def due_changes(before: datetime) -> QuerySet[FindingChange]:
    """Of a finding that stays, all but the last of its old changes: that one still says how it stands."""
    later = FindingChange.objects.filter(finding=OuterRef("finding"), pk__gt=OuterRef("pk"), at__lt=before)
    going = due_findings(before).filter(pk=OuterRef("finding"))
    return FindingChange.objects.filter(Exists(later), ~Exists(going), at__lt=before).order_by("pk")


def due_runs(before: datetime) -> QuerySet[AuditRun]:
    """The audits that ended, except those that are the newest word on a platform or a group."""
    speaking = list(speaking_runs().values())
    oldest = AuditRun.objects.filter(pk__in=speaking).aggregate(at=Min("finished_at"))["at"]
    news = Q(narrow=True, finished_at__gt=oldest) if oldest is not None else Q(pk__in=[])
    ended = AuditRun.objects.filter(state__in=RunState.ended(), owner="", finished_at__lt=before)
    return ended.exclude(pk__in=speaking).exclude(news).order_by("pk")


def due_looks(before: datetime) -> QuerySet[AuditRun]:
    """Of those audits, the ones that looked at single groups."""
    return due_runs(before).filter(narrow=True)


def due_operations(before: datetime) -> QuerySet[Operation]:
    """The operations at their end. One that was undone or tried again waits until that is purged itself."""
    ended = Operation.objects.annotate(ended=Coalesce("finished_at", "planned_at")).filter(ended__lt=before)
    children = Operation.objects.filter(parent=OuterRef("pk"))
    rows = ended.filter(~Exists(children)).exclude(state__in=UNDER_WAY)
    for kind in kinds.known():
        if kind.still_needed is not None:
            rows = rows.exclude(pk__in=kind.still_needed().order_by().values("operation"))
    return rows.order_by("pk")


def due_packs(before: datetime) -> QuerySet[EvidencePack]:
    """The packs that were made before, whatever period they tell of."""
    return EvidencePack.objects.filter(created_at__lt=before).exclude(state__in=UNFINISHED).order_by("pk")


RULES = (
    Rule(
        "looks",
        "audits of single groups, which live events bring about",
        due_looks,
        50,
        days=lambda: settings.LOOK_RETENTION_DAYS,
    ),
    Rule("notices", "notices", due_notices, 500, days=lambda: settings.NOTICE_RETENTION_DAYS),
    Rule(
        "messages",
        "messages that carried them",
        due_messages,
        500,
        days=lambda: settings.NOTICE_RETENTION_DAYS,
    ),
    Rule("findings", "resolved findings, with their changes", due_findings, 500),
    Rule("changes", "earlier changes of findings that stay", due_changes, 500),
    Rule("runs", "audits, with their results and files", due_runs, 10),
    Rule("operations", "operations, with their steps and reports", due_operations, 20),
    Rule("packs", "evidence packs", due_packs, 20),
)
EVENTS, EVENTS_WORDS = "events", "activity events"
WORDS = {rule.name: rule.words for rule in RULES} | {EVENTS: EVENTS_WORDS}
