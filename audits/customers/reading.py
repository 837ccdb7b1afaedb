"""A customer's groups on both platforms, as the newest audits saw them, and when anybody last wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower

from audits.coverage import Share
from audits.display import KINDS_BY_URGENCY, in_order_of
from audits.history.models import Conversation
from audits.latest import newest_results
from audits.lifecycle import State
from audits.models import Finding, GroupResult
from audits.rows import Verdict
from members.customers.models import Customer
from members.models import Employee, Group
from members.platforms.types import Platform

FINDINGS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One group of the customer."""

    group: Group
    result: GroupResult | None
    """What the newest audit said of it; None where none has judged it."""
    missing: tuple[str, ...]
    """Who is missing, by name."""
    findings: int
    """How many are open."""
    last_said_at: datetime | None
    waiting_since: datetime | None
    """Since when the customer waits for an answer; None where somebody answered, or nothing is kept."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that a customer's page shows."""

    customer: Customer
    lines: tuple[GroupLine, ...]
    """The archived ones last."""
    coverage: Share
    findings: tuple[Finding, ...]
    """The most urgent open ones."""
    finding_count: int

    @property
    def platforms(self) -> list[tuple[Platform, int]]:
        """How many groups there are on each platform; archived ones do not count."""
        live = [line.group.platform for line in self.lines if not line.group.archived]
        return [(platform, live.count(platform)) for platform in Platform]

    @property
    def last_said_at(self) -> datetime | None:
        return max((line.last_said_at for line in self.lines if line.last_said_at), default=None)


def load_overview(customer: Customer, *, shown: int | None = FINDINGS_SHOWN) -> Overview:
    """The page's content in a constant number of queries; all open findings where `shown` is None."""
    groups = customer.groups.select_related("category", "conversation").defer("conversation__covered")
    newest = GroupResult.objects.filter(newest_results(), group__customer=customer).select_related("run")
    results = {result.group_id: result for result in newest}
    keys = {key for result in results.values() for key in result.required_missing}
    names = dict(Employee.objects.filter(key__in=keys).values_list("key", "name"))
    findings = Finding.objects.filter(state=State.OPEN, group__customer=customer)
    counts = dict(findings.order_by().values_list("group").annotate(Count("pk")))
    urgent = findings.select_related("group", "employee").order_by(
        in_order_of(KINDS_BY_URGENCY, "kind"), Lower("group__name"), "pk"
    )
    lines = tuple(
        _line(group, results.get(group.pk), names, counts.get(group.pk, 0))
        for group in groups.order_by("archived", "platform", Lower("name"), "pk")
    )
    return Overview(
        customer,
        lines,
        _share(lines),
        tuple(urgent if shown is None else urgent[:shown]),
        sum(counts.values()),
    )


def _line(group: Group, result: GroupResult | None, names: dict[str, str], findings: int) -> GroupLine:
    talk: Conversation | None = getattr(group, "conversation", None)
    return GroupLine(
        group=group,
        result=result,
        missing=tuple(names.get(key, key) for key in result.required_missing) if result is not None else (),
        findings=findings,
        last_said_at=talk.last_said_at if talk is not None else None,
        waiting_since=talk.waiting_since if talk is not None else None,
    )


def _share(lines: tuple[GroupLine, ...]) -> Share:
    verdicts = [line.result.verdict for line in lines if line.result is not None and not line.group.archived]
    complete = verdicts.count(Verdict.COMPLETE)
    return Share(complete, complete + verdicts.count(Verdict.INCOMPLETE))


def with_numbers(customers: QuerySet[Customer]) -> QuerySet[Any]:
    """The customers with `slack_groups`, `telegram_groups`, `complete`, `judged`, `findings`, `last_said_at`.

    Archived groups do not count.
    """
    groups = Group.objects.filter(customer=OuterRef("pk"), archived=False)
    results = GroupResult.objects.filter(
        newest_results(), group__customer=OuterRef("pk"), group__archived=False
    )
    findings = Finding.objects.filter(state=State.OPEN, group__customer=OuterRef("pk"))
    judged = Q(verdict__in=(Verdict.COMPLETE, Verdict.INCOMPLETE))
    said = Conversation.objects.filter(group__customer=OuterRef("pk"), group__archived=False)
    return customers.annotate(
        slack_groups=_count(groups.filter(platform=Platform.SLACK), "customer"),
        telegram_groups=_count(groups.filter(platform=Platform.TELEGRAM), "customer"),
        complete=_count(results.filter(verdict=Verdict.COMPLETE), "group__customer"),
        judged=_count(results.filter(judged), "group__customer"),
        findings=_count(findings, "group__customer"),
        last_said_at=Subquery(
            said.order_by().values("group__customer").annotate(at=Max("last_said_at")).values("at")
        ),
    ).annotate(gaps=F("judged") - F("complete"))


def _count(rows: QuerySet[Any], customer: str) -> Coalesce:
    counted = rows.order_by().values(customer).annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)
