"""What an exclusion hides: of the findings that there are, and of a group's completeness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.utils import timezone

from audits.latest import newest_results
from audits.lifecycle import State
from audits.models import Finding, GroupResult
from members.models import Employee, Exclusion, Group, holding
from members.policy import FindingKind

SHOWN = 100
"""So many findings are named."""


class Place(Protocol):
    """What an exclusion, or a request for one, is about."""

    platform: str
    group_external_id: str
    kind: str

    @property
    def employee(self) -> Employee | None: ...


@dataclass(frozen=True, slots=True)
class Effect:
    """What would be hidden, as the audits know the world."""

    group: Group | None
    """None where no audit has seen it."""
    count: int
    findings: tuple[Finding, ...]
    """The first of them: open ones, and those that another exclusion hides already."""
    people: tuple[str, ...]
    before: str = ""
    """The group's completeness, like 7/8; "" where it does not change or nobody knows it."""
    after: str = ""
    later: str = ""
    """What it hides besides, whenever that comes to be."""


def accepting(finding: Finding | None = None) -> QuerySet[Exclusion]:
    """The exclusions that hold today and accept `finding`; without one, a subquery for a list of findings.

    As `audits.sight` judges it: one without a person is for everybody, one without a kind for every kind.
    """

    def value(field: str) -> Any:
        return OuterRef(field) if finding is None else getattr(finding, field)

    return Exclusion.objects.filter(
        holding(today()),
        Q(employee__key=value("subject")) | Q(employee=None),
        Q(kind=value("kind")) | Q(kind=""),
        platform=value("platform"),
        group_external_id=value("group_external_id"),
    )


def hidden_by(place: Place) -> QuerySet[Finding]:
    """The living findings that an exclusion of this place hides, or would."""
    found = Finding.objects.filter(platform=place.platform, group_external_id=place.group_external_id)
    if place.employee is not None:
        found = found.filter(subject=place.employee.key)
    if place.kind:
        found = found.filter(kind=place.kind)
    return found.exclude(state=State.RESOLVED).order_by("kind", "employee__name", "pk")


def hides_something() -> Q:
    """The condition under which there is a living finding that an exclusion hides, as `hidden_by` tells."""
    living = Finding.objects.exclude(state=State.RESOLVED).filter(
        platform=OuterRef("platform"), group_external_id=OuterRef("group_external_id")
    )
    same_person, same_kind = Q(subject=OuterRef("employee__key")), Q(kind=OuterRef("kind"))
    return (
        Q(Exists(living.filter(same_person, same_kind)))
        | Q(Exists(living.filter(same_person)), kind="")
        | Q(Exists(living.filter(same_kind)), employee=None)
    )


def with_need(exclusions: QuerySet[Exclusion]) -> QuerySet[Exclusion]:
    """Each with `is_needed`: whether it hides something."""
    return exclusions.annotate(is_needed=ExpressionWrapper(hides_something(), BooleanField()))


def effect_of(place: Place) -> Effect:
    """What granting an exclusion of this place means now and later."""
    found = hidden_by(place).select_related("employee")
    findings = tuple(found[:SHOWN])
    group = Group.objects.filter(platform=place.platform, external_id=place.group_external_id).first()
    names = (
        [place.employee.name]
        if place.employee is not None
        else list(dict.fromkeys(row.employee.name for row in findings if row.employee is not None))
    )
    before, after = _completeness(place, group)
    return Effect(group, found.count(), findings, tuple(names), before, after, _later(place))


def _completeness(place: Place, group: Group | None) -> tuple[str, str]:
    """How complete the group is and would be: who is excluded leaves both sides of the count."""
    if group is None or place.kind not in ("", FindingKind.MISSING_REQUIRED):
        return "", ""
    result = GroupResult.objects.filter(newest_results(), group=group).first()
    if result is None or not result.requires_full_team:
        return "", ""
    key = None if place.employee is None else place.employee.key
    present = [each for each in result.required_present if each != key]
    missing = [] if key is None else [each for each in result.required_missing if each != key]
    after = f"{len(present)}/{len(present) + len(missing)}"
    return (result.completeness, after) if after != result.completeness else ("", "")


def _later(place: Place) -> str:
    who = "everybody" if place.employee is None else place.employee.name
    if not place.kind:
        return f"Whatever is found about {who} in this group is hidden, too, as long as it holds."
    if place.employee is None:
        return "Findings of this kind in this group are hidden, too, whoever they come to be about."
    return "Should this finding end and come again, it is hidden, too, as long as the exclusion holds."


def today() -> date:
    """The UTC day by which exclusions hold."""
    return timezone.now().date()
