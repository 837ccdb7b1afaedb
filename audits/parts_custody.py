"""Who holds the parts of a running audit: taken, kept, stored, given back or lost one by one.

Every change is conditional on the execution still holding the part, and made under the lock of the run's row:
so two who come at the same time see each other, and the last part of a run is the last for one of them only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.db.models import F, QuerySet

from audits.codec import UnknownVersion, load
from audits.models import AuditPart, AuditRun, PartState, RunState
from audits.observation import PlatformObservation, Trouble
from audits.parts import name_of, parts_of
from audits.progress import ProgressView, together
from audits.record import RunLost
from members.clock import SharedNow, shared_now
from members.operations.owner import is_dead
from members.platforms.types import Platform
from members.policy import Policy

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 3
"""So many processes may die while they look at a part, or bring a run to its end."""
KEPT_FOR = timedelta(hours=1)
"""A part that was seen longer ago is looked at again before the run comes to its end."""

Key = tuple[str, str]


class Cancelled(Exception):
    """Somebody asked the audit to stop."""


def locked(run_id: int) -> AuditRun | None:
    """The run, its row locked until the transaction ends."""
    return AuditRun.objects.select_for_update().filter(pk=run_id).first()


def lay_out(run: AuditRun, policy: Policy) -> bool:
    """Make the rows of a waiting run's parts, as the connections are now. The run is locked.

    True when it goes on, because something that was seen of it earlier still counts. Nothing does where
    `policy`, which is the one by now, says something else than the one by which they looked.
    """
    wanted = parts_of([Platform(name) for name in run.platforms])
    stored = {(part.platform, part.connection): part for part in run.parts.all()}
    gone = [part.pk for key, part in stored.items() if key not in wanted]
    run.parts.filter(pk__in=gone).delete()
    AuditPart.objects.bulk_create(
        AuditPart(run=run, platform=platform, connection=connection, name=name_of(platform, connection))
        for platform, connection in wanted
        if (platform, connection) not in stored
    )
    run.parts.filter(state=PartState.RUNNING).update(state=PartState.QUEUED, owner="")  # of nobody any more
    over = run.parts.filter(state__in=PartState.over())
    same = _says_the_same(run.policy, policy)
    look_again(part for part in over if not same or _is_outdated(part))
    return over.all().exists()  # asked anew


def look_again(parts: Iterable[AuditPart]) -> None:
    """Forget what was seen of these parts: they wait again."""
    keys = [part.pk for part in parts]
    AuditPart.objects.filter(pk__in=keys).update(
        state=PartState.QUEUED, attempts=0, observation="", message="", ended_at=None
    )


def take_parts(run: AuditRun, *, owner: str, only: Key | None = None) -> list[AuditPart]:
    """Make parts that wait this execution's own: all, or the one of a connection. The run is locked."""
    waiting = run.parts.filter(state=PartState.QUEUED)
    if only is not None:
        waiting = waiting.filter(platform=only[0], connection=only[1])
    waiting.update(
        state=PartState.RUNNING,
        owner=owner,
        heartbeat_at=SharedNow(),
        attempts=F("attempts") + 1,
        progress_label="",
        progress_percent=0,
    )
    return list(run.parts.filter(owner=owner))


def held(part: AuditPart) -> QuerySet[AuditPart]:
    """The part's row, as long as the execution that `part` names holds it."""
    return AuditPart.objects.filter(pk=part.pk, owner=part.owner, state=PartState.RUNNING)


def is_held(run: AuditRun) -> bool:
    """Whether somebody looks at a part of a running audit, or brings it to its end."""
    return bool(run.owner) or run.parts.filter(state=PartState.RUNNING).exists()


def keep_parts(run: AuditRun, views: Mapping[AuditPart, ProgressView]) -> ProgressView:
    """Renew our hold on these parts and show how far each is; how far the whole run is. Raises RunLost."""
    for part, view in views.items():
        if not held(part).update(
            heartbeat_at=SharedNow(), progress_label=view.label[:255], progress_percent=view.percent
        ):
            raise RunLost(f"{part} was taken over.")
    whole = overview(run)
    running = AuditRun.objects.filter(pk=run.pk, state=RunState.RUNNING)
    if not running.update(
        heartbeat_at=SharedNow(), progress_label=whole.label[:255], progress_percent=whole.percent
    ):
        raise RunLost(f"{run} was taken over.")
    return whole


def overview(run: AuditRun) -> ProgressView:
    """How far the run is: where each of its parts is."""
    return together(_view(part) for part in run.parts.defer("observation"))


def store_part(run: AuditRun, part: AuditPart, observation: str) -> bool:
    """Keep what was seen of a part; whether that was the last one, and the run is ours to be ended.

    Call it inside a transaction. Raises RunLost, and Cancelled when somebody asked for that meanwhile.
    """
    stored = locked(run.pk)
    if stored is None or not held(part).update(
        state=PartState.SEEN, owner="", ended_at=SharedNow(), observation=observation
    ):
        raise RunLost(f"{part} was taken over.")
    if stored.cancel_requested:
        raise Cancelled
    return let_go(stored, heir=run.owner)


def give_back_parts(run: AuditRun, parts: Sequence[AuditPart], why: str) -> None:
    """Others shall look at them, through no fault of this execution. Call it inside a transaction."""
    stored = locked(run.pk)
    given = [
        held(part).update(state=PartState.QUEUED, owner="", attempts=F("attempts") - 1) for part in parts
    ]
    if stored is None or not any(given) or is_held(stored):
        return
    put_back(stored)
    row = AuditRun.objects.filter(pk=run.pk)
    row.update(message=why)
    if not stored.parts.filter(state__in=PartState.over()).exists():
        row.update(attempts=F("attempts") - 1)  # as if it had not been begun


def recover_parts(run: AuditRun, *, silent_since: datetime) -> None:
    """Have others look at the parts whose executions are dead, or gave no sign of life for too long.

    Call it inside a transaction.
    """
    stored = locked(run.pk)
    if stored is None or stored.state != RunState.RUNNING:
        return
    lost = [
        part
        for part in stored.parts.filter(state=PartState.RUNNING)
        if part.heartbeat_at is None or part.heartbeat_at < silent_since or is_dead(part.owner)
    ]
    for part in lost:
        if part.attempts < MAX_ATTEMPTS:
            held(part).update(state=PartState.QUEUED, owner="")
        else:
            why = f"Given up: the process died {part.attempts} times while it looked."
            held(part).update(state=PartState.FAILED, owner="", message=why, ended_at=SharedNow())
        log.warning("audit.part_lost", run=run.pk, part=part.name, attempts=part.attempts)
    if lost:
        let_go(stored)


def let_go(run: AuditRun, *, heir: str = "") -> bool:
    """See what becomes of a run after one of its parts was let go of. The run is locked.

    When nothing is left to look at, it belongs to `heir`, who brings it to its end: then True. When something
    was seen already it goes on running for a moment: those who take the other parts are on their way.
    """
    states = set(run.parts.values_list("state", flat=True))
    row = AuditRun.objects.filter(pk=run.pk)
    if PartState.RUNNING in states:
        return False
    if heir and PartState.QUEUED not in states:
        row.update(owner=heir, heartbeat_at=SharedNow())
        return True
    if states.isdisjoint(PartState.over()) or PartState.QUEUED not in states:
        put_back(run)
        return False
    view = overview(run)
    row.update(
        owner="",
        heartbeat_at=SharedNow(),
        progress_label=view.label[:255],
        progress_percent=view.percent,
    )
    return False


def put_back(run: AuditRun) -> None:
    """Into the queue: other audits may run before it goes on. The run is locked, and nobody holds it."""
    begun = run.parts.filter(state__in=PartState.over()).exists()
    view = overview(run) if begun else ProgressView("", 0)
    AuditRun.objects.filter(pk=run.pk, state=RunState.RUNNING).update(
        state=RunState.QUEUED, owner="", progress_label=view.label[:255], progress_percent=view.percent
    )


def observation_of(part: AuditPart) -> PlatformObservation:
    """What was seen of a part; of one that failed, only why. Raises UnknownVersion."""
    if part.state == PartState.FAILED:
        trouble = Trouble("given_up", part.message)
        return PlatformObservation(Platform(part.platform), part.connection, trouble=trouble)
    return load(PlatformObservation, part.observation)


def _says_the_same(kept: str, policy: Policy) -> bool:
    """Whether people have decided nothing else since; accounts that audits have learnt do not count."""
    try:
        before = load(Policy, kept)
    except UnknownVersion:
        return False
    return _without_accounts(before) == _without_accounts(policy)


def _without_accounts(policy: Policy) -> Policy:
    people = (replace(person, handles={}, elsewhere={}) for person in policy.people)
    return replace(policy, people=tuple(people))


def _is_outdated(part: AuditPart) -> bool:
    """Whether it ended long ago, or another audit has looked at the same platform since."""
    if part.ended_at is None or part.ended_at < shared_now() - KEPT_FOR:
        return True
    # Its last sign of life was when all had been seen; its end is by the clock of some machine.
    since = AuditRun.objects.filter(
        heartbeat_at__gte=part.ended_at, state__in=(RunState.COMPLETE, RunState.PARTIAL)
    )
    return any(part.platform in platforms for platforms in since.values_list("platforms", flat=True))


def _view(part: AuditPart) -> ProgressView:
    match part.state:
        case PartState.QUEUED:
            return ProgressView(f"{part.name}: waiting for a worker", 0)
        case PartState.SEEN:
            return ProgressView(f"{part.name}: done", 100)
        case PartState.FAILED:
            return ProgressView(f"{part.name}: {part.message}", 100)
        case _:
            return ProgressView(part.progress_label or f"{part.name}: starting", part.progress_percent)
