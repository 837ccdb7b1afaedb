"""The tables of a pack: what was there and what happened in a period, row by row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from audits.evidence.period import Period
from audits.exclusions.models import ExclusionRequest
from audits.lifecycle import Change, State
from audits.models import AuditRun, Finding, FindingChange, RunState
from members.models import Employee, Exclusion
from members.operations.models import Operation, Step
from members.operations.states import UNDER_WAY

CHUNK = 1000

Row = Iterable[object]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file of the pack."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[Period], Iterator[Row]]
    count: Callable[[Period], int]


def text_of(value: object) -> str:
    """A value as the tables write it: moments in UTC, lists and mappings as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
    return str(value)


# --- What is part of a period --------------------------------------------------------------------


def runs_of(period: Period) -> QuerySet[AuditRun]:
    """The audits that ended in it, in the order of their numbers."""
    ended = AuditRun.objects.filter(state__in=RunState.ended())
    return ended.filter(finished_at__gte=period.start, finished_at__lt=period.end).order_by("pk")


def changes_of(period: Period) -> QuerySet[FindingChange]:
    return FindingChange.objects.filter(at__gte=period.start, at__lt=period.end).order_by("pk")


def findings_of(period: Period) -> QuerySet[Finding]:
    """The findings that stood at some moment of it."""
    changed = Exists(changes_of(period).order_by().filter(finding=OuterRef("pk")))
    stood = Q(resolved_at=None) | Q(resolved_at__gte=period.start)
    return Finding.objects.filter(stood | changed, first_seen_at__lt=period.end).order_by("pk")


def operations_of(period: Period) -> QuerySet[Operation]:
    """The operations that were planned, under way or ended in it."""
    there = Operation.objects.annotate(ended=Coalesce("finished_at", "planned_at"))
    lasted = Q(ended__gte=period.start) | Q(state__in=UNDER_WAY)
    return there.filter(lasted, planned_at__lt=period.end).order_by("pk")


def _steps_of(period: Period) -> QuerySet[Step]:
    return Step.objects.filter(operation__in=operations_of(period).values("pk")).order_by(
        "operation", "position"
    )


def _requests_of(period: Period) -> QuerySet[ExclusionRequest]:
    asked = Q(requested_at__gte=period.start, requested_at__lt=period.end)
    decided = Q(decided_at__gte=period.start, decided_at__lt=period.end)
    return ExclusionRequest.objects.filter(asked | decided).order_by("pk")


def _versions_of(period: Period) -> QuerySet[Any]:
    """Every version of every exclusion from before the end of the period."""
    versions: QuerySet[Any] = Exclusion.history.filter(history_date__lt=period.end)
    return versions.order_by("id", "history_date", "history_id")


# --- Rows ------------------------------------------------------------------------------------------

RUN = {
    "Audit": "pk",
    "State": "state",
    "Trigger": "trigger",
    "Started by": "requested_by__username",
    "Platforms": "platforms",
    "Every member list": "deep",
    "Single groups only": "groups",
    "Started": "started_at",
    "Finished": "finished_at",
    "Opened": "opened",
    "Resolved": "resolved",
    "Reopened": "reopened",
    "Excluded": "excluded",
    "Open findings": "open_findings",
    "Summary": "summary",
    "Not seen": "blind_spots",
    "API calls": "api_calls",
    "Trouble": "message",
}
FINDING = {
    "Finding": "pk",
    "Kind": "kind",
    "Platform": "platform",
    "Group ID": "group_external_id",
    "Group": "group__name",
    "Person": "subject",
    "Name": "employee__name",
    "Detail": "detail",
    "State now": "state",
    "State at the end of the period": "last_change",
    "First seen": "first_seen_at",
    "Last seen": "last_seen_at",
    "Resolved": "resolved_at",
    "Why it ended": "end_reason",
    "Times reopened": "times_reopened",
}
CHANGE = {
    "When": "at",
    "Finding": "finding_id",
    "Change": "change",
    "Reason": "reason",
    "Audit": "run_id",
    "Kind": "finding__kind",
    "Platform": "finding__platform",
    "Group ID": "finding__group_external_id",
    "Person": "finding__subject",
}
OPERATION = {
    "Operation": "pk",
    "Kind": "kind",
    "State": "state",
    "Platforms": "platforms",
    "Steps": "count",
    "Trigger": "trigger",
    "Planned by": "planned_by",
    "Planned": "planned_at",
    "Plan hash": "plan_hash",
    "Above its cap": "over_cap",
    "Confirmed by": "confirmed_by",
    "Confirmed": "confirmed_at",
    "Started": "started_at",
    "Finished": "finished_at",
    "Comes from operation": "parent_id",
    "As": "relation",
    "Asked for": "parameters",
    "Left out": "skipped",
    "Message": "message",
}
STEP = {
    "Operation": "operation_id",
    "Step": "position",
    "What": "verb",
    "Platform": "platform",
    "Group ID": "group_id",
    "Group": "group_name",
    "Person": "subject",
    "Name": "subject_name",
    "User ID": "user_id",
    "State": "state",
    "Outcome": "outcome",
    "Message": "message",
    "Started": "started_at",
    "Finished": "finished_at",
}
REQUEST = {
    "Request": "pk",
    "State": "state",
    "Platform": "platform",
    "Group ID": "group_external_id",
    "Person": "employee__key",
    "Kind": "kind",
    "Reason": "reason",
    "Until": "expires",
    "Requested by": "requested_by",
    "Requested": "requested_at",
    "Decided by": "decided_by",
    "Decided": "decided_at",
    "Note": "note",
    "Exclusion": "exclusion_id",
}
EXCLUSION = (
    "Exclusion",
    "What",
    "From",
    "By",
    "Platform",
    "Group ID",
    "Person",
    "Name",
    "Kind",
    "Reason",
    "Until",
    "Granted by",
    "Granted",
)
_STATES = {
    Change.OPENED: State.OPEN,
    Change.REOPENED: State.OPEN,
    Change.RESOLVED: State.RESOLVED,
    Change.EXCLUDED: State.EXCLUDED,
}
_VERSIONS = {"+": "granted", "~": "changed", "-": "deleted"}


def _plain(fields: Mapping[str, str], select: Callable[[Period], QuerySet[Any]]) -> dict[str, Any]:
    """What a table needs whose columns are the fields of the rows that `select` finds."""

    def rows(period: Period) -> Iterator[Row]:
        return iter(select(period).values_list(*fields.values()).iterator(chunk_size=CHUNK))

    return {"columns": tuple(fields), "rows": rows, "count": lambda period: select(period).count()}


def _finding_rows(period: Period) -> Iterator[Row]:
    changes = FindingChange.objects.filter(finding=OuterRef("pk"), at__lt=period.end).order_by("-at", "-pk")
    rows = findings_of(period).annotate(last_change=Subquery(changes.values("change")[:1]))
    at = list(FINDING).index("State at the end of the period")
    for row in rows.values_list(*FINDING.values()).iterator(chunk_size=CHUNK):
        yield (*row[:at], _STATES.get(row[at], ""), *row[at + 1 :])


def _exclusion_rows(period: Period) -> Iterator[Row]:
    """Each version of an exclusion that held at some time of the period, and each deletion in it."""
    people = {
        key: (str(name), person) for key, name, person in Employee.objects.values_list("pk", "key", "name")
    }
    versions = _versions_of(period).annotate(who=F("history_user__username"))
    for _, history in groupby(versions.iterator(chunk_size=CHUNK), key=lambda version: version.id):
        following = None
        kept = []
        for version in reversed(list(history)):
            deleted = version.history_type == "-"
            over = following is not None and following <= period.start
            over |= version.expires is not None and version.expires < period.since and not deleted
            if not over and not (deleted and version.history_date < period.start):
                kept.append(version)
            following = version.history_date
        for version in reversed(kept):
            yield (
                version.id,
                _VERSIONS[version.history_type],
                version.history_date,
                version.who,
                version.platform,
                version.group_external_id,
                *people.get(version.employee_id, (version.employee_id, "")),
                version.kind,
                version.reason,
                version.expires,
                version.granted_by,
                version.granted_at,
            )


TABLES = (
    Table("exclusion_requests.csv", **_plain(REQUEST, _requests_of)),
    Table("exclusions.csv", EXCLUSION, _exclusion_rows, lambda period: _versions_of(period).count()),
    Table("finding_changes.csv", **_plain(CHANGE, changes_of)),
    Table("findings.csv", tuple(FINDING), _finding_rows, lambda period: findings_of(period).count()),
    Table("operations.csv", **_plain(OPERATION, operations_of)),
    Table("runs.csv", **_plain(RUN, runs_of)),
    Table("steps.csv", **_plain(STEP, _steps_of)),
)
