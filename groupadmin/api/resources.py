"""The three resources: where each value comes from, and what narrows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Coalesce

from audits.contract import totals
from audits.latest import newest_results
from audits.lifecycle import State
from audits.models import AuditRun, Finding, FindingChange, GroupResult, RunState, Trigger
from audits.rows import Verdict
from groupadmin.api.fields import (
    MOMENT,
    NUMBER,
    TEXT,
    TEXTS,
    YES_NO,
    Field,
    Filter,
    Resource,
    Schema,
    nullable,
    stamp,
    word,
)
from members.models import Group
from members.platforms.types import AdminStatus, GroupKind, History, Platform, Privacy
from members.policy import FindingKind

ID = Field("id", NUMBER, attrgetter("pk"), "Stays the same for ever.")


def _plain(name: str, schema: Schema = TEXT, about: str = "", *, of: str = "") -> Field:
    """An attribute as it is; null where something on the way to it is missing."""
    return Field(name, schema, _at(of or name), about)


def _moment(name: str, *, of: str = "", null: bool = False, about: str = "UTC.") -> Field:
    value = _at(of or name)
    return Field(name, nullable(MOMENT) if null else MOMENT, lambda row: stamp(value(row)), about)


def _at(path: str) -> Callable[[Any], Any]:
    def value(row: Any) -> Any:
        for name in path.split("."):
            row = getattr(row, name, None)
        return row

    return value


def _is(name: str, about: str, schema: Schema, path: str) -> Filter:
    return Filter(name, about, schema, lambda value: Q(**{path: value}))


def _customer(group: str) -> Filter:
    def condition(crm_id: str) -> Q:
        if not crm_id:
            return Q(**{f"{group}customer": None})
        return Q(**{f"{group}customer__crm_id": crm_id})

    return Filter("customer", "A customer's id in the CRM; empty: without a customer.", TEXT, condition)


# --- Findings ---------------------------------------------------------------------------------


def _findings() -> QuerySet[Finding]:
    changes = FindingChange.objects.filter(finding=OuterRef("pk")).order_by().values("finding")
    changed = Subquery(changes.annotate(at=Max("at")).values("at"))
    findings = Finding.objects.select_related("group__category", "group__customer", "employee")
    return findings.annotate(updated_at=Coalesce(changed, F("first_seen_at")))


FINDINGS = Resource(
    name="findings",
    singular="Finding",
    about="What is, or was, wrong with one subject in one group.",
    page="admin:audits_finding_change",
    rows=_findings,
    fields=(
        ID,
        _plain("platform", word(Platform)),
        _plain("group_id", about="The platform's id; empty where it concerns none.", of="group_external_id"),
        _plain("group_name", nullable(TEXT), of="group.name"),
        _plain("category", nullable(TEXT), "Key of the group's category.", of="group.category.key"),
        _plain("customer", nullable(TEXT), "CRM id of the group's customer.", of="group.customer.crm_id"),
        _plain("customer_name", nullable(TEXT), of="group.customer.name"),
        _plain("kind", word(FindingKind)),
        _plain("state", word(State)),
        _plain("employee", TEXT, "Key of the employee; empty where it is about the group.", of="subject"),
        _plain("employee_name", nullable(TEXT), of="employee.name"),
        _plain("detail"),
        _moment("first_seen_at"),
        _moment("last_seen_at"),
        _moment("resolved_at", null=True),
        _plain("end_reason", TEXT, "Why it was resolved; empty where nothing is known."),
        _plain("times_reopened", NUMBER),
        _moment("updated_at", about="When its state changed last, in UTC."),
    ),
    filters=(
        _is("platform", "Of this platform.", word(Platform), "platform"),
        _is("kind", "Of this kind.", word(FindingKind), "kind"),
        _is("state", "In this state.", word(State), "state"),
        _is("category", "Key of the group's category.", TEXT, "group__category__key"),
        _customer("group__"),
        _is("employee", "Key of an employee.", TEXT, "subject"),
        Filter(
            "updated_since",
            "Whose state changed then or later.",
            MOMENT,
            lambda since: Q(pk__in=FindingChange.objects.filter(at__gte=since).values("finding")),
        ),
    ),
)

# --- Groups -----------------------------------------------------------------------------------


def _groups() -> QuerySet[Group]:
    edits = Group.history.model.objects.filter(id=OuterRef("pk")).order_by().values("id")
    edited = Subquery(edits.annotate(at=Max("history_date")).values("at"))
    groups = Group.objects.select_related("category", "customer", "conversation")
    return groups.defer("conversation__covered").annotate(edited_at=edited)


def _with_results(groups: Sequence[Any]) -> None:
    """Each group with `result`, the newest word on it, and `open_findings`."""
    results = GroupResult.objects.filter(newest_results(), group__in=groups).select_related("run")
    by_group = {result.group_id: result for result in results}
    findings = Finding.objects.filter(state=State.OPEN, group__in=groups).order_by()
    counts = dict(findings.values_list("group").annotate(Count("pk")))
    for group in groups:
        group.result, group.open_findings = by_group.get(group.pk), counts.get(group.pk, 0)
        audited = group.result.run.finished_at if group.result is not None else None
        group.updated_at = max(filter(None, (group.last_seen_at, audited, group.edited_at)))


def _groups_since(since: Any) -> Q:
    audited = GroupResult.objects.filter(newest_results(), run__finished_at__gte=since)
    edited = Group.history.filter(history_date__gte=since)
    return Q(last_seen_at__gte=since) | Q(pk__in=audited.values("group")) | Q(pk__in=edited.values("id"))


def _groups_judged(verdict: str) -> Q:
    return Q(pk__in=GroupResult.objects.filter(newest_results(), verdict=verdict).values("group"))


def _of_result(name: str, schema: Schema, about: str = "", *, of: str = "", empty: Any = None) -> Field:
    value = _at(f"result.{of or name}")
    return Field(name, schema, lambda group: empty if group.result is None else value(group), about)


GROUPS = Resource(
    name="groups",
    singular="Group",
    about="A Slack channel or a Telegram group, with what the newest audit said of it.",
    page="admin:members_group_change",
    rows=_groups,
    prepare=_with_results,
    fields=(
        ID,
        _plain("platform", word(Platform)),
        _plain("group_id", about="The platform's id.", of="external_id"),
        _plain("name"),
        _plain("category", nullable(TEXT), "Key of its category.", of="category.key"),
        _plain("customer", nullable(TEXT), "CRM id of its customer.", of="customer.crm_id"),
        _plain("customer_name", nullable(TEXT), of="customer.name"),
        _plain("kind", word(GroupKind)),
        _plain("privacy", word(Privacy)),
        _plain("history", word(History), "What new members see of it.", of="history_visibility"),
        _plain("admin_status", word(AdminStatus), "Of our account."),
        _plain("total_members", nullable(NUMBER), "Null where no cheap call told it."),
        _plain("shared_externally", YES_NO),
        _plain("archived", YES_NO),
        _plain("in_scope", YES_NO, "Whether it is audited."),
        _of_result("verdict", nullable(TEXT), f"One of {', '.join(Verdict)}; null where no audit judged it."),
        _of_result("completeness", nullable(TEXT), "Required people present, of those counted: 7/8."),
        _of_result("required_present", TEXTS, "Keys of employees.", empty=[]),
        _of_result("required_missing", TEXTS, "Keys of employees.", empty=[]),
        _of_result("optional_missing", TEXTS, "Keys of employees.", empty=[]),
        _of_result("flags", TEXTS, "What else is wrong, as kinds of findings.", empty=[]),
        _plain("open_findings", NUMBER),
        _moment("audited_at", of="result.run.finished_at", null=True),
        _moment(
            "last_message_at",
            of="conversation.last_said_at",
            null=True,
            about="Null where none is kept.",
        ),
        _moment("first_seen_at"),
        _moment("last_seen_at", about="When an audit last saw it, in UTC."),
        _moment("updated_at", about="When an audit judged or saw it, or somebody edited it last, in UTC."),
    ),
    filters=(
        _is("platform", "Of this platform.", word(Platform), "platform"),
        _is("kind", "Of this kind.", word(GroupKind), "kind"),
        _is("category", "Key of its category.", TEXT, "category__key"),
        _customer(""),
        Filter("verdict", "Judged so by the newest audit.", word(Verdict), _groups_judged),
        _is("in_scope", "Whether it is audited.", YES_NO, "in_scope"),
        _is("archived", "Whether it is archived.", YES_NO, "archived"),
        Filter("updated_since", "Judged, seen or edited then or later.", MOMENT, _groups_since),
    ),
)

# --- Runs -------------------------------------------------------------------------------------


def _runs() -> QuerySet[AuditRun]:
    at = Coalesce("finished_at", "heartbeat_at", "started_at", "created_at")
    return AuditRun.objects.annotate(updated_at=at, platform_words=Cast("platforms", TextField())).defer(
        "blind_spots", "archived_groups", "verdicts"
    )


def _total(name: str, schema: Schema = NUMBER, about: str = "") -> Field:
    return Field(name, schema, lambda run: totals(run)[name], about)


RUNS = Resource(
    name="runs",
    singular="Run",
    about="One audit: what was asked for, and what came of it.",
    page="admin:audits_auditrun_change",
    rows=_runs,
    fields=(
        ID,
        _plain("state", word(RunState.values)),
        _plain("platforms", {"type": "array", "items": word(Platform)}),
        _plain("trigger", word(Trigger.values)),
        _plain("deep", YES_NO, "Whether it read every member list."),
        _plain("narrow", YES_NO, "Whether it looked at a few groups alone."),
        _total("groups"),
        _total("complete"),
        _total("coverage", {"type": "number"}, "Complete groups among those judged, 0 to 1."),
        _plain("findings_opened", NUMBER, of="opened"),
        _plain("findings_reopened", NUMBER, of="reopened"),
        _plain("findings_resolved", NUMBER, "How many open ones ended.", of="resolved"),
        _plain("findings_excluded", NUMBER, "How many open ones an exclusion accepts now.", of="excluded"),
        _plain("findings_open", NUMBER, "How many were open when it ended.", of="open_findings"),
        _plain("message", TEXT, "What went wrong."),
        _moment("created_at"),
        _moment("started_at", null=True),
        _moment("finished_at", null=True),
        _moment("updated_at"),
    ),
    filters=(
        Filter(
            "platform",
            "That looked at this platform.",
            word(Platform),
            lambda platform: Q(platform_words__contains=f'"{platform}"'),
        ),
        _is("state", "In this state.", word(RunState.values), "state"),
        _is("narrow", "Whether it looked at a few groups alone.", YES_NO, "narrow"),
        _is("updated_since", "That ended, or went on, then or later.", MOMENT, "updated_at__gte"),
    ),
)

RESOURCES = (FINDINGS, GROUPS, RUNS)
