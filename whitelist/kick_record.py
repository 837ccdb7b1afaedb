"""What the steps of sweeps say of people: whom we kicked, and of whom a ban may be left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q, QuerySet

from members.operations.models import Step
from members.operations.states import StepState
from whitelist.models import CommunityMember
from whitelist.sweep import KIND

_LIFTED_LATE = "Kicked. The end of the ban failed at first, and was made up for."


def kicked(chat_id: int) -> set[int]:
    """Those who count as present, and whom we have kicked, or begun to, since they were last seen.

    They did not leave of their own accord, also where the sweep is not at its end yet.
    """
    steps = _kicks().filter(group_id=str(chat_id)).order_by("pk")
    begun = {int(user_id): at for user_id, at in steps.values_list("user_id", "started_at") if at is not None}
    present = CommunityMember.objects.filter(chat_id=chat_id, telegram_id__in=begun, left_at=None)
    seen = present.values_list("telegram_id", "last_seen_at")
    return {telegram_id for telegram_id, at in seen if at <= begun[telegram_id]}


def may_be_banned() -> set[str]:
    """The ids of those whose kick was cut off, or whose ban was not seen to be lifted."""
    return set(open_kicks().values_list("user_id", flat=True))


def open_kicks() -> QuerySet[Step]:
    """The kicks that were cut off, and those whose ban was not seen to be lifted."""
    left = Q(state=StepState.RUNNING) | Q(after__has_key="banned_at") & ~Q(after__has_key="unbanned_at")
    return _kicks().filter(left)


def note_lifted(times: Mapping[str, datetime]) -> None:
    """Keep with the last kick of each when its ban was lifted after all."""
    for user_id, at in times.items():
        step = _kicks().filter(user_id=user_id).order_by("-pk").first()
        if step is not None and "unbanned_at" not in step.after:
            after = {**step.after, "unbanned_at": at.isoformat()}
            Step.objects.filter(pk=step.pk).update(after=after, message=_LIFTED_LATE)


def _kicks() -> QuerySet[Step]:
    """Those that were begun, and perhaps done."""
    begun = (StepState.RUNNING, StepState.APPLIED, StepState.DONE)
    return Step.objects.filter(operation__kind=KIND, state__in=begun)
