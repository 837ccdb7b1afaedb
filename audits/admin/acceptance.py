"""Accepting a finding as an exception: which exclusions do, and the form that grants one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from audits.exclusions.effects import accepting, today
from audits.exclusions.models import ExclusionRequest, RequestState
from audits.lifecycle import State
from audits.models import Finding
from members.models import Exclusion

if TYPE_CHECKING:
    ExclusionFormBase = forms.ModelForm[Exclusion]
else:
    ExclusionFormBase = forms.ModelForm


def may_accept(request: HttpRequest, finding: Finding) -> bool:
    """Whether the reader may accept the finding: an open one, of a group, that is not accepted yet.

    Not one about somebody who was deleted: without the person it would be accepted for everybody.
    """
    about_nobody = bool(finding.subject) and finding.employee_id is None
    acceptable = finding.state == State.OPEN and finding.group_external_id and not about_nobody
    return bool(acceptable) and may_ask(request) and not accepting(finding).exists()


def may_ask(request: HttpRequest) -> bool:
    """Whether the reader may ask for exclusions; whoever may grant them may."""
    return request.user.has_perm("audits.add_exclusionrequest") or may_decide(request)


def may_decide(request: HttpRequest) -> bool:
    """Whether the reader may grant exclusions at all."""
    return request.user.has_perm("members.add_exclusion")


def grants_alone(request: HttpRequest) -> bool:
    """Whether what the reader accepts is granted at once, with nobody else asked."""
    return may_decide(request) and not settings.REQUIRE_SECOND_PERSON


def request_for(finding: Finding) -> ExclusionRequest | None:
    """The request that waits for a decision about exactly this finding."""
    return ExclusionRequest.objects.filter(state=RequestState.WAITING, **place_of(finding)).first()


def place_of(finding: Finding) -> dict[str, Any]:
    """What an exclusion of exactly this finding is about."""
    return {
        "platform": finding.platform,
        "group_external_id": finding.group_external_id,
        "employee": finding.employee,
        "kind": finding.kind,
    }


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
        exactly = place_of(finding)
        ended = Exclusion.objects.filter(**exactly).first()
        super().__init__(
            data, instance=ended or Exclusion(**exactly), initial={"reason": "", "expires": None}
        )

    def clean_expires(self) -> date | None:
        expires: date | None = self.cleaned_data["expires"]
        if expires is not None and expires < today():
            raise ValidationError("This day is over.")
        return expires

    def as_request(self) -> ExclusionRequest:
        """The same as a wish that somebody else decides about; not stored."""
        same = ("platform", "group_external_id", "employee", "kind", "reason", "expires")
        return ExclusionRequest(**{name: getattr(self.instance, name) for name in same})

    def grant(self, granted_by: str) -> Exclusion | None:
        """Store the exclusion as granted now; None when somebody else has granted it at the same moment."""
        self.instance.granted_by, self.instance.granted_at = granted_by, timezone.now()
        try:
            with transaction.atomic():
                exclusion: Exclusion = self.save()
        except IntegrityError:
            return None
        return exclusion
