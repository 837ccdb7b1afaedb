"""Who holds an audit: executions take its parts, the last of them brings it to its end, or dies with it.

Every change here is conditional on the execution still holding it. A run that has ended stays held
until what follows has been done; so whatever a dead process left undone is found and done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from audits.announcements import tell_failure
from audits.codec import UnknownVersion, dump
from audits.models import AuditPart, AuditRun, PartState, RunState
from audits.observation import PlatformObservation
from audits.parts import parts_of
from audits.parts_custody import (
    MAX_ATTEMPTS,
    Key,
    give_back_parts,
    is_held,
    lay_out,
    let_go,
    locked,
    look_again,
    observation_of,
    put_back,
    recover_parts,
    take_parts,
)
from audits.remediation.follow_up import follow_up
from audits.reports import NOT_WRITTEN, store_reports
from members.clock import SharedNow, shared_now
from members.operations.owner import is_dead, new_owner
from members.platforms.types import Platform
from members.services import load_policy

log = structlog.get_logger(__name__)

ORPHANED_AFTER = timedelta(seconds=60)
"""A running audit whose heart has not beaten for this long has lost its process."""
FOLLOW_UP_TIME = timedelta(minutes=10)
"""What follows a run's end (files, additions, notices) is taken for lost after so long."""
FOLLOW_UP_TRIED_FOR = timedelta(days=1)
"""How long a database that refuses it is waited for."""


class AuditBusy(Exception):
    """The audit cannot be taken now: another one runs, or nothing of this one waits any more."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one execution holds of a run: parts to look at, or none: then it brings the run to its end."""

    run: AuditRun
    """Its `owner` is the name of the execution."""
    parts: Sequence[AuditPart]


def take(run_id: int, *, only: Key | None = None) -> Holding:
    """Make what waits of an audit this execution's own, or that part alone. Raises AuditBusy."""
    try:
        with transaction.atomic():
            run = locked(run_id)
            if run is None or run.finished:
                raise AuditBusy(f"Audit {run_id} is not waiting to be run.")
            if run.state == RunState.QUEUED:
                _open(run)
            return _take(run, only)
    except IntegrityError:
        raise AuditBusy("Another audit is running; try again when it has finished.") from None


def _open(run: AuditRun) -> None:
    """From now on it is the one that runs."""
    policy = load_policy()
    row = AuditRun.objects.filter(pk=run.pk)
    row.update(state=RunState.RUNNING, owner="", heartbeat_at=SharedNow())
    if not lay_out(run, policy):
        row.update(
            policy=dump(policy),
            started_at=SharedNow(),
            attempts=F("attempts") + 1,
            progress_label="",
            progress_percent=0,
            message="",
        )


def _take(run: AuditRun, only: Key | None) -> Holding:
    owner = new_owner()
    parts = take_parts(run, owner=owner, only=only)
    if not parts:
        over = run.parts.exists() and not run.parts.exclude(state__in=PartState.over()).exists()
        free = AuditRun.objects.filter(pk=run.pk, state=RunState.RUNNING, owner="")
        if not (over and free.update(owner=owner, heartbeat_at=SharedNow())):
            raise AuditBusy(f"Audit {run.pk} is not waiting to be run.")
    run.refresh_from_db()
    run.owner = owner
    return Holding(run, parts)


def held_by(run: AuditRun) -> QuerySet[AuditRun]:
    """The run's row, as long as the execution that `run` names brings it to its end."""
    return AuditRun.objects.filter(pk=run.pk, owner=run.owner, state=RunState.RUNNING)


@transaction.atomic
def hand_back(holding: Holding, why: str = "") -> None:
    """Others shall look at the parts that were not seen yet, through no fault of this execution."""
    give_back_parts(holding.run, holding.parts, why)


def seen_of(run: AuditRun) -> tuple[PlatformObservation, ...] | None:
    """What all parts of a run that is ours saw; None where that cannot be read, and the run waits again.

    Another version of the product may have written it.
    """
    seen, unreadable = [], []
    for part in sorted(run.parts.all(), key=_in_order):
        try:
            seen.append(observation_of(part))
        except UnknownVersion:
            unreadable.append(part)
    if not unreadable:
        return tuple(seen)
    with transaction.atomic():
        if (stored := locked(run.pk)) is not None and stored.owner == run.owner:
            look_again(unreadable)
            let_go(stored)
    log.warning("audit.seen_by_another_version", run=run.pk, parts=[part.name for part in unreadable])
    return None


def _in_order(part: AuditPart) -> tuple[int, str]:
    return list(Platform).index(Platform(part.platform)), part.connection


def end(run: AuditRun, state: RunState, message: str) -> None:
    """Bring a run to its end of which nothing was recorded, and let follow what follows.

    Nothing happens unless the execution that `run` names still holds it, or a part of it.
    """
    with transaction.atomic():
        stored = locked(run.pk)
        if stored is None or not (stored.owner == run.owner or run.parts.filter(owner=run.owner).exists()):
            return
        if not _close(stored, RunState.RUNNING, state=state, owner=run.owner, message=message):
            return
        tell_failure(AuditRun.objects.get(pk=run.pk))
    conclude(run)


def cancel_audit(*, run_id: int) -> bool:
    """Ask an audit to stop; one that nobody holds ends at once. False when it was finished already."""
    with transaction.atomic():
        run = locked(run_id)
        if run is None or run.finished:
            return False
        AuditRun.objects.filter(pk=run_id).update(cancel_requested=True)
        if run.state == RunState.RUNNING and is_held(run):
            return True
        state, owner = RunState(run.state), new_owner()
        _close(run, state, state=RunState.CANCELLED, owner=owner, heartbeat_at=SharedNow())
    conclude(AuditRun.objects.get(pk=run_id))
    return True


def _close(run: AuditRun, before: RunState, **values: Any) -> bool:
    """End a run that is in the state `before`. It is locked."""
    row = AuditRun.objects.filter(pk=run.pk, state=before)
    if not row.update(finished_at=SharedNow(), progress_label="", policy="", **values):
        return False
    run.parts.all().delete()
    return True


def conclude(run: AuditRun) -> None:
    """Do what follows the end of a run, and let go of it. Doing it twice does no harm.

    Its trouble is its own: the run has ended. Only what the database refuses is tried again later.
    """
    ended = AuditRun.objects.filter(pk=run.pk, owner=run.owner, state__in=RunState.ended())
    stored = ended.first()
    if stored is None:
        return
    try:
        if stored.recorded and not stored.narrow:
            _write_files(stored)
        follow_up(stored)
    except (OperationalError, InterfaceError) as error:  # the run stays ours, and is found as lost
        log.error("audit.follow_up_postponed", run=run.pk, error=str(error))
        if stored.finished_at is None or timezone.now() - stored.finished_at < FOLLOW_UP_TRIED_FOR:
            return
    except Exception:
        log.exception("audit.follow_up_failed", run=run.pk)
    ended.update(owner="")


def _write_files(run: AuditRun) -> None:
    try:
        store_reports(run_id=run.pk)
    except OSError as error:  # the outcome is safe already; the files can be written again
        log.error("audit.reports_failed", run=run.pk, error=str(error))
        lines = [*run.message.splitlines(), f"{NOT_WRITTEN}: {error.strerror}."]
        run.message = "\n".join(dict.fromkeys(lines))
        run.save(update_fields=["message"])


def recover_audits(*, now: datetime | None = None, at_once: bool = False) -> list[int]:
    """Take up what dead processes left behind. Returns the ids of all of which something waits, oldest first.

    `now` is by the clock that all processes share; it is asked where nobody says what time it is there.

    A running audit of which nobody takes the rest gives way to others after a minute, or `at_once`.
    An audit only reads, so looking again at a part repeats nothing that matters.
    """
    now = now or shared_now()
    for run in AuditRun.objects.filter(state=RunState.RUNNING):
        with transaction.atomic():
            recover_parts(run, silent_since=now - ORPHANED_AFTER)
            _make_way(run, silent_since=now if at_once else now - ORPHANED_AFTER)
        run.refresh_from_db()
        if (
            run.state == RunState.RUNNING
            and run.owner
            and _is_lost(run, now - ORPHANED_AFTER)
            and _adopt(run)
        ):
            _take_back(run)
    for run in AuditRun.objects.filter(state=RunState.QUEUED, cancel_requested=True):
        cancel_audit(run_id=run.pk)  # nobody was left to notice
    for run in AuditRun.objects.filter(state__in=RunState.ended()).exclude(owner=""):
        if _is_lost(run, now - FOLLOW_UP_TIME) and _adopt(run):
            log.warning("audit.follow_up_again", run=run.pk)
            conclude(run)
    waiting = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, parts__state=PartState.QUEUED)
    return list(AuditRun.objects.filter(waiting).order_by("pk").values_list("pk", flat=True).distinct())


def _make_way(run: AuditRun, *, silent_since: datetime) -> None:
    """Put a run back of which nobody has taken what is left."""
    stored = locked(run.pk)
    if stored is None or stored.state != RunState.RUNNING or is_held(stored):
        return
    if stored.heartbeat_at is None or stored.heartbeat_at <= silent_since:
        put_back(stored)


def waiting_parts(run_id: int) -> list[Key]:
    """The parts of an unfinished audit that nobody looks at; none where all were seen."""
    run = AuditRun.objects.get(pk=run_id)
    if not run.parts.exists():
        return [
            (str(platform), key) for platform, key in parts_of([Platform(name) for name in run.platforms])
        ]
    return list(run.parts.filter(state=PartState.QUEUED).values_list("platform", "connection"))


def _take_back(run: AuditRun) -> None:
    """Of a run whose parts were all seen, the one who had begun to end it is dead."""
    if run.attempts >= MAX_ATTEMPTS:
        end(run, RunState.FAILED, f"Given up: the process died {run.attempts} times while it ran.")
    elif held_by(run).update(
        state=RunState.QUEUED, owner="", attempts=F("attempts") + (1 if run.parts.exists() else 0)
    ):
        log.warning("audit.requeued", run=run.pk, attempts=run.attempts)


def _is_lost(run: AuditRun, silent_since: datetime) -> bool:
    """Whether the execution that holds the run is dead, or gave no sign of life for too long."""
    return run.heartbeat_at is None or run.heartbeat_at < silent_since or is_dead(run.owner)


def _adopt(run: AuditRun) -> bool:
    """Make it ours, if nothing was heard of it meanwhile."""
    same = AuditRun.objects.filter(pk=run.pk, state=run.state, owner=run.owner, heartbeat_at=run.heartbeat_at)
    run.owner = new_owner()
    return bool(same.update(owner=run.owner, heartbeat_at=SharedNow()))
