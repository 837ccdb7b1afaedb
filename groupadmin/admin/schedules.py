"""Schedules: what the product does by itself, in words, and with no way to break it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from groupadmin import schedule_record, schedules
from groupadmin.admin import schedule_results as results
from groupadmin.admin.schedule_forms import (
    HousekeepingForm,
    ScheduledAuditForm,
    ScheduledExportForm,
    ScheduledSyncForm,
    TimedForm,
)
from groupadmin.models import Schedule
from groupadmin.schedule_watch import runs_often
from groupadmin.schedules import AUDIT_TASK, EXPORT_TASK, SYNC_TASK
from members.odd_addresses import OddAddresses
from members.records import link
from members.ui import named_actions, time_tag

if TYPE_CHECKING:
    ScheduleAdminBase = admin.ModelAdmin[Schedule]
else:
    ScheduleAdminBase = admin.ModelAdmin

for model in (PeriodicTask, CrontabSchedule, IntervalSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)  # one page says it all, and none lets a task be mistyped


_NOTED = "It runs so often that only about one run a minute is written down, and every change of its outcome."


@admin.register(Schedule)
class ScheduleAdmin(OddAddresses, ScheduleAdminBase):
    """People schedule audits, syncs and exports; what the product needs can be switched on and off."""

    list_display = ("title", "rhythm", "switched_on", "last_run", "next_run")
    list_display_links = None
    list_select_related = ("crontab", "interval", "solar", "clocked", "run")
    actions = ("switch_on", "switch_off")
    change_list_template = "admin/groupadmin/schedule/change_list.html"
    empty_hint = "Add one, and audits start by themselves."
    shown = ("purpose", "rhythm", "last_run", "next_run")

    def get_form(
        self, request: HttpRequest, obj: Schedule | None = None, change: bool = False, **options: Any
    ) -> Any:
        form = _form_of(request, obj) or HousekeepingForm
        return super().get_form(request, obj, change, **{"form": form, **options})

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        form = _form_of(request, obj)
        if obj is None and form is not None:
            fields: Any = ("name", "enabled", *form.what, *form.times)
        elif obj is None or form is None or not self.has_change_permission(request, obj):
            fields = ("name", "purpose", "enabled", "rhythm", "last_run", "next_run")
        else:
            times = form.times if form.rhythm_of(obj) else ("rhythm",)
            fields = ("name", "enabled", *form.what, *times, "last_run", "next_run")
        return [(None, {"fields": fields})]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)
        results.attach(changelist.result_list)
        return changelist

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        schedule: Any = super().get_object(request, *args, **kwargs)
        if schedule is not None:
            results.attach([schedule])
        return schedule

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> tuple[str, ...]:
        return self.shown if _form_of(request, obj) else (*self.shown, "name")

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        return _form_of(request, obj) is not None and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # there are few, and some cannot be deleted
        return actions

    def get_action_choices(self, request: HttpRequest, *args: Any, **options: Any) -> list[tuple[str, str]]:
        return named_actions(super().get_action_choices(request))

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        actor: Any = request.user
        before = schedule_record.stored(obj) if change else None
        super().save_model(request, obj, form, change)
        if before is None:
            schedule_record.note_addition(actor=actor, schedule=obj)
        else:
            schedule_record.note_change(actor=actor, before=before, schedule=obj)

    def delete_model(self, request: HttpRequest, obj: Schedule) -> None:
        actor: Any = request.user
        schedule_record.note_deletion(actor=actor, schedule=obj)
        super().delete_model(request, obj)

    @admin.display(description="Schedule", ordering="name")
    def title(self, schedule: Schedule) -> SafeString:
        """What it is called, and below it what it does: two columns would push the times out of sight."""
        purpose = schedules.purpose(schedule)
        return format_html('{}<br><span class="quiet">{}</span>', link(schedule), purpose)

    @admin.display(description="What it does")
    def purpose(self, schedule: Schedule) -> str:
        return schedules.purpose(schedule)

    @admin.display(description="When")
    def rhythm(self, schedule: Schedule) -> str:
        return schedules.rhythm(schedule)

    @admin.display(description="Switched on", boolean=True, ordering="enabled")
    def switched_on(self, schedule: Schedule) -> bool:
        return bool(schedule.enabled)

    @admin.display(description="Last run", ordering="last_run_at")
    def last_run(self, schedule: Schedule) -> SafeString:
        """When it began, and what came of it."""
        run = results.run_of(schedule)
        began = time_tag((run and run.started_at) or schedule.last_run_at)
        if run is not None and runs_often(schedule):
            began = format_html('{} <span class="quiet inline" title="{}">or later</span>', began, _NOTED)
        outcome = results.in_words(schedule)
        return format_html("{}<br>{}", began, outcome) if outcome else began

    @admin.display(description="Next run")
    def next_run(self, schedule: Schedule) -> SafeString:
        return time_tag(schedules.next_run(schedule, timezone.now()))

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._switch(request, queryset, on=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._switch(request, queryset, on=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Schedule], *, on: bool) -> None:
        actor: Any = request.user
        rows = list(queryset.filter(enabled=not on))
        for row in rows:
            schedule_record.switch(schedule=row, on=on, actor=actor)
        messages.success(request, f"{len(rows)} switched {'on' if on else 'off'}.")


def _form_of(request: HttpRequest, schedule: Schedule | None) -> type[TimedForm] | None:
    """The form of what a schedule does; of a new one, what the address says. None for housekeeping."""
    if schedule is None:
        return _FORMS.get(_TASKS.get(request.GET.get("kind", ""), AUDIT_TASK))
    return _FORMS.get(schedule.task)


_TASKS = {"sync": SYNC_TASK, "export": EXPORT_TASK}
_FORMS: dict[str, type[TimedForm]] = {
    AUDIT_TASK: ScheduledAuditForm,
    SYNC_TASK: ScheduledSyncForm,
    EXPORT_TASK: ScheduledExportForm,
}
