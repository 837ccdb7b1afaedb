"""How far an operation has come: numbers for a bar, and words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter

from django.db.models import Count, Min

from members.charts import Part
from members.operations import kinds
from members.operations.display import tally
from members.operations.models import Operation, Step
from members.operations.pace import Pace
from members.operations.parts import seconds_left
from members.operations.states import OperationState, StepState
from members.platforms.types import Platform

LAST = 8
"""How many of the newest outcomes are shown."""
WINDOW = timedelta(seconds=60)
"""The pace is that of the last minute: what came before says little about a platform's limits now."""

WRITING_REPORTS = "Writing the reports"

_TO_DO = (StepState.PENDING, StepState.RUNNING)

Counts = Mapping[tuple[str, str], int]
"""Numbers of steps by (state, outcome)."""


@dataclass(frozen=True, slots=True)
class Progress:
    label: str
    """What goes on now."""
    done: int
    total: int
    """Of the steps, those whose call was made or not needed, and all of them; 0 when that is no news."""
    seconds_to_go: float | None
    """Until the end, or of a waiting operation until it goes on; None when nobody can tell."""
    whole_seconds: float | None
    """Of a waiting operation until its end, as far as the platforms' limits are known; None where not."""
    per_minute: float | None
    """Steps a minute; None when nobody can tell."""
    parts: tuple[Part, ...]
    last: tuple[Step, ...]
    """The steps that ended last, the newest first."""


def load_progress(operation: Operation, now: datetime) -> Progress:
    """Where an operation that is under way stands, in a number of queries that does not grow with it."""
    counts = step_counts(operation)
    to_do = _number(counts, *_TO_DO)
    pace = _steps_a_second(operation, now) if operation.state == OperationState.RUNNING else None
    allowed = time_allowed(operation, now) if to_do and not operation.cancel_requested else None
    last = operation.steps.filter(finished_at__isnull=False).order_by("-finished_at", "-position")[:LAST]
    return Progress(
        label=_label(operation, counts),
        done=operation.count - to_do,
        total=operation.count if operation.state in (OperationState.RUNNING, OperationState.WAITING) else 0,
        seconds_to_go=_seconds_to_go(operation, to_do, pace, allowed, now),
        whole_seconds=allowed.seconds
        if allowed is not None and operation.state == OperationState.WAITING
        else None,
        per_minute=60 * pace if pace else None,
        parts=tuple(tally(operation.kind, counts)),
        last=tuple(last),
    )


@dataclass(frozen=True, slots=True)
class TimeAllowed:
    """The least time that the platforms' known limits leave for what is still to do, and whose they are."""

    seconds: float
    why: str


def time_allowed(operation: Operation, now: datetime) -> TimeAllowed | None:
    """None where no limit is known. At most two queries for each platform."""
    try:
        pace_on = kinds.get(operation.kind).pace
    except LookupError:
        return None
    if pace_on is None:
        return None
    times = [
        time
        for platform in map(Platform, operation.platforms)
        if (pace := pace_on(platform)) is not None
        and (time := _time_on(platform, operation, pace, now)) is not None
    ]
    return max(times, key=attrgetter("seconds"), default=None)


def _time_on(platform: Platform, operation: Operation, pace: Pace, now: datetime) -> TimeAllowed | None:
    """None as well while the platform lets more pass than it is known to."""
    ages = _ages(operation.kind, platform, pace, now)
    if len(ages) > pace.calls and operation.state == OperationState.RUNNING:
        return None
    observed = replace(pace, calls=max(pace.calls, len(ages)))
    to_do = operation.steps.filter(platform=platform, state__in=_TO_DO).count()
    part = operation.parts.get(platform)
    start = seconds_left(part, now) if part else 0.0
    return TimeAllowed(observed.seconds_for(to_do, ages, start=start), pace.why)


def _ages(kind: str, platform: Platform, pace: Pace, now: datetime) -> list[float]:
    """How many seconds ago the calls ended that still count against the limit, whichever operation's."""
    recent = Step.objects.filter(
        operation__kind=kind,
        platform=platform,
        started_at__isnull=False,
        finished_at__gt=now - timedelta(seconds=pace.seconds),
    )
    ended = recent.order_by("-finished_at").values_list("finished_at", flat=True)
    return [(now - at).total_seconds() for at in ended if at is not None]


def is_followed_up(operation: Operation) -> bool:
    """Whether it has ended, and somebody still sees to what follows an end: reports, notices."""
    return OperationState(operation.state).finished and operation.owner != ""


def step_counts(operation: Operation) -> Counts:
    rows = operation.steps.order_by().values_list("state", "outcome").annotate(Count("pk"))
    return {(state, outcome): count for state, outcome, count in rows}


def _label(operation: Operation, counts: Counts) -> str:
    if is_followed_up(operation):
        return WRITING_REPORTS
    if operation.cancel_requested:
        return "Stopping after the call that is under way; what was done is read afresh"
    if operation.state == OperationState.CONFIRMED:
        return "Waiting for its turn"
    if operation.message:
        return operation.message.replace("\n", " ")
    if operation.state == OperationState.WAITING:
        return "Goes on in a moment"
    if _number(counts, *_TO_DO) == 0:
        return "Reading afresh whether it is so"
    if _number(counts, StepState.PENDING) == operation.count:
        return "Reading how things are now"
    return "Under way"


def _number(counts: Counts, *states: StepState) -> int:
    return sum(count for (state, _), count in counts.items() if state in states)


def _steps_a_second(operation: Operation, now: datetime) -> float | None:
    """The pace of the last minute, from the first call on that ended in it."""
    recent = operation.steps.filter(started_at__isnull=False, finished_at__gte=now - WINDOW)
    found = recent.aggregate(count=Count("pk"), since=Min("started_at"))
    if not found["count"]:
        return None
    seconds = (now - max(found["since"], now - WINDOW)).total_seconds()
    return found["count"] / seconds if seconds > 0 else None


def _seconds_to_go(
    operation: Operation, to_do: int, pace: float | None, allowed: TimeAllowed | None, now: datetime
) -> float | None:
    if operation.cancel_requested:
        return None
    if operation.state == OperationState.WAITING and operation.resume_at is not None:
        return max(0.0, (operation.resume_at - now).total_seconds())
    if not (pace and to_do):
        return None
    return max(to_do / pace, allowed.seconds if allowed is not None else 0.0)
