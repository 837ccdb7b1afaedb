"""What people say of a schedule: what it does, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django_celery_beat.models import CrontabSchedule

from audits.admin.runs import StartForm
from audits.history.formats import Format
from audits.history.keeping import GroupSet
from groupadmin import schedules
from groupadmin.models import Schedule
from groupadmin.schedules import (
    WEEK,
    Monthly,
    ScheduledAudit,
    Weekly,
    monthly,
    scheduled_audit,
    scheduled_export,
    scheduled_sync,
    weekly,
)
from members.models import Category
from members.platforms.types import Platform

LAST_DAY = 28
"""The last day that every month has."""


class TimedForm(forms.ModelForm):
    """A schedule whose time people choose, if it is one that the form can say."""

    what: ClassVar[Sequence[str]] = ()
    """The fields that say what it does."""
    times: ClassVar[Sequence[str]] = ()
    """The fields that say when."""

    at = forms.TimeField(
        label="Time",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="When it starts, in the time zone below.",
    )
    zone = CrontabSchedule._meta.get_field("timezone").formfield(
        label="Time zone", initial="UTC", help_text="Summer time is followed where the zone has it."
    )

    class Meta:
        model = Schedule
        fields = ("name", "enabled")
        labels: ClassVar = {"enabled": "Switched on"}
        help_texts: ClassVar = {
            "name": "What the list of schedules calls it.",
            "enabled": "Off: it waits until somebody switches it on again.",
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial.update(self.initial_what())
        if rhythm := self.rhythm_of(self.instance):
            self.initial.update(self.initial_times(rhythm))
        elif self.instance.pk is not None:  # more than this form can say: it stays as it is
            for name in self.times:
                del self.fields[name]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self.ask(cleaned)
            if "at" in self.fields:
                schedules.run_at(self.instance, self.chosen_times(cleaned))
        return cleaned

    def validate_unique(self) -> None:
        """The model complains that nothing says when; before the fields are right that is no news."""
        if not self.errors:
            super().validate_unique()

    def initial_what(self) -> dict[str, Any]:
        """What the schedule does so far."""
        raise NotImplementedError

    def ask(self, cleaned: dict[str, Any]) -> None:
        """Make the schedule do what the form says; does not save."""
        raise NotImplementedError

    @staticmethod
    def rhythm_of(schedule: Schedule) -> Weekly | Monthly | None:
        """The schedule's times, if they are of the kind that the form knows."""
        return weekly(schedule.crontab)

    def initial_times(self, rhythm: Any) -> dict[str, Any]:
        return {"days": list(rhythm.days), "at": rhythm.at, "zone": rhythm.zone}

    def chosen_times(self, cleaned: dict[str, Any]) -> Weekly | Monthly:
        return Weekly(frozenset(cleaned["days"]), cleaned["at"], cleaned["zone"])


class WeeklyForm(TimedForm):
    """One that runs on days of the week."""

    times = ("days", "at", "zone")

    days = forms.TypedMultipleChoiceField(
        choices=[(day, schedules.name_of(day)) for day in WEEK],
        coerce=int,
        initial=WEEK,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "in-a-row"}),
        help_text="On which days it runs.",
    )


class ScheduledAuditForm(WeeklyForm, StartForm):
    """An audit."""

    what = ("platforms", "deep")

    def initial_what(self) -> dict[str, Any]:
        audit = scheduled_audit(self.instance)
        return {"platforms": list(map(str, audit.platforms)), "deep": audit.deep} if audit else {}

    def ask(self, cleaned: dict[str, Any]) -> None:
        platforms = tuple(map(Platform, cleaned["platforms"]))
        schedules.ask_for(self.instance, ScheduledAudit(platforms, cleaned["deep"]))


def _sets() -> list[tuple[str, str]]:
    """The sets of groups that a schedule can name."""
    categories = Category.objects.order_by("position", "name")
    return [
        (str(GroupSet()), "Those that are kept up to date"),
        *((str(GroupSet(category.key)), f"Category {category.name}") for category in categories),
    ]


class ScheduledSyncForm(WeeklyForm):
    """A sync of a set of groups."""

    what = ("groups",)

    groups = forms.ChoiceField(
        label="Conversations", choices=_sets, help_text="Whichever they are when it runs."
    )

    def initial_what(self) -> dict[str, Any]:
        sync = scheduled_sync(self.instance)
        return {"groups": str(sync.groups)} if sync and sync.groups else {}

    def ask(self, cleaned: dict[str, Any]) -> None:
        schedules.sync_for(self.instance, GroupSet.named(cleaned["groups"]))


class ScheduledExportForm(TimedForm):
    """An export of a set of groups, once a month."""

    what = ("groups", "format", "span")
    times = ("day", "at", "zone")

    groups = forms.ChoiceField(
        label="Conversations", choices=_sets, help_text="Whichever they are when it runs."
    )
    format = forms.ChoiceField(
        choices=[(str(each), each.choice) for each in Format],
        initial=str(Format.HTML),
        help_text="One file for each run.",
    )
    span = forms.ChoiceField(
        label="Messages",
        choices=[("month", "Of the calendar month before"), ("all", "All that are kept")],
        help_text="How far back each export goes.",
    )
    day = forms.IntegerField(
        label="Day of the month", min_value=1, max_value=LAST_DAY, initial=1, help_text=f"1 to {LAST_DAY}."
    )

    def initial_what(self) -> dict[str, Any]:
        export = scheduled_export(self.instance)
        if export is None:
            return {}
        said = {"groups": export.groups, "format": export.format}
        span = {"span": "month" if export.last_month else "all"}
        return {name: str(value) for name, value in said.items() if value is not None} | span

    def ask(self, cleaned: dict[str, Any]) -> None:
        schedules.export_for(
            self.instance,
            GroupSet.named(cleaned["groups"]),
            Format(cleaned["format"]),
            last_month=cleaned["span"] == "month",
        )

    @staticmethod
    def rhythm_of(schedule: Schedule) -> Monthly | None:
        rhythm = monthly(schedule.crontab)
        return rhythm if rhythm is not None and rhythm.day <= LAST_DAY else None

    def initial_times(self, rhythm: Any) -> dict[str, Any]:
        return {"day": rhythm.day, "at": rhythm.at, "zone": rhythm.zone}

    def chosen_times(self, cleaned: dict[str, Any]) -> Monthly:
        return Monthly(cleaned["day"], cleaned["at"], cleaned["zone"])


class HousekeepingForm(forms.ModelForm):
    """Of what the product needs for itself, only whether it runs is a matter of opinion."""

    class Meta:
        model = Schedule
        fields = ("enabled",)
        labels = TimedForm.Meta.labels
        help_texts = TimedForm.Meta.help_texts
