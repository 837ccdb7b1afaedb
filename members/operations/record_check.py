"""Whether the record of who did what was found whole, by whom and when: a line in the record itself."""

from __future__ import annotations

from django.utils import timezone

from members.operations import activity
from members.operations.activity import Event, Verdict
from members.operations.models import ActivityEvent

ACTION = "record.verified"
WHOLE, BROKEN = "whole", "broken"


def verify_record(*, actor: str) -> Verdict:
    """Check every link of the record, and write down who did so and what came of it."""
    verdict = activity.verify()
    if verdict.problem:
        outcome, detail = BROKEN, problem_of(verdict)
    else:
        outcome, detail = WHOLE, f"{verdict.length} events"
    activity.record(events=[Event(actor, ACTION, outcome=outcome, detail=detail)], at=timezone.now())
    return verdict


def problem_of(verdict: Verdict) -> str:
    """What is wrong with a record that is not whole: one line."""
    where = f"Event {verdict.broken_at}: " if verdict.broken_at is not None else ""
    return f"{where}{verdict.problem}."


def last_verification() -> ActivityEvent | None:
    """The newest line that tells of a check."""
    return ActivityEvent.objects.filter(action=ACTION).order_by("-pk").first()
