"""A world with one row of every model, for tests that only ask who may open what; and pages without looks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib.auth.backends import ModelBackend
from django.core.files.base import ContentFile
from django.db import models
from django.template.backends.base import BaseEngine
from django_celery_beat.models import IntervalSchedule
from pytest_django import Settings

from audits.evidence.models import EvidencePack
from audits.history.models import ExportJob
from audits.models import RunReport
from members.jobs import JobState
from members.models import Employee, Group
from members.operations import activity
from members.operations.activity import Event
from members.operations.models import ActivityEvent, OperationReport
from members.policy import FindingKind
from tests.audit_rows import slack_run

LONG_AGO = datetime(2026, 1, 5, 9, tzinfo=UTC)


def one_of(model: type[models.Model]) -> models.Model:
    """The row of this model: the first there is, or a new one with whatever the fields take."""
    rows: models.Manager[models.Model] = model._meta.concrete_model._base_manager  # type: ignore[union-attr]
    there = rows.order_by("pk").first()
    if there is not None:
        return there
    if model is ActivityEvent:
        activity.record(events=[Event(actor="ada", action="operation.planned")], at=LONG_AGO)
        return one_of(model)
    values = {field.name: _anything(field) for field in model._meta.concrete_fields if _is_needed(field)}
    row = model(**values | {name: make() for name, make in _SPECIAL.get(model._meta.label_lower, {}).items()})
    row.save()
    return row


def world() -> None:
    """An audit with what it found, and the files that pages offer."""
    slack_run("acme-bitsafe")
    Group.objects.update(visible=False)  # so it stands among the groups where we cannot act
    for row in (one_of(model) for model in (RunReport, OperationReport, ExportJob, EvidencePack)):
        row.file.save("evidence.json", ContentFile(b"{}"))  # type: ignore[attr-defined]


def _is_needed(field: models.Field[Any, Any]) -> bool:
    return not (field.primary_key and field.has_default()) and not (
        field.has_default() or field.null or field.blank or isinstance(field, models.AutoField)
    )


def _anything(field: models.Field[Any, Any]) -> Any:
    if field.choices:
        return next(iter(dict(field.flatchoices)))
    match field:
        case models.ForeignKey():
            return one_of(field.related_model)
        case models.DateTimeField():
            return LONG_AGO
        case models.IntegerField():
            return 1
        case models.BooleanField():
            return False
        case models.JSONField():
            return []
        case models.FileField():
            return ""
    return "x"


_SPECIAL: Mapping[str, Mapping[str, Callable[[], Any]]] = {
    "members.slackworkspace": {"in_use": lambda: False},
    "audits.exclusionrequest": {"kind": lambda: FindingKind.PUBLIC_CHANNEL},
    "groupadmin.schedule": {"interval": lambda: one_of(IntervalSchedule)},
    "audits.runreport": {"format": lambda: "json"},
    "evidence.evidencepack": {
        "state": lambda: JobState.DONE,
        "finished_at": lambda: LONG_AGO,
        "since": LONG_AGO.date,
        "until": LONG_AGO.date,
    },
    "history.conversation": {"message_count": lambda: 1},
    "history.exportjob": {
        "state": lambda: JobState.DONE,
        "finished_at": lambda: LONG_AGO,
        "expires_at": lambda: datetime(2999, 1, 1, tzinfo=UTC),
    },
    "members.exclusion": {"kind": lambda: FindingKind.PUBLIC_CHANNEL},
    "members.membershiprule": {"employee": lambda: one_of(Employee)},
    "members.scopeline": {"pattern": lambda: "acme"},
    "operations.operation": {"kind": lambda: "add_people"},
    "operations.operationreport": {"format": lambda: "json"},
}
"""What a row needs beside what its fields need."""


def ask_quickly(settings: Settings) -> None:
    """Leave out what costs time in thousands of requests and says nothing about who may what."""
    settings.AUTHENTICATION_BACKENDS = ["tests.one_of_each.KnownPeople"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [
        name for name in settings.MIDDLEWARE if name.startswith("django.contrib.") or "otp" in name
    ]
    settings.TEMPLATES = [
        {"BACKEND": "tests.one_of_each.NoLooks", "DIRS": [], "APP_DIRS": True, "OPTIONS": {}}
    ]
    logging.disable()  # every refusal is a line


class KnownPeople(ModelBackend):
    """Reads people and their permissions once."""

    people: ClassVar[dict[Any, Any]] = {}

    def get_user(self, user_id: Any) -> Any:
        if user_id not in self.people:
            self.people[user_id] = super().get_user(user_id)
        return self.people[user_id]


class NoLooks(BaseEngine):
    """Templates that are all empty: what a page looks like costs most of its time."""

    def __init__(self, params: dict[str, Any]) -> None:
        params.pop("OPTIONS")
        super().__init__(params)

    def get_template(self, template_name: str) -> NoLooks:
        return self

    def from_string(self, template_code: str) -> NoLooks:
        return self

    def render(self, context: Any = None, request: Any = None) -> str:
        return ""
