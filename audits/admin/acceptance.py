"""Accepting a finding as an exception: which exclusions do, and the form that grants one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from audits.lifecycle import State
from audits.models import Finding
from members.models import Exclusion, holding

if TYPE_CHECKING:
    ExclusionFormBase = forms.ModelForm[Exclusion]
else:
    ExclusionFormBase = forms.ModelForm


def accepting(finding: Finding | None = None) -> QuerySet[Exclusion]:
    """The exclusions that hold today and accept `finding`; without one, a subquery for a list of findings.

    As `audits.sight` judges it: one without a person is for everybody, one without a kind for every kind.
    """

    def value(field: str) -> Any:
        return OuterRef(field) if finding is None else getattr(finding, field)

    return Exclusion.objects.filter(
        holding(_today()),
        Q(employee_id=value("employee_id")) | Q(employee=None),
        Q(kind=value("kind")) | Q(kind=""),
        platform=value("platform"),
        group_external_id=value("group_external_id"),
    )


def may_accept(request: HttpRequest, finding: Finding) -> bool:
    """Whether the reader may accept the finding: an open one, of a group, that is not accepted yet."""
    acceptable = finding.state == State.OPEN and finding.group_external_id and not accepting(finding).exists()
    return bool(acceptable) and request.user.has_perm("members.add_exclusion")


class AcceptanceForm(ExclusionFormBase):
    """The exclusion for exactly this finding: a new one, or the one that has ended, granted anew."""

    class Meta:
        model = Exclusion
        fields = ("reason", "expires")
        labels: ClassVar = {"reason": "Why it is accepted", "expires": "Until"}
        widgets: ClassVar = {
            "reason": AdminTextareaWidget(attrs={"rows": 3}),
            "expires": forms.DateInput(attrs={"type": "date"}),
        }

    def __init__(self, finding: Finding, data: Any = None) -> None:
        exactly = {
            "platform": finding.platform,
            "group_external_id": finding.group_external_id,
            "employee": finding.employee,
            "kind": finding.kind,
        }
        ended = Exclusion.objects.filter(**exactly).first()
        super().__init__(
            data, instance=ended or Exclusion(**exactly), initial={"reason": "", "expires": None}
        )

    def clean_expires(self) -> date | None:
        expires: date | None = self.cleaned_data["expires"]
        if expires is not None and expires < _today():
            raise ValidationError("This day is over.")
        return expires

    def grant(self, granted_by: str) -> Exclusion | None:
        """Store the exclusion as granted now; None when somebody else has granted it at the same moment."""
        self.instance.granted_by, self.instance.granted_at = granted_by, timezone.now()
        try:
            with transaction.atomic():
                exclusion: Exclusion = self.save()
        except IntegrityError:
            return None
        return exclusion


def _today() -> date:
    return timezone.now().date()
