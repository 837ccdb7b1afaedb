"""The JSON document of a run (`audit --json`): a contract that scripts rely on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from audits.models import AuditRun, GroupResult
from audits.rows import summarise


def totals(run: AuditRun) -> dict[str, Any]:
    """The run's summary with all of its keys; zeros where the run ended before it recorded anything."""
    return run.summary or asdict(summarise(()))


def audit_document(run: AuditRun) -> dict[str, Any]:
    """Everything a script needs to know of a finished run, in JSON types only.

    Every key is there whatever became of the run: one that failed has no groups, and zeros.
    """
    return {
        "run": {
            "id": run.pk,
            "state": run.state,
            "platforms": run.platforms,
            "started_at": _stamp(run.started_at),
            "finished_at": _stamp(run.finished_at),
            "api_calls": {platform: run.api_calls.get(platform, {}) for platform in run.platforms},
            "waited_seconds": run.waited_seconds,
        },
        "groups": list(_groups(run)),
        "findings": {
            "opened": run.opened,
            "resolved": run.resolved,
            "reopened": run.reopened,
            "open": run.open_findings,
        },
        "summary": totals(run),
    }


def _groups(run: AuditRun) -> Iterator[dict[str, Any]]:
    results = GroupResult.objects.filter(run=run).select_related("group").order_by("pk")
    for result in results.iterator(chunk_size=1000):
        yield {
            "platform": result.group.platform,
            "id": result.group.external_id,
            "name": result.name,
            "category": result.category_key,
            "requires_full_team": result.requires_full_team,
            "privacy": result.privacy,
            "history": result.history_visibility,
            "admin_status": result.admin_status,
            "total_members": result.total_members,
            "required_present": result.required_present,
            "required_missing": result.required_missing,
            "optional_present": result.optional_present,
            "optional_missing": result.optional_missing,
            "excluded": result.excluded,
            "unresolved": result.unresolved,
            "completeness": result.completeness,
            "flags": result.flags,
            "verdict": result.verdict,
        }


def _stamp(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else None
