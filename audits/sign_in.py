"""What goes on once somebody is signed in to Telegram: the audit that had stopped for want of it."""

from __future__ import annotations

from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse

from audits.models import AuditRun, Trigger
from audits.services import request_audit
from audits.tasks import enqueue
from members.operations.kinds import Link
from members.platforms.types import Platform

LOOKED_BACK = 50
"""Among so many of the newest whole runs the last one of Telegram is looked for."""


def look_again(*, actor: str, **_: Any) -> Link | None:
    """Receives `telegram_ops.signals.signed_in`: look at Telegram again if the last look stopped for it.

    One that waits in the queue will come by itself.
    """
    stopped = _last_look()
    if stopped is None or not stopped.sign_in_needed:
        return None
    run = request_audit(
        platforms=[Platform.TELEGRAM],
        deep=stopped.deep,
        trigger=Trigger.EVENT,
        requested_by=User.objects.filter(username=actor).first(),
        operation_id=stopped.operation_id,
    )
    enqueue(run.pk)
    url = reverse("admin:audits_auditrun_change", args=[run.pk])
    return Link(f"{stopped} had stopped because nobody was signed in. In its place now runs", str(run), url)


def _last_look() -> AuditRun | None:
    whole = AuditRun.objects.filter(narrow=False).order_by("-pk")
    newest = islice(whole.iterator(chunk_size=LOOKED_BACK), LOOKED_BACK)
    return next((run for run in newest if Platform.TELEGRAM in run.platforms), None)
