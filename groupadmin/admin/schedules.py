"""Schedules: what the product does by itself, in words, and with no way to break it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from audits.admin.runs import StartForm
from groupadmin import schedules
from groupadmin.models import Schedule
from groupadmin.schedules import WEEK, ScheduledAudit, Weekly, scheduled_audit, weekly
from members.platforms.types import Platform
from members.ui import time_tag

if TYPE_CHECKING:
    ScheduleAdminBase = admin.ModelAdmin[Schedule]
else:
    ScheduleAdminBase = admin.ModelAdmin

for model in (PeriodicTask, CrontabSchedule, IntervalSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)  # one page says it all, and none lets a task be mistyped


class ScheduledAuditForm(forms.ModelForm, StartForm):
    """An audit, and the time of the week at which it starts."""

    days = forms.TypedMultipleChoiceField(
        choices=[(day, schedules.name_of(day)) for day in WEEK],
        coerce=int,
        initial=WEEK,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "in-a-row"}),
    )
    at = forms.TimeField(label="Time", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    zone = CrontabSchedule._meta.get_field("timezone").formfield(
        label="Time zone", initial="UTC", help_text=""
    )

    class Meta:
        model = Schedule
        fields = ("name", "enabled")
        labels: ClassVar = {"enabled": "Switched on"}
        help_texts: ClassVar = {"name": "", "enabled": ""}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if audit := scheduled_audit(self.instance):
            self.initial.update(platforms=list(map(str, audit.platforms)), deep=audit.deep)
        if rhythm := weekly(self.instance.crontab):
            self.initial.update(days=list(rhythm.days), at=rhythm.at, zone=rhythm.zone)
        elif self.instance.pk is not None:  # more than this form can say: it stays as it is
            for name in ("days", "at", "zone"):
                del self.fields[name]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        platforms = tuple(map(Platform, cleaned["platforms"]))
        schedules.ask_for(self.instance, ScheduledAudit(platforms, cleaned["deep"]))
        if "at" in self.fields:
            schedules.run_at(
                self.instance, Weekly(frozenset(cleaned["days"]), cleaned["at"], cleaned["zone"])
            )
        return cleaned

    def validate_unique(self) -> None:
        """The model complains that nothing says when; before the fields are right that is no news."""
        if not self.errors:
            super().validate_unique()


class HousekeepingForm(forms.ModelForm):
    """Of what the product needs for itself, only whether it runs is a matter of opinion."""

    class Meta:
        model = Schedule
        fields = ("enabled",)
        labels = ScheduledAuditForm.Meta.labels
        help_texts = ScheduledAuditForm.Meta.help_texts


@admin.register(Schedule)
class ScheduleAdmin(ScheduleAdminBase):
    """New schedules are audits; the housekeeping that comes with the product can be switched on and off."""

    list_display = ("name", "purpose", "rhythm", "switched_on", "last_run", "next_run")
    list_select_related = ("crontab", "interval", "solar", "clocked")
    actions = ("switch_on", "switch_off")
    empty_hint = "Add one, and audits start by themselves."
    shown = ("purpose", "rhythm", "last_run", "next_run")

    def get_form(
        self, request: HttpRequest, obj: Schedule | None = None, change: bool = False, **options: Any
    ) -> Any:
        form = ScheduledAuditForm if self._is_audit(obj) else HousekeepingForm
        return super().get_form(request, obj, change, **{"form": form, **options})

    def get_fieldsets(self, request: HttpRequest, obj: Schedule | None = None) -> Any:
        if obj is None:
            fields: Any = ("name", "enabled", "platforms", "deep", "days", "at", "zone")
        elif not (self._is_audit(obj) and self.has_change_permission(request, obj)):
            fields = ("name", "purpose", "enabled", "rhythm", "last_run", "next_run")
        else:
            times = ("days", "at", "zone") if weekly(obj.crontab) else ("rhythm",)
            fields = ("name", "enabled", "platforms", "deep", *times, "last_run", "next_run")
        return [(None, {"fields": fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: Schedule | None = None) -> tuple[str, ...]:
        return self.shown if self._is_audit(obj) else (*self.shown, "name")

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:
        return self._is_audit(obj) and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # there are few, and some cannot be deleted
        return actions

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
        return time_tag(schedule.last_run_at)

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
        rows = list(queryset.filter(enabled=not on))
        for row in rows:
            row.enabled = on
            row.save()  # one by one: saving is what tells beat
        messages.success(request, f"{len(rows)} switched {'on' if on else 'off'}.")

    @staticmethod
    def _is_audit(schedule: Schedule | None) -> bool:
        return schedule is None or scheduled_audit(schedule) is not None
