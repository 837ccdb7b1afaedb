"""Numbers for Prometheus at /metrics, read from the database at every scrape.

All processes share that one truth, so it does not matter which of them is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from audits.lifecycle import State
from audits.models import AuditRun, Finding, RunState
from groupadmin.health import readiness
from members.models import Group
from members.operations.models import Operation
from whitelist.flags import kick_enabled


class DatabaseCollector(Collector):
    """A few grouped counts, each over an index."""

    def collect(self) -> Iterator[Metric]:
        """Yield the families; the names of their labels are part of what others rely on."""
        now = timezone.now()
        up = GaugeMetricFamily("groupadmin_up", "Whether a part of the product works.", labels=["part"])
        for check in readiness():
            up.add_metric([check.name], float(check.ok))
        yield up

        findings = GaugeMetricFamily("groupadmin_open_findings", "Open findings.", labels=["kind"])
        for kind, count in _counts(Finding.objects.filter(state=State.OPEN), "kind"):
            findings.add_metric([kind], count)
        yield findings

        groups = GaugeMetricFamily("groupadmin_groups", "Groups that are known.", labels=["platform"])
        for platform, count in _counts(Group.objects.all(), "platform"):
            groups.add_metric([platform], count)
        yield groups

        operations = GaugeMetricFamily("groupadmin_operations", "Operations by state.", labels=["state"])
        for state, count in _counts(Operation.objects.all(), "state"):
            operations.add_metric([state], count)
        yield operations

        audits = GaugeMetricFamily("groupadmin_audits", "Audits by state.", labels=["state"])
        for state, count in _counts(AuditRun.objects.all(), "state"):
            audits.add_metric([state], count)
        yield audits

        newest = AuditRun.objects.filter(state=RunState.COMPLETE, narrow=False).aggregate(
            at=Max("finished_at")
        )["at"]
        if newest is not None:
            yield GaugeMetricFamily(
                "groupadmin_last_complete_audit_age_seconds",
                "How long ago the newest complete audit ended.",
                value=(now - newest).total_seconds(),
            )
        yield GaugeMetricFamily(
            "groupadmin_kicks_enabled", "Whether kicks are on.", value=float(kick_enabled())
        )


def _counts(rows: QuerySet[Any], field: str) -> list[tuple[str, int]]:
    return list(rows.order_by().values_list(field).annotate(count=Count("pk")))


_registry = CollectorRegistry()
_registry.register(DatabaseCollector())


def metrics(request: HttpRequest) -> HttpResponse:
    """The numbers, for whoever knows METRICS_TOKEN; where none is set there is no such page."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not settings.METRICS_TOKEN or not constant_time_compare(given, settings.METRICS_TOKEN):
        raise Http404
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
