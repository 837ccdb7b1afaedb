"""What people do with requests for exclusions: ask, grant, refuse, withdraw."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from audits.exclusions.effects import today
from audits.exclusions.models import ExclusionRequest, RequestState
from members.models import Exclusion, Group
from members.notices.kinds import NoticeKind
from members.notices.services import write
from members.operations import activity
from members.operations.activity import Event
from members.operations.services import Actor


class RequestRefused(Exception):
    """What was asked for is not to be done: one line, what happened and what to do."""


@transaction.atomic
def ask(*, request: ExclusionRequest, actor: Actor, needs_another: bool) -> ExclusionRequest:
    """Store a request. Where another person has to decide (`needs_another`), people are told.

    Raises RequestRefused when the same is asked for already.
    """
    same = ExclusionRequest.objects.filter(
        state=RequestState.WAITING,
        platform=request.platform,
        group_external_id=request.group_external_id,
        employee=request.employee,
        kind=request.kind,
    ).first()
    if same is not None:
        raise RequestRefused(f"The same is asked for already: {same}, by {same.requested_by}.")
    request.requested_by, request.requester = actor.name, actor.identity
    request.save()
    _note(request, actor, "exclusion.requested", detail=request.reason)
    if needs_another:
        write(
            kind=NoticeKind.EXCLUSION_REQUESTED,
            text=f"{actor.name} asks for an exclusion in {_group_name(request)}.\n"
            "Open the request: it shows what would be hidden. Grant or refuse it.",
            path=reverse("admin:audits_exclusionrequest_change", args=[request.pk]),
        )
    return request


def objection_to(request: ExclusionRequest, actor: Actor) -> str:
    """Why this person must not grant it; "" where nothing stands against it."""
    if request.state != RequestState.WAITING:
        return f"{request} is {request.get_state_display().lower()} already."
    if settings.REQUIRE_SECOND_PERSON and is_requester(request, actor):
        return "Somebody else than who asked for it has to grant it."
    if request.expires is not None and request.expires < today():
        return "Its last day is over: ask for it anew."
    return ""


def is_requester(request: ExclusionRequest, actor: Actor) -> bool:
    """Whether it is the same person; by their names where one of them is known by no more than that."""
    if actor.identity and request.requester:
        return actor.identity == request.requester
    return actor.name == request.requested_by


@transaction.atomic
def grant(*, request_id: int, actor: Actor, note: str = "") -> Exclusion:
    """Make the exclusion that is asked for; one for the same place that is there gets the new reason and end.

    Raises RequestRefused.
    """
    request = ExclusionRequest.objects.select_for_update().get(pk=request_id)
    if problem := objection_to(request, actor):
        raise RequestRefused(problem)
    place = {
        "platform": request.platform,
        "group_external_id": request.group_external_id,
        "employee": request.employee,
        "kind": request.kind,
    }
    exclusion: Any = Exclusion.objects.select_for_update(of=("self",)).filter(**place).first() or Exclusion(
        **place
    )
    exclusion.reason, exclusion.expires = request.reason, request.expires
    exclusion.granted_by, exclusion.granted_at = actor.name, timezone.now()
    exclusion._change_reason = f"{request}, by {request.requested_by}"[:100]
    try:
        with transaction.atomic():
            exclusion.save()
    except IntegrityError:
        raise RequestRefused("Somebody granted the same at this moment. Look at it again.") from None
    request.exclusion = exclusion
    _decide(request, RequestState.GRANTED, actor, note)
    granted: Exclusion = exclusion
    return granted


@transaction.atomic
def refuse(*, request_id: int, actor: Actor, note: str = "") -> None:
    """End a request without an exclusion; by whoever asked for it, it is withdrawn. Raises RequestRefused."""
    request = ExclusionRequest.objects.select_for_update().get(pk=request_id)
    if request.state != RequestState.WAITING:
        raise RequestRefused(f"{request} is {request.get_state_display().lower()} already.")
    state = RequestState.WITHDRAWN if is_requester(request, actor) else RequestState.REFUSED
    _decide(request, state, actor, note)


def _decide(request: ExclusionRequest, state: RequestState, actor: Actor, note: str) -> None:
    request.state, request.decided_by, request.decided_at = state, actor.name, timezone.now()
    request.note = note[:300]
    request.save()
    _note(request, actor, f"exclusion.{state}", detail=note or request.reason)


def _note(request: ExclusionRequest, actor: Actor, action: str, *, detail: str) -> None:
    event = Event(
        actor.name,
        action,
        platform=request.platform,
        group_id=request.group_external_id,
        group_name=_group_name(request),
        subject=request.employee.key if request.employee is not None else "",
        outcome=request.kind[:30],
        detail=detail,
    )
    activity.record(events=[event], at=timezone.now())


def _group_name(request: ExclusionRequest) -> str:
    group = Group.objects.filter(platform=request.platform, external_id=request.group_external_id).first()
    return group.name if group is not None else request.group_external_id
