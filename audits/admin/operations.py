"""The page of an operation, with what only this floor knows: the audit that checks it, and our rights."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from audits.models import AuditRun, RunState
from audits.remediation.invitations import offer_links, people_not_added
from audits.remediation.verification import verification_of
from members.models import Group
from members.operations.admin.operations import OperationAdmin
from members.operations.admin.pages import Offer
from members.operations.membership import REMOVE
from members.operations.models import Operation
from members.platforms.types import Platform

NAMED = 5
"""How many groups a warning names."""
NOTING = timedelta(minutes=2)
"""How long after an audit's end the page waits for what it tells to be noted with the operation."""


class CheckedOperationAdmin(OperationAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.invite_view))
        return [path("<int:pk>/invite/", view, name="operations_operation_invite"), *super().get_urls()]

    def invite_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Plan messages with invite links for whom the operation could not add."""
        return self.plan_from(request, pk, offer_links)

    def offers_of(self, operation: Operation) -> list[Offer]:
        count = people_not_added(operation)
        if not count:
            return []
        label = "Offer 1 person invite links…" if count == 1 else f"Offer {count:,} people invite links…"
        return [Offer(label, reverse("admin:operations_operation_invite", args=[operation.pk]))]

    def awaited_of(self, operation: Operation) -> str:
        if awaited := super().awaited_of(operation):
            return awaited
        run = verification_of(operation.pk)
        if run is None:
            return ""
        if run.finished and not _is_being_noted(run, operation):
            return ""
        return f"{run} looks at how it is now"

    def warnings_of(self, operation: Operation) -> list[str]:
        removals = operation.steps.filter(platform=Platform.TELEGRAM, verb=REMOVE)
        powerless = Group.objects.filter(
            platform=Platform.TELEGRAM,
            may_remove=False,
            external_id__in=removals.values("group_id"),
        )
        names = list(powerless.order_by("name").values_list("name", flat=True))
        others = super().warnings_of(operation)
        if not names:
            return list(others)
        named = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
        return [
            *others,
            f"Our Telegram account had no right to remove people when an audit last looked, and may "
            f"probably not remove anybody from: {named}.",
        ]


def _is_being_noted(run: AuditRun, operation: Operation) -> bool:
    """Whether the audit that ended has yet to leave with the operation what it saw: a matter of moments."""
    saw_something = run.state in (RunState.COMPLETE, RunState.PARTIAL) and bool(operation.before)
    just_ended = run.finished_at is not None and run.finished_at > timezone.now() - NOTING
    return saw_something and just_ended and not operation.after


admin.site.unregister(Operation)
admin.site.register(Operation, CheckedOperationAdmin)
