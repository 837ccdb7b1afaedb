"""Operations: look at a plan, confirm it, watch it, read what came of it, and plan what follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from members.downloads import kept
from members.operations import services
from members.operations.admin import pages
from members.operations.admin.filters import KindFilter, PlatformFilter, StateFilter
from members.operations.display import kind_label, platform_names, state_badge, state_now, title_of
from members.operations.lineage import undone_by
from members.operations.models import Operation, OperationReport, Relation, Step
from members.operations.progress import WRITING_REPORTS, is_followed_up, load_progress
from members.operations.services import Actor, OperationRefused, PlanOutdated
from members.operations.states import OperationState, StepState
from members.operations.tasks import enqueue
from members.records import RecordAdmin
from members.ui import DASH, time_tag

_BULKY = ("parameters", "skipped", "api_calls", "before", "after")
"""Fields that no list shows, and that grow with the operation."""


@admin.register(Operation)
class OperationAdmin(RecordAdmin):
    list_display = (
        "name",
        "status",
        "platform_list",
        "steps",
        "done",
        "failed",
        "planned_by",
        "confirmer",
        "when",
    )
    list_display_links = ("name",)
    list_filter = (StateFilter, KindFilter, PlatformFilter, "trigger")
    search_fields = (
        "planned_by",
        "confirmed_by",
        "steps__group_name",
        "steps__group_id",
        "steps__subject_name",
        "steps__subject",
    )
    search_help_text = "Who planned or confirmed it; a group or a person in it, by name, key or id"
    date_hierarchy = "planned_at"
    change_form_template = "admin/operations/operation/change_form.html"
    fields = ()
    begins_with_groups = True
    empty_hint = (
        "Choose groups or findings and an action on them: it is planned here before anything is done."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        return super().get_queryset(request).defer(*_BULKY)

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, name: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
            route = f"<int:pk>/{route}"
            return path(route, self.admin_site.admin_view(view), name=f"operations_operation_{name}")

        return [
            page("confirm/", "confirm", require_POST(self.confirm_view)),
            page("cancel/", "cancel", require_POST(self.cancel_view)),
            page("resume/", "resume", require_POST(self.resume_view)),
            page("again/", "again", require_POST(self.again_view)),
            page("retry/", "retry", require_POST(self.retry_view)),
            page("undo/", "undo", require_POST(self.undo_view)),
            page("progress/", "progress", require_GET(self.progress_view)),
            page("reports/<str:format>/", "report", require_GET(self.report_view)),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist: ChangeList = super().get_changelist_instance(request)
        _count_steps(changelist.result_list)
        return changelist

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The operation's own page in place of a form."""
        operation: Operation = kwargs["obj"]
        undone = undone_by(operation)
        context |= {
            "title": f"{operation}: {title_of(operation, undone.pk if undone else None)}",
            "subtitle": None,
            "operation": operation,
            "relatives": pages.relatives(operation),
            "see_also": pages.see_also(operation),
            "may_run": _may_run(request),
            **self._page_of(operation, request, timezone.now()),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def confirm_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Allow exactly the plan that was shown, and have a worker take it up."""
        operation = self._for_runners(request, pk)
        if not _may_confirm(request, operation):
            raise PermissionDenied
        typed_count = _whole_number(request.POST.get("typed_count"))
        if pages.count_is_typed(operation) and typed_count != operation.count:
            messages.error(request, f"Nothing was done. To confirm it, type the count: {operation.count}.")
            return _to_page(pk)
        try:
            services.confirm_operation(
                operation_id=pk,
                plan_hash=request.POST.get("plan_hash", ""),
                count=_whole_number(request.POST.get("count")) or 0,
                typed_count=typed_count,
                actor=_actor(request),
            )
        except PlanOutdated as error:
            messages.error(request, str(error))
        except OperationRefused as error:
            _tell_refusal(request, Operation.objects.get(pk=pk), error)
        else:
            enqueue(pk)
        return _to_page(pk)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._for_runners(request, pk)
        try:
            operation = services.cancel_operation(operation_id=pk, actor=_actor(request))
        except OperationRefused as error:
            messages.warning(request, str(error))
        else:
            if operation.state == OperationState.RUNNING:
                messages.info(request, "It stops after the call that is under way. What was done stays done.")
            elif operation.state == OperationState.WAITING:  # an execution ends what has begun
                enqueue(pk)
                messages.info(request, "It is being stopped. What was done stays done.")
        return _to_page(pk)

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._for_runners(request, pk)
        try:
            services.resume_now(operation_id=pk, actor=_actor(request))
        except OperationRefused as error:
            messages.warning(request, str(error))
        else:
            enqueue(pk)
        return _to_page(pk)

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.plan_from(request, pk, services.plan_again)

    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.plan_from(request, pk, services.retry_operation)

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.plan_from(request, pk, services.undo_operation)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What progress.js polls."""
        operation = self._visible(request, pk)
        progress = load_progress(operation, timezone.now())
        awaited = self.awaited_of(operation)
        waiting = operation.state == OperationState.WAITING
        return JsonResponse(
            {
                "state": awaited or operation.state,
                "label": awaited or progress.label,
                "done": progress.done,
                "total": progress.total or None,
                "percent": None,
                "eta_seconds": progress.seconds_to_go,
                "eta_words": UNTIL_IT_GOES_ON if waiting else TO_GO,
                "finished": OperationState(operation.state).finished and not awaited,
                "url": None,
                "html": render_to_string(
                    "admin/operations/operation/live.html", {"operation": operation, "progress": progress}
                ),
            }
        )

    def report_view(self, request: HttpRequest, pk: int, format: str) -> FileResponse:
        """A stored report, for those who may see the operation."""
        report = get_object_or_404(OperationReport, operation=self._visible(request, pk), format=format)
        return kept(report.file, gone="The report's file is gone from the storage.")

    def awaited_of(self, operation: Operation) -> str:
        """What is still to come after the operation's end, for people; "" when there is nothing.

        Its page looks for news as long as there is something, and loads anew when that changes.
        """
        return WRITING_REPORTS if is_followed_up(operation) else ""

    def offers_of(self, operation: Operation) -> Sequence[pages.Offer]:
        """What else can be planned for an operation that has ended."""
        return ()

    def warnings_of(self, operation: Operation) -> Sequence[str]:
        """What may go wrong with a plan that can still be confirmed, one sentence each."""
        return services.warnings_of(operation)

    def _page_of(self, operation: Operation, request: HttpRequest, now: datetime) -> dict[str, Any]:
        """What the template of the operation's state needs."""
        if pages.is_plan(operation):
            context = _plan_context(operation, request, now)
            warnings = self.warnings_of(operation) if context["open"] else ()
            return {"part": "plan", "warnings": warnings, **context}
        if OperationState(operation.state).under_way:
            waiting = operation.state == OperationState.WAITING
            return {
                "part": "live",
                "progress": load_progress(operation, now),
                "eta_words": UNTIL_IT_GOES_ON if waiting else TO_GO,
                "waiting": waiting,
            }
        took = None
        if operation.started_at is not None and operation.finished_at is not None:
            took = (operation.finished_at - operation.started_at).total_seconds()
        return {
            "part": "result",
            "result": pages.load_result_page(operation, request.GET.dict()),
            "awaited": self.awaited_of(operation),
            "offers": self.offers_of(operation),
            "known": pages.kind_of(operation) is not None,
            "took": took,
        }

    def plan_from(self, request: HttpRequest, pk: int, make: Callable[..., Operation]) -> HttpResponse:
        """Make another plan out of an operation, and show it."""
        operation = self._for_runners(request, pk)
        try:
            plan = make(operation=operation, actor=_actor(request))
        except OperationRefused as error:
            messages.error(request, str(error))
            return _to_page(pk)
        except LookupError:
            messages.error(request, f"{kind_label(operation.kind)}: this release cannot do that any more.")
            return _to_page(pk)
        return _to_page(plan.pk)

    def _visible(self, request: HttpRequest, pk: int) -> Operation:
        operation = get_object_or_404(Operation, pk=pk)
        if not self.has_view_permission(request, operation):
            raise PermissionDenied
        return operation

    def _for_runners(self, request: HttpRequest, pk: int) -> Operation:
        if not _may_run(request):
            raise PermissionDenied
        return self._visible(request, pk)

    @admin.display(description="Operation", ordering="id")
    def name(self, operation: Operation) -> str:
        undone = operation.parent_id if operation.relation == Relation.UNDO else None
        return f"{operation.pk} · {title_of(operation, undone)}"

    @admin.display(description="State", ordering="state")
    def status(self, operation: Operation) -> SafeString:
        return state_badge(operation, timezone.now())

    @admin.display(description="Platforms")
    def platform_list(self, operation: Operation) -> str:
        return platform_names(operation.platforms) or DASH

    @admin.display(description="Steps", ordering="count")
    def steps(self, operation: Operation) -> str:
        return f"{operation.count:,}"

    @admin.display(description="Done")
    def done(self, operation: Any) -> str:
        return _shown(operation, operation.numbers[StepState.DONE] + operation.numbers[StepState.APPLIED])

    @admin.display(description="Failed")
    def failed(self, operation: Any) -> str:
        return _shown(operation, operation.numbers[StepState.FAILED])

    @admin.display(description="Confirmed by", ordering="confirmed_by")
    def confirmer(self, operation: Operation) -> str:
        return operation.confirmed_by or DASH

    @admin.display(description="Planned", ordering="planned_at")
    def when(self, operation: Operation) -> SafeString:
        return time_tag(operation.planned_at)


TO_GO, UNTIL_IT_GOES_ON = "to go", "until it goes on"


def _plan_context(operation: Operation, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """The plan, and whether and how this person may confirm it."""
    kind = pages.kind_of(operation)
    destructive = kind is not None and kind.destructive
    second_person = destructive and settings.REQUIRE_SECOND_PERSON
    is_planner = services.is_planner(_actor(request), operation)
    may_override = request.user.has_perm("operations.override_cap")
    is_open = state_now(operation, now) == OperationState.PLANNED
    confirmable = is_open and operation.count > 0 and kind is not None
    may_confirm = _may_confirm(request, operation)
    return {
        "plan": pages.load_plan_page(operation, request.GET.dict()),
        "open": is_open,
        "known": kind is not None,
        "destructive": destructive,
        "count_is_typed": pages.count_is_typed(operation),
        "second_person": second_person,
        "is_planner": is_planner,
        "may_override": may_override,
        "for_owners": is_open and _may_run(request) and not may_confirm,
        "may_confirm": confirmable
        and may_confirm
        and not (second_person and is_planner)
        and (may_override or not operation.over_cap),
    }


def _count_steps(operations: list[Any]) -> None:
    """Give each operation `numbers`: its steps by state; one query for all of them."""
    numbers: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    steps = Step.objects.filter(operation__in=[operation.pk for operation in operations]).order_by()
    for pk, state, count in steps.values_list("operation", "state").annotate(Count("pk")):
        numbers[pk][state] = count
    for operation in operations:
        operation.numbers = numbers[operation.pk]


def _tell_refusal(request: HttpRequest, operation: Operation, error: OperationRefused) -> None:
    """Why nothing was confirmed. Pressing twice is no mistake: it runs once, which the page shows."""
    if operation.confirmed_at is None:
        messages.error(request, str(error))
    elif operation.confirmed_by != request.user.get_username():
        messages.info(request, f"{operation.confirmed_by} has confirmed it already.")


def _shown(operation: Operation, number: int) -> str:
    return DASH if operation.confirmed_at is None else f"{number:,}"


def _whole_number(text: str | None) -> int | None:
    text = (text or "").strip().replace(",", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _actor(request: HttpRequest) -> Actor:
    return services.actor_of(request.user)


def _may_run(request: HttpRequest) -> bool:
    return request.user.has_perm("operations.run_operation")


def _may_confirm(request: HttpRequest, operation: Operation) -> bool:
    """Anybody who plans may plan a removal; to have people taken out is a right of its own."""
    kind = pages.kind_of(operation)
    allowed = kind is None or not kind.destructive or request.user.has_perm("operations.confirm_removals")
    return allowed and _may_run(request)


def _to_page(pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:operations_operation_change", args=[pk]))
